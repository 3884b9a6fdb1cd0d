//! Sizes: whose counts, when it is applied, and who hears of it.

use agent_api::{OpenTerminalRequest, TerminalClientMessage, TerminalServerMessage, TerminalSize};
use bytes::Bytes;

use crate::fixture::{command, with, with_events};

/// Prints the size at the start and at each signal of a change.
const SHOW: &str = "trap 'stty size' WINCH; stty size; while :; do read x; done";

fn sized(rows: u64, cols: u64, command: &str) -> OpenTerminalRequest {
    OpenTerminalRequest { rows, cols, ..with_events(command) }
}

#[test]
fn a_size_is_applied_at_once_also_by_joining_and_half_of_one_is_none() {
    with(|f| async move {
        let mut first = f.open(1, sized(30, 100, SHOW)).await;
        first.sees("30 100").await;
        let mut second = f.open(1, sized(0, 120, "")).await;
        assert_eq!(f.record(1).unwrap().rows, 30);
        let _third = f.open(1, sized(40, 120, "")).await;
        first.sees("40 120").await;
        let resized = TerminalServerMessage::Resized(TerminalSize { rows: 40, cols: 120 });
        first.hears(|message| *message == resized).await;
        second.hears(|message| *message == resized).await;
        second.input.begin(Bytes::from(
            r#"{"height":0,"width":50}{"height":50}{"data":"\r","height":600,"width":65535}"#,
        ));
        second.input.apply().await.unwrap();
        first.sees("500 1000").await;
        drop((first, second));
        let record = f.record_when(1, |record| record.attached == 1).await;
        assert_eq!((record.rows, record.cols), (500, 1000), "the last size stays");
    });
}

#[test]
fn a_new_terminal_of_half_a_size_has_the_default() {
    with(|f| async move {
        let mut viewer = f.open(1, sized(30, 0, "stty size; cat")).await;
        viewer.sees("24 80").await;
    });
}

#[test]
fn of_many_changes_the_last_is_applied_and_the_same_size_is_no_change() {
    with(|f| async move {
        let mut first = f.open(1, sized(24, 80, SHOW)).await;
        first.sees("24 80").await;
        let mut other = f.open(1, with_events("")).await;
        for rows in 25..=400 {
            first.resize(rows, 90).await;
        }
        first.resize(400, 90).await;
        first.sees("400 90").await;
        let last = TerminalSize { rows: 400, cols: 90 };
        let mut changes = 0;
        loop {
            changes += 1;
            let is_change =
                |m: &TerminalServerMessage| matches!(m, TerminalServerMessage::Resized(_));
            if other.hears(is_change).await == TerminalServerMessage::Resized(last) {
                break;
            }
        }
        assert!(changes < 100, "{changes}");
        // The program is not told of a size that it has: the next it hears of is another.
        first.shown.clear();
        first.resize(400, 90).await;
        first.resize(10, 10).await;
        let shown = first.sees("10 10").await;
        assert!(!shown.contains("400 90"), "{shown}");
        assert!(
            !first
                .messages
                .iter()
                .any(|message| matches!(message, TerminalServerMessage::Resized(_)))
        );
    });
}

#[test]
fn data_is_written_before_the_size_of_its_object_changes() {
    with(|f| async move {
        let text = "stty raw -echo; echo up; while :; do echo tick; sleep 0.05; done";
        let mut typist = f.open(1, command(text)).await;
        let mut other = f.open(1, command("")).await;
        typist.sees("up").await;
        let message = TerminalClientMessage {
            data: Some("x".repeat(200_000)),
            ..TerminalClientMessage::resize(33, 44)
        };
        typist.input.begin(Bytes::from(serde_json::to_vec(&message).unwrap()));
        tokio::select! {
            _ = typist.input.apply() => panic!("the program has read it"),
            _ = other.sees("tick") => {}
        }
        // Nobody else has to wait for that.
        other.resize(10, 20).await;
        let of_other = |record: &agent_api::TerminalRecord| record.rows == 10;
        f.record_when(1, of_other).await;
    });
}
