//! The line reader against tables of cases, and against a model that has the whole text at once.

mod model;

use agent_api::ReadFileLinesRequest;
use proptest::prelude::*;

use super::*;

fn request() -> ReadFileLinesRequest {
    ReadFileLinesRequest::default()
}

/// Reads a text in chunks of `size` bytes.
fn read_in_chunks(text: &[u8], budget: Budget, size: usize) -> Result<Lines, LinesError> {
    let mut reader = LineReader::new(budget);
    for chunk in text.chunks(size) {
        reader.feed(chunk)?;
    }
    reader.finish(End::Complete)
}

/// Reads a text whole and byte by byte, which must agree.
fn read(text: impl AsRef<[u8]>, req: ReadFileLinesRequest) -> Result<Lines, String> {
    let budget = Budget::of(&req);
    let whole = read_in_chunks(text.as_ref(), budget, usize::MAX).map_err(|e| e.to_string());
    let bytes = read_in_chunks(text.as_ref(), budget, 1).map_err(|e| e.to_string());
    assert_eq!(whole, bytes);
    whole
}

fn check(text: impl AsRef<[u8]>, req: ReadFileLinesRequest, expected: &str) -> Lines {
    let lines = read(text, req).unwrap();
    assert_eq!(lines.content, expected);
    let count = if expected.is_empty() { 0 } else { 1 + expected.matches('\n').count() as u64 };
    assert_eq!(lines.lines_read, count, "{expected:?}");
    lines
}

fn check_refused(text: impl AsRef<[u8]>, req: ReadFileLinesRequest, fragments: &[&str]) {
    let error = read(text, req).unwrap_err();
    for fragment in fragments {
        assert!(error.contains(fragment), "{error}");
    }
}

#[test]
fn text_is_split_on_line_feeds_alone() {
    let cases = [
        ("a", "1\ta", 1),
        ("a\n", "1\ta\n2\t", 2),
        ("\n", "1\t\n2\t", 2),
        ("\n\na", "1\t\n2\t\n3\ta", 3),
        ("a\r\nb\r", "1\ta\r\n2\tb\r", 2),
        ("a\u{2028}b\u{b}c\u{85}d", "1\ta\u{2028}b\u{b}c\u{85}d", 1),
        ("\u{feff}a\tb", "1\t\u{feff}a\tb", 1),
        ("line1\nline2\nline3", "1\tline1\n2\tline2\n3\tline3", 3),
    ];
    for (text, expected, total) in cases {
        let lines = check(text, request(), expected);
        assert_eq!((lines.total_lines, lines.next_offset), (Some(total), None), "{text:?}");
        assert!(!lines.is_truncated && !lines.is_lossy, "{text:?}");
    }
}

#[test]
fn an_empty_text_has_no_lines_wherever_reading_starts() {
    for offset in [0, 1, 100, u64::MAX] {
        let lines = check("", ReadFileLinesRequest { offset, ..request() }, "");
        assert_eq!(lines, Lines::default());
    }
}

#[test]
fn offset_and_limit_choose_lines() {
    let cases = [
        (0, 0, "1\ta\n2\tb\n3\tc", None),
        (1, 1, "1\ta", Some(2)),
        (2, 0, "2\tb\n3\tc", None),
        (2, 1, "2\tb", Some(3)),
        (3, 1, "3\tc", None),
        (3, 100, "3\tc", None),
        (1, u64::MAX, "1\ta\n2\tb\n3\tc", None),
    ];
    for (offset, limit, expected, next) in cases {
        let lines = check("a\nb\nc", ReadFileLinesRequest { offset, limit, ..request() }, expected);
        assert_eq!(lines.next_offset, next, "{offset} {limit}");
        assert_eq!((lines.total_lines, lines.is_truncated), (Some(3), false));
    }
}

#[test]
fn an_offset_beyond_the_last_line_is_refused_with_both_numbers() {
    for partial in [false, true] {
        let req = |offset| ReadFileLinesRequest { offset, partial, ..request() };
        check_refused("a\nb\nc", req(100), &["100", "3 lines"]);
        check_refused("a\nb\nc", req(4), &["4", "3 lines"]);
        check_refused("a\n", req(3), &["3", "2 lines"]);
        check_refused("a", req(u64::MAX), &["18446744073709551615", "1 lines"]);
        check("a\n", req(2), "2\t");
    }
}

#[test]
fn a_long_line_is_cut_at_a_character_boundary() {
    let cases: [(&[u8], u64, &str, bool); 15] = [
        (b"abcd", 4, "abcd", false),
        (b"abcde", 4, "abcd... [truncated]", false),
        ("abcä".as_bytes(), 5, "abcä", false),
        ("abcä".as_bytes(), 4, "abc... [truncated]", false),
        ("abäcd".as_bytes(), 4, "abä... [truncated]", false),
        ("ab€c".as_bytes(), 3, "ab... [truncated]", false),
        ("ab€c".as_bytes(), 4, "ab... [truncated]", false),
        ("ab€c".as_bytes(), 5, "ab€... [truncated]", false),
        ("a🦀".as_bytes(), 4, "a... [truncated]", false),
        ("🦀".as_bytes(), 1, "... [truncated]", false),
        ("🦀🦀".as_bytes(), 4, "🦀... [truncated]", false),
        // No character lies across these cuts, only its beginning or end.
        (b"ab\xe2\x82x", 3, "ab\u{fffd}... [truncated]", true),
        (b"ab\xe2\x82", 3, "ab\u{fffd}... [truncated]", true),
        (b"\x80\x80\x80\x80\x80", 4, "\u{fffd}\u{fffd}\u{fffd}\u{fffd}... [truncated]", true),
        (b"abc\xff\xff", 4, "abc\u{fffd}... [truncated]", true),
    ];
    for (text, max_line_bytes, expected, is_lossy) in cases {
        let req = ReadFileLinesRequest { max_line_bytes, ..request() };
        let lines = check(text, req.clone(), &format!("1\t{expected}"));
        assert_eq!(lines.is_lossy, is_lossy, "{text:?}");
        assert_eq!((lines.is_truncated, lines.next_offset), (false, None), "{text:?}");
        // What follows the line does not change it.
        let followed = [text, b"\nx"].concat();
        check(followed, req, &format!("1\t{expected}\n2\tx"));
    }
}

#[test]
fn a_line_of_1025_bytes_is_cut_by_default() {
    let expected = format!("1\t{}... [truncated]", "x".repeat(1024));
    let lines = check("x".repeat(1025), request(), &expected);
    assert_eq!(lines.total_lines, Some(1));
    check("x".repeat(1024), request(), &format!("1\t{}", "x".repeat(1024)));
}

#[test]
fn invalid_utf8_is_replaced_and_told_when_it_is_answered() {
    assert!(check(b"a\xffb", request(), "1\ta\u{fffd}b").is_lossy);
    assert!(check(b"\xc3", request(), "1\t\u{fffd}").is_lossy);
    assert!(!check("\u{fffd}", request(), "1\t\u{fffd}").is_lossy);
    assert!(!check(b"a\n\xff", ReadFileLinesRequest { limit: 1, ..request() }, "1\ta").is_lossy);
    let cut = ReadFileLinesRequest { max_line_bytes: 1, ..request() };
    assert!(!check(b"a\xff", cut, "1\ta... [truncated]").is_lossy);
}

#[test]
fn the_budget_of_bytes_counts_numbers_tabs_joints_and_marks() {
    // "1\tab" and "\n2\tcd" are 4 and 5 bytes.
    let req = |max_response_bytes| ReadFileLinesRequest { max_response_bytes, ..request() };
    check("ab\ncd", req(9), "1\tab\n2\tcd");
    check_refused("ab\ncd", req(8), &["8 bytes"]);
    check_refused("ab\ncd", req(3), &["3 bytes"]);
    let cut = |max_response_bytes| ReadFileLinesRequest {
        max_line_bytes: 1,
        max_response_bytes,
        ..request()
    };
    check("ab", cut(18), "1\ta... [truncated]");
    check_refused("ab", cut(17), &["17 bytes"]);
    // A replaced byte is three bytes of content.
    check(b"\xff", req(5), "1\t\u{fffd}");
    check_refused(b"\xff", req(4), &["4 bytes"]);
    check_refused(vec!["x".repeat(1000); 40].join("\n"), request(), &["line 33", "32768 bytes"]);
}

#[test]
fn a_partial_answer_has_the_lines_that_fit_and_at_least_one() {
    let req = |max_response_bytes| ReadFileLinesRequest {
        partial: true,
        max_response_bytes,
        ..request()
    };
    let cases = [(9, "1\tab\n2\tcd", None), (8, "1\tab", Some(2)), (1, "1\tab", Some(2))];
    for (max, expected, next) in cases {
        let lines = check("ab\ncd", req(max), expected);
        assert_eq!((lines.next_offset, lines.is_truncated), (next, next.is_some()), "{max}");
        assert_eq!(lines.total_lines, Some(2), "{max}");
    }
    // The only line is more than the budget, and still nothing is missing.
    let lines = check("abcdef", req(1), "1\tabcdef");
    assert_eq!((lines.next_offset, lines.is_truncated), (None, false));
    // The limit ended this one.
    let limited = ReadFileLinesRequest { limit: 1, ..req(1) };
    let lines = check("ab\ncd", limited, "1\tab");
    assert_eq!((lines.next_offset, lines.is_truncated), (Some(2), false));
}

#[test]
fn the_budget_of_lines_ends_an_answer_without_a_limit() {
    let text = vec!["x"; 3000].join("\n");
    let lines = read(&text, request()).unwrap();
    assert_eq!((lines.lines_read, lines.total_lines), (2000, Some(3000)));
    assert_eq!((lines.next_offset, lines.is_truncated), (Some(2001), true));
    assert!(lines.content.ends_with("\n2000\tx"));
    let exact = read(vec!["x"; 2000].join("\n"), request()).unwrap();
    assert_eq!((exact.next_offset, exact.is_truncated), (None, false));
}

#[test]
fn the_budget_of_lines_fails_a_limit_beyond_it_unless_partial() {
    let text = vec!["x"; 3000].join("\n");
    let req = ReadFileLinesRequest { limit: 5000, ..request() };
    check_refused(&text, req.clone(), &["2000 lines"]);
    let partial = ReadFileLinesRequest { partial: true, ..req.clone() };
    let lines = read(&text, partial).unwrap();
    assert_eq!((lines.lines_read, lines.next_offset), (2000, Some(2001)));
    assert_eq!((lines.total_lines, lines.is_truncated), (Some(3000), true));
    // Fewer lines are left than the budget has.
    let rest = ReadFileLinesRequest { offset: 1001, ..req };
    assert_eq!(read(&text, rest).unwrap().lines_read, 2000);
    // A limit at the budget is the limit's doing.
    let limited = ReadFileLinesRequest { limit: 2000, ..request() };
    let lines = read(&text, limited).unwrap();
    assert_eq!((lines.next_offset, lines.is_truncated), (Some(2001), false));
}

#[test]
fn of_two_budgets_the_first_one_hit_decides() {
    let text = "aaaa\nbbbb\ncccc\ndddd";
    let req = |max_response_lines, max_response_bytes| ReadFileLinesRequest {
        limit: 100,
        max_response_lines,
        max_response_bytes,
        ..request()
    };
    // A line is 6 bytes, with its joint 7.
    check_refused(text, req(2, 25), &["line 3", "2 lines"]);
    check_refused(text, req(3, 19), &["line 3", "19 bytes"]);
    check_refused(text, req(2, 19), &["line 3", "19 bytes", "2 lines"]);
    // Without a limit the third line is not wanted, so its bytes do not count.
    let unlimited = ReadFileLinesRequest { limit: 0, ..req(2, 19) };
    assert_eq!(check(text, unlimited, "1\taaaa\n2\tbbbb").next_offset, Some(3));
}

#[test]
fn a_settled_answer_needs_no_more_of_the_text() {
    let one = ReadFileLinesRequest { limit: 1, ..request() };
    let mut reader = LineReader::new(Budget::of(&one));
    assert_eq!(reader.feed(b"a").unwrap(), Progress::Reading);
    assert_eq!(reader.feed(b"\n").unwrap(), Progress::Settled);
    let lines = reader.finish(End::Unneeded).unwrap();
    assert_eq!((lines.content.as_str(), lines.next_offset), ("1\ta", Some(2)));
    assert_eq!(lines.total_lines, None);

    // A line that is too long to fit settles the answer before its end.
    let partial = ReadFileLinesRequest {
        partial: true,
        max_line_bytes: 4,
        max_response_bytes: 10,
        ..request()
    };
    let mut reader = LineReader::new(Budget::of(&partial));
    assert_eq!(reader.feed(b"a\nbbbbbb").unwrap(), Progress::Reading);
    assert_eq!(reader.feed(b"bbbbbb").unwrap(), Progress::Settled);
    let lines = reader.finish(End::Unneeded).unwrap();
    assert_eq!((lines.next_offset, lines.is_truncated), (Some(2), true));
}

#[test]
fn a_text_that_is_cut_off_has_no_total_and_says_so() {
    let mut reader = LineReader::new(Budget::of(&request()));
    reader.feed(b"a\nb").unwrap();
    let lines = reader.finish(End::Cut).unwrap();
    assert_eq!((lines.content.as_str(), lines.is_truncated), ("1\ta\n2\tb", true));
    assert_eq!((lines.total_lines, lines.next_offset), (None, None));
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let mut reader = LineReader::new(Budget::of(&request()));
    let chunk = vec![b'x'; 64 * 1024];
    for _ in 0..1024 {
        reader.feed(&chunk).unwrap();
    }
    assert!(reader.line.capacity() < 4096, "{}", reader.line.capacity());
    assert!(reader.lines.content.capacity() < 4096);
    assert_eq!(reader.finish(End::Complete).unwrap().total_lines, Some(1));
}

/// Texts with line ends, characters of every width and bytes that are none.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        4 => "[a-c]{1,6}".prop_map(String::into_bytes),
        3 => prop::sample::select(vec!["ä", "€", "🦀", "\u{fffd}"]).prop_map(|s| s.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 1..4),
        1 => Just(b"\xf0\x9f\xa6".to_vec()),
        1 => Just(b"\xed\xa0\x80".to_vec()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn requests() -> impl Strategy<Value = ReadFileLinesRequest> {
    let small = |most: u64| prop_oneof![1 => Just(0), 4 => 1..=most, 1 => Just(u64::MAX)];
    (small(12), small(12), any::<bool>(), small(12), small(8), small(120)).prop_map(
        |(offset, limit, partial, max_line_bytes, max_response_lines, max_response_bytes)| {
            ReadFileLinesRequest {
                offset,
                limit,
                partial,
                max_line_bytes,
                max_response_lines,
                max_response_bytes,
                ..request()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_answer_is_that_of_the_whole_text_however_it_is_split(
        text in texts(),
        req in requests(),
        splits in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let budget = Budget::of(&req);
        let expected = model::read(&text, &budget);
        let mut reader = LineReader::new(budget);
        let mut rest = &text[..];
        let mut sizes = splits.iter().cycle();
        let mut failure = None;
        while let (false, None, Some(size)) = (rest.is_empty(), &failure, sizes.next()) {
            let (chunk, behind) = rest.split_at(rest.len().min(*size));
            rest = behind;
            failure = reader.feed(chunk).err();
        }
        let answer = match failure {
            Some(error) => Err(error),
            None => reader.finish(End::Complete),
        };
        prop_assert_eq!(answer.map_err(|error| error.to_string()), expected);
    }

    #[test]
    fn a_settled_answer_stays_but_for_the_total(text in texts(), req in requests(), at in 0_usize..200) {
        let budget = Budget::of(&req);
        let mut reader = LineReader::new(budget);
        let cut = at.min(text.len());
        if let Ok(Progress::Settled) = reader.feed(&text[..cut]) {
            let early = reader.finish(End::Unneeded).unwrap();
            let late = read_in_chunks(&text, budget, 3).unwrap();
            prop_assert_eq!(early, Lines { total_lines: None, ..late });
        }
    }
}
