//! Signals and breaks of a client.

use std::time::{Duration, Instant};

use agent_ssh_protocol::wire::Put;

use crate::harness::{World, fifo, is_alive, pids, until};

#[tokio::test]
async fn a_signal_ends_a_command_at_once() {
    let world = World::new();
    let client = world.client().await;
    for name in ["TERM", "SIGTERM"] {
        let session = client.session().await;
        assert!(session.exec("sleep 60").await);
        let start = Instant::now();
        session.signal(name);
        let heard = session.heard().await;
        assert_eq!(heard.signal, Some(("TERM".to_owned(), false)));
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn without_a_terminal_a_signal_goes_to_everything_the_command_started() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    let script = "sh -c 'sleep 60 & echo $!; setsid sleep 60 & echo $!; echo ready; sleep 60'";
    assert!(session.exec(script).await);
    let text = session.read_until("ready\n").await;
    let started = pids(text.strip_suffix("ready\n").unwrap());
    session.signal("KILL");
    let heard = session.heard().await;
    assert_eq!(heard.signal, Some(("KILL".to_owned(), false)));
    until(|| !started.iter().any(|pid| is_alive(*pid))).await;
}

#[tokio::test]
async fn on_a_terminal_a_signal_goes_to_the_foreground() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    assert!(session.terminal("xterm").await);
    let script =
        "set -m; sleep 60 & echo ready; sh -c 'echo job; exec sleep 60'; echo went $?; kill %1";
    assert!(session.exec(script).await);
    session.read_until("job\r\n").await;
    // Of an interrupted job a shell may make an interrupt of its own.
    session.signal("TERM");
    let heard = session.heard().await;
    assert!(heard.output.contains("went 143"), "{heard:?}");
    assert_eq!(heard.status, Some(0));
}

#[tokio::test]
async fn names_nobody_knows_are_ignored() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    assert!(session.exec("echo ready; read line; echo $line").await);
    session.read_until("ready\n").await;
    for name in ["STOP", "term", "CONT", "", "SIGXCPU"] {
        assert!(!session.ask("signal", |payload| payload.put_string(name.as_bytes())).await);
    }
    session.write("alive\n").await;
    session.heard().await.check("alive\n", 0);
}

#[tokio::test]
async fn a_signal_after_the_exit_is_ignored() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    assert!(session.exec("sh -c 'read -r l < go; echo spared' & exit 2").await);
    fifo(&world.path("home/go"));
    assert_eq!(session.heard_of_end().await.status, Some(2));
    assert!(!session.ask("signal", |payload| payload.put_string(b"KILL")).await);
    let go = world.path("home/go");
    tokio::task::spawn_blocking(move || std::fs::write(go, "x\n").unwrap()).await.unwrap();
    assert_eq!(session.heard().await.output, "spared\n");
}

#[tokio::test]
async fn a_break_needs_a_terminal_and_interrupts_only_if_its_modes_say_so() {
    let world = World::new();
    let client = world.client().await;
    let length = |payload: &mut Vec<u8>| payload.put_u32(500);
    let mut session = client.session().await;
    assert!(session.exec("echo ready; read line").await);
    session.read_until("ready\n").await;
    assert!(!session.ask("break", length).await);
    session.0.output.eof();
    session.heard().await.check("", 1);

    let mut session = client.session().await;
    assert!(session.terminal("xterm").await);
    // A shell that is just about to start a program runs its trap only when that has ended.
    let script = "stty -echo -brkint; echo 1; read line; trap 'echo broken; exit 5' INT; \
                  stty brkint -ignbrk; echo 2; while :; do sleep 0.1; done";
    assert!(session.exec(script).await);
    session.read_until("1\r\n").await;
    assert!(session.ask("break", length).await);
    session.write("\n").await;
    session.read_until("2\r\n").await;
    assert!(session.ask("break", length).await);
    let heard = session.heard().await;
    assert_eq!((heard.output.as_str(), heard.status), ("broken\r\n", Some(5)));
}
