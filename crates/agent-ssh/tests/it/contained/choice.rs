//! Which container a session runs in, what is asked for there, and what is refused.

use std::sync::{Arc, atomic::Ordering};

use agent_exec::Size;
use agent_ssh::{ContainerTerminal, MagicType, SessionError, SessionLabels};
use agent_ssh_protocol::wire::Put;

use super::{fleet::Fleet, session, world};
use crate::{
    doors::{authorize, enter},
    harness::{Heard, World, soon},
};

#[tokio::test]
async fn a_command_runs_where_its_client_wants_it_and_gets_what_the_client_sent() {
    let (world, fleet) = world();
    let client = world.client().await;
    let session = client.session().await;
    for (name, value) in [
        ("CODER_CONTAINER", "other"),
        ("WORKSPACE_CONTAINER", "4f66ad"),
        ("CODER_CONTAINER_USER", "me"),
        ("LANG", "de_DE.UTF-8"),
        ("A", "1"),
        ("A", "2"),
    ] {
        assert!(session.variable(name, value).await);
    }
    let text = "echo $INSIDE $A ${WORKSPACE_CONTAINER-none} ${SSH_CONNECTION-none}; exit 3";
    assert!(session.exec(text).await);
    session.heard().await.check("4f66ad 2 none none\n", 3);
    let asked = fleet.only();
    assert_eq!(asked.text.as_deref(), Some(text.as_bytes()));
    assert_eq!((asked.user.as_deref(), asked.terminal), (Some("me"), None));
    let variables = [("A".into(), "2".into()), ("LANG".into(), "de_DE.UTF-8".into())];
    assert_eq!(asked.variables, variables);
}

#[tokio::test]
async fn a_shell_is_asked_for_without_a_text() {
    let (world, fleet) = world();
    let client = world.client().await;
    for request in ["shell", "exec"] {
        let session = session(&client).await;
        assert!(session.ask(request, |payload| payload.put_string(b"")).await);
        session.write("echo $INSIDE\n").await;
        session.0.output.eof();
        session.heard().await.check("web\n", 0);
        assert_eq!(fleet.only().text, None);
    }
}

#[tokio::test]
async fn a_terminal_is_asked_for_exactly_when_the_client_has_one() {
    let (world, fleet) = world();
    let client = world.client().await;
    let script = "tty > /dev/null && echo $TERM && stty size";
    let terminal = |term: &str, size| Some(ContainerTerminal { size, term: term.into() });
    let size = Size { rows: 50, cols: 100, width_pixels: 7, height_pixels: 8 };
    for (term, shown) in [("vt100", "vt100\r\n50 100\r\n"), ("", "\r\n50 100\r\n")] {
        let session = session(&client).await;
        assert!(session.terminal_of(term, [100, 50, 7, 8], &[]).await);
        assert!(session.exec(script).await);
        session.heard().await.check(shown, 0);
        assert_eq!(fleet.only().terminal, terminal(term, size));
    }
    let session = session(&client).await;
    assert!(session.terminal_of("x", [0, 0, 0, 0], &[]).await);
    session.send("window-change", |payload| {
        [120, 40, 0, 0].iter().for_each(|number| payload.put_u32(*number));
    });
    assert!(session.exec("stty size").await);
    session.heard().await.check("40 120\r\n", 0);
    assert_eq!(fleet.only().terminal, terminal("x", Size::new(40, 120)));
    let session = super::session(&client).await;
    assert!(session.exec("tty").await);
    assert_eq!(session.heard().await.status, Some(1));
    assert_eq!(fleet.only().terminal, None);
}

#[tokio::test]
async fn without_containers_the_session_runs_on_the_host_and_sees_nothing_of_it() {
    let (off, fleet) = world();
    fleet.is_off.store(true, Ordering::Relaxed);
    for world in [World::new(), off] {
        let session = session(&world.client().await).await;
        assert!(session.variable("CODER_CONTAINER_USER", "me").await);
        let text = "echo ${INSIDE-host} ${WORKSPACE_CONTAINER-none} ${CODER_CONTAINER_USER-none} \
                    ${WORKSPACE_CONTAINER_USER-none}";
        assert!(session.exec(text).await);
        session.heard().await.check("host none none none\n", 0);
    }
    assert_eq!(*fleet.asked.lock(), []);
}

#[tokio::test]
async fn a_user_alone_and_an_empty_name_mean_the_host() {
    let (world, fleet) = world();
    let client = world.client().await;
    for (name, value) in [("WORKSPACE_CONTAINER_USER", "me"), ("WORKSPACE_CONTAINER", "")] {
        let session = client.session().await;
        assert!(session.variable(name, value).await);
        assert!(session.exec("echo ${INSIDE-host}").await);
        session.heard().await.check("host\n", 0);
    }
    assert_eq!(*fleet.asked.lock(), []);
}

#[tokio::test]
async fn what_cannot_be_entered_is_told_and_counted() {
    let (world, _fleet) = world();
    let client = world.client().await;
    for (container, user, reason) in [
        ("nowhere", "", "container `nowhere` not found"),
        ("old", "", "container `old` is not running"),
        ("web", "ghost", "there is no user `ghost`"),
    ] {
        let session = client.session().await;
        assert!(session.variable("WORKSPACE_CONTAINER", container).await);
        assert!(session.variable("WORKSPACE_CONTAINER_USER", user).await);
        assert!(session.exec("echo no").await);
        session.heard().await.check_failure(229, reason);
    }
    let session = client.session().await;
    assert!(session.variable("CODER_CONTAINER", "old").await);
    assert!(session.terminal("xterm").await);
    assert!(session.ask("shell", |_| {}).await);
    session.heard().await.check("agentd: container `old` is not running\r\n", 229);
    let session = super::session(&client).await;
    assert!(session.exec("#!\n").await);
    session.heard().await.check_failure(229, "`#!` names no interpreter");
    let labels = |pty| SessionLabels { magic_type: MagicType::Ssh, pty };
    let expected = [
        ((labels(false), SessionError::ContainerEnvInfo), 3),
        ((labels(false), SessionError::CreateCommand), 1),
        ((labels(true), SessionError::ContainerEnvInfo), 1),
    ];
    assert_eq!(world.ssh.statistics().sessions_errors_total, expected.into());
}

#[tokio::test]
async fn sftp_does_not_enter_a_container_and_a_blocked_transfer_is_blocked_first() {
    let (world, fleet) = world();
    let client = world.client().await;
    let subsystem = async |name: &str| {
        let session = session(&client).await;
        assert!(session.ask("subsystem", |payload| payload.put_string(name.as_bytes())).await);
        session.heard().await
    };
    subsystem("sftp").await.check_failure(1, "SFTP in a container is not supported");
    subsystem("other").await.check_failure(1, "unsupported subsystem \"other\"");
    let key = authorize(&world, r#"command="internal-sftp" "#);
    let forced = enter(&world, key).await.unwrap();
    let session = session(&forced).await;
    assert!(session.exec("date").await);
    session.heard().await.check_failure(1, "SFTP in a container is not supported");
    assert_eq!(world.ssh.statistics().sftp_connections_total, 0);

    let blocked = World::with(|config| config.allow_file_transfer = false);
    let blocked = blocked.with_containers(fleet.clone());
    let client = blocked.client().await;
    let sftp = |payload: &mut Vec<u8>| payload.put_string(b"sftp");
    let session = super::session(&client).await;
    assert!(session.ask("subsystem", sftp).await);
    session.heard().await.check("", 65);
    let session = super::session(&client).await;
    assert!(session.exec("rsync --server").await);
    session.heard().await.check("\u{2}file transfer is disabled\n", 65);
    assert_eq!(*fleet.asked.lock(), []);
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn a_forced_command_runs_in_the_container_and_knows_what_was_asked() {
    let (world, fleet) = world();
    let script = r#"command="echo $INSIDE ${SSH_ORIGINAL_COMMAND-none} ${X-none}" "#;
    let client = enter(&world, authorize(&world, script)).await.unwrap();
    let session = session(&client).await;
    assert!(!session.variable("X", "1").await);
    assert!(session.exec("rm -rf /x").await);
    session.heard().await.check("web rm -rf /x none\n", 0);
    let original = [("SSH_ORIGINAL_COMMAND".into(), "rm -rf /x".into())];
    assert_eq!(fleet.only().variables, original);
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn a_forced_command_that_is_empty_is_no_shell_in_a_container_either() {
    let (world, _fleet) = world();
    let client = enter(&world, authorize(&world, r#"command="" "#)).await.unwrap();
    let session = session(&client).await;
    assert!(session.ask("shell", |_| {}).await);
    session.write("echo a shell\n").await;
    assert_eq!(session.heard().await, Heard { status: Some(0), ..Heard::default() });
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn neither_the_agent_s_socket_nor_a_display_enters_a_container() {
    let (world, fleet) = world();
    let session = session(&world.client().await).await;
    assert!(session.ask("auth-agent-req@openssh.com", |_| {}).await);
    let x11 = |payload: &mut Vec<u8>| {
        payload.put_bool(false);
        payload.put_string(b"MIT-MAGIC-COOKIE-1");
        payload.put_string(b"00112233445566778899aabbccddeeff");
        payload.put_u32(0);
    };
    assert!(session.ask("x11-req", x11).await);
    assert!(session.exec("echo ${SSH_AUTH_SOCK-none} ${DISPLAY-none} ${XAUTHORITY-none}").await);
    session.heard().await.check("none none none\n", 0);
    assert_eq!(fleet.only().variables, []);
    assert!(!world.path("home/.Xauthority").exists());
    assert!(!world.path("state/run/ssh-agent.sock").exists());
}

#[tokio::test]
async fn banners_greet_a_shell_on_a_terminal_in_a_container_too() {
    let world = World::with(|config| {
        config.banner_files = vec![config.state_dir.join("banner")];
    });
    let world = world.with_containers(Arc::new(Fleet::default()));
    std::fs::write(world.path("state/banner"), "welcome\n").unwrap();
    let client = world.client().await;
    let mut session = session(&client).await;
    assert!(session.terminal("xterm").await);
    assert!(session.ask("shell", |_| {}).await);
    assert_eq!(session.read_until("welcome\r\n\r\n").await, "welcome\r\n\r\n");
    session.write("exit 4\n").await;
    assert_eq!(session.heard().await.status, Some(4));
}
