//! A snapshot within the size of a message: diff texts are lost from the end, then files.

use std::io;

use agent_api::{ChangedFile, Repository};
use serde::Serialize;

use crate::{diff::total_too_large, model::Snapshot};

/// Bytes of a value as JSON.
pub(super) fn json_bytes(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("counting cannot fail");
    count.0
}

/// The repository of a snapshot, in at most `max` bytes of JSON.
///
/// Diffs of files are left out from the end, each such file is `truncated`, and the last line of
/// the diff says how many are left out. If that is not enough, the last files are left out too.
pub(super) fn shrink(snapshot: &Snapshot, max: usize) -> Repository {
    let mut repository = Repository { unified_diff: None, ..snapshot.repository.clone() };
    let diff = snapshot.repository.unified_diff.as_deref().unwrap_or_default();
    // What the diff itself adds: its name, its quotes, the line at its end.
    let line = total_too_large(repository.files.len());
    let extra = json_bytes(&("unified_diff", line.as_str()));
    let mut rest = max.saturating_sub(extra);
    leave_out_files(&mut repository, &mut rest);

    let mut shown = 0;
    let mut end = 0;
    let spans = snapshot.spans.iter().take(repository.files.len());
    for (index, span) in spans.enumerate() {
        let Some(span) = span else { continue };
        // Without the quotes around it.
        let bytes = json_bytes(&&diff[span.clone()]) - 2;
        if bytes > rest {
            break;
        }
        rest -= bytes;
        (shown, end) = (index + 1, span.end);
    }
    let mut left_out = 0;
    for (index, file) in repository.files.iter_mut().enumerate() {
        if index >= shown || snapshot.spans[index].is_none() {
            file.truncated = true;
            left_out += 1;
        }
    }
    let mut text = diff[..end].to_owned();
    if left_out > 0 {
        text += &total_too_large(left_out);
    }
    repository.unified_diff = Some(text);
    repository
}

/// Leaves out files from the end until what is there without a diff fits; takes its size off
/// `rest`.
fn leave_out_files(repository: &mut Repository, rest: &mut usize) {
    let files = std::mem::take(&mut repository.files);
    let before = repository.files_left_out;
    // As long as it can get, since the number is not known yet.
    repository.files_left_out = u64::MAX;
    *rest = rest.saturating_sub(json_bytes(repository));
    let cost = |file: &ChangedFile| {
        // `truncated` may become true, which is no longer than false.
        json_bytes(file) + 1
    };
    let mut kept = Vec::with_capacity(files.len());
    let mut left_out = 0;
    for file in files {
        let bytes = cost(&file);
        if left_out > 0 || bytes > *rest {
            left_out += 1;
        } else {
            *rest -= bytes;
            kept.push(file);
        }
    }
    repository.files = kept;
    repository.files_left_out = before + left_out;
}

/// Counts what is written.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A snapshot whose files have these texts, or none.
    fn snapshot(texts: &[Option<String>]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut diff = String::new();
        for (index, text) in texts.iter().enumerate() {
            let path = format!("file-{index}");
            let truncated = text.is_none();
            snapshot.repository.files.push(ChangedFile { path, truncated, ..Default::default() });
            let start = diff.len();
            diff += text.as_deref().unwrap_or_default();
            snapshot.spans.push(text.as_ref().map(|_| start..diff.len()));
        }
        let left_out = texts.iter().filter(|text| text.is_none()).count();
        if left_out > 0 {
            diff += &total_too_large(left_out);
        }
        snapshot.repository.unified_diff = Some(diff);
        snapshot
    }

    fn texts(sizes: &[usize]) -> Vec<Option<String>> {
        sizes.iter().map(|size| Some("+\"\n".repeat(*size))).collect()
    }

    #[test]
    fn the_size_is_that_of_the_json() {
        let repository = snapshot(&texts(&[3, 4])).repository;
        assert_eq!(json_bytes(&repository), serde_json::to_string(&repository).unwrap().len());
    }

    #[test]
    fn diffs_are_lost_from_the_end_and_the_last_line_counts_all_that_are() {
        let mut all = texts(&[10, 200, 10]);
        all.insert(0, None);
        let whole = snapshot(&all);
        let small = shrink(&whole, json_bytes(&whole.repository) - 300);
        let text = small.unified_diff.unwrap();
        let expected = format!("{}{}", "+\"\n".repeat(10), total_too_large(3));
        assert_eq!(text, expected);
        let truncated: Vec<_> = small.files.iter().map(|file| file.truncated).collect();
        assert_eq!((truncated, small.files_left_out), (vec![true, false, true, true], 0));
    }

    #[test]
    fn files_are_lost_from_the_end_where_their_list_is_too_long() {
        let whole = snapshot(&texts(&[1; 100]));
        let small = shrink(&whole, 2000);
        let kept = small.files.len() as u64;
        assert!((5..50).contains(&kept), "{kept}");
        assert_eq!(small.files_left_out, 100 - kept);
        assert!(small.files.last().unwrap().truncated);
    }

    proptest! {
        #[test]
        fn whatever_is_shrunk_fits_and_keeps_a_front_part(
            sizes in proptest::collection::vec(proptest::option::of(0..200_usize), 0..30),
            max in 600..20_000_usize,
        ) {
            let all: Vec<_> = sizes
                .iter()
                .map(|size| size.map(|size| "\u{1}ä\\x".repeat(size)))
                .collect();
            let whole = snapshot(&all);
            let small = shrink(&whole, max);
            prop_assert!(json_bytes(&small) <= max, "{} > {}", json_bytes(&small), max);
            prop_assert!(whole.repository.files.len() >= small.files.len());
            for (file, original) in small.files.iter().zip(&whole.repository.files) {
                prop_assert_eq!(&file.path, &original.path);
            }
            let text = small.unified_diff.unwrap();
            let shown = text.find("Total diff").map_or(&*text, |at| &text[..at]);
            prop_assert!(whole.repository.unified_diff.unwrap().starts_with(shown));
        }
    }
}
