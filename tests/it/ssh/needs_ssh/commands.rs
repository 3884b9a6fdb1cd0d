//! Commands, shells and terminals through OpenSSH's client.

use agent_tests::{SshDaemon, finish};

/// The command, and what it prints and ends with.
async fn check(agent: &SshDaemon, command: &str, stdout: &str, code: i32) {
    let output = agent.run(command).await;
    assert_eq!((output.text().as_str(), output.code), (stdout, code), "{command}: {output:?}");
}

#[tokio::test]
async fn a_command_runs_and_its_status_comes_back() {
    let agent = SshDaemon::start(&[]).await;
    check(&agent, "echo hello", "hello\n", 0).await;
    check(&agent, "exit 7", "", 7).await;
    check(&agent, "printf a; printf b >&2; exit 255", "a", 255).await;
    check(&agent, "areallynotrealcommand", "", 127).await;
    // The client's word for a command that a signal ended.
    check(&agent, "kill -9 $$", "", 255).await;
    check(&agent, "#!/bin/bash\n\t\techo test", "test\n", 0).await;
    check(&agent, "#!/usr/bin/env python3\nprint(6*7)", "42\n", 0).await;
    check(&agent, "#!", "", 229).await;
    let output = agent.run("#!/no/such/interp\nx").await;
    assert_eq!(output.code, 229);
    assert!(output.stderr.contains("/no/such/interp"), "{}", output.stderr);
}

#[tokio::test]
async fn streams_are_apart_and_input_ends() {
    let agent = SshDaemon::start(&[]).await;
    let output = agent.run("echo out; echo err >&2").await;
    assert_eq!((output.text().as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    let output = agent.run_with(&[], "cat; echo end", b"some\ninput").await;
    assert_eq!(output.text(), "some\ninputend\n");
    let output = agent.run_with(&["-T"], "", b"echo hi; exit 3\n").await;
    assert_eq!((output.text().as_str(), output.code), ("hi\n", 3), "a shell without a terminal");
}

#[tokio::test]
async fn a_terminal_has_its_name_size_and_modes() {
    let agent = SshDaemon::start(&[]).await;
    let tty = ["-tt", "-o", "SetEnv=TERM=vt100"];
    let output =
        agent.run_with(&tty, "echo $TERM; test \"$SSH_TTY\" = \"$(tty)\" && echo same", b"").await;
    assert!(output.text().contains("same\r\n"), "{output:?}");
    let output = agent.run_with(&["-tt"], "areallynotrealcommand", b"").await;
    assert_eq!(output.code, 127, "{output:?}");
    let output = agent.run_with(&["-tt"], "cat", b"typed\n\x04").await;
    assert_eq!(output.text(), "typed\r\ntyped\r\n", "echoed by the terminal, then by the program");
}

#[tokio::test]
async fn the_environment_is_the_protocol_s() {
    let agent = SshDaemon::start(&[]).await;
    let send = ["-o", "SetEnv=MY_SESSION=true LANG=de_DE.UTF-8 USER=other LD_PRELOAD=x AGENTD_X=y"];
    let command = "echo $MY_SESSION $LANG $USER ${LD_PRELOAD-none} ${AGENTD_X-none} $WORKSPACE_AGENT; \
                   echo $SSH_CONNECTION | cut -d' ' -f1,3,4; env | cut -d= -f1 | sort | uniq -d";
    let output = agent.run_with(&send, command, b"").await;
    let text = output.text();
    let (first, rest) = text.split_once('\n').unwrap();
    let words: Vec<&str> = first.split(' ').collect();
    assert_eq!(
        (words[0], words[1], &words[3..]),
        ("true", "de_DE.UTF-8", &["none", "none", "true"][..])
    );
    assert_ne!(words[2], "other");
    assert_eq!(rest, format!("127.0.0.1 127.0.0.1 {}\n", agent.port()), "no name occurs twice");
}

#[tokio::test]
async fn many_sessions_share_a_connection() {
    let agent = SshDaemon::start(&[]).await;
    let control = agent.path("control");
    let control = control.to_str().unwrap();
    let mut master = agent.ssh(&["-M", "-N", "-f", "-S", control]);
    assert!(master.status().await.unwrap().success(), "the shared connection is up");
    let sessions = (0..20).map(|number| {
        let mut command = agent.ssh(&["-S", control]);
        command.arg(format!("echo {number}; exit {number}"));
        finish(command, b"")
    });
    let outputs = futures_util::future::join_all(sessions).await;
    for (number, output) in outputs.iter().enumerate() {
        let expected = (format!("{number}\n"), i32::try_from(number).unwrap());
        assert_eq!((output.text(), output.code), expected, "{output:?}");
    }
    let mut end = agent.ssh(&["-S", control, "-O", "exit"]);
    assert!(end.status().await.unwrap().success());
}

#[tokio::test]
async fn a_hundred_short_terminals_show_everything_before_their_status() {
    let agent = SshDaemon::start(&[]).await;
    let control = agent.path("control");
    let control = control.to_str().unwrap();
    let mut master = agent.ssh(&["-M", "-N", "-f", "-S", control]);
    assert!(master.status().await.unwrap().success());
    for _ in 0..100 {
        let mut command = agent.ssh(&["-S", control, "-tt"]);
        command.arg("echo x");
        let output = finish(command, b"").await;
        // A client of a shared connection without a terminal of its own asks for no output modes.
        assert_eq!((output.text().as_str(), output.code), ("x\n", 0), "{output:?}");
    }
    let mut end = agent.ssh(&["-S", control, "-O", "exit"]);
    assert!(end.status().await.unwrap().success());
}
