//! More output or input than somebody takes: nobody else is slowed, and nothing grows.

use std::time::Duration;

use agent_api::{OpenTerminalRequest, TerminalClientMessage, TerminalServerMessage};
use agent_term::{End, Outgoing};
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use crate::fixture::{LONG, command, with, with_events};

#[test]
fn one_that_never_reads_slows_nobody_and_gets_one_redraw_when_it_reads_again() {
    with(|f| async move {
        let text = "stty -opost; read x; seq 1 300000; read x; echo more; cat";
        let mut reader = f.open(1, command(text)).await;
        let mut stuck = f.open(1, with_events("")).await;
        reader.type_in("\r").await;
        let shown = reader.sees("300000\n").await;
        assert!(
            shown.contains("\n1\n2\n3\n")
                || shown.starts_with("1\n2\n3\n")
                || shown.contains("1\n2\n3\n")
        );
        stuck.hears(|message| *message == TerminalServerMessage::Resync).await;
        stuck.shown.clear();
        let redraw = stuck.sees("300000").await;
        assert_eq!(redraw.matches("\u{1b}c\u{1b}[3J").count(), 1);
        assert!(redraw.contains("299990"));
        reader.type_in("\r").await;
        stuck.sees("more").await;
        assert_eq!(stuck.messages, []);
        assert_eq!(f.terminals.statistics().resyncs_total, 1);
    });
}

#[test]
fn redraws_are_at_least_a_second_apart() {
    with(|f| async move {
        let mut viewer = f.open(1, with_events("read x; yes 0123456789")).await;
        viewer.type_in("\r").await;
        let mut times = Vec::new();
        // Reads nothing until its queue was dropped, again and again.
        while times.len() < 3 {
            match timeout(LONG, viewer.output.next()).await.unwrap() {
                Outgoing::Message(TerminalServerMessage::Resync) => times.push(Instant::now()),
                Outgoing::Output(_) => {
                    let before = f.terminals.list_terminals().terminals[0].last_output_at;
                    f.record_when(1, |record| record.last_output_at > before).await;
                }
                _ => {}
            }
        }
        for pair in times.windows(2) {
            assert!(pair[1] - pair[0] >= Duration::from_millis(990), "{:?}", pair[1] - pair[0]);
        }
    });
}

#[test]
fn whoever_was_behind_sees_the_last_screen_before_the_end() {
    with(|f| async move {
        let mut stuck = f.open(1, with_events("read x; seq 1 300000; exit 7")).await;
        let mut reader = f.open(1, command("")).await;
        reader.type_in("\r").await;
        assert_eq!(reader.end().await, End::Exited);
        assert!(reader.text().ends_with("300000\r\n"));
        assert_eq!(stuck.end().await, End::Exited);
        assert!(stuck.text().contains("300000"));
        assert!(stuck.shown.len() < 2 * 1024 * 1024, "{}", stuck.shown.len());
        let names: Vec<_> = stuck.messages.iter().map(std::mem::discriminant).collect();
        let exited = TerminalServerMessage::Exited(agent_api::TerminalExited::default());
        let resync = std::mem::discriminant(&TerminalServerMessage::Resync);
        assert_eq!(names[1..], [resync, std::mem::discriminant(&exited)]);
    });
}

#[test]
fn output_that_is_expensive_to_show_delays_nobody_else() {
    with(|f| async move {
        let bomb = "b=$(printf 'a\\314\\201\\314\\202\\033[65535b\\033[41m\\033[2J\\033#8'); \
                    for i in 1 2 3 4 5 6 7 8; do b=\"$b$b\"; done; \
                    echo go; read x; while :; do printf %s \"$b\"; done";
        let req = OpenTerminalRequest { rows: 500, cols: 1000, ..command(bomb) };
        let mut hostile = f.open(1, req).await;
        hostile.sees("go").await;
        hostile.type_in("\r").await;
        hostile.sees("\u{1b}#8").await;
        let mut other = f.open(2, command("while :; do echo tick; sleep 0.05; done")).await;
        for _ in 0..10 {
            other.sees("tick").await;
        }
        let mut joined = f.open(1, command("")).await;
        joined.sees("\u{1b}c\u{1b}[3J").await;
        timeout(LONG, f.terminals.close_terminal(crate::fixture::id(1))).await.unwrap().unwrap();
        other.sees("tick").await;
    });
}

#[test]
fn input_that_nobody_reads_stops_its_sender_and_not_the_output() {
    with(|f| async move {
        // Raw, so that the system takes no more than its buffer holds.
        let text = "stty raw -echo; echo up; while :; do echo tick; sleep 0.05; done";
        let mut typist = f.open(1, command(text)).await;
        let mut other = f.open(1, command("")).await;
        typist.sees("up").await;
        let large = TerminalClientMessage::input("x".repeat(700_000));
        let frame = Bytes::from(serde_json::to_vec(&large).unwrap());
        let mut sent = 0;
        let stuck = async {
            loop {
                typist.input.begin(frame.clone());
                typist.input.apply().await.unwrap();
                sent += 1;
            }
        };
        let seen = async {
            for _ in 0..10 {
                other.sees("tick").await;
            }
        };
        tokio::select! {
            () = stuck => {}
            () = seen => {}
        }
        assert!((2..=3).contains(&sent), "{sent}");
        assert!(typist.input.is_busy());
        typist.sees("tick").await;
        f.terminals.close_terminal(crate::fixture::id(1)).await.unwrap();
        // Whoever waited for room goes on.
        timeout(LONG, typist.input.apply()).await.unwrap().unwrap();
    });
}

#[test]
fn input_of_several_is_not_mixed_inside_one_message() {
    with(|f| async move {
        let text = "stty raw -echo; echo up; dd bs=64k count=1024 iflag=fullblock,count_bytes \
                    count=2000000 of=typed 2>/dev/null; echo done; cat";
        let mut one = f.open(1, command(text)).await;
        let mut two = f.open(1, command("")).await;
        one.sees("up").await;
        let fill = async |viewer: &mut crate::fixture::Viewer, letter: &str| {
            for _ in 0..10 {
                viewer.type_in(&letter.repeat(100_000)).await;
            }
        };
        tokio::join!(fill(&mut one, "a"), fill(&mut two, "b"));
        two.sees("done").await;
        let typed = std::fs::read(f.dir.join("typed")).unwrap();
        assert_eq!(typed.len(), 2_000_000);
        for data in typed.chunks(100_000) {
            assert!(data.iter().all(|byte| *byte == data[0]));
        }
    });
}
