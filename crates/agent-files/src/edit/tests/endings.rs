//! The line endings of what is put in: exact (section 2) and fuzzy (section 5 of the rules).

use super::{check, exact_only, replace, replace_all};

#[test]
fn an_exact_hit_takes_the_files_dominant_ending() {
    check("a\r\nx\r\n", &replace("x", "Q\nY\n"), "a\r\nQ\r\nY\r\n\r\n");
    check("a\r\nx\r\n", &exact_only("x", "Q\nY"), "a\r\nQ\r\nY\r\n");
    check("a\nx\n", &replace("x\n", "Q\r\nY\r\n"), "a\nQ\nY\n");
    check("x x\r\n", &replace_all("x", "\n\n"), "\r\n\r\n \r\n\r\n\r\n");
    check("x", &replace("x", "Q\r\nY\r\n"), "Q\nY\n");
}

#[test]
fn crlf_is_dominant_only_with_strictly_more_lines() {
    check("a\r\nb\nx\r\n", &replace("x", "1\n2"), "a\r\nb\n1\r\n2\r\n");
    check("a\r\nb\nx", &replace("x", "1\r\n2"), "a\r\nb\n1\n2");
    // A lone CR ends no line.
    check("a\rb\rc\rd\nx", &replace("x", "1\r\n2"), "a\rb\rc\rd\n1\n2");
    check("\r\n\rx", &replace("x", "1\n2"), "\r\n\r1\r\n2");
}

#[test]
fn a_text_of_one_line_or_of_both_endings_is_inserted_as_it_is() {
    check("a\nx\n", &replace("x\n", "y\r\n"), "a\ny\r\n");
    check("a\r\nx\r\n", &replace("x\r\n", "y\n"), "a\r\ny\n");
    check("a\r\nx\r\n", &replace("x", "1\n2\r\n3"), "a\r\n1\n2\r\n3\r\n");
}

#[test]
fn only_endings_are_converted() {
    // The CR before a CRLF is text of its line and stays.
    check("a\nx\n", &replace("x", "1\r\r\n2\r\n3\r"), "a\n1\r\n2\n3\r\n");
    check("a\r\nx\r\n", &replace("x", "1\r2\n3\n"), "a\r\n1\r2\r\n3\r\n\r\n");
}

#[test]
fn an_edit_that_changes_endings_is_not_converted() {
    check("x\r\ny\r\nz\r\n", &replace("x\r\ny", "x\ny"), "x\ny\r\nz\r\n");
    check("x\ny\nz\n", &replace("x\ny\n", "1\r\n2\r\n"), "1\r\n2\r\nz\n");
    // Same internal ending on both sides: not on purpose.
    check("q\r\nq\r\nq\r\nx\ny\n", &replace("x\ny\n", "1\n2\n"), "q\r\nq\r\nq\r\n1\r\n2\r\n");
}

#[test]
fn an_insertion_as_the_last_line_of_the_file_has_no_ending() {
    check("red\nblue", &replace("red\nblue\n", "red\nblue\ngold\n"), "red\nblue\ngold");
    check("\ta", &replace("  a", "  a\n  b\r\n  c\n"), "\ta\n\tb\r\n\tc");
    // Also where the last line of the file was empty.
    check("\ta\n", &replace("  a\n\n", "  a\n\n  b\n"), "\ta\n\n\tb");
}

#[test]
fn the_forced_ending_holds_for_all_but_the_last_line_of_the_file() {
    check("\ta\r\nb\r\n", &replace("  a", "  x\n  y"), "\tx\r\n\ty\r\nb\r\n");
    check("\ta\r\nb\r\n", &replace("  a\n", "  x\n  y\n"), "\tx\r\n\ty\r\nb\r\n");
    check("\ta\r\nq\nq\n", &replace("  a\n", "  a\n  b\n"), "\ta\n\tb\nq\nq\n");
    check("\ta\r\n\tb", &replace("  a\n  b", "  x\n  y\n"), "\tx\r\n\ty\n");
    check("\ta\r\n\tb", &replace("  a\n  b\n", "  x\n  y\n"), "\tx\r\n\ty");
}

#[test]
fn a_kept_ending_is_that_of_the_file() {
    // Both texts have one, or neither has.
    check("q\n\ta\r\nq\n", &replace("  a\n", "  b\n"), "q\n\tb\r\nq\n");
    check("q\n\ta\r\nq\n", &replace("  a", "  b"), "q\n\tb\r\nq\n");
    check("q\n\ta\r\n\tb\nq\n", &replace("  a\n  b\n", "  x\n"), "q\n\tx\r\nq\n");
    check("q\n\ta", &replace("  a\r\n", "  b\r\n"), "q\n\tb");
    // Mixed texts force nothing.
    check("\ta\r\n\tb\r\n", &replace("  a\n  b\r\n", "  x\n  y\r\n"), "\tx\r\n\ty\r\n");
    check("\ta\r\n\tb\n", &replace("  a\n  b\r\n", "  b\r\n"), "\tb\n");
    // The reference's, not that of the guide below it.
    check("\r\n\ta\nq\n", &replace("\n  a", "  x\n"), "\tx\r\nq\n");
}

#[test]
fn a_missing_ending_of_the_file_is_not_kept_before_another_line() {
    check("\ta", &replace("  a\n", "  x\n  y\r\n"), "\tx\n\ty");
    check("\ta", &replace("  a\n", "  x\r\n  y\n"), "\tx\r\n\ty");
}

#[test]
fn an_ending_that_the_caller_added_or_dropped_is_the_callers() {
    check("q\n\ta", &replace("  a", "  b\n"), "q\n\tb\n");
    check("q\n\ta", &replace("  a\n", "  b"), "q\n\tb");
    check("\ta\nq\n", &replace("  a", "  b\r\n"), "\tb\r\nq\n");
    check("\ta\nq\n", &replace("  a", "  x\n  y\r\n"), "\tx\n\ty\r\nq\n");
}

#[test]
fn a_fuzzy_hit_never_joins_lines() {
    check("\ta\r\nq\n", &replace("  a\n", "  b"), "\tb\r\nq\n");
    check("\ta\n\tb\r\nq\n", &replace("  a\n  b\n", "  x"), "\tx\r\nq\n");
    check("\ta\r\nq\r\n", &replace("  a", "  x\r\n  y\n  z"), "\tx\r\n\ty\n\tz\r\nq\r\n");
    check("\ta\n\ta\n", &replace_all("  a\n", "  b"), "\tb\n\tb\n");
}
