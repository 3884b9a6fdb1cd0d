//! The text of a stream: the protocol's table, and what must hold of any bytes.

use std::sync::atomic::Ordering::Relaxed;

use agent_api::Truncation;
use proptest::prelude::*;

use super::support::{Bench, MIB};
use crate::journal::view::{Excerpt, View, view};

const EDGE: usize = 16 * 1024;

/// The view of a stream without a gap.
fn whole(bytes: &[u8]) -> View {
    let end = bytes.len();
    let (front, back) = if end <= 2 * EDGE {
        (bytes, &bytes[..0])
    } else {
        (&bytes[..EDGE + 3], &bytes[end - EDGE - 3..])
    };
    view(&Excerpt { end: end as u64, front: front.into(), back: back.into() })
}

fn truncation(original: u64, retained: u64) -> Option<Truncation> {
    Some(Truncation {
        original_bytes: original,
        retained_bytes: retained,
        omitted_bytes: original - retained,
        strategy: "head_tail".into(),
    })
}

fn lines(count: usize) -> Vec<u8> {
    let line = format!("{}\n", "x".repeat(79));
    line.bytes().cycle().take(count).collect()
}

#[test]
fn what_fits_is_shown_as_it_is() {
    assert_eq!(whole(b""), View::default());
    let bytes = lines(32_768);
    let expected = View { text: String::from_utf8(bytes.clone()).unwrap(), ..View::default() };
    assert_eq!(whole(&bytes), expected);
}

#[test]
fn what_does_not_fit_is_head_marker_and_tail() {
    let bytes = lines(32_769);
    let shown = whole(&bytes);
    let (head, tail) = (&bytes[..EDGE], &bytes[bytes.len() - EDGE..]);
    let marker = b"\n\n... [omitted 1 bytes] ...\n\n";
    assert_eq!(shown.text.as_bytes(), [head, marker, tail].concat());
    assert_eq!(shown.truncated, truncation(32_769, 32_768));
    assert_eq!((shown.cut_lines, shown.is_lossy), (0, false));
    assert_eq!(whole(&lines(100_000)).truncated, truncation(100_000, 32_768));
}

#[test]
fn a_long_line_is_cut_to_2048_bytes_and_its_neighbors_are_not() {
    let long = "y".repeat(2148);
    let shown = whole(format!("short\n{long}\nlast").as_bytes());
    let cut = format!("{} ... [truncated]", "y".repeat(2032));
    assert_eq!(shown.text, format!("short\n{cut}\nlast"));
    assert_eq!(cut.len(), 2048);
    assert_eq!((shown.cut_lines, shown.truncated), (1, None));
}

#[test]
fn lines_are_measured_without_their_line_feed() {
    for (line, cut_lines) in [(2047, 0), (2048, 0), (2049, 1)] {
        for end in ["", "\n"] {
            let text = format!("{}{end}", "z".repeat(line));
            let shown = whole(text.as_bytes());
            assert_eq!(shown.cut_lines, cut_lines, "{line} {end:?}");
            assert_eq!(shown.text == text, cut_lines == 0);
            assert!(shown.text.ends_with(end));
        }
    }
}

#[test]
fn a_cut_line_ends_at_a_character() {
    // The four bytes of the character lie around offset 2032 in every way.
    for before in 2028..=2032 {
        let line = format!("{}\u{1f980}{}", "a".repeat(before), "b".repeat(100));
        let shown = whole(line.as_bytes());
        let kept = if before == 2028 { 2032 } else { before };
        assert_eq!(shown.text.as_bytes(), [&line.as_bytes()[..kept], b" ... [truncated]"].concat());
        assert!(!shown.is_lossy);
    }
}

#[test]
fn head_and_tail_end_and_begin_at_a_character() {
    for character in ["\u{e9}", "\u{20ac}", "\u{1f980}"] {
        for shift in 0..character.len() {
            let mut text = "\n".repeat(shift);
            while text.len() < 50_000 {
                text.push_str(&character.repeat(20));
                text.push('\n');
            }
            let shown = whole(text.as_bytes());
            assert!(!shown.is_lossy, "{character} {shift}");
            let truncated = shown.truncated.unwrap();
            assert!((2 * EDGE as u64 - 6..=2 * EDGE as u64).contains(&truncated.retained_bytes));
            let (head, tail) = shown.text.split_once("\n\n... [omitted").unwrap();
            let (_, tail) = tail.split_once("] ...\n\n").unwrap();
            assert!(text.starts_with(head) && text.ends_with(tail));
            assert_eq!((head.len() + tail.len()) as u64, truncated.retained_bytes);
            // As much as there can be.
            let next = text[head.len()..].chars().next().unwrap();
            assert!(head.len() + next.len_utf8() > EDGE);
        }
    }
}

#[test]
fn bytes_that_are_no_characters_shorten_nothing() {
    for byte in [0xff, 0x80, 0xe2, 0xf0, 0xc3] {
        let mut bytes = vec![byte; 40_000];
        bytes.iter_mut().step_by(100).for_each(|byte| *byte = b'\n');
        let shown = whole(&bytes);
        assert!(shown.is_lossy);
        assert_eq!(shown.truncated.unwrap().retained_bytes, 2 * EDGE as u64, "{byte:x}");
    }
}

#[test]
fn invalid_bytes_that_are_not_shown_do_not_count() {
    let mut bytes = lines(60_000);
    bytes[30_000] = 0xff;
    assert!(!whole(&bytes).is_lossy);
    bytes[10] = 0xff;
    let shown = whole(&bytes);
    assert!(shown.is_lossy && shown.text.starts_with("xxxxxxxxxx\u{fffd}x"));
}

#[test]
fn around_a_gap_halves_of_characters_are_left_out() {
    let euro = "\u{20ac}".as_bytes();
    let excerpt = Excerpt {
        end: 1000,
        front: [b"abc", &euro[..2]].concat(),
        back: [&euro[2..], b"xyz"].concat(),
    };
    let shown = view(&excerpt);
    assert_eq!(shown.text, "abc\n\n... [omitted 994 bytes] ...\n\nxyz");
    assert_eq!(shown.truncated, truncation(1000, 6));
    assert!(!shown.is_lossy);
}

#[tokio::test]
async fn a_gap_in_a_short_stream_ends_the_head_and_begins_the_tail() {
    let bench = Bench::new(MIB, 1);
    let journal = bench.journal(0);
    journal.append(&[b'a'; 1000]);
    bench.medium.budget.store(0, Relaxed);
    journal.append(&[b'b'; 20_000]);
    let shown = journal.view(21_000).await;
    let tail = "b".repeat(2032);
    let expected =
        format!("{}\n\n... [omitted 3616 bytes] ...\n\n{tail} ... [truncated]", "a".repeat(1000));
    assert_eq!(shown.text, expected);
    assert_eq!(shown.truncated, truncation(21_000, 1000 + 16_384));
    // A view of an earlier moment does not show what came later.
    assert_eq!(journal.view(500).await.text, "a".repeat(500));
}

#[tokio::test]
async fn the_view_of_a_trimmed_stream_has_its_head_and_its_tail() {
    let bench = Bench::new(MIB, 1);
    let journal = bench.journal(0);
    let bytes: Vec<u8> = (0..400_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    journal.append(&bytes);
    assert!(journal.bounds().start > 0);
    assert_eq!(journal.view(bytes.len() as u64).await, whole(&bytes));
}

#[test]
fn a_moment_is_overtaken_when_its_last_bytes_are_forgotten() {
    let bench = Bench::new(MIB, 1);
    let journal = bench.journal(0);
    bench.append(0, 3 * MIB);
    let then = journal.bounds();
    assert!(then.start > 0 && !journal.is_overtaken(&then));
    bench.append(0, MIB / 2);
    assert!(journal.bounds().start > then.start && !journal.is_overtaken(&then));
    bench.append(0, MIB);
    assert!(journal.is_overtaken(&then));
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just("\u{20ac}".repeat(1000).into_bytes()),
        Just("\u{1f980}".repeat(700).into_bytes()),
        "[a-z\u{e9}]{0,200}\n".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..3000),
        (0..9000_usize).prop_map(lines),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_view_is_bounded_and_accounts_for_every_byte(bytes in pieces()) {
        let shown = whole(&bytes);
        prop_assert!(shown.text.len() <= 3 * 2 * EDGE + 100);
        prop_assert_eq!(shown.truncated.is_some(), bytes.len() > 2 * EDGE);
        if std::str::from_utf8(&bytes).is_ok() {
            prop_assert!(!shown.is_lossy);
            prop_assert!(shown.text.split('\n').all(|line| line.len() <= 2048));
            prop_assert_eq!(shown.cut_lines, shown.text.matches(" ... [truncated]").count() as u64);
        }
        match &shown.truncated {
            Some(truncated) => {
                prop_assert_eq!(truncated.original_bytes, bytes.len() as u64);
                prop_assert!(truncated.retained_bytes >= 2 * EDGE as u64 - 6);
                prop_assert!(truncated.retained_bytes <= 2 * EDGE as u64);
                let sum = truncated.retained_bytes + truncated.omitted_bytes;
                prop_assert_eq!(sum, truncated.original_bytes);
            }
            None if shown.cut_lines == 0 => {
                prop_assert_eq!(&shown.text, &String::from_utf8_lossy(&bytes));
            }
            None => {}
        }
    }
}
