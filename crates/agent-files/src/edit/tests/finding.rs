//! Which places of a file an edit means, and how it is refused (section 2 of the rules).

use agent_api::{Classify, ErrorCode};

use super::super::{Refusal, apply};
use super::{Edit, check, check_refused, exact_only, replace, replace_all};

const NOT_FOUND: &str = "old_text not found in file";

#[test]
fn an_empty_old_text_is_refused_whatever_else_is_asked() {
    for edit in [replace("", "x"), replace_all("", ""), exact_only("", "x")] {
        for before in ["", "x", "x\n"] {
            check_refused(before, &edit, "old_text must not be empty");
        }
    }
}

#[test]
fn an_exact_hit_is_any_substring() {
    check("foobar\n", &replace("oba", "-"), "fo-r\n");
    check("one\ntwo\n", &replace("e\nt", "e t"), "one two\n");
    check("one\r\ntwo\r\n", &replace("e\r", "E"), "onE\ntwo\r\n");
    check("x", &replace("x", ""), "");
    check("a b\n", &replace_all(" ", ""), "ab\n");
}

#[test]
fn exact_hits_do_not_overlap() {
    check("aaa", &replace("aa", "X"), "Xa");
    check("aaaaa", &replace_all("aa", "X"), "XXa");
    check_refused(
        "aaaa",
        &replace("aa", "X"),
        "old_text matches 2 occurrences, at line 1: add lines that make it unique, or set replace_all",
    );
}

#[test]
fn several_hits_are_refused_with_their_first_five_distinct_lines() {
    let cases = [
        ("x\nx x\ny\nx", "x", "4 occurrences, at line 1, 2, 4:"),
        // A hit that begins with a line ending lies in the line which that ends.
        ("a\nb\na\nb\n", "\nb", "2 occurrences, at line 1, 3:"),
        ("x\nx\nx\nx\nx\n", "x", "5 occurrences, at line 1, 2, 3, 4, 5:"),
        ("x\nx\nx\nx\nx\nx x\n", "x", "7 occurrences, the first at line 1, 2, 3, 4, 5:"),
        // The same for whole lines.
        ("\tx\n\ty\n \tx\n", "  x", "2 occurrences, at line 1, 3:"),
        ("q\n\tx\n\n\n\tx\n\tx\n", "  x\n", "3 occurrences, at line 2, 5, 6:"),
    ];
    for (before, old, message) in cases {
        let message =
            format!("old_text matches {message} add lines that make it unique, or set replace_all");
        check_refused(before, &replace(old, "new"), &message);
    }
}

#[test]
fn an_edit_that_changes_line_endings_needs_an_exact_hit() {
    let text = "old_text not found in file: old_text and new_text have different line endings, \
                so only an exact match is replaced";
    check_refused("\ta\n\tb\n", &replace("a\n b\n", "a\r\n c\r\n"), text);
    check_refused("\ta\n\tb\n", &exact_only("a\n b\n", "a\r\n c\r\n"), text);
    check("a\nb\nc\n", &replace("a\nb\n", "a\r\nb\r\n"), "a\r\nb\r\nc\n");
    // One line has no internal ending, so nothing is changed on purpose.
    check("\ta\n\tb\n", &replace(" a\n", " c\r\n d\r\n"), "\tc\n\td\n\tb\n");
    check("\ta\n\tb\n", &replace(" a\n b\n", " c\r\n"), "\tc\n");
    // Neither has a text with both endings.
    check("\ta\n\tb\n", &replace(" a\n b\n", " a\n x\r\n b\n"), "\ta\n\tx\r\n\tb\n");
}

#[test]
fn an_old_text_of_white_space_is_never_looked_for_by_fuzz() {
    for old in [" ", "\t\n", "   \n", " \n \n", "\u{a0}", "\u{3000}\n", "\r", "\u{b}", "\u{85}\n"] {
        check_refused("a\n\nb\n\n\nc\n", &replace(old, "x"), NOT_FOUND);
    }
    check("a\n\u{3000}\n", &replace("\u{3000}", "b"), "a\nb\n");
}

#[test]
fn without_fuzz_only_an_exact_hit_counts() {
    check_refused("row \n", &exact_only("row\n", "ROW\n"), NOT_FOUND);
    check_refused("\trow\n", &exact_only("  row\n", "ROW\n"), NOT_FOUND);
    check_refused("\trow\r\n\tcol\r\n", &exact_only("row\n\tcol\n", "q\n"), NOT_FOUND);
    check("\trow \n", &exact_only("row ", "col"), "\tcol\n");
}

#[test]
fn the_first_pass_with_a_hit_decides() {
    // Exact, then trailing blanks ignored, then all white space ignored.
    let file = "\trow \nrow \n  row\n";
    check("row \nrow\t\n", &replace("row\t\n", "A"), "row \nA");
    check(file, &replace_all("row\t\n", "A\n"), "\trow \nA\n  row\n");
    check(file, &replace_all("   row\n", "   A\n"), "\tA \nA \n  A\n");
    // One hit of an earlier pass is not made ambiguous by those of a later one.
    check(file, &replace("row\t\n", "A\n"), "\trow \nA\n  row\n");
}

#[test]
fn windows_are_found_from_the_top_and_do_not_overlap() {
    check("\ta\n\ta\n\ta\n", &replace(" a\n a\n", " b\n"), "\tb\n\ta\n");
    check("\ta\n\ta\n\ta\n\ta\n", &replace_all(" a\n a\n", " b\n"), "\tb\n\tb\n");
    // A start that fails late gives way to one that begins inside it.
    let repeated = "\taa\n\tb\n\taa\n\tb\n\taa\n\tc\n";
    check(repeated, &replace(" aa\n b\n aa\n c\n", " x\n"), "\taa\n\tb\n\tx\n");
    check("\ta\n\ta\n\ta\n\tb\n", &replace(" a\n a\n b\n", " x\n"), "\ta\n\tx\n");
    check(
        "\ta\n\tb\n\ta\n\tb\n\ta\n\tc\n",
        &replace(" a\n b\n a\n c\n", " x\n"),
        "\ta\n\tb\n\tx\n",
    );
}

#[test]
fn a_window_is_made_of_whole_lines() {
    check_refused("\tlet row = 1\n", &replace("  let row", "  x"), NOT_FOUND);
    check_refused("row = 1; \n", &replace("row =\n", "x"), NOT_FOUND);
    check_refused("\ta\n\n\tb\n", &replace("  a\n  b\n", "x"), NOT_FOUND);
}

#[test]
fn the_last_line_of_a_file_has_no_ending_and_may_be_empty() {
    check("\tfoo\n", &replace("  foo\n\n", "  bar\n\n"), "\tbar\n");
    check_refused("\tfoo\n", &replace("  foo\n\n\n", "  bar\n"), NOT_FOUND);
    check_refused("\tfoo", &replace("  foo\n\n", "  bar\n"), NOT_FOUND);
    check_refused("", &replace("foo", "bar"), NOT_FOUND);
}

#[test]
fn line_endings_never_prevent_a_hit() {
    check("a\r\n\tb\r\n", &replace("a\n  b\n", "x\n"), "x\r\n");
    check("\ta\n\tb\n", &replace("  a\r\n  b\r\n", "  x\r\n"), "\tx\n");
    check("\ta\r\n\tb\n\tc", &replace("  a\n  b\r\n  c\n", "  x"), "\tx");
}

#[test]
fn a_carriage_return_inside_a_line_is_text_and_at_its_end_white_space() {
    check_refused("a\rb\n", &replace("a\n", "x"), NOT_FOUND);
    check_refused("\ta\rb\n", &replace("  a\r", "x"), NOT_FOUND);
    check("\ta\rb\n", &replace("  a\rb\n", "  c\n"), "\tc\n");
    check("\trow\r", &replace("  row", "  new"), "\tnew");
    check("\trow\r\r\n", &replace("  row\n", "  new\n"), "\tnew\r\n");
}

#[test]
fn white_space_is_what_unicode_calls_so() {
    let spaces =
        "\u{b}\u{c}\u{85}\u{a0}\u{1680}\u{2000}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
    let single = spaces.chars().map(String::from);
    for space in single.chain(["\u{a0} \u{2003}\u{c}".to_owned()]) {
        check(&format!("{space}é─\n"), &replace(" é─\n", "x\n"), "x\n");
        let after = format!("é─{space}.\nx\n");
        check(&format!("é─{space}.\n\té─{space}\n"), &replace(" é─\n", "x\n"), &after);
    }
    for letter in ["\u{200b}", "\u{feff}", "\u{180e}", "\u{2060}", "\u{0}", "\u{1c}", "\u{1f}"] {
        check_refused(&format!("{letter}row\n"), &replace("  row\n", "x\n"), NOT_FOUND);
        check_refused(&format!("\trow{letter}\n"), &replace("  row\n", "x\n"), NOT_FOUND);
    }
}

#[track_caller]
fn check_bytes(before: &[u8], edit: &Edit, expected: Result<&[u8], &str>) {
    let after = apply(before, edit).map_err(|refusal| refusal.to_string());
    assert_eq!(after.as_deref().map_err(String::as_str), expected, "{edit:?}");
}

#[test]
fn bytes_that_are_not_utf8_survive_and_are_never_white_space() {
    check_bytes(b"\xff x \xfe\r\n", &replace("x", "y"), Ok(b"\xff y \xfe\r\n"));
    check_bytes(b"\xc3\n\trow\n\x80", &replace("  row\n", "  new\n"), Ok(b"\xc3\n\tnew\n\x80"));
    for row in [&b"\xffrow\n"[..], b"\trow\xff\n", b"\trow\xe3\x80\n", b"\x85row\n", b"\xa0row\n"] {
        check_bytes(row, &replace("  row\n", "x\n"), Err(NOT_FOUND));
    }
}

#[test]
fn a_result_beyond_the_memory_of_a_request_is_refused() {
    let too_large = Err(Refusal::TooLarge { limit: 256 * 1024 * 1024 });
    let thousand = "y".repeat(1000);
    assert_eq!(apply(&b"x".repeat(1_000_000), &replace_all("x", &thousand)), too_large);
    // A translated lead multiplies the file's unit by the caller's level.
    let file = format!("{}a\n", " ".repeat(1_000_000));
    let stretched = format!("\ta\n{}b\n", "\t".repeat(1000));
    assert_eq!(apply(file.as_bytes(), &replace("\ta\n", &stretched)), too_large);
}

#[test]
fn a_refusal_asks_to_fix_the_request_or_to_send_less() {
    let code = |before: &str, edit: &Edit| apply(before.as_bytes(), edit).unwrap_err().code();
    for edit in [replace("", "x"), replace("a", "x"), replace("q", "x")] {
        assert_eq!(code("a a", &edit), ErrorCode::InvalidArgument, "{edit:?}");
    }
    let much = "y".repeat(1000);
    assert_eq!(code(&"x".repeat(1_000_000), &replace_all("x", &much)), ErrorCode::TooLarge);
}
