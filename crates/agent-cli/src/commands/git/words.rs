//! A repository in words: its HEAD, its files, what they add up to; not where that is shown.

use agent_sdk::api::{ChangedFile, FileStatus, Repository};

use crate::palette::Part;

/// Digits of an id that are shown.
const ID_DIGITS: usize = 7;

/// The branch; `detached at 9fceb02`; and behind either that there is no commit yet.
pub(super) fn head(repository: &Repository) -> String {
    let place = match (&repository.branch, &repository.head) {
        (Some(branch), _) => branch.clone(),
        (None, Some(id)) => format!("detached at {}", abbreviated(id)),
        (None, None) => String::new(),
    };
    match (&repository.head, place.as_str()) {
        (Some(_), _) => place,
        (None, "") => "no commits yet".to_owned(),
        (None, _) => format!("{place}, no commits yet"),
    }
}

/// The beginning of an id.
pub(super) fn abbreviated(id: &str) -> &str {
    id.char_indices().nth(ID_DIGITS).map_or(id, |(end, _)| &id[..end])
}

/// How far the branch and its upstream are apart; `None` without an upstream.
pub(super) fn tracking(repository: &Repository) -> Option<String> {
    let upstream = repository.upstream.as_ref()?;
    let ahead = repository.ahead.unwrap_or(0);
    let behind = repository.behind.unwrap_or(0);
    Some(match (ahead, behind) {
        (0, 0) => format!("{upstream}, up to date"),
        (_, 0) => format!("{upstream}, {ahead} ahead"),
        (0, _) => format!("{upstream}, {behind} behind"),
        _ => format!("{upstream}, {ahead} ahead, {behind} behind"),
    })
}

/// The number of files and lines, such as `3 files, +13 -1`, or `clean`.
pub(super) fn totals(repository: &Repository) -> String {
    let files = repository.files.len() as u64 + repository.files_left_out;
    let sum = |count: fn(&ChangedFile) -> u64| {
        repository.files.iter().map(count).fold(0, u64::saturating_add)
    };
    let (additions, deletions) = (sum(|file| file.additions), sum(|file| file.deletions));
    match files {
        0 => "clean".to_owned(),
        1 => format!("1 file, +{additions} -{deletions}"),
        _ => format!("{files} files, +{additions} -{deletions}"),
    }
}

/// One letter for a status, as git has them; `?` is untracked, and a status of a newer agent `*`.
pub(super) fn letter(status: FileStatus) -> &'static str {
    match status {
        FileStatus::Added => "A",
        FileStatus::Modified => "M",
        FileStatus::Deleted => "D",
        FileStatus::Renamed => "R",
        FileStatus::TypeChanged => "T",
        FileStatus::Untracked => "?",
        FileStatus::Conflicted => "U",
        FileStatus::Submodule => "S",
        _ => "*",
    }
}

/// The numbers of a file, with the part that each is; one word where there are none.
pub(super) fn numbers(file: &ChangedFile) -> Result<[(Part, String); 2], &'static str> {
    let has_none = file.additions == 0 && file.deletions == 0;
    match file {
        _ if file.binary => Err("binary"),
        _ if file.truncated && has_none => Err("large"),
        _ => Ok([
            (Part::Added, format!("+{}", file.additions)),
            (Part::Removed, format!("-{}", file.deletions)),
        ]),
    }
}

/// The widths of the two columns of numbers, of which a word takes both.
pub(super) fn widths(files: &[ChangedFile]) -> [usize; 2] {
    let (mut widths, mut word) = ([0, 0], 0);
    for file in files {
        match numbers(file) {
            Ok(texts) => {
                for (width, (_, text)) in widths.iter_mut().zip(texts) {
                    *width = text.len().max(*width);
                }
            }
            Err(text) => word = text.len().max(word),
        }
    }
    widths[0] = widths[0].max(word.saturating_sub(widths[1] + 1));
    widths
}

/// The pieces of a file's line up to its name: letter and numbers, in columns.
pub(super) fn columns(file: &ChangedFile, widths: [usize; 2]) -> Vec<(Option<Part>, String)> {
    let [first, second] = widths;
    let letter = (Some(Part::Status(file.status)), letter(file.status).to_owned());
    let gap = || (None, "  ".to_owned());
    let mut pieces = vec![letter, gap()];
    match numbers(file) {
        Ok([(added, additions), (removed, deletions)]) => pieces.extend([
            (Some(added), format!("{additions:>first$}")),
            (None, " ".to_owned()),
            (Some(removed), format!("{deletions:>second$}")),
        ]),
        Err(word) => {
            let both = first + 1 + second;
            pieces.push((Some(Part::Aside), format!("{word:>both$}")));
        }
    }
    pieces.push(gap());
    pieces
}

/// The path of a file, behind that in HEAD where it is another.
pub(super) fn name(file: &ChangedFile) -> String {
    match &file.old_path {
        Some(old) => format!("{old} -> {}", file.path),
        None => file.path.clone(),
    }
}

/// How many files are not listed, if any are.
pub(super) fn left_out(repository: &Repository) -> Option<String> {
    match repository.files_left_out {
        0 => None,
        1 => Some("1 more file is not listed".to_owned()),
        count => Some(format!("{count} more files are not listed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(branch: Option<&str>, head: Option<&str>) -> Repository {
        Repository {
            branch: branch.map(str::to_owned),
            head: head.map(str::to_owned),
            detached: branch.is_none(),
            ..Repository::default()
        }
    }

    #[test]
    fn head_is_a_branch_or_a_commit_or_nothing_yet() {
        let id = Some("9fceb02d0ae598e95dc970b74767f19372d61af8");
        for (branch, head_id, expected) in [
            (Some("main"), id, "main"),
            (Some("main"), None, "main, no commits yet"),
            (None, id, "detached at 9fceb02"),
            (None, Some("äöüäöüäöü"), "detached at äöüäöüä"),
            (None, None, "no commits yet"),
        ] {
            assert_eq!(head(&repository(branch, head_id)), expected);
        }
    }

    #[test]
    fn an_upstream_is_ahead_behind_or_neither() {
        for (ahead, behind, expected) in [
            (0, 0, "origin/main, up to date"),
            (2, 0, "origin/main, 2 ahead"),
            (0, 3, "origin/main, 3 behind"),
            (2, 3, "origin/main, 2 ahead, 3 behind"),
        ] {
            let mut repository = repository(Some("main"), None);
            assert_eq!(tracking(&repository), None);
            repository.upstream = Some("origin/main".to_owned());
            (repository.ahead, repository.behind) = (Some(ahead), Some(behind));
            assert_eq!(tracking(&repository).as_deref(), Some(expected));
        }
    }

    fn file(status: FileStatus, additions: u64, deletions: u64) -> ChangedFile {
        let path = "a".to_owned();
        ChangedFile { path, status, additions, deletions, ..ChangedFile::default() }
    }

    #[test]
    fn files_add_up() {
        let mut repository = repository(Some("main"), None);
        assert_eq!(totals(&repository), "clean");
        repository.files = vec![file(FileStatus::Added, u64::MAX, 1)];
        assert_eq!(totals(&repository), format!("1 file, +{} -1", u64::MAX));
        repository.files.push(file(FileStatus::Modified, 1, 2));
        repository.files_left_out = 5;
        assert_eq!(totals(&repository), format!("7 files, +{} -3", u64::MAX));
        assert_eq!(left_out(&repository).as_deref(), Some("5 more files are not listed"));
    }

    #[test]
    fn lines_of_files_have_columns() {
        let binary = ChangedFile { binary: true, ..file(FileStatus::Untracked, 0, 0) };
        let large = ChangedFile { truncated: true, ..file(FileStatus::Submodule, 0, 0) };
        let cut = ChangedFile { truncated: true, ..file(FileStatus::Conflicted, 9, 0) };
        let old_path = Some("b".to_owned());
        let renamed = ChangedFile { old_path, ..file(FileStatus::Renamed, 1, 200) };
        let check = |files: &[ChangedFile], expected: &[&str]| {
            let widths = widths(files);
            let line = |file| {
                let pieces = columns(file, widths).into_iter().map(|(_, text)| text);
                pieces.collect::<String>() + &name(file)
            };
            assert_eq!(files.iter().map(line).collect::<Vec<_>>(), expected);
        };
        check(
            &[binary.clone(), large, cut, renamed],
            &["?   binary  a", "S    large  a", "U  +9   -0  a", "R  +1 -200  b -> a"],
        );
        check(&[file(FileStatus::Deleted, 0, 10)], &["D  +0 -10  a"]);
        check(&[binary], &["?  binary  a"]);
    }
}
