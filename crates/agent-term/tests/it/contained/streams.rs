//! Bytes, redraws and sizes of terminals in containers.

use std::sync::atomic::Ordering;

use agent_api::TerminalServerMessage;
use agent_term::End;

use super::{contain, fleet::Fleet, inside};
use crate::fixture::{Viewer, command, with};

/// Text in which no place looks like another.
fn numbers(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    let mut number = 1_u64;
    while text.len() < bytes {
        // Marsaglia's xorshift.
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        text.push_str(&format!("{number:x}\n"));
    }
    text.truncate(bytes);
    text
}

/// Reads until so much was shown.
async fn read(viewer: &mut Viewer, bytes: usize) {
    while viewer.shown.len() < bytes {
        assert_eq!(viewer.step().await, None);
    }
}

#[test]
fn what_is_typed_and_shown_is_exact_to_the_byte() {
    const BYTES: usize = 4 * 1024 * 1024;
    with(|f| async move {
        contain(&f, Fleet::default());
        let text = "stty raw -echo; printf up; exec cat";
        let mut viewer = f.open(1, inside("web", text)).await;
        viewer.sees("up").await;
        let expected = numbers(BYTES);
        let mut typist = f.open(1, command("")).await;
        let typing = async {
            for at in (0..BYTES).step_by(64 * 1024) {
                typist.type_in(&expected[at..at + 64 * 1024]).await;
            }
        };
        tokio::join!(typing, read(&mut viewer, BYTES));
        assert!(viewer.shown == expected.as_bytes(), "it came back as something else");
        drop(typist);
    });
}

#[test]
fn one_that_never_reads_slows_nobody_and_gets_one_redraw() {
    with(|f| async move {
        contain(&f, Fleet::default());
        let text = "stty -opost; read x; seq 1 300000; read x; echo more; cat";
        let mut reader = f.open(1, inside("web", text)).await;
        let mut stuck = f.open(1, inside("web", "")).await;
        reader.type_in("\r").await;
        let expected: String = (1..=300_000).map(|number| format!("{number}\n")).collect();
        let shown = reader.sees("300000\n").await;
        assert!(shown.ends_with(&expected), "the output differs");
        stuck.hears(|message| *message == TerminalServerMessage::Resync).await;
        stuck.shown.clear();
        let redraw = stuck.sees("300000").await;
        assert_eq!(redraw.matches("\u{1b}c\u{1b}[3J").count(), 1);
        reader.type_in("\r").await;
        stuck.sees("more").await;
        assert_eq!(stuck.messages, []);
    });
}

#[test]
fn whoever_joins_is_shown_the_screen_as_it_is() {
    with(|f| async move {
        contain(&f, Fleet::default());
        let text =
            "printf '\\033[1mbold\\033[m\\033[?1049hother'; read x; printf '\\033[?1049l'; cat";
        let mut first = f.open(1, inside("web", text)).await;
        first.sees("other").await;
        let mut joined = f.open(1, command("")).await;
        let redraw = joined.sees("other").await;
        assert!(redraw.contains("bold") && redraw.contains("\u{1b}[?1049h"), "{redraw:?}");
        joined.type_in("\r").await;
        first.sees("\u{1b}[?1049l").await;
    });
}

#[test]
fn sizes_follow_and_of_a_storm_the_last_one_holds() {
    with(|f| async move {
        let fleet = contain(&f, Fleet::default());
        let text = "stty -echo; echo up; while read -r x; do stty size; done";
        let mut viewer = f.open(1, inside("web", text)).await;
        viewer.sees("up").await;
        for number in 0..2000 {
            viewer.resize(24 + number % 40, 80 + number % 50).await;
        }
        viewer.resize(61, 91).await;
        f.record_when(1, |record| (record.rows, record.cols) == (61, 91)).await;
        viewer.type_in("\r").await;
        viewer.sees("61 91\r\n").await;
        let before = fleet.resizes.load(Ordering::Relaxed);
        assert!((1..1000).contains(&before), "{before} changes of size");
        // The size that is there already is no change.
        viewer.resize(61, 91).await;
        viewer.type_in("\r").await;
        viewer.sees("61 91\r\n").await;
        assert_eq!(fleet.resizes.load(Ordering::Relaxed), before);
    });
}

#[test]
fn an_engine_that_answers_no_change_of_size_does_not_stop_the_terminal() {
    with(|f| async move {
        contain(&f, Fleet::default());
        let mut viewer = f.open(1, inside("slow", "stty -echo; echo up; cat")).await;
        viewer.sees("up").await;
        viewer.resize(40, 100).await;
        viewer.type_in("typed\r").await;
        viewer.sees("typed\r\n").await;
        let record = f.record(1).unwrap();
        assert_eq!((record.rows, record.cols), (24, 80), "a size that was not applied");
    });
}

#[test]
fn output_is_complete_though_others_hold_the_terminal() {
    with(|f| async move {
        contain(&f, Fleet::default());
        let pid = f.dir.join("pid");
        let text =
            format!("trap '' HUP; sleep 300 & echo $! > {}; seq 1 20000; exit 4", pid.display());
        let mut viewer = f.open(1, inside("web", &text)).await;
        assert_eq!(viewer.end().await, End::Exited);
        let expected: String = (1..=20_000).map(|number| format!("{number}\r\n")).collect();
        assert!(viewer.text() == expected, "the output differs");
        let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    });
}
