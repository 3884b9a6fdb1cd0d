//! Bytes both ways: complete, in order, and never in each other's way.

use std::time::Duration;

use agent_ssh_protocol::wire::Put;
use bytes::Bytes;

use crate::harness::{World, fifo, is_alive, pids, soon, until};

#[tokio::test]
async fn input_reaches_the_command_and_its_end_too() {
    let world = World::new();
    let session = world.client().await.session().await;
    assert!(session.exec("cat; echo end").await);
    session.write("a\nb").await;
    session.0.output.eof();
    session.heard().await.check("a\nbend\n", 0);
}

#[tokio::test]
async fn a_shell_takes_commands_from_its_input_without_a_terminal() {
    let world = World::with(|config| config.motd_file = Some("/etc/hostname".into()));
    let session = world.client().await.session().await;
    assert!(session.ask("shell", |_| {}).await);
    session.write("echo hi\n").await;
    session.0.output.eof();
    session.heard().await.check("hi\n", 0);
}

#[tokio::test]
async fn a_client_that_reads_late_gets_every_line_once_and_in_order() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    assert!(session.exec("echo $$; seq 1 600000; echo end >&2").await);
    let first = soon(session.0.input.read()).await.unwrap();
    let (pid, rest) = std::str::from_utf8(&first.bytes).unwrap().split_once('\n').unwrap();
    let pid: u32 = pid.parse().unwrap();
    // Nothing is read until the command has stopped for want of room: it sleeps in its write.
    let mut cpu = String::new();
    until(|| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let now: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let now = format!("{} {}", now[11], now[12]);
        let is_still = now == cpu;
        cpu = now;
        is_still
    })
    .await;
    assert!(is_alive(pid));
    let rest = rest.to_owned();
    let heard = session.heard().await;
    let expected: String = (1..=600_000).map(|number| format!("{number}\n")).collect();
    assert!(rest + &heard.output == expected, "the output differs");
    assert_eq!((heard.errors.as_str(), heard.status), ("end\n", Some(0)));
}

#[tokio::test]
async fn input_and_output_at_once_never_wait_for_each_other() {
    const BYTES: usize = 16 * 1024 * 1024;
    let world = World::new();
    let client = world.client().await;
    let mut session = client.session().await;
    assert!(session.exec("cat").await);
    let output = session.0.output.clone();
    let write = async {
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        for _ in 0..BYTES / chunk.len() {
            output.write(chunk.clone()).await.unwrap();
        }
        output.eof();
    };
    let read = async {
        let mut read = 0;
        while let Some(data) = session.0.input.read().await {
            read += data.bytes.len();
        }
        read
    };
    let ((), read) = soon(async { tokio::join!(write, read) }).await;
    assert_eq!(read, BYTES);
}

#[tokio::test]
async fn a_session_whose_input_is_stuck_still_hears_requests() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    let script =
        "trap 'stty size; exit 3' WINCH; stty raw -echo; echo ready; while :; do sleep 0.05; done";
    assert!(session.terminal("xterm").await);
    assert!(session.exec(script).await);
    session.read_until("ready\n").await;
    // More than the terminal takes, and nobody reads it.
    for _ in 0..16 {
        session.write(&"x".repeat(64 * 1024)).await;
    }
    let size = |payload: &mut Vec<u8>| [100, 40, 0, 0].iter().for_each(|n| payload.put_u32(*n));
    session.send("window-change", size);
    let heard = session.heard().await;
    assert_eq!((heard.output.as_str(), heard.status), ("40 100\n", Some(3)));
}

#[tokio::test]
async fn a_command_whose_output_nobody_reads_still_takes_signals() {
    let world = World::new();
    let session = world.client().await.session().await;
    assert!(session.exec("exec yes").await);
    session.signal("KILL");
    let heard = session.heard().await;
    assert_eq!(heard.signal, Some(("KILL".to_owned(), false)));
    assert!(heard.output.chars().all(|c| matches!(c, 'y' | '\n')));
}

#[tokio::test]
async fn input_that_a_command_does_not_want_is_no_reason_to_wait() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    fifo(&world.path("home/go"));
    assert!(session.exec("exec <&-; echo closed; read -r line < go; echo $line").await);
    session.read_until("closed\n").await;
    // More than every window and pipe.
    let chunk = Bytes::from(vec![b'x'; 1024 * 1024]);
    for _ in 0..8 {
        soon(session.0.output.write(chunk.clone())).await.unwrap();
    }
    let go = world.path("home/go");
    tokio::task::spawn_blocking(move || std::fs::write(go, "went\n").unwrap()).await.unwrap();
    session.heard().await.check("went\n", 0);
}

#[tokio::test]
async fn the_end_of_input_means_nothing_to_a_terminal() {
    let world = World::new();
    let mut session = world.client().await.session().await;
    assert!(session.terminal("xterm").await);
    assert!(session.exec("stty -echo; echo ready; read line; echo got $line").await);
    session.read_until("ready\r\n").await;
    session.write("x\n").await;
    session.0.output.eof();
    let heard = session.heard().await;
    assert_eq!((heard.output.as_str(), heard.status), ("got x\r\n", Some(0)));
}

#[tokio::test]
async fn a_flood_in_one_channel_does_not_stop_another() {
    let world = World::new();
    let client = world.client().await;
    let flood = client.session().await;
    assert!(flood.exec("echo $$; exec yes").await);
    // Its output is never read: the window closes and only that command waits.
    for number in 0..20 {
        let text = format!("echo {number}");
        client.exec(&text).await.check(&format!("{number}\n"), 0);
    }
    let mut flood = flood;
    let first = soon(flood.0.input.read()).await.unwrap();
    let pid = pids(std::str::from_utf8(&first.bytes).unwrap().lines().next().unwrap())[0];
    assert!(is_alive(pid));
    flood.signal("TERM");
    let heard = tokio::time::timeout(Duration::from_secs(10), flood.heard()).await.unwrap();
    assert_eq!(heard.signal, Some(("TERM".to_owned(), false)));
}
