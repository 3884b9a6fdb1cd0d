//! SSH sessions in containers, through the SDK's own client over each transport.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use agent_sdk::{
    AgentConn,
    ssh::{SshClient, SshEvent, SshExit, SshOutcome, SshSession},
};
use agent_test::Engine;
use agent_tests::{TestAgent, Transport, until};
use tokio::time::timeout;

use super::{super::within, agent_on, agent_with, sleeper};

/// The transports that can have a connection of its own for SSH.
const OWN: [Transport; 2] = [Transport::Tcp, Transport::Unix];

async fn ssh(agent: &TestAgent, transport: Transport) -> SshClient {
    within(agent.client(transport).ssh_client()).await.unwrap()
}

async fn session(client: &SshClient, container: &str, variables: &[(&str, &str)]) -> SshSession {
    let session = within(client.open_session()).await.unwrap();
    let ours = [("WORKSPACE_CONTAINER", container)];
    for (name, value) in ours.iter().chain(variables) {
        within(session.set_variable(name, value)).await.unwrap();
    }
    session
}

/// Reads a session to its end.
async fn collect(mut session: SshSession) -> (String, String, Option<SshExit>) {
    let (mut stdout, mut stderr, mut exit) = (Vec::new(), Vec::new(), None);
    while let Some(event) = within(session.next()).await {
        match event {
            SshEvent::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            SshEvent::Stderr(bytes) => stderr.extend_from_slice(&bytes),
            SshEvent::Exit(how) => exit = Some(how),
            other => panic!("{other:?}"),
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(stdout), text(stderr), exit)
}

/// Runs a command without a terminal and without input.
async fn run(
    client: &SshClient,
    container: &str,
    variables: &[(&str, &str)],
    command: &str,
) -> (String, String, Option<SshExit>) {
    let session = session(client, container, variables).await;
    within(session.exec(command)).await.unwrap();
    session.end_input();
    collect(session).await
}

fn status(code: u32) -> Option<SshExit> {
    Some(SshExit::Status(code))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_runs_in_the_container_with_its_streams_apart_and_its_exit_code() {
    let engine = Engine::shared();
    let id = sleeper(engine, "exec-plain", &["--hostname", "inside"]);
    let agent = agent_on(engine).await;
    for transport in OWN {
        let client = ssh(&agent, transport).await;
        for container in ["exec-plain", &id, &id[..20]] {
            let hostname = run(&client, container, &[], "hostname").await;
            assert_eq!(hostname, ("inside\n".into(), String::new(), status(0)), "{transport:?}");
        }
        let both = run(&client, "exec-plain", &[], "echo out; echo err >&2; exit 7").await;
        assert_eq!(both, ("out\n".into(), "err\n".into(), status(7)));
        let cases = [
            ("no-such-program", 127),
            ("/etc/passwd", 126),
            ("kill -9 $$", 137),
            ("exit 255", 255),
        ];
        for (command, code) in cases {
            assert_eq!(run(&client, "exec-plain", &[], command).await.2, status(code), "{command}");
        }
        let script = "#!/bin/busybox sh\n\techo $0; echo script";
        assert!(run(&client, "exec-plain", &[], script).await.0.ends_with("script\n"));
        // An empty command is a login shell, and so is a request for one.
        let shell = session(&client, "exec-plain", &[]).await;
        within(shell.shell()).await.unwrap();
        within(shell.write("echo $0; exit 5\n")).await.unwrap();
        let (printed, _, exit) = collect(shell).await;
        assert_eq!((printed.trim(), exit), ("/bin/sh", status(5)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_entered_is_229_and_says_why() {
    let engine = Engine::shared();
    sleeper(engine, "exec-paused", &[]);
    engine.run(&["pause", "exec-paused"]);
    sleeper(engine, "exec-stopped", &[]);
    engine.run(&["kill", "exec-stopped"]);
    sleeper(engine, "exec-users", &[]);
    let agent = agent_on(engine).await;
    let client = ssh(&agent, Transport::Unix).await;
    for container in ["no-such-container", "exec-paused", "exec-stopped"] {
        let (_, stderr, exit) = run(&client, container, &[], "true").await;
        assert_eq!(exit, status(229), "{container}: {stderr}");
        assert!(stderr.starts_with("agentd: ") && stderr.contains(container), "{stderr}");
    }
    let nobody = [("WORKSPACE_CONTAINER_USER", "no-such-user")];
    let (_, stderr, exit) = run(&client, "exec-users", &nobody, "true").await;
    assert_eq!(exit, status(229));
    assert!(stderr.contains("no-such-user"), "{stderr}");
    let sftp = session(&client, "exec-users", &[]).await;
    within(sftp.subsystem("sftp")).await.unwrap();
    let (_, stderr, exit) = collect(sftp).await;
    assert_eq!(exit, status(1));
    assert!(stderr.contains("SFTP in a container is not supported"), "{stderr}");

    // Where containers are off, the variables are only removed.
    let off = agent_with(engine, |config| config.containers.enabled = false).await;
    let client = ssh(&off, Transport::Unix).await;
    let command = "echo [$WORKSPACE_CONTAINER]; test -e /proc/self && echo host";
    let here = run(&client, "exec-users", &nobody, command).await;
    assert_eq!(here, ("[]\nhost\n".into(), String::new(), status(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_decides_on_home_shell_and_working_directory() {
    let engine = Engine::shared();
    let metadata = |entries: &str| format!("devcontainer.metadata={entries}");
    sleeper(engine, "exec-root", &[]);
    sleeper(engine, "exec-dev", &["--user", "1000"]);
    let remote = r#"[{"remoteUser":"root"},{"remoteUser":"dev","remoteEnv":{"FROM":"remote","A":"remote"}},{}]"#;
    let options =
        ["-l", &metadata(remote), "-e", "FROM=container", "-e", "A=container", "-w", "/etc"];
    sleeper(engine, "exec-remote", &options);
    let agent = agent_with(engine, |config| {
        config.inherited.0.insert("HOST_ONLY".into(), "host".into());
        config.env.0.insert("CONFIGURED".into(), "host".into());
        config.agent_name = "outer".to_owned();
    })
    .await;
    let client = ssh(&agent, Transport::Tcp).await;
    let report = "echo $(id -u):$(id -g) $HOME $USER $LOGNAME $SHELL $PWD";
    let root = "0:0 /root root root /bin/sh /root\n";
    let dev = "1000:1000 /home/dev dev dev /bin/sh /home/dev\n";
    let cases = [
        ("exec-root", "", root),
        ("exec-root", "dev", dev),
        ("exec-root", "1000", dev),
        ("exec-root", "dev:0", "1000:0 /home/dev dev dev /bin/sh /home/dev\n"),
        ("exec-dev", "", dev),
        ("exec-dev", "root", root),
        ("exec-remote", "", dev),
    ];
    for (container, user, expected) in cases {
        let user = [("WORKSPACE_CONTAINER_USER", user)];
        let user = if user[0].1.is_empty() { &[][..] } else { &user };
        let (printed, stderr, _) = run(&client, container, user, report).await;
        assert_eq!(printed, expected, "{container} {user:?}: {stderr}");
    }
    let unknown = [("WORKSPACE_CONTAINER_USER", "4711")];
    let (printed, ..) = run(&client, "exec-root", &unknown, "id -u; echo $HOME $SHELL $PWD").await;
    assert_eq!(printed, "4711\n/ /bin/sh /\n");

    let command =
        "echo $FROM $A $B [$HOST_ONLY$CONFIGURED$TERM] $WORKSPACE_AGENT $WORKSPACE_AGENT_NAME";
    let sent = [("A", "client"), ("B", "client"), ("USER", "other")];
    let (printed, ..) = run(&client, "exec-remote", &sent, command).await;
    assert_eq!(printed, "remote client client [] true outer\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_is_there_exactly_when_it_was_asked_for_and_its_size_follows() {
    let engine = Engine::shared();
    sleeper(engine, "exec-tty", &[]);
    let agent = agent_on(engine).await;
    let client = ssh(&agent, Transport::Tcp).await;
    assert_eq!(run(&client, "exec-tty", &[], "tty").await.0, "not a tty\n");
    let mut pty = session(&client, "exec-tty", &[]).await;
    within(pty.open_pty("vt100", 30, 90)).await.unwrap();
    // A new size and what is typed take different ways to the engine.
    let wait = "while test \"$(stty size)\" != '40 100'; do sleep 0.05; done; echo resized; exit 3";
    within(pty.exec(&format!("tty; stty size; echo $TERM; {wait}"))).await.unwrap();
    let mut shown = String::new();
    while !shown.contains("vt100\r\n") {
        if let Some(SshEvent::Stdout(bytes)) = within(pty.next()).await {
            shown.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert!(shown.starts_with("/dev/pts/") && shown.contains("\r\n30 90\r\n"), "{shown:?}");
    pty.resize(40, 100);
    let (rest, _, exit) = collect(pty).await;
    assert!(rest.ends_with("resized\r\n"), "{rest:?}");
    assert_eq!(exit, status(3));
}

/// Bytes of all values that do not repeat in blocks.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state ^ (state >> 29)).to_le_bytes()
    });
    words.flatten().take(length).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_mebibytes_go_in_and_come_out_unchanged() {
    const BYTES: usize = 100 << 20;
    let engine = Engine::shared();
    sleeper(engine, "exec-bytes", &[]);
    let agent = agent_on(engine).await;
    let client = ssh(&agent, Transport::Unix).await;
    let sent = noise(BYTES);
    let session = session(&client, "exec-bytes", &[]).await;
    within(session.exec("cat; echo end >&2")).await.unwrap();
    let channel = session.into_channel();
    let output = channel.output.clone();
    let pieces: Vec<_> = sent.chunks(1 << 20).map(bytes::Bytes::copy_from_slice).collect();
    let feed = async {
        for piece in pieces {
            output.write(piece).await.unwrap();
        }
        output.eof();
    };
    let mut input = channel.input;
    let read = async {
        let (mut received, mut errors) = (Vec::with_capacity(BYTES), Vec::new());
        while let Some(data) = input.read().await {
            let to = if data.stream == 0 { &mut received } else { &mut errors };
            to.extend_from_slice(&data.bytes);
        }
        (received, errors)
    };
    let ((received, errors), ()) =
        timeout(super::super::LIMIT * 2, async { tokio::join!(read, feed) }).await.unwrap();
    assert_eq!(received.len(), BYTES);
    assert!(received == sent, "the bytes differ");
    assert_eq!(errors, b"end\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_without_a_shell_runs_what_it_has() {
    let engine = Engine::shared();
    let root = tempfile::tempdir().unwrap();
    fs::copy("/bin/busybox", root.path().join("busybox")).unwrap();
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(root.path().join("busybox"), executable).unwrap();
    engine.import(root.path(), &[], "local/bare:test").unwrap();
    let run_it = ["run", "-d", "--network", "none", "--hostname", "bare", "--name", "exec-bare"];
    engine.run(&[&run_it[..], &["local/bare:test", "/busybox", "sleep", "600"]].concat());
    let agent = agent_on(engine).await;
    let client = ssh(&agent, Transport::Unix).await;
    let (printed, complaint, exit) = run(&client, "exec-bare", &[], "echo hi").await;
    assert_eq!(exit, status(127), "its shell is not found: {printed} {complaint}");
    let (printed, _, exit) =
        run(&client, "exec-bare", &[], "#!/busybox sh\n/busybox hostname; /busybox pwd").await;
    assert_eq!((printed.as_str(), exit), ("bare\n/\n", status(0)));
}

/// Whether a process with that marker among its arguments runs in a container.
fn runs(engine: &Engine, container: &str, marker: &str) -> bool {
    engine.run(&["top", container, "-eo", "pid,args"]).contains(marker)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_reaches_the_process_inside() {
    let engine = Engine::shared();
    sleeper(engine, "exec-signal", &[]);
    let agent = agent_on(engine).await;
    let client = ssh(&agent, Transport::Tcp).await;
    let started = session(&client, "exec-signal", &[]).await;
    within(started.exec("sleep 4001 & sleep 4002")).await.unwrap();
    until("both run", || ["4001", "4002"].iter().all(|one| runs(engine, "exec-signal", one))).await;
    started.signal("KILL");
    assert_eq!(collect(started).await.2, status(137));
    until("none is left", || !runs(engine, "exec-signal", "sleep 400")).await;

    let trapped = session(&client, "exec-signal", &[]).await;
    within(
        trapped.exec("trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.1; done"),
    )
    .await
    .unwrap();
    let mut trapped = trapped;
    assert_eq!(within(trapped.next()).await, Some(SshEvent::Stdout("ready\n".into())));
    trapped.signal("USR1");
    // The shell complains of the `sleep` that the signal has ended.
    let (printed, _, exit) = collect(trapped).await;
    assert_eq!((printed.as_str(), exit), ("got it\n", status(9)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_hangs_up_a_terminal_and_leaves_the_rest_alone() {
    let engine = Engine::shared();
    sleeper(engine, "exec-gone", &[]);
    let agent = agent_on(engine).await;
    let client = ssh(&agent, Transport::Tcp).await;
    let pty = session(&client, "exec-gone", &[]).await;
    within(pty.open_pty("xterm", 24, 80)).await.unwrap();
    // It ignores being hung up, so that only the kill that follows ends it.
    within(pty.exec("trap '' HUP; sleep 4003")).await.unwrap();
    let plain = session(&client, "exec-gone", &[]).await;
    within(plain.exec("sleep 4004")).await.unwrap();
    until("both run", || ["4003", "4004"].iter().all(|one| runs(engine, "exec-gone", one))).await;
    drop((pty, plain, client));
    let limit = Duration::from_secs(6 + 4);
    let gone = until("it is hung up", || !runs(engine, "exec-gone", "4003"));
    timeout(limit, gone).await.unwrap();
    assert!(runs(engine, "exec-gone", "4004"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_container() {
    let engine = Engine::shared();
    let agent = agent_on(engine).await;
    for (transport, has_terminal) in [(Transport::Tcp, false), (Transport::Unix, true)] {
        sleeper(engine, "exec-ends", &[]);
        let client = ssh(&agent, transport).await;
        let session = session(&client, "exec-ends", &[]).await;
        if has_terminal {
            within(session.open_pty("xterm", 24, 80)).await.unwrap();
        }
        within(session.exec("sleep 4005")).await.unwrap();
        until("it runs", || runs(engine, "exec-ends", "4005")).await;
        engine.run(&["rm", "-f", "exec-ends"]);
        assert_eq!(collect(session).await.2, status(137), "over {transport:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_to_a_command_that_ends_early_is_no_failure() {
    let engine = Engine::shared();
    sleeper(engine, "exec-early", &[]);
    let agent = agent_on(engine).await;
    let client = ssh(&agent, Transport::Unix).await;
    let session = session(&client, "exec-early", &[]).await;
    within(session.exec("head -c 3; exit 4")).await.unwrap();
    within(session.write("abcdef")).await.unwrap();
    assert_eq!(collect(session).await, ("abc".into(), String::new(), status(4)));
    let outcome: SshOutcome = within(client.run("echo host", "".into(), 64)).await.unwrap();
    assert_eq!(outcome.stdout, b"host\n", "a session beside it is on the host");
}
