//! The limits of a diff: what is shown, and the lines that stand for what is not.

use agent_api::limits::{MAX_GIT_DIFF_BYTES, MAX_GIT_FILE_DIFF_BYTES};

/// Stands in place of the hunks of a file with too large a side; `bytes` is its size.
pub(super) fn file_too_large(bytes: u64) -> String {
    format!("File too large to show: {bytes} bytes\n")
}

/// Stands in place of hunks that make the diff of a file too long; `bytes` is its whole length.
pub(super) fn diff_too_large(bytes: usize) -> String {
    format!("Diff too large to show: {bytes} bytes\n")
}

/// Whether the diff of one file is too long.
pub(super) fn is_too_large(bytes: usize) -> bool {
    bytes > MAX_GIT_FILE_DIFF_BYTES
}

/// The last line of a diff that leaves files out.
pub(crate) fn total_too_large(files: usize) -> String {
    format!("Total diff too large to show: {files} files left out\n")
}

/// Which files' diffs are in the diff of the repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) included: Vec<bool>,
    /// Says how many are left out, if any.
    pub(super) last_line: Option<String>,
}

/// Takes, in order, every file whose diff still fits; all together, the last line included, are at
/// most [`MAX_GIT_DIFF_BYTES`] long.
pub(super) fn choose(lengths: &[usize]) -> Choice {
    if lengths.iter().sum::<usize>() <= MAX_GIT_DIFF_BYTES {
        return Choice { included: vec![true; lengths.len()], last_line: None };
    }
    let mut room = MAX_GIT_DIFF_BYTES - total_too_large(lengths.len()).len();
    let mut fits = |&length: &usize| {
        let fits = length <= room;
        room -= if fits { length } else { 0 };
        fits
    };
    let included: Vec<bool> = lengths.iter().map(&mut fits).collect();
    let left_out = included.iter().filter(|is_included| !**is_included).count();
    Choice { included, last_line: Some(total_too_large(left_out)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lengths: &[usize], included: &[usize], last_line: Option<&str>) {
        let choice = choose(lengths);
        let found: Vec<usize> =
            (0..lengths.len()).filter(|&index| choice.included[index]).collect();
        assert_eq!(found, included);
        assert_eq!(choice.last_line.as_deref(), last_line);
    }

    #[test]
    fn every_diff_that_still_fits_is_taken() {
        const MAX: usize = MAX_GIT_DIFF_BYTES;
        let one = Some("Total diff too large to show: 1 files left out\n");
        check(&[], &[], None);
        check(&[MAX], &[0], None);
        check(&[MAX / 2, MAX / 2], &[0, 1], None);
        check(&[MAX / 2, MAX / 2, 1], &[0, 2], one);
        check(&[MAX - 100, 200, 10, 10], &[0, 2, 3], one);
        check(&[MAX, MAX + 1, 7], &[2], Some("Total diff too large to show: 2 files left out\n"));
    }

    #[test]
    fn the_last_line_fits_too() {
        let lengths = vec![1; MAX_GIT_DIFF_BYTES + 1];
        let choice = choose(&lengths);
        let taken = choice.included.iter().filter(|is_included| **is_included).count();
        assert!(taken + choice.last_line.unwrap().len() <= MAX_GIT_DIFF_BYTES);
    }

    #[test]
    fn the_diff_of_a_file_may_have_its_limit() {
        assert!(!is_too_large(256 * 1024));
        assert!(is_too_large(256 * 1024 + 1));
    }
}
