//! Comparison with xterm itself: a client that saw everything and one that got a redraw have to agree.
//!
//! The client is `@xterm/headless`, run by node; see `tests/xterm/compare.mjs`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

use super::{cases, fed, grammar, is_exact};
use crate::emulator::width::width;

/// What the newcomer showed before.
const BEFORE: &[u8] = b"before\r\n\x1b[31;44mred\x1b[4h\x1b[2;3r\x1b[?6h\x1b(0\x1b[3g\x1b]8;;x\x1b\\\x1b[?1000h\x1b[?1049h\x1b[2;2H\x1b7alt";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A case of the comparison: `seen`, cut at `cut`.
fn case(name: &str, size: (u16, u16), seen: &[u8], live: &[u8]) -> Value {
    let redraw = fed(size, seen).redraw();
    json!({
        "name": name, "scrollback": 1000, "size": size, "seen": [size, hex(seen)],
        "before": hex(BEFORE), "redraw": hex(&redraw), "live": hex(live),
    })
}

/// Widths other than 1 as ranges.
fn widths() -> Vec<(u32, u32, u8)> {
    let mut ranges: Vec<(u32, u32, u8)> = Vec::new();
    for character in '\u{a0}'..=char::MAX {
        let (code, columns) = (u32::from(character), width(character));
        match ranges.last_mut() {
            Some((_, last, same)) if *same == columns && *last + 1 == code => *last = code,
            _ if columns == 1 => {}
            _ => ranges.push((code, code, columns)),
        }
    }
    ranges
}

/// Runs the comparison, and fails with the first differences.
#[track_caller]
fn compare(cases: &[Value]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "a test runs the client it compares with")]
    let mut node = Command::new("node")
        .arg(root.join("tests/xterm/compare.mjs"))
        .arg(root.join("../../target/xterm"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = node.stdin.take().unwrap();
    let lines: Vec<_> = std::iter::once(json!({"widths": widths()}))
        .chain(cases.iter().cloned())
        .map(|line| format!("{line}\n"))
        .collect();
    let writer = std::thread::spawn(move || input.write_all(lines.concat().as_bytes()));
    let output = node.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    let results: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(results.len(), cases.len(), "the comparison ended early");
    let different: Vec<_> = results
        .iter()
        .zip(cases)
        .filter(|(result, _)| !result["differences"].as_array().unwrap().is_empty())
        .collect();
    let mut text = String::new();
    for (result, case) in different.iter().take(5) {
        let bytes = |value: &Value| {
            let hex = value.as_str().unwrap_or_default();
            let bytes: Vec<_> = (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            bytes.escape_ascii().to_string()
        };
        let _ = writeln!(text, "{} {}", result["name"], case["size"]);
        let _ = writeln!(text, "  seen   {}", bytes(&case["seen"][1]));
        let _ = writeln!(text, "  redraw {}", bytes(&case["redraw"]));
        let _ = writeln!(text, "  live   {}", bytes(&case["live"]));
        for difference in result["differences"].as_array().unwrap() {
            let _ = writeln!(text, "    {}", difference.as_str().unwrap());
        }
    }
    assert!(different.is_empty(), "{} of {} differ\n{text}", different.len(), cases.len());
}

#[test]
fn cases_written_by_hand_agree() {
    let cases: Vec<_> =
        cases::CASES.iter().map(|one| case(one.name, cases::SIZE, one.seen, one.live)).collect();
    assert!(cases.len() >= 60);
    compare(&cases);
}

#[test]
fn cases_cut_at_every_byte_agree() {
    let mut all = Vec::new();
    for one in cases::CASES {
        let stream = [one.seen, one.live].concat();
        for cut in 0..stream.len() {
            let (seen, live) = stream.split_at(cut);
            all.push(case(&format!("{} at {cut}", one.name), cases::SIZE, seen, live));
        }
    }
    compare(&all);
}

#[test]
fn generated_streams_agree() {
    let config = Config { rng_seed: RngSeed::Fixed(5), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let strategy = (grammar::stream(30), grammar::stream(8), grammar::size());
    let cases: Vec<_> = (0..2000)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .filter(|(seen, _, size)| is_exact(&fed(*size, seen)))
        .filter(|(seen, live, _)| !is_odd(&[&seen[..], live].concat()))
        .enumerate()
        .map(|(index, (seen, live, size))| case(&format!("stream {index}"), size, &seen, &live))
        .collect();
    assert!(cases.len() > 1000, "{}", cases.len());
    compare(&cases);
}

/// Tells whether a stream has what leaves xterm.js in a state that no sequence brings about.
fn is_odd(stream: &[u8]) -> bool {
    let has = |bytes: &[u8]| stream.windows(bytes.len()).any(|window| window == bytes);
    let restores = has(b"\x1b8") || has(b"\x1b[?1048l") || has(b"\x1b[?1049l");
    let is_wide = stream.iter().any(|byte| matches!(byte, 0xe5 | 0xe6 | 0xf0));
    let inserts = has(b"'}") || has(b" A") || has(b"@") || has(b"\x1b[4h");
    // Underlines without a style.
    has(b"\x1b#8")
        // Hyperlinks and underlines that are there and not shown.
        || restores && (has(b"\x1b]8;") || has(b"\x1b[4") || has(b";4"))
        // Half of a wide character.
        || is_wide && (inserts || has(b"\x1b[?7l"))
}
