//! Tests of redraws: what they say, that one of a redrawn terminal is the same, and that xterm agrees.

mod cases;
mod grammar;
mod needs_xterm;

use agent_exec::Size;
use proptest::prelude::*;

use crate::emulator::cell::Content;
use crate::emulator::{Emulator, Limits};

fn size((rows, cols): (u16, u16)) -> Size {
    Size { rows, cols, ..Size::default() }
}

fn emulator(rows_and_cols: (u16, u16)) -> Emulator {
    let limits = Limits { scrollback_lines: 1000, max_memory_bytes: 32 << 20 };
    Emulator::new(size(rows_and_cols), limits)
}

/// A terminal that has got so much.
fn fed(rows_and_cols: (u16, u16), bytes: &[u8]) -> Emulator {
    let mut emulator = emulator(rows_and_cols);
    emulator.feed(bytes);
    emulator
}

fn redrawn(rows_and_cols: (u16, u16), bytes: &[u8]) -> String {
    String::from_utf8_lossy(&fed(rows_and_cols, bytes).redraw()).into_owned()
}

/// Checks that a terminal with this redraw has this redraw, and is as the first for whatever comes.
#[track_caller]
fn check_stable(rows_and_cols: (u16, u16), original: &mut Emulator, live: &[u8]) {
    let redraw = original.redraw();
    let mut copy = emulator(rows_and_cols);
    copy.feed(b"old text \x1b[31m\x1b[?1049h\x1b[5;5Holder\x1b[2;3r\x1b[?6h\x1b(0\x1b[4h\x1b[3g\x1b]8;;x\x1b\\");
    copy.feed(&redraw);
    assert_eq!(shown(&copy.redraw()), shown(&redraw));
    if !is_exact(original) {
        return;
    }
    original.feed(live);
    copy.feed(live);
    assert_eq!(shown(&copy.redraw()), shown(&original.redraw()), "after {:?}", shown(live));
}

/// Tells whether a redraw loses nothing: an erased last column before a cursor behind it becomes a space.
fn is_exact(emulator: &Emulator) -> bool {
    let terminal = emulator.terminal();
    let screen = terminal.alternate.as_ref().unwrap_or(&terminal.main);
    screen.x < screen.cols
        || screen.rows[screen.y].cell(screen.cols - 1).content() != Content::Blank
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\x1b", "\n^")
}

#[test]
fn a_redraw_begins_with_a_reset_and_has_no_queries_bells_or_clipboard() {
    let input = b"\x07a\x1b[6n\x1b[c\x1b[5n\x1b]52;c;aGk=\x07\x1b]52;c;?\x07\x1b]11;?\x07\x1bP$qm\x1b\\\x1b[?1$p";
    let redraw = redrawn((4, 10), input);
    assert_eq!(redraw, "\x1bc\x1b[3Ja\x1b[1;2H");
}

#[test]
fn each_mode_is_a_sequence_of_its_own() {
    let check = |input: &str, expected: &[&str]| {
        let redraw = redrawn((4, 10), input.as_bytes());
        for expected in expected {
            assert!(redraw.contains(&expected.replace('^', "\x1b[")), "{input}: {redraw:?}");
        }
    };
    check(
        "\x1b[?1;6;1004;2004h\x1b[?7;25l",
        &["^?1h", "^?6h", "^?1004h", "^?2004h", "^?7l", "^?25l"],
    );
    for mode in [1000, 1002, 1003, 1005, 1006, 1015] {
        check(&format!("\x1b[?{mode}h"), &[&format!("^?{mode}h")]);
        assert!(!redrawn((4, 10), format!("\x1b[?{mode}h\x1b[?{mode}l").as_bytes()).contains("?1"));
    }
    check("\x1b[4h\x1b=", &["^4h", "\x1b="]);
    check("\x1b[2;3r\x1b[5 q", &["^2;3r", "^5 q"]);
    check("\x1b)0\x0e", &["\x1b)0", "\x0e"]);
    check("\x1b[3g\x1b[1;4H\x1bH", &["^3g^4G\x1bH"]);
    check("\x1b[3;4H\x1b[31m\x1b7\x1b[m", &["^3;4H^31m\x1b7"]);
}

#[test]
fn the_alternate_screen_comes_after_the_whole_main_screen() {
    let redraw = redrawn((3, 10), b"one\r\ntwo\r\n\x1b[32m\x1b[?1049h\x1b[2;2HALT");
    assert_eq!(
        redraw,
        "\x1bc\x1b[3Jone\r\ntwo\x1b[3;1H\x1b[32m\x1b[?1049h\x1b[H\r\n\x1b[1CALT\x1b[2;4H\x1b[32mALT"
            .replace("\x1b[2;4H\x1b[32mALT", "\x1b[2;4HT")
    );
}

#[test]
fn soft_wrapped_lines_are_sent_unbroken() {
    let redraw = redrawn((3, 5), b"abcdefghijklmnopqrstuvw\r\nx");
    assert!(redraw.contains("abcdefghijklmnopqrstuvw\r\nx"), "{redraw:?}");
}

#[test]
fn the_title_is_cut_at_256_characters() {
    let title = "é".repeat(300);
    let emulator = fed((3, 5), format!("\x1b]0;{title}\x07").as_bytes());
    assert_eq!(emulator.title(), "é".repeat(256));
    let redraw = String::from_utf8(emulator.redraw()).unwrap();
    assert!(redraw.contains(&format!("\x1b]2;{}\x1b\\", "é".repeat(256))));
}

#[test]
fn invalid_utf8_is_a_replacement_character() {
    assert!(redrawn((3, 9), b"a\xff\xe6\xbcb").contains("a\u{fffd}\u{fffd}b"));
}

#[test]
fn unfinished_bytes_come_last() {
    for bytes in [
        &b"\x1b"[..],
        b"\x1b[3",
        b"\x1b]2;tit",
        b"\xe6\xbc",
        b"\x1bP$q",
        b"\x1b(",
        b"\x1b]8;;http://x\xc3",
    ] {
        let redraw = fed((3, 9), &[b"text", bytes].concat()).redraw();
        assert!(redraw.ends_with(bytes), "{redraw:?}");
    }
}

#[test]
fn emoji_are_placed_for_clients_that_find_them_narrow() {
    assert!(redrawn((3, 9), "a😀b\r\n".as_bytes()).contains("a😀\x1b[4Gb"));
    assert!(redrawn((3, 9), "a漢b\r\n".as_bytes()).contains("a漢b"));
}

#[test]
fn every_case_is_stable() {
    for case in cases::CASES {
        let mut original = fed(cases::SIZE, case.seen);
        check_stable(cases::SIZE, &mut original, case.live);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_redraw_of_a_redraw_is_the_same(stream in grammar::stream(40), live in grammar::stream(6), size in grammar::size()) {
        check_stable(size, &mut fed(size, &stream), &live);
    }

    #[test]
    fn random_bytes_are_stable(stream in proptest::collection::vec(any::<u8>(), 0..400)) {
        check_stable((5, 12), &mut fed((5, 12), &stream), b"");
    }

    #[test]
    fn resized_terminals_are_stable(
        stream in grammar::stream(30),
        sizes in proptest::collection::vec(grammar::size(), 1..6),
        more in grammar::stream(5),
    ) {
        let mut original = fed((5, 12), &stream);
        for rows_and_cols in &sizes {
            original.resize(size(*rows_and_cols));
            original.feed(&more);
        }
        check_stable(*sizes.last().unwrap(), &mut original, b"");
    }

    #[test]
    fn no_cut_changes_the_state(stream in grammar::stream(30), cuts in proptest::collection::vec(1_usize..20, 1..50)) {
        let whole = fed((5, 12), &stream);
        let mut cut = emulator((5, 12));
        let mut rest = &stream[..];
        for length in cuts.into_iter().cycle() {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            cut.feed(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(cut.redraw(), whole.redraw());
    }
}
