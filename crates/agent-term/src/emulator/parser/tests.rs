//! Tests of the parser: what it finds, and that no cut changes it.

use proptest::prelude::*;

use super::*;

/// Everything that was found, in words.
#[derive(Debug, Default, PartialEq)]
struct Found(Vec<String>);

impl Found {
    fn add(&mut self, text: String) {
        self.0.push(text);
    }

    fn text(&mut self, text: &str) {
        match self.0.last_mut().filter(|last| last.starts_with("text ")) {
            Some(last) => last.push_str(text),
            None => self.add(format!("text {text}")),
        }
    }
}

impl Actions for Found {
    fn print_ascii(&mut self, text: &[u8]) {
        self.text(&String::from_utf8_lossy(text));
    }

    fn print(&mut self, text: &str) {
        self.text(text);
    }

    fn control(&mut self, code: u8) {
        self.add(format!("control {code:02x}"));
    }

    fn escape(&mut self, intermediates: &[u8], last: u8) {
        self.add(format!("escape {}{}", String::from_utf8_lossy(intermediates), char::from(last)));
    }

    fn sequence(&mut self, collected: &[u8], params: &Params, last: u8) {
        let collected = String::from_utf8_lossy(collected);
        self.add(format!("sequence {collected}{:?}{}", params.values(), char::from(last)));
    }

    fn command(&mut self, text: &[u8], is_whole: bool) {
        let text = String::from_utf8_lossy(text);
        self.add(format!("command {} {is_whole}", text.get(..9).unwrap_or(&text)));
    }

    fn device(&mut self, collected: &[u8], last: u8, text: &[u8]) {
        let (collected, text) = (String::from_utf8_lossy(collected), String::from_utf8_lossy(text));
        self.add(format!("device {collected}{}{text}", char::from(last)));
    }

    fn separate(&mut self) {}

    fn is_tired(&self) -> bool {
        false
    }
}

fn found(pieces: &[&[u8]]) -> (Vec<String>, Parser) {
    let (mut parser, mut found) = (Parser::default(), Found::default());
    for piece in pieces {
        assert!(parser.feed(piece, &mut found).is_empty());
    }
    (found.0, parser)
}

#[track_caller]
fn check(input: &[u8], expected: &[&str]) {
    assert_eq!(found(&[input]).0, expected);
    let bytes: Vec<_> = input.iter().map(std::slice::from_ref).collect();
    assert_eq!(found(&bytes).0, expected, "byte by byte");
}

#[test]
fn text_and_controls_come_in_order() {
    check("a\r\né漢😀\x7fz".as_bytes(), &["text a", "control 0d", "control 0a", "text é漢😀z"]);
    check("a\u{85}\u{9b}2Jb".as_bytes(), &["text a", "control 85", "sequence [2]J", "text b"]);
}

#[test]
fn invalid_utf8_is_one_replacement_for_each_longest_part() {
    check(b"a\xffb", &["text a\u{fffd}b"]);
    check(b"\xe6\xbca", &["text \u{fffd}a"]);
    check(b"\xf0\x9f\x98\xe6\xbc\xa2", &["text \u{fffd}漢"]);
    check(b"\xed\xa0\x80", &["text \u{fffd}\u{fffd}\u{fffd}"]);
    check(b"\x1b[3\xff1m", &["sequence [31]m"]);
    check("\u{feff}a".as_bytes(), &["text a"]);
}

#[test]
fn sequences_are_taken_apart() {
    check(
        b"\x1b[m\x1b[?25;1h\x1b[ q\x1b[!p",
        &["sequence [0]m", "sequence ?[25, 1]h", "sequence  [0]q", "sequence ![0]p"],
    );
    check(b"\x1b(0\x1b7\x1b#8\x1b\\", &["escape (0", "escape 7", "escape #8", "escape \\"]);
    check(b"\x1b[1\n2H", &["control 0a", "sequence [12]H"]);
    check(b"\x1b[1?2Hx", &["text x"]);
    check(b"\x1b[12\x18x\x1b[\x1b[1A", &["control 18", "text x", "sequence [1]A"]);
    check("\x1b[1éx".as_bytes(), &["text x"]);
    check(b"\x1b[!!!!px", &["text x"]);
}

#[test]
fn strings_end_at_their_terminators() {
    check(
        b"\x1b]0;hi\x07\x1b]2;ho\x1b\\",
        &["command 0;hi true", "command 2;ho true", "escape \\"],
    );
    check("\x1b]2;é\u{9c}x".as_bytes(), &["command 2;é true", "text x"]);
    check(b"\x1b]2;hi\x18x", &["text x"]);
    check(
        b"\x1bP$qm\x1b\\\x1bP1;2|ab\x9c\x1b\\",
        &["device $qm", "escape \\", "device |ab", "escape \\"],
    );
    check(b"\x1b_Ga=1;\x07\x1b\\x\x1bXsos\x1b\\", &["escape \\", "text x", "escape \\"]);
}

#[test]
fn what_is_unfinished_can_be_repeated() {
    let check = |input: &[u8], expected: &[u8]| {
        assert_eq!(found(&[input]).1.pending(), expected);
    };
    check(b"a", b"");
    check(b"a\x1b", b"\x1b");
    check(b"\x1b[1\r;3", b"\x1b[1;3");
    check(b"\xe6\xbc", b"\xe6\xbc");
    check(b"\x1b]2;\xe6\xbc", b"\x1b]2;\xe6\xbc");
    check(b"\xc2\x9b3", b"\xc2\x9b3");
    check(b"\x1bP1$q\x1b", b"\x1b");
    check(b"\x1b[1;2m", b"");
}

#[test]
fn endless_strings_are_cut_and_end_as_they_would() {
    for (start, stand_in) in
        [("\x1b]52;c;", "\x1b]7777;"), ("\x1bPq", "\x1bP~"), ("\x1b_G", "\x1bX")]
    {
        let mut input = start.as_bytes().to_vec();
        input.resize(1 << 20, b'a');
        let (_, parser) = found(&[&input]);
        assert_eq!(parser.pending(), stand_in.as_bytes());
        assert!(parser.memory_bytes() <= 2 * MAX_PENDING);
    }
    let title = format!("\x1b]2;{}", "t".repeat(1 << 20));
    let (_, parser) = found(&[title.as_bytes()]);
    assert!(parser.pending().starts_with(b"\x1b]2;ttt"));
    assert_eq!(found(&[title.as_bytes(), b"\x07x"]).0, ["command 2;ttttttt false", "text x"]);
}

proptest! {
    #[test]
    fn no_cut_changes_what_is_found(input in proptest::collection::vec(piece(), 0..40), cut in any::<usize>()) {
        let input = input.concat();
        let (first, second) = input.split_at(cut % (input.len() + 1));
        prop_assert_eq!(found(&[&input]).0, found(&[first, second]).0);
    }

    #[test]
    fn the_unfinished_bytes_continue_as_the_original(input in proptest::collection::vec(piece(), 0..40), cut in any::<usize>()) {
        let input = input.concat();
        let (first, second) = input.split_at(cut % (input.len() + 1));
        let (before, parser) = found(&[first]);
        let all = found(&[&input]).0;
        let after = found(&[&parser.pending(), second]).0;
        // Text on both sides of the cut is one piece in the whole.
        let joined: String = before.iter().chain(&after).map(|found| found.replace("text ", "")).collect();
        let whole: String = all.iter().map(|found| found.replace("text ", "")).collect();
        prop_assert_eq!(joined, whole);
    }
}

/// Bytes that matter to the parser, and any.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            &b"\x1b["[..],
            b"\x1b]",
            b"\x1bP",
            b"\x1b_",
            b"\x1b",
            b"\x07",
            b"\x1b\\",
            b"\x18",
            b"\n",
            b";",
            b":",
            b"?",
            b"$",
            b"m",
            b"q",
            b"12",
            b"\xc2\x9b",
            b"\xc2\x9c",
            b"\xe6\xbc\xa2",
            b"\xf0\x9f\x98\x80",
            b"\xe6",
            b"\xff",
            b"\x7f",
            b"a",
        ])
        .prop_map(<[u8]>::to_vec),
        proptest::collection::vec(any::<u8>(), 1..3),
    ]
}
