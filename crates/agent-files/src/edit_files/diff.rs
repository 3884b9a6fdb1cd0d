//! One unified diff of a file's content before and after its edits.

use std::time::{Duration, Instant};

use similar::{Algorithm, ChangeTag, DiffOp, capture_diff_slices_deadline, group_diff_ops};

/// Largest diff that is answered.
const MAX_BYTES: usize = 1024 * 1024;
/// Lines of context around a change.
const CONTEXT: usize = 3;
/// Most lines between the first and the last change, of both contents together. Comparing takes
/// 32 bytes of memory a line, however short it is.
const MAX_LINES: usize = 4 * 1024 * 1024;
/// After this time the rest counts as replaced as a whole: correct, though not minimal.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Compares by lines; empty when nothing changed, `None` when the diff would be too large.
///
/// Invalid UTF-8 shows as U+FFFD.
pub(super) fn unified(path: &str, before: &[u8], after: &[u8]) -> Option<String> {
    if before == after {
        return Some(String::new());
    }
    // Edits change little of a file, so comparing between its first and last change is most of
    // the saving, of time and of memory.
    let start = line_start_before(before, common_start(before, after), CONTEXT);
    let (old, new) = (&before[start..], &after[start..]);
    let end = line_starts_after(old, common_end(old, new), CONTEXT);
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    if count_lines(old) + count_lines(new) > MAX_LINES {
        return None;
    }
    let first = count_lines(&before[..start]);
    let (old, new): (&[&[u8]], &[&[u8]]) = (&lines(old), &lines(new));
    let deadline = Instant::now() + MAX_TIME;
    let ops = capture_diff_slices_deadline(Algorithm::Myers, old, new, Some(deadline));
    let mut diff = format!("--- {path}\n+++ {path}\n");
    for hunk in group_diff_ops(ops, CONTEXT) {
        write_hunk(&mut diff, &hunk, first, old, new)?;
    }
    Some(diff)
}

fn lines(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|byte| *byte == b'\n').collect()
}

fn count_lines(content: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', content).count()
        + usize::from(content.last().is_some_and(|b| *b != b'\n'))
}

fn common_start(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn common_end(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// The start of the line `context` lines above the one that `at` lies in.
fn line_start_before(content: &[u8], at: usize, context: usize) -> usize {
    memchr::memrchr_iter(b'\n', &content[..at]).nth(context).map_or(0, |newline| newline + 1)
}

/// How much of the last `length` bytes, which both contents have, lies behind the line that they
/// begin in and `context` further lines.
fn line_starts_after(content: &[u8], length: usize, context: usize) -> usize {
    let tail = &content[content.len() - length..];
    memchr::memchr_iter(b'\n', tail).nth(context).map_or(0, |newline| length - newline - 1)
}

/// Writes a hunk; `None` once the diff is too large.
fn write_hunk(
    diff: &mut String,
    hunk: &[DiffOp],
    offset: usize,
    old: &[&[u8]],
    new: &[&[u8]],
) -> Option<()> {
    let (first, last) = (hunk.first()?, hunk.last()?);
    let old_range = first.old_range().start..last.old_range().end;
    let new_range = first.new_range().start..last.new_range().end;
    let (minus, plus) = (range(old_range, offset), range(new_range, offset));
    diff.push_str(&format!("@@ -{minus} +{plus} @@\n"));
    for change in hunk.iter().flat_map(|op| op.iter_changes(old, new)) {
        let line = change.value();
        // What replaces invalid UTF-8 is no shorter.
        if diff.len() + line.len() > MAX_BYTES {
            return None;
        }
        diff.push(match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        });
        diff.push_str(&String::from_utf8_lossy(line));
        if !line.ends_with(b"\n") {
            diff.push_str("\n\\ No newline at end of file\n");
        }
        if diff.len() > MAX_BYTES {
            return None;
        }
    }
    Some(())
}

/// Start and count as a hunk's header has them: 1-based, a count of one left out, and the line
/// before for an empty range.
fn range(lines: std::ops::Range<usize>, offset: usize) -> String {
    let start = offset + lines.start;
    match lines.len() {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        count => format!("{},{count}", start + 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(before: &str, after: &str, expected: &str) {
        let diff = unified("/f", before.as_bytes(), after.as_bytes()).unwrap();
        let body = diff.strip_prefix("--- /f\n+++ /f\n").unwrap_or(&diff);
        assert_eq!(body, expected, "{before:?} to {after:?}");
    }

    #[test]
    fn a_diff_shows_changes_with_their_context() {
        check("a\n", "a\n", "");
        check("int a;\n", "long a;\n", "@@ -1 +1 @@\n-int a;\n+long a;\n");
        check("", "a\n", "@@ -0,0 +1 @@\n+a\n");
        check("a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n");
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            "1\n2\n3\n4\nX\n6\n7\n8\n9\n",
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n",
        );
    }

    #[test]
    fn a_missing_final_newline_is_said() {
        check("a", "b\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n");
        check("a\nb", "c\nb", "@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n");
    }

    #[test]
    fn distant_changes_are_hunks_of_one_diff() {
        let before: String = (1..=30).map(|n| format!("{n}\n")).collect();
        let after = before.replace("\n5\n", "\nfive\n").replace("\n25\n", "\ntwenty\n");
        let diff = unified("/f", before.as_bytes(), after.as_bytes()).unwrap();
        let headers: Vec<&str> = diff.lines().filter(|line| line.starts_with("@@")).collect();
        assert_eq!(headers, ["@@ -2,7 +2,7 @@", "@@ -22,7 +22,7 @@"]);
    }

    #[test]
    fn a_large_diff_is_left_out_and_invalid_text_replaced() {
        let large = vec![b'x'; MAX_BYTES + 1];
        assert_eq!(unified("/f", b"", &large), None);
        let diff = unified("/f", b"\xff\n", b"a\n").unwrap();
        assert!(diff.contains("-\u{fffd}\n+a\n"));
    }

    #[test]
    fn lines_around_the_changes_cost_nothing_and_too_many_between_are_left_out() {
        let many = "\n".repeat(MAX_LINES);
        let text = |first: &str, last: &str| format!("{many}{first}{many}{last}\n{many}");
        let diff = |after: String| unified("/f", text("a", "a").as_bytes(), after.as_bytes());
        assert_eq!(diff(text("b", "b")), None);
        let header = format!("@@ -{0},7 +{0},7 @@\n", MAX_LINES - 2);
        assert!(diff(text("b", "a")).unwrap().contains(&header));
    }

    /// Applies a diff to the old text, trusting its headers.
    fn patch(before: &str, diff: &str) -> String {
        let old: Vec<&str> = before.split_inclusive('\n').collect();
        let (mut out, mut at) = (String::new(), 0);
        let mut lines = diff.lines().skip(2).peekable();
        while let Some(line) = lines.next() {
            if let Some(header) = line.strip_prefix("@@ -") {
                let range = header.split(' ').next().unwrap();
                let (start, count) = range.split_once(',').unwrap_or((range, "1"));
                let start: usize = start.parse().unwrap();
                let start = if count == "0" { start } else { start - 1 };
                out.extend(old[at..start].iter().copied());
                at = start;
                continue;
            }
            let is_open = lines.peek().is_some_and(|next| next.starts_with('\\'));
            let ending = if is_open { "" } else { "\n" };
            match line.split_at(1) {
                (" ", text) => {
                    out.push_str(&format!("{text}{ending}"));
                    at += 1;
                }
                ("-", _) => at += 1,
                ("+", text) => out.push_str(&format!("{text}{ending}")),
                _ => {}
            }
        }
        out.extend(old[at..].iter().copied());
        out
    }

    proptest! {
        #[test]
        fn a_diff_turns_the_old_text_into_the_new(
            before in "([ab]{0,2}\n){0,12}[ab]{0,2}",
            after in "([ab]{0,2}\n){0,12}[ab]{0,2}",
        ) {
            let diff = unified("/f", before.as_bytes(), after.as_bytes()).unwrap();
            prop_assert_eq!(patch(&before, &diff), after);
        }
    }
}
