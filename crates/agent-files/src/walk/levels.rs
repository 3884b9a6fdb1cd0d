//! Ignore files of a directory and of those above it, and which entries they ignore.
//!
//! As in ripgrep, `.ignore` outranks `.gitignore`, which outranks `.git/info/exclude`; within one
//! kind the file nearest to the entry decides, and in a file the last line that matches. The two
//! git kinds do not reach into a repository from outside it. The user's global files never count.

use std::sync::Arc;

use agent_ignore::{Rules, Sort, Verdict};

/// A directory with ignore files of its own, and the next one above.
#[derive(Debug)]
pub(super) struct Level {
    /// The next directory above that has any.
    pub(super) above: Option<Arc<Self>>,
    /// Bytes to cut off an entry's absolute path to have it relative to this directory.
    pub(super) prefix: usize,
    /// Content of `.ignore`.
    pub(super) ignore: Rules,
    /// Content of `.gitignore`.
    pub(super) gitignore: Rules,
    /// Content of `.git/info/exclude`.
    pub(super) exclude: Rules,
    /// Whether this is the top of a repository.
    pub(super) is_repository: bool,
}

/// Whether ignore files ignore an entry.
///
/// `path` is the entry's absolute path without its first slash and without links; `found` is space
/// to work in.
pub(super) fn is_ignored(
    level: Option<&Arc<Level>>,
    path: &[u8],
    sort: Sort,
    found: &mut Vec<usize>,
) -> bool {
    let mut gitignore = None;
    let mut exclude = None;
    let mut same_repository = true;
    let mut next = level;
    while let Some(level) = next {
        let below = &path[level.prefix..];
        if let Some(verdict) = level.ignore.verdict(below, sort, found) {
            return verdict == Verdict::Ignore;
        }
        if same_repository {
            gitignore = gitignore.or_else(|| level.gitignore.verdict(below, sort, found));
            exclude = exclude.or_else(|| level.exclude.verdict(below, sort, found));
        }
        same_repository &= !level.is_repository;
        next = level.above.as_ref();
    }
    gitignore.or(exclude) == Some(Verdict::Ignore)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        Rules::of_file(text.as_bytes()).unwrap()
    }

    /// A repository at `w/r` with an outer `.gitignore` and `.ignore`, and a directory `w/r/d`.
    fn levels() -> Arc<Level> {
        let outer = Arc::new(Level {
            above: None,
            prefix: "w/".len(),
            ignore: rules("*.outer\n"),
            gitignore: rules("*.unseen\n"),
            exclude: Rules::default(),
            is_repository: false,
        });
        let repository = Arc::new(Level {
            above: Some(outer),
            prefix: "w/r/".len(),
            ignore: rules("!kept.log\n"),
            gitignore: rules("*.log\n*.tmp\n/d/anchored\n"),
            exclude: rules("*.private\n!x.log\n"),
            is_repository: true,
        });
        Arc::new(Level {
            above: Some(repository),
            prefix: "w/r/d/".len(),
            ignore: Rules::default(),
            gitignore: rules("!near.tmp\nbuild/\n"),
            exclude: Rules::default(),
            is_repository: false,
        })
    }

    #[test]
    fn the_strongest_and_nearest_file_decides() {
        let cases = [
            ("w/r/d/a.rs", Sort::Other, false),
            ("w/r/d/x.log", Sort::Other, true),
            ("w/r/d/kept.log", Sort::Other, false),
            ("w/r/d/a.tmp", Sort::Other, true),
            ("w/r/d/near.tmp", Sort::Other, false),
            ("w/r/d/a.private", Sort::Other, true),
            ("w/r/d/a.outer", Sort::Other, true),
            ("w/r/d/a.unseen", Sort::Other, false),
            ("w/r/d/anchored", Sort::Other, true),
            ("w/r/d/build", Sort::Directory, true),
            ("w/r/d/build", Sort::Other, false),
        ];
        let levels = levels();
        for (path, sort, expected) in cases {
            let ignored = is_ignored(Some(&levels), path.as_bytes(), sort, &mut Vec::new());
            assert_eq!(ignored, expected, "{path}");
        }
    }
}
