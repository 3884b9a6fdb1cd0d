//! What runs for which request.

use agent_ssh_protocol::wire::Put;

use crate::harness::{Heard, World, soon};

#[tokio::test]
async fn a_text_runs_in_the_shell_unchanged() {
    let world = World::new();
    let client = world.client().await;
    client.exec("echo hello").await.check("hello\n", 0);
    client.exec("echo \"a  b\" 'c'; exit 3").await.check("a  b c\n", 3);
    client
        .exec("cat /proc/$$/cmdline | tr '\\0' '|'")
        .await
        .check("/bin/sh|-c|cat /proc/$$/cmdline | tr '\\0' '|'|", 0);
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_the_shell_s_matter() {
    let heard = World::new().client().await.exec_on_terminal("areallynotrealcommand").await;
    assert_eq!(heard.status, Some(127));
    assert!(heard.output.contains("areallynotrealcommand"), "{heard:?}");
    assert_eq!(heard.errors, "");
}

#[tokio::test]
async fn a_text_may_name_its_interpreter() {
    let world = World::new();
    let client = world.client().await;
    client.exec("#!/bin/bash\n\t\techo test").await.check("test\n", 0);
    client.exec("#!/usr/bin/env python3\nprint(6*7)").await.check("42\n", 0);
    client.exec(" \n#! sh -u\necho $#").await.check("0\n", 0);
}

#[tokio::test]
async fn what_cannot_be_run_says_why_with_status_229() {
    let world = World::new();
    let client = world.client().await;
    client.exec("#!/no/such/interp\nx").await.check_failure(229, "/no/such/interp");
    client.exec("#!").await.check_failure(229, "interpreter");
    client.exec("#!sh 'x\n").await.check_failure(229, "quote");
    client.exec("#!''\nx").await.check_failure(229, "cannot be executed");
    client.exec("echo \0").await.check_failure(229, "NUL");
    client.exec(&" ".repeat(131_072)).await.check_failure(229, "131071");
    client.exec(&format!("true #{}", "x".repeat(131_065))).await.check("", 0);
}

#[tokio::test]
async fn on_a_terminal_a_failure_is_shown_there() {
    let heard = World::new().client().await.exec_on_terminal("#!/no/such/interp\nx").await;
    assert_eq!((heard.status, heard.errors.as_str()), (Some(229), ""));
    assert!(heard.output.starts_with("agentd: ") && heard.output.ends_with("\r\n"), "{heard:?}");
    assert!(heard.output.contains("/no/such/interp"));
}

#[tokio::test]
async fn a_shell_is_a_login_shell_and_so_is_an_empty_command() {
    let world = World::new();
    std::fs::write(world.path("home/.profile"), "echo profile\n").unwrap();
    let client = world.client().await;
    for (name, has_text) in [("shell", false), ("exec", true)] {
        let session = client.session().await;
        let text = |payload: &mut Vec<u8>| {
            if has_text {
                payload.put_string(b"");
            }
        };
        assert!(session.ask(name, text).await);
        session.write("echo hi; exit 4\n").await;
        session.0.output.eof();
        session.heard().await.check("profile\nhi\n", 4);
    }
}

#[tokio::test]
async fn a_command_starts_in_the_directory_if_it_is_there_and_else_at_home() {
    let world = World::new();
    let client = world.client().await;
    let (home, work) = (world.path("home"), world.path("work"));
    client.exec("pwd").await.check(&format!("{}\n", home.display()), 0);
    std::fs::create_dir(&work).unwrap();
    client.exec("pwd").await.check(&format!("{}\n", work.display()), 0);
    std::fs::remove_dir(&work).unwrap();
    std::fs::remove_dir(&home).unwrap();
    client.exec("pwd").await.check("/\n", 0);
}

#[tokio::test]
async fn a_command_has_a_session_of_its_own_and_three_descriptors() {
    let world = World::new();
    let script = "cut -d' ' -f1,5,6 /proc/$$/stat; ls /proc/$$/fd; umask";
    let heard = world.exec(script).await;
    let lines: Vec<&str> = heard.output.lines().collect();
    let ids: Vec<&str> = lines[0].split(' ').collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "{heard:?}");
    assert_eq!(lines[1..lines.len() - 1], ["0", "1", "2"]);
}

#[tokio::test]
async fn a_subsystem_nobody_knows_is_named_in_the_errors() {
    let world = World::new();
    let session = world.client().await.session().await;
    assert!(session.ask("subsystem", |payload| payload.put_string(b"netconf")).await);
    let heard = session.heard().await;
    let errors = "agentd: unsupported subsystem \"netconf\"\n".to_owned();
    let before = errors.len();
    let expected = Heard { errors, before, status: Some(1), ..Heard::default() };
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn blocked_transfers_end_with_status_65() {
    let world = World::with(|config| config.allow_file_transfer = false);
    let client = world.client().await;
    for text in ["rsync --server", "/usr/bin/scp -t x", "nc -l 1", "'sftp' x"] {
        client.exec(text).await.check("\u{2}file transfer is disabled\n", 65);
    }
    client.exec("sh -c 'echo rsync'").await.check("rsync\n", 0);
    let session = client.session().await;
    assert!(session.ask("subsystem", |payload| payload.put_string(b"sftp")).await);
    session.heard().await.check("", 65);
    let session = client.session().await;
    assert!(session.ask("shell", |_| {}).await);
    session.write("exit 5\n").await;
    session.heard().await.check("", 5);
}

#[tokio::test]
async fn many_sessions_of_one_connection_run_beside_each_other() {
    let world = World::new();
    let client = world.client().await;
    let mut sessions = Vec::new();
    for number in 0..40 {
        let session = client.session().await;
        assert!(session.exec(&format!("read line; echo {number} $line")).await);
        sessions.push(session);
    }
    for (number, session) in sessions.into_iter().enumerate().rev() {
        session.write("x\n").await;
        session.heard().await.check(&format!("{number} x\n"), 0);
    }
    soon(world.ssh.shutdown()).await;
}
