//! What a refusal adds when nothing is found (section 7 of the rules).

use super::super::apply;
use super::{Edit, check_refused, exact_only, replace, replace_all};

/// Checks the text after `old_text not found in file`.
#[track_caller]
fn check_hint(before: &str, edit: &Edit, hint: &str) {
    check_refused(before, edit, &format!("old_text not found in file{hint}"));
}

#[test]
fn a_miscount_names_the_line_the_character_and_both_counts() {
    check_hint(
        "x =======\nx ===\n",
        &replace("first\nx =====\n", "q"),
        ". line 2 of old_text has 5 \"=\" (U+003D); the file has 7 at line 1, 3 at line 2",
    );
    check_hint(
        "a😀\n",
        &replace("a😀😀", "q"),
        ". line 1 of old_text has 2 \"😀\" (U+1F600); the file has 1 at line 1",
    );
}

#[test]
fn a_miscount_is_found_for_every_edit_that_finds_nothing() {
    let hint = ". line 1 of old_text has 3 \"=\" (U+003D); the file has 2 at line 1";
    check_hint("==\n", &replace("===", "q"), hint);
    check_hint("==\n", &replace_all("===", "q"), hint);
    check_hint("==\n", &exact_only("===", "q"), hint);
    check_refused(
        "==\nx\n",
        &replace("===\nx\n", "a\r\nb\r\n"),
        "old_text not found in file: old_text and new_text have different line endings, so only \
         an exact match is replaced. line 1 of old_text has 3 \"=\" (U+003D); the file has 2 at \
         line 1",
    );
}

#[test]
fn one_of_the_two_counts_is_at_least_two() {
    let cases = [
        ("a\n", "ab", ""),
        ("acb\n", "-\nac", ""),
        ("aacb\n", "-\naac", ""),
        ("a\n", "abb", ". line 1 of old_text has 2 \"b\" (U+0062); the file has 0 at line 1"),
        ("bab\n", "-\na", ". line 2 of old_text has 0 \"b\" (U+0062); the file has 2 at line 1"),
        ("abb\n", "-\nba", ". line 2 of old_text has 1 \"b\" (U+0062); the file has 2 at line 1"),
        ("ba\n", "abb", ". line 1 of old_text has 2 \"b\" (U+0062); the file has 1 at line 1"),
        ("b\n", "bb", ". line 1 of old_text has 2 \"b\" (U+0062); the file has 1 at line 1"),
    ];
    for (before, old, hint) in cases {
        check_hint(before, &replace(old, "q"), hint);
    }
}

#[test]
fn exactly_one_character_differs() {
    for (before, old) in
        [("abc\n", "cba"), ("aab\n", "abb"), ("aabbc\n", "aaaabbbbc"), ("aad", "aab")]
    {
        check_hint(before, &replace(old, "q"), "");
    }
    // Order plays no part, only the counts.
    check_hint(
        "=a=b\n",
        &replace("b===a", "q"),
        ". line 1 of old_text has 3 \"=\" (U+003D); the file has 2 at line 1",
    );
    // `bfg` and `cdh` have equal power sums, so these look like one `x` less.
    check_hint("cdhx\n", &replace("bfgxx", "q"), "");
    check_hint("ccddhhx\n", &replace("bbffggxx", "q"), "");
}

#[test]
fn lines_are_compared_trimmed_and_empty_ones_take_no_part() {
    check_hint(
        "\t a  b \u{3000}\r\n",
        &replace("\u{a0}a b\n", "q"),
        ". line 1 of old_text has 1 \" \" (U+0020); the file has 2 at line 1",
    );
    check_hint("  \n\n\u{3000}\n", &replace("aa\n\n \nbb", "q"), "");
    check_hint(
        "\naa\n",
        &replace("\n\naaa", "q"),
        ". line 3 of old_text has 3 \"a\" (U+0061); the file has 2 at line 2",
    );
}

#[test]
fn a_line_that_equals_one_of_the_file_is_no_miscount() {
    check_hint("rule ==\nrule ====\n", &replace("rule ==\nnext\n", "q\n"), "");
    check_hint("rule ====\n  rule == \n", &replace("rule ==\nnext\n", "q\n"), "");
    // The same characters in another order are not the same line.
    check_hint(
        "=a=b\na=b==\n",
        &replace("ab==", "q"),
        ". line 1 of old_text has 2 \"=\" (U+003D); the file has 3 at line 2",
    );
    // The other lines are still compared.
    check_hint(
        "rule ==\nrule ====\nend -\n",
        &replace("rule ==\nend --\n", "q\n"),
        ". line 2 of old_text has 2 \"-\" (U+002D); the file has 1 at line 3",
    );
}

#[test]
fn groups_come_in_the_order_of_the_old_lines_then_of_the_file() {
    let file = "bb\naa\nxxa\nyyya\n";
    check_hint(
        file,
        &replace("aaa\nbbb\nxyya", "q"),
        ". line 1 of old_text has 3 \"a\" (U+0061); the file has 2 at line 2\
         . line 2 of old_text has 3 \"b\" (U+0062); the file has 2 at line 1",
    );
    check_hint(
        "axx\nayy\naxxx\n",
        &replace("-\na", "q"),
        ". line 2 of old_text has 0 \"x\" (U+0078); the file has 2 at line 1, 3 at line 3\
         . line 2 of old_text has 0 \"y\" (U+0079); the file has 2 at line 2",
    );
    // The same line twice is two lines.
    check_hint(
        "==\n",
        &replace("===\n-\n===", "q"),
        ". line 1 of old_text has 3 \"=\" (U+003D); the file has 2 at line 1\
         . line 3 of old_text has 3 \"=\" (U+003D); the file has 2 at line 1",
    );
}

#[test]
fn after_five_file_lines_and_three_groups_the_rest_is_counted() {
    let group = |line: usize, letter: char| {
        let code = u32::from(letter);
        format!(
            ". line {line} of old_text has 2 \"{letter}\" (U+{code:04X}); the file has 1 at line {line}"
        )
    };
    let three = format!("{}{}{}", group(1, 'a'), group(2, 'b'), group(3, 'c'));
    check_hint("a\nb\nc\n", &replace("aa\nbb\ncc", "q"), &three);
    check_hint("a\nb\nc\nd\n", &replace("aa\nbb\ncc\ndd", "q"), &format!("{three}. and 1 more"));
    let five = replace("aa\nbb\ncc\ndd\nee", "q");
    check_hint("a\nb\nc\nd\ne\n", &five, &format!("{three}. and 2 more"));
    let places = "2 at line 1, 2 at line 2, 2 at line 3, 2 at line 4, 2 at line 5";
    let has = ". line 1 of old_text has 3 \"=\" (U+003D); the file has";
    check_hint(&"==\n".repeat(5), &replace("===", "q"), &format!("{has} {places}"));
    check_hint(&"==\n".repeat(7), &replace("===", "q"), &format!("{has} {places} and 2 more"));
}

#[track_caller]
fn check_bytes(before: &[u8], edit: &Edit, hint: &str) {
    let refusal = apply(before, edit).unwrap_err().to_string();
    assert_eq!(refusal, format!("old_text not found in file{hint}"));
}

#[test]
fn invalid_utf8_counts_as_the_replacement_character() {
    check_bytes(
        b"a\xffb\xff\n",
        &replace("a\u{fffd}b", "q"),
        ". line 1 of old_text has 1 \"\u{fffd}\" (U+FFFD); the file has 2 at line 1",
    );
    // As characters the lines are equal, so there is nothing to count.
    check_bytes(b"==\xff\n==\n", &replace("==\u{fffd}", "q"), "");
    check_bytes(
        b"\xff==\n",
        &replace("\u{fffd}===", "q"),
        ". line 1 of old_text has 3 \"=\" (U+003D); the file has 2 at line 1",
    );
    check_bytes(
        b"\xff new \xff\n",
        &replace("old", "new"),
        ". new_text appears in the file at line 1: were old_text and new_text swapped?",
    );
}

#[test]
fn a_swap_names_the_lines_that_hold_the_new_text() {
    let cases = [
        ("uno\ndos\ntres\n", "tres", "3"),
        ("a xx xx\nb\nxxx\n", "xx", "1, 3"),
        ("A\nB\nA\nB\nA\n", "A\nB\nA", "1, 3"),
        ("a\nb\n", "\nb", "1"),
        ("s\ns\ns\ns\ns\n", "s", "1, 2, 3, 4, 5"),
        ("s\ns\ns\ns\ns\ns\ns\n", "s", "1, 2, 3, 4, 5 and 2 more"),
        // As whole lines, trailing blanks ignored: only where no substring is.
        ("x\nbeta row  \nbeta row\t\n", "beta row\n", "2, 3"),
        ("x\nbeta row  \nbeta row.\n", "beta row", "2, 3"),
        ("\tbeta  \nbeta  \n", "beta\n", "2"),
        // All white space ignored: only where the other two find nothing.
        ("x\n\tbeta  \n \tbeta\n", "  beta\n", "2, 3"),
        ("a\r\n\tb\r\n\ta\r\n\tb\r\n", "a\n  b\n", "1, 3"),
    ];
    for (before, new, lines) in cases {
        let hint = format!(
            ". new_text appears in the file at line {lines}: were old_text and new_text swapped?"
        );
        check_hint(before, &replace("nowhere", new), &hint);
        check_hint(before, &exact_only("nowhere", new), &hint);
    }
}

#[test]
fn a_new_text_of_white_space_is_no_swap() {
    for new in ["", " ", "\n", "\t\n \n", "\u{3000}"] {
        check_hint("a b\n\n \u{3000}\n", &replace("nowhere", new), "");
    }
    check_hint("abc\n", &replace("nowhere", "xyz"), "");
    check_hint("\tbeta gamma\n", &replace("nowhere", " beta\n"), "");
}

#[test]
fn a_miscount_comes_before_a_swap() {
    check_hint(
        "==\nnew\n",
        &replace("===", "new"),
        ". line 1 of old_text has 3 \"=\" (U+003D); the file has 2 at line 1",
    );
}

#[test]
fn texts_of_white_space_can_still_be_swapped() {
    check_hint(
        "new\n",
        &replace("\t", "new"),
        ". new_text appears in the file at line 1: were old_text and new_text swapped?",
    );
}

#[test]
fn large_texts_get_no_hint() {
    let hint = ". line 1 of old_text has 3 \"=\" (U+003D); the file has 2 at line 1";
    let file = |length: usize| format!("==\n{}", "x".repeat(length - 3));
    check_hint(&file(1024 * 1024), &replace("===", "q"), hint);
    check_hint(&file(1024 * 1024 + 1), &replace("===", "q"), "");
    let old = |length: usize| format!("===\n{}", "y".repeat(length - 4));
    check_hint("==\n", &replace(&old(16 * 1024), "q"), hint);
    check_hint("==\n", &replace(&old(16 * 1024 + 1), "q"), "");
    check_hint("==\n", &replace(&format!("==={}", "\n-".repeat(199)), "q"), hint);
    check_hint("==\n", &replace(&format!("==={}", "\n-".repeat(200)), "q"), "");
}
