//! How lines are matched and shown: endings, encodings, long lines, context.

use agent_api::{SearchFilesRequest, SearchMatch, Submatch};

use super::{check, matches, request, search};
use crate::fixture::Fixture;

async fn only(fixture: &Fixture, req: SearchFilesRequest) -> SearchMatch {
    let answer = search(fixture, req).await;
    let [found] = <[SearchMatch; 1]>::try_from(answer.matches).unwrap();
    found
}

#[tokio::test]
async fn a_line_is_matched_without_its_ending() {
    let fixture = Fixture::new();
    fixture.put("f", "one\r\ntwo\nthr\ree\r\nlast\r");
    check(&fixture, request(&fixture, "e$"), &["f:1:one", "f:3:thr\ree"]).await;
    check(&fixture, request(&fixture, "^t"), &["f:2:two", "f:3:thr\ree"]).await;
    check(&fixture, request(&fixture, r"\r"), &["f:3:thr\ree", "f:4:last\r"]).await;
    check(&fixture, request(&fixture, r"o\s*t"), &[]).await;
    check(&fixture, request(&fixture, r"\Atwo\z"), &["f:2:two"]).await;
}

#[tokio::test]
async fn an_empty_piece_after_the_last_line_feed_is_no_line() {
    let fixture = Fixture::new();
    fixture.put("a", "x\n\n");
    fixture.put("b", "");
    check(&fixture, request(&fixture, "^$"), &["a:2:"]).await;
    check(&fixture, request(&fixture, ".*"), &["a:1:x", "a:2:"]).await;
}

#[tokio::test]
async fn empty_matches_are_no_submatches() {
    let fixture = Fixture::new();
    fixture.put("f", "abxxcx\nab\n");
    let answer = search(&fixture, request(&fixture, "x*")).await;
    let [with, without] = &*answer.matches else { panic!("{answer:?}") };
    assert_eq!(with.submatches, [Submatch { start: 2, end: 4 }, Submatch { start: 5, end: 6 }]);
    assert_eq!(with.column, 3);
    assert_eq!((without.column, &*without.submatches), (1, &[][..]));
}

#[tokio::test]
async fn invalid_utf8_is_shown_as_a_replacement_and_counted_as_bytes() {
    let fixture = Fixture::new();
    fixture.put("f", b"a\xFF\xFEneedle\xFF\n");
    let found = only(&fixture, request(&fixture, "needle")).await;
    assert_eq!(found.text, "a\u{FFFD}\u{FFFD}needle\u{FFFD}");
    assert_eq!((found.column, &*found.submatches), (4, &[Submatch { start: 3, end: 9 }][..]));
    let found = only(&fixture, request(&fixture, r"(?-u:\xFE)n")).await;
    assert_eq!(found.submatches, [Submatch { start: 2, end: 4 }]);
}

#[tokio::test]
async fn a_long_line_is_cut_around_its_first_match() {
    let fixture = Fixture::new();
    fixture.put("f", format!("{}needle{}needle\n", "x".repeat(5000), "y".repeat(5000)));
    let found = only(&fixture, request(&fixture, "needle")).await;
    assert!(found.cut);
    assert_eq!(found.text_start, 5000 - 256);
    assert_eq!(found.text, format!("{}needle{}", "x".repeat(256), "y".repeat(1024 - 256 - 6)));
    let submatches = [(5000, 5006), (10_006, 10_012)].map(|(start, end)| Submatch { start, end });
    assert_eq!((found.column, &*found.submatches), (5001, &submatches[..]));
    let req = SearchFilesRequest { max_line_bytes: u64::MAX, ..request(&fixture, "needle") };
    let found = only(&fixture, req).await;
    assert_eq!((found.text.len(), found.cut, found.text_start), (10_012, false, 0));
}

#[tokio::test]
async fn a_cut_splits_no_character() {
    let fixture = Fixture::new();
    fixture.put("f", format!("{}needle{}\n", "é".repeat(100), "é".repeat(100)));
    let req = SearchFilesRequest { max_line_bytes: 21, ..request(&fixture, "needle") };
    let found = only(&fixture, req).await;
    // A quarter of 21 is 5, and the byte 5 before the match is in the middle of a character.
    assert_eq!((found.text_start, &*found.text), (194, "éééneedleéééé"));
    assert!(found.cut && found.text.len() <= 21);
}

#[tokio::test]
async fn context_is_shown_around_each_match() {
    let fixture = Fixture::new();
    fixture.put("f", "1\n2 x\r\n3\r\n4 x\n5\n6\n7\n8\n9 x\n");
    let around = |before: &[&str], after: &[&str]| {
        let own = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        (own(before), own(after))
    };
    let req = SearchFilesRequest { context_lines: 2, ..request(&fixture, "x") };
    let answer = search(&fixture, req).await;
    let shown: Vec<_> =
        answer.matches.into_iter().map(|found| (found.before, found.after)).collect();
    let expected = [
        around(&["1"], &["3", "4 x"]),
        around(&["2 x", "3"], &["5", "6"]),
        around(&["7", "8"], &[]),
    ];
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn context_is_at_most_twenty_lines_each_cut_at_its_end() {
    let fixture = Fixture::new();
    let lines: Vec<String> = (0..60).map(|i| format!("{i:02}{}", "é".repeat(10))).collect();
    fixture.put("f", format!("{}\nneedle\n{}\n", lines[..30].join("\n"), lines[30..].join("\n")));
    let req = SearchFilesRequest {
        context_lines: u64::MAX,
        max_line_bytes: 7,
        ..request(&fixture, "needle")
    };
    let found = only(&fixture, req).await;
    let cut = |line: &String| format!("{}éé", &line[..2]);
    assert_eq!(found.before, lines[10..30].iter().map(cut).collect::<Vec<_>>());
    assert_eq!(found.after, lines[30..50].iter().map(cut).collect::<Vec<_>>());
    assert_eq!(found.text, "needle");
}

#[tokio::test]
async fn the_context_of_the_last_match_of_a_page_is_complete() {
    let fixture = Fixture::new();
    fixture.put("f", "x1\nx2\nx3\nx4\n");
    let req = SearchFilesRequest { context_lines: 2, max_matches: 2, ..request(&fixture, "x") };
    let answer = search(&fixture, req.clone()).await;
    assert_eq!(answer.matches[0].after, ["x2", "x3"]);
    assert_eq!(answer.matches[1].after, ["x3", "x4"]);
    let rest = search(&fixture, SearchFilesRequest { cursor: answer.next_cursor, ..req }).await;
    assert_eq!(rest.matches[0].before, ["x1", "x2"]);
    assert_eq!(rest.matches[1].before, ["x2", "x3"]);
}

#[tokio::test]
async fn the_end_of_a_line_that_is_too_long_is_not_searched_and_that_is_told() {
    let fixture = Fixture::new();
    let long = 9 << 20;
    let mut content = b"first\n".to_vec();
    content.extend_from_slice(b"needle ");
    content.resize(long, b'.');
    content.extend_from_slice(b" hidden\nneedle at last\n");
    fixture.put("f", content);
    let answer = search(&fixture, request(&fixture, "needle|hidden")).await;
    let shown = matches(&fixture, &answer);
    assert_eq!(shown.len(), 2);
    assert!(shown[0].starts_with("f:2:needle ...") && answer.matches[0].cut);
    assert_eq!(shown[1], "f:3:needle at last");
    let reasons: Vec<&str> = answer.skipped.iter().map(|path| &*path.reason).collect();
    assert_eq!(reasons, ["line 2 is too long to be searched completely"]);
    // A match at the end of what is searched is no match at the end of the line.
    check_none(&fixture, r"\.$").await;
}

async fn check_none(fixture: &Fixture, pattern: &str) {
    let answer = search(fixture, request(fixture, pattern)).await;
    assert_eq!(matches(fixture, &answer), [""; 0]);
}
