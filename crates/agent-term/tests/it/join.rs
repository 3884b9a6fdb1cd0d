//! Joining: what was on the screen comes back, and goes on without a gap.

use agent_api::{OpenTerminalRequest, TerminalAttached, TerminalServerMessage};
use agent_term::End;

use crate::fixture::{command, with, with_events};

#[test]
fn a_screen_comes_back_once_and_the_program_goes_on() {
    with(|f| async move {
        let mut first = f.open(1, command("bash --norc")).await;
        let mut second = f.open(1, command("bash --norc")).await;
        first.sees("bash-").await;
        first.type_in("PS1='$ '; echo te''st\r").await;
        first.sees("\rtest\r\n").await;
        second.sees("\rtest\r\n").await;
        drop((first, second));
        let mut third = f.open(1, with_events("")).await;
        let redraw = third.sees("\r\ntest").await;
        assert!(redraw.starts_with("\u{1b}c\u{1b}[3J"), "{redraw:?}");
        assert_eq!(redraw.matches("echo te''st").count(), 1);
        assert!(matches!(
            third.messages[0],
            TerminalServerMessage::Attached(TerminalAttached { created: false, .. })
        ));
        third.type_in("exit 5\r").await;
        assert_eq!(third.end().await, End::Exited);
    });
}

#[test]
fn a_joiner_misses_nothing_of_what_is_printed_meanwhile() {
    with(|f| async move {
        let text = "read x; seq 1 100000; echo end; cat";
        let req = OpenTerminalRequest { rows: 50, cols: 80, ..command(text) };
        let mut first = f.open(1, req).await;
        first.type_in("\r").await;
        let mut joiners = Vec::new();
        for _ in 0..10 {
            joiners.push(f.open(1, command("")).await);
        }
        for joiner in joiners.iter_mut().chain([&mut first]) {
            let shown = joiner.sees("end\r\n").await;
            assert_consecutive(&shown, 99_000, 100_000);
        }
    });
}

/// Whether all these numbers are there, each on a line of its own, once and in order.
fn assert_consecutive(shown: &str, from: u32, to: u32) {
    let mut lines = shown.split(['\r', '\n']).filter(|line| !line.is_empty());
    lines.find(|line| *line == from.to_string()).unwrap();
    // The cursor is put between the state and what was printed after it.
    let rest: String = lines.map(|line| format!("{line} ")).collect();
    let numbers: Vec<u32> = without_sequences(&rest)
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let gap = numbers.iter().zip(from + 1..).find(|(number, expected)| *number != expected);
    assert_eq!(gap, None);
    assert_eq!(numbers.last(), Some(&to));
}

/// A text without what begins with ESC and ends with a letter. Where the cursor is put back in the
/// last line, what follows is written over it.
fn without_sequences(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        let (sequence, text) = part.split_at(end + 1);
        let column = sequence.strip_suffix('H').and_then(|place| place.rsplit_once(';'));
        if let Some((_, column)) = column {
            let line = shown.rfind(' ').map_or(0, |space| space + 1);
            let over = line + column.parse::<usize>().unwrap() - 1;
            let (same, after) = text.split_at(text.find(' ').unwrap_or(text.len()));
            shown.replace_range(over..shown.len().min(over + same.len()), same);
            shown.push_str(after);
        } else {
            shown.push_str(text);
        }
    }
    shown
}

#[test]
fn each_number_is_there_once_in_order_across_the_seam() {
    with(|f| async move {
        let text = "read x; seq 1 9000; cat";
        let mut first = f.open(1, command(text)).await;
        first.type_in("\r").await;
        first.sees("4000\r\n").await;
        let mut joiner = f.open(1, command("")).await;
        let shown = joiner.sees("\n9000").await;
        assert_consecutive(&shown, 3900, 9000);
    });
}

#[test]
fn an_editor_on_the_alternate_screen_comes_back_and_leaves_the_main_screen() {
    with(|f| async move {
        let alternate = "echo before; printf '\\033[?1049h\\033[Hthe editor'; read x; \
                         printf '\\033[?1049l'; echo after; cat";
        let mut first = f.open(1, command(alternate)).await;
        first.sees("the editor").await;
        drop(first);
        let mut second = f.open(1, command("")).await;
        let redraw = second.sees("the editor").await;
        let switch = redraw.find("\u{1b}[?1049h").unwrap();
        assert!(redraw[..switch].contains("before"));
        second.type_in("\r").await;
        second.sees("\u{1b}[?1049l").await;
        second.sees("after").await;
    });
}

#[test]
fn a_question_of_the_program_is_answered_by_the_agent_only_while_nobody_is_there() {
    with(|f| async move {
        let ask = "stty raw -echo; read_answer() { printf '\\033[6n' > /dev/tty; \
                   dd bs=1 count=6 2>/dev/null | od -An -c; }; \
                   read go < fifo; read_answer > answer; mv answer done; exec cat";
        make_fifo(&f.dir.join("fifo"));
        let viewer = f.open(1, command(ask)).await;
        drop(viewer);
        f.record_when(1, |record| record.attached == 0).await;
        let fifo = f.dir.join("fifo");
        tokio::task::spawn_blocking(move || std::fs::write(fifo, "\n")).await.unwrap().unwrap();
        let done = f.dir.join("done");
        let answer = crate::fixture::until(async || std::fs::read_to_string(&done).ok()).await;
        let answer: String = answer.split_whitespace().collect();
        assert_eq!(answer, "033[1;1R");
    });
}

fn make_fifo(path: &std::path::Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}
