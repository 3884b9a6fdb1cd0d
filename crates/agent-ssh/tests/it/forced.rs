//! Forced commands and what else a key may not.

use agent_ssh_protocol::wire::Put;

use crate::{
    doors::{authorize, enter},
    harness::{World, soon},
};

#[tokio::test]
async fn a_forced_command_runs_whatever_is_asked_for() {
    let world = World::new();
    let script = r#"command="echo forced ${SSH_ORIGINAL_COMMAND-none}" "#;
    let client = enter(&world, authorize(&world, script)).await.unwrap();
    client.exec("rm -rf /x").await.check("forced rm -rf /x\n", 0);
    for (request, name, expected) in
        [("shell", None, "forced none\n"), ("subsystem", Some("sftp"), "forced sftp\n")]
    {
        let session = client.session().await;
        let write = |payload: &mut Vec<u8>| {
            if let Some(name) = name {
                payload.put_string(str::as_bytes(name));
            }
        };
        assert!(session.ask(request, write).await);
        session.heard().await.check(expected, 0);
    }
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn a_forced_command_is_not_changed_by_the_client_s_variables() {
    let world = World::new();
    std::fs::write(world.path("evil"), "echo owned; exit 0").unwrap();
    let evil = world.path("evil");
    let script = r#"command="/bin/bash -c 'ls /dev/null; echo $LC_TEST$TZ'" "#;
    let client = enter(&world, authorize(&world, script)).await.unwrap();
    let session = client.session().await;
    for (name, value, is_taken) in [
        ("BASH_FUNC_ls%%", "() { echo owned; }", false),
        ("BASH_ENV", evil.to_str().unwrap(), false),
        ("ENV", evil.to_str().unwrap(), false),
        ("SSH_ORIGINAL_COMMAND", "owned", false),
        ("LC_TEST", "lc", true),
        ("TZ", "UTC", true),
    ] {
        assert_eq!(session.variable(name, value).await, is_taken, "{name}");
    }
    assert!(session.ask("shell", |_| {}).await);
    session.heard().await.check("/dev/null\nlcUTC\n", 0);
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn a_forced_command_gets_no_signals_and_no_greeting() {
    let world = World::with(|config| config.motd_file = Some("/etc/passwd".into()));
    let key = authorize(&world, r#"command="echo ready; read line; echo $line" "#);
    let client = enter(&world, key).await.unwrap();
    let mut session = client.session().await;
    assert!(session.terminal_of("xterm", [80, 24, 0, 0], &[53, 0, 0, 0, 0, 0]).await);
    assert!(session.ask("shell", |_| {}).await);
    assert_eq!(session.read_until("ready\r\n").await, "ready\r\n");
    assert!(!session.ask("signal", |payload| payload.put_string(b"KILL")).await);
    session.write("spared\n").await;
    let heard = session.heard().await;
    assert_eq!((heard.output.as_str(), heard.status), ("spared\r\n", Some(0)));
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn a_forced_transfer_is_blocked_too() {
    let world = World::with(|config| config.allow_file_transfer = false);
    let key = authorize(&world, r#"command="internal-sftp" "#);
    let client = enter(&world, key).await.unwrap();
    client.exec("echo hi").await.check("", 65);
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn a_key_without_features_is_refused_them_and_runs_commands() {
    let world = World::new();
    let client = enter(&world, authorize(&world, "restrict ")).await.unwrap();
    let session = client.session().await;
    assert!(!session.terminal("xterm").await);
    assert!(!session.ask("auth-agent-req@openssh.com", |_| {}).await);
    let x11 = |payload: &mut Vec<u8>| {
        payload.put_bool(false);
        payload.put_string(b"MIT-MAGIC-COOKIE-1");
        payload.put_string(b"00112233445566778899aabbccddeeff");
        payload.put_u32(0);
    };
    assert!(!session.ask("x11-req", x11).await);
    assert!(session.exec("echo ${SSH_AUTH_SOCK-none} ${DISPLAY-none}").await);
    session.heard().await.check("none none\n", 0);
    soon(world.ssh.shutdown()).await;
}
