//! Guides, units, levels, leads and trails of new lines (sections 3 and 4 of the rules).

use super::{check, replace, replace_all};

/// A file whose two lines have no unit in common, so that a guide shows itself by its lead.
const MIXED: &str = "\tone\n    two\n";

#[test]
fn a_text_without_lines_removes_the_window() {
    check("a\n\tb\nc\n", &replace("  b", ""), "a\nc\n");
    check("a\n\tb\r\n\tc\nd", &replace("  b\n  c\n", ""), "a\nd");
    check("a\n\tb", &replace("  b", ""), "a\n");
    check("\tb", &replace("  b\n", ""), "");
    check("\ta\nx\n\ta\n", &replace_all("  a", ""), "x\n");
}

#[test]
fn lines_of_prefix_and_suffix_keep_their_own_lead() {
    let file = "\tone\n    two\n \tthree\n";
    check(file, &replace("one\ntwo\nthree", "one\ntwo\nthree"), file);
    check(file, &replace("one\ntwo\nthree", "one\nthree"), "\tone\n \tthree\n");
    check(file, &replace("one\ntwo\nthree", "two\nthree"), "    two\n \tthree\n");
    check(file, &replace("one\ntwo\nthree", "one\ntwo"), "\tone\n    two\n");
}

#[test]
fn the_suffix_does_not_overlap_the_prefix() {
    let file = "\tsame\n    same\n";
    check(file, &replace("same\nsame", "same"), "\tsame\n");
    check(file, &replace("same\nsame", "same\nsame\nsame"), "\tsame\n    same\n    same\n");
    // The prefix takes what it can before the suffix: the inserted line comes after it.
    check("\tx\n    y\n", &replace("x\ny", "x\nx\ny"), "\tx\n    x\n    y\n");
}

#[test]
fn alignment_ignores_the_callers_own_white_space() {
    check("\tone\n    two\n", &replace("one\ntwo", "one \n two\nend"), "\tone \n two\n    end\n");
    // No-break spaces too, though they are part of a body.
    check("\tone\n    two\n", &replace("one\n\u{a0}two", "two"), "    two\n");
}

#[test]
fn a_line_of_the_new_middle_stands_for_the_same_line_of_the_old_one() {
    let file = "\tone\n    two\n \tthree\n";
    check(file, &replace("one\ntwo\nthree", "a\nb\nc"), "\ta\n    b\n \tc\n");
    check(file, &replace("one\ntwo\nthree", "one\nb\nc"), "\tone\n    b\n \tc\n");
    check(file, &replace("one\ntwo\nthree", "a\nb\nthree"), "\ta\n    b\n \tthree\n");
    check(file, &replace("one\ntwo\nthree", "a\nthree"), "\ta\n \tthree\n");
}

#[test]
fn an_insertion_between_prefix_and_suffix_chooses_by_its_lead() {
    // As deep as the line above and not as the line below: the line above.
    check(MIXED, &replace("  one\n    two", "  one\n  mid\n    two"), "\tone\n\tmid\n    two\n");
    // As deep as the line below, as both, or as neither: the line below.
    check(
        MIXED,
        &replace("  one\n    two", "  one\n    mid\n    two"),
        "\tone\n    mid\n    two\n",
    );
    check(MIXED, &replace("  one\n  two", "  one\n  mid\n  two"), "\tone\n    mid\n    two\n");
    check(MIXED, &replace("  one\n    two", "  one\n mid\n    two"), "\tone\n    mid\n    two\n");
    // The leads compared are those of new_text, not those of old_text.
    check(MIXED, &replace("  one\n  two", "  one\n  mid\n    two"), "\tone\n\tmid\n    two\n");
    check(MIXED, &replace("  one\n  two", "    one\n    mid\n  two"), "    one\n\tmid\n    two\n");
}

#[test]
fn an_insertion_at_one_side_follows_the_neighbor_that_is_there() {
    check(MIXED, &replace("one\ntwo", "one\ntwo\nend"), "\tone\n    two\n    end\n");
    check(MIXED, &replace("one\ntwo", "top\none\ntwo"), "\ttop\n\tone\n    two\n");
    // Further lines of a longer middle, after a prefix or before a suffix.
    check(MIXED, &replace("one\ntwo", "one\na\nb"), "\tone\n    a\n\tb\n");
    check(MIXED, &replace("one\ntwo", "a\nb\ntwo"), "\ta\n    b\n    two\n");
}

#[test]
fn an_insertion_without_neighbors_follows_the_last_old_line() {
    check(MIXED, &replace("one\ntwo", "a\nb\nc\nd"), "\ta\n    b\n    c\n    d\n");
}

#[test]
fn the_guide_of_a_blank_reference_is_the_nearest_line_above() {
    let file = "\ta\n\n\n    b\n";
    check(file, &replace("a\n\n\nb", "a\n\nx\nb"), "\ta\n\n\tx\n    b\n");
    // The lead is compared with that of the guide, here the one of `a`.
    check(file, &replace("  a\n\n\n    b", "  a\n\n  x\n    b"), "\ta\n\n\tx\n    b\n");
    // Blanks in the caller's line do not make it a guide.
    check("\ta\n\n    b\n", &replace("a\n  \nb", "a\nx\nb"), "\ta\n\tx\n    b\n");
    // An insertion after a prefix that ends in a blank line.
    check("\ta\n\n    b\n", &replace("  a\n\n  b", "  a\n\n  x\n  y"), "\ta\n\n    x\n\ty\n");
}

#[test]
fn the_guide_of_a_blank_reference_at_the_top_is_the_nearest_line_below() {
    check("\n\ta\n", &replace("\n  a", "  x\n  a"), "\tx\n\ta\n");
    check(
        "q\n\n\n\ta\n    b\n",
        &replace("\n\n  a\n  b", "\n  x\n  a\n  b"),
        "q\n\n\tx\n\ta\n    b\n",
    );
}

#[test]
fn a_blank_new_line_is_written_as_it_is() {
    check("\ta\n   \n\tb\n", &replace("  a\n\n  b", "  A\n\n  b"), "\tA\n\n\tb\n");
    check("\ta\n\n\tb\n", &replace("  a\n\n  b", "  A\n \t\n  b"), "\tA\n \t\n\tb\n");
    check("\ta\n", &replace("  a\n", "  a\n   \n  b\n"), "\ta\n   \n\tb\n");
    check("\ta  \n\tb\n", &replace("  a\n  b", "\n  b"), "\n\tb\n");
}

#[test]
fn the_unit_is_the_greatest_common_divisor_of_the_leads() {
    // Caller 2 (of 4 and 6), file 3 (of 6 and 9).
    check(
        "      a\n         b\n",
        &replace("    a\n      b", "    a\n        c\n      b"),
        "      a\n            c\n         b\n",
    );
    // The old text alone would have 4, with the new one it is 2.
    check("\ta\n\tb\n", &replace("    a\n    b", "    a\n      x\n    b"), "\ta\n\t\tx\n\tb\n");
    // The window alone counts: its unit is 4, though the file also has 2.
    check("  top\n    a\n", &replace("\ta", "\ta\n\t\tb"), "  top\n    a\n        b\n");
    // The new text alone would have 4, with the old one it is 2.
    check("\t\ta\n\t\t\tz\n", &replace("    a\n      z", "    a\n        b"), "\t\ta\n\t\t\t\tb\n");
}

#[test]
fn leads_of_blank_lines_have_no_say_in_a_unit() {
    check("\ta\n \n\tb\n", &replace("  a\n\n  b", "  a\n\n  b\n    c"), "\ta\n\n\tb\n\t\tc\n");
    check("\ta\n\n\tb\n", &replace("  a\n\t\n  b", "  a\n\t\n  b\n    c"), "\ta\n\t\n\tb\n\t\tc\n");
}

#[test]
fn leads_of_tabs_and_spaces_have_no_unit() {
    // In one lead, in two leads of the file, in two leads of the caller.
    check(" \ta\n", &replace("  a", "  a\n    b"), " \ta\n \tb\n");
    check("\ta\n  b\n", &replace(" a\n b", " a\n b\n  c"), "\ta\n  b\n  c\n");
    check("    a\n", &replace("\ta", "\ta\n  b"), "    a\n    b\n");
    // Whichever kind comes first and whichever the guide has.
    let longer = replace("  a\n  b", "  a\n  y\n    x");
    check("\ta\n  b\n", &longer, "\ta\n  y\n\tx\n");
    check("  a\n\tb\n", &longer, "  a\n\ty\n  x\n");
    check(" \ta\n\tb\n", &replace("  a\n  b", "  a\n  b\n    c"), " \ta\n\tb\n\tc\n");
}

#[test]
fn no_lead_at_all_is_no_unit() {
    check("a\nb\n", &replace(" a\n b", " a\n   x\n b"), "a\nx\nb\n");
    check("\ta\n\tb\n", &replace("a\nb", "a\nx\nb"), "\ta\n\tx\n\tb\n");
    // The empty lead has level 0 where there is a unit.
    check(
        "a {\n\tb\n}\n",
        &replace("  a {\n    b\n  }", "  a {\n    b\n  }\n  c"),
        "a {\n\tb\n}\nc\n",
    );
}

#[test]
fn an_insertion_is_translated_relative_to_its_guide() {
    // File 1 + new 2 - old 1; file 2 + new 1 - old 2; file 0 + new 1 - old 0.
    check("\ta\n", &replace("  a", "  a\n    b"), "\ta\n\t\tb\n");
    check("\t\ta\n", &replace("    a", "    a\n  b"), "\t\ta\n\tb\n");
    check("a\n\tz\n", &replace("a\n  z", "  b\na\n  z"), "\tb\na\n\tz\n");
}

#[test]
fn an_insertion_that_cannot_be_translated_takes_its_guides_lead() {
    // Below zero: file 0 + new 1 - old 2.
    check(
        "a {\n\tb\n}\n",
        &replace("    a {\n        b\n    }", "    a {\n        b\n    }\n  c"),
        "a {\n\tb\n}\nc\n",
    );
    check("one\ntwo\n", &replace(" one", " one\n     deep"), "one\ndeep\ntwo\n");
}

#[test]
fn a_line_with_its_guides_lead_takes_the_files() {
    check(" \t a\n", &replace("\ta", "\tb"), " \t b\n");
    check("\t\t\ta\n", &replace("a ", "b"), "\t\t\tb\n");
    check("a\n", &replace("    a", "    b"), "b\n");
}

#[test]
fn an_anchored_line_with_another_lead_is_translated() {
    check("\ta\n\tb\n", &replace("  a\n  b", "  a\n    c"), "\ta\n\t\tc\n");
    check("\ta\n\t\tb\n", &replace("  a\n    b", "  a\n  b"), "\ta\n\tb\n");
    // In the suffix and with a guide that is not the reference.
    check("\ta\n\n\tb\n", &replace("  a\n\n  b", "  a\n    x\n    b"), "\ta\n\t\tx\n\t\tb\n");
    // Anchored by the first lines that are not blank.
    check("\n\ta\n\tb\n", &replace("\n  a\n  b", "  a\n    b\n"), "\ta\n\t\tb\n");
}

#[test]
fn an_anchored_line_that_cannot_be_translated_is_written_as_it_is() {
    // Below zero; no unit in the window; none in the texts.
    check(
        "a {\n\tb\n}\n",
        &replace("    a {\n        b\n    }", "    a {\n  b\n    }"),
        "a {\n  b\n}\n",
    );
    check("a\nb\n", &replace(" a\n b", " a\n   c"), "a\n   c\n");
    check("\ta\n\tb\n", &replace("  a\n  b", "  a\n\t c"), "\ta\n\t c\n");
}

#[test]
fn a_line_with_another_lead_that_is_not_anchored_is_written_as_it_is() {
    check("\ta\n", &replace("  a", "    b"), "    b\n");
    check("\ta\n\t\tb\n", &replace("  a\n    b", "    a\n      b"), "    a\n      b\n");
    // A line that has its guide's lead is the file's even then.
    check("\ta\n\t\tb\n", &replace("  a\n    b", "    a\n    b"), "    a\n\t\tb\n");
}

#[test]
fn an_insertion_is_translated_though_the_edit_is_not_anchored() {
    check("\ta\n", &replace("  a", "    a\n      b"), "    a\n\t\t\tb\n");
}

#[test]
fn the_trail_is_the_files_where_the_caller_left_it() {
    check("row  \n", &replace("row\n", "new\n"), "new  \n");
    check("row\n", &replace("row \t\n", "new \t\n"), "new\n");
    check("\trow \n", &replace("  row", "    new"), "    new \n");
    check("\ta\n\tb \n", &replace("  a\n  b", "  a\n    c"), "\ta\n\t\tc \n");
}

#[test]
fn the_trail_is_the_callers_where_it_was_changed() {
    check("row  \n", &replace("row\t\n", "new\n"), "new\n");
    check("\trow  \n", &replace("  row", "  new\t"), "\tnew\t\n");
    check("\ta\t\n", &replace("  a", "  a\n  b \n"), "\ta\t\n\tb \n");
    check("\ta\t\n", &replace("  a", "  a\n  b\n"), "\ta\t\n\tb\n");
    // The trail comes from the reference, blank or not, and not from the guide.
    check("\ta  \n\n\tb\n", &replace("  a\n\n  b", "  a\n  x\n  b"), "\ta  \n\tx\n\tb\n");
    check("\ta\n\n\tb\n", &replace("  a \n\n  b", "  a \n  x \n  b"), "\ta\n\tx \n\tb\n");
}

#[test]
fn every_hit_is_spliced_in_its_own_style() {
    check(
        "\ta\n  a\n\t\ta \na\r\n",
        &replace_all("    a\t", "    a\t\n        b"),
        "\ta\n\t\tb\n  a\n    b\n\t\ta \n\t\t\tb\na\nb\n",
    );
}
