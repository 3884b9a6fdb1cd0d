//! Tests of the emulator as a whole: how much it does for how little.

use agent_exec::Size;

use super::{Emulator, Limits, MAX_COLS, MAX_ROWS};

fn emulator(size: Size) -> Emulator {
    Emulator::new(size, Limits { scrollback_lines: 10_000, max_memory_bytes: 32 << 20 })
}

/// The most work that was done at once for these bytes, and how often some of them were taken.
fn work(emulator: &mut Emulator, mut bytes: &[u8]) -> (usize, usize) {
    let (mut most, mut times) = (0, 0);
    while !bytes.is_empty() {
        bytes = &bytes[emulator.feed_some(bytes)..];
        most = most.max(emulator.terminal.work);
        times += 1;
    }
    (most, times)
}

#[test]
fn few_bytes_make_little_work_at_once_on_the_largest_screen() {
    let cells = usize::from(MAX_ROWS) * usize::from(MAX_COLS);
    for (unit, at_least) in [
        ("a\u{301}\x1b[2147483647b", 40),
        ("\x1b[4ha\x1b[2147483647b", 40),
        ("\x1b#8", 40),
        ("\x1b[ @", 40),
        ("\x1b['}", 40),
        ("\x1b[?2J", 40),
        ("\x1b[41m\x1b[2J", 1),
        ("\x1b[41m\x1b[?1049h\x1b[?1049l", 1),
        ("\x1b[250H\x1b[250L\x1b[250M", 2),
        ("\x1b[41m\x1bc", 1),
    ] {
        let mut emulator = emulator(Size::new(MAX_ROWS, MAX_COLS));
        let (most, times) = work(&mut emulator, unit.repeat(40).as_bytes());
        assert!(most < 2 * cells, "{unit:?} makes {most}");
        assert!(times >= at_least, "{unit:?} was taken in {times} pieces");
    }
}

#[test]
fn plain_output_is_taken_in_large_pieces() {
    let lines = "the quick brown fox jumps over the lazy dog\r\n".repeat(1000);
    let (_, times) = work(&mut emulator(Size::new(24, 80)), lines.as_bytes());
    assert!(times <= lines.len().div_ceil(4096) + 1, "{times}");
}

#[test]
fn blank_lines_in_color_take_no_memory() {
    let mut emulator = emulator(Size::new(MAX_ROWS, MAX_COLS));
    emulator.feed(b"\x1b[41m\x1b[2J\x1b[?1049h\x1b[500H\n\n\x1b[2J");
    let bytes: usize = [&emulator.terminal.main, emulator.terminal.alternate.as_ref().unwrap()]
        .map(|screen| screen.memory_bytes())
        .iter()
        .sum();
    assert!(bytes < 100_000, "{bytes}");
}

#[test]
fn a_text_longer_than_all_that_is_kept_wraps_anew() {
    let mut emulator = emulator(Size::new(24, 1000));
    for letter in 'a'..='z' {
        emulator.feed(letter.to_string().repeat(20_000).as_bytes());
    }
    emulator.feed(b"the end");
    let before = emulator.terminal.memory_bytes();
    emulator.resize(Size::new(24, 2));
    let terminal = emulator.terminal();
    assert_eq!(terminal.history.len(), 10_000);
    assert!(terminal.memory_bytes() < 2 * before, "{}", terminal.memory_bytes());
    assert!(terminal.history.lines.iter().all(|line| line.is_wrapped && line.length() == 2));
    let redraw = emulator.redraw();
    assert!(redraw.windows(7).any(|window| window == b"the end"));
    emulator.resize(Size::new(24, 1000));
    assert_eq!(emulator.terminal().history.len(), 0);
    assert!(emulator.redraw().windows(9).any(|window| window == b"zzthe end"));
}
