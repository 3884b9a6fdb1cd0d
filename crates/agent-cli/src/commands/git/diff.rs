//! A unified diff as lines, each with what it is; not how lines are shown.

use crate::palette::Part;

/// Reads a diff line by line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reader {
    /// Whether the line before was in a hunk, where a line that looks like a heading is none.
    in_hunk: bool,
}

impl Reader {
    /// What the next line is.
    pub(super) fn part(&mut self, line: &str) -> Option<Part> {
        // No line of a hunk begins with a letter.
        if line.starts_with("diff --git ") {
            self.in_hunk = false;
        }
        if line.starts_with("@@ ") {
            self.in_hunk = true;
            return Some(Part::Hunk);
        }
        match (self.in_hunk, line.as_bytes().first()) {
            (false, None) => None,
            (false, Some(_)) => Some(Part::Heading),
            (true, Some(b'+')) => Some(Part::Added),
            (true, Some(b'-')) => Some(Part::Removed),
            (true, Some(b'\\')) => Some(Part::Aside),
            (true, Some(b' ') | None) => None,
            // Stubs stand where the hunks of a file would.
            (true, Some(_)) => Some(Part::Heading),
        }
    }
}

/// The lines of a diff, without their endings.
pub(super) fn lines(diff: &str) -> impl Iterator<Item = (Option<Part>, &str)> {
    let mut reader = Reader::default();
    let diff = diff.strip_suffix('\n').or((!diff.is_empty()).then_some(diff));
    diff.into_iter().flat_map(|diff| diff.split('\n')).map(move |line| (reader.part(line), line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_their_place_makes_them() {
        let diff = "diff --git a/a b/a\nindex 1..2 100644\n--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@ f\n \
                    x\n--- a/b\n+++ c\n\\ No newline at end of file\ndiff --git a/b b/b\n\
                    Binary files a/b and b/b differ\nTotal diff too large to show: 1 files left out\n";
        let parts: Vec<_> = lines(diff).map(|(part, _)| part).collect();
        let heading = Some(Part::Heading);
        let expected = [
            heading,
            heading,
            heading,
            heading,
            Some(Part::Hunk),
            None,
            Some(Part::Removed),
            Some(Part::Added),
            Some(Part::Aside),
            heading,
            heading,
            heading,
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn a_diff_has_as_many_lines_as_line_endings() {
        for (diff, expected) in
            [("", &[][..]), ("a", &["a"]), ("a\n", &["a"]), ("a\n\nb\r\n", &["a", "", "b\r"])]
        {
            assert_eq!(lines(diff).map(|(_, line)| line).collect::<Vec<_>>(), expected);
        }
    }
}
