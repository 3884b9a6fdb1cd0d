//! The status of a file, decided from what HEAD and the work tree have.

use agent_api::FileStatus;

use crate::model::{Mode, Standing};

/// Decides; `old` and `new` are HEAD's and the work tree's modes, one of them at least.
pub(super) fn status(
    standing: Standing,
    old: Option<Mode>,
    new: Option<Mode>,
    is_renamed: bool,
) -> FileStatus {
    match (standing, old, new) {
        (Standing::Untracked, ..) => FileStatus::Untracked,
        (Standing::Conflicted, ..) => FileStatus::Conflicted,
        // One that came or went has another commit checked out, too.
        (Standing::Tracked, None | Some(Mode::Submodule), Some(Mode::Submodule))
        | (Standing::Tracked, Some(Mode::Submodule), None)
            if !is_renamed =>
        {
            FileStatus::Submodule
        }
        (Standing::Tracked, None, _) => FileStatus::Added,
        (Standing::Tracked, Some(_), None) => FileStatus::Deleted,
        (Standing::Tracked, Some(_), Some(_)) if is_renamed => FileStatus::Renamed,
        (Standing::Tracked, Some(old), Some(new)) if !old.is_same_kind(new) => {
            FileStatus::TypeChanged
        }
        (Standing::Tracked, Some(_), Some(_)) => FileStatus::Modified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_its_status() {
        use FileStatus::{
            Added, Conflicted, Deleted, Modified, Renamed, Submodule as Sub, TypeChanged, Untracked,
        };
        use Mode::{Executable, File, Link, Submodule};
        use Standing::{Conflicted as Unmerged, Tracked, Untracked as Unknown};
        let table = [
            (Tracked, None, Some(File), false, Added),
            (Tracked, None, Some(Submodule), false, Sub),
            (Tracked, Some(Link), None, false, Deleted),
            (Tracked, Some(Submodule), None, false, Sub),
            (Tracked, Some(File), Some(File), false, Modified),
            (Tracked, Some(File), Some(Executable), false, Modified),
            (Tracked, Some(Link), Some(Link), false, Modified),
            (Tracked, Some(File), Some(Executable), true, Renamed),
            (Tracked, Some(Submodule), Some(Submodule), true, Renamed),
            (Tracked, Some(Submodule), Some(Submodule), false, Sub),
            (Tracked, Some(File), Some(Link), false, TypeChanged),
            (Tracked, Some(Link), Some(Executable), false, TypeChanged),
            (Tracked, Some(Submodule), Some(File), false, TypeChanged),
            (Tracked, Some(File), Some(Submodule), false, TypeChanged),
            (Unmerged, Some(File), Some(File), false, Conflicted),
            (Unmerged, Some(File), None, false, Conflicted),
            (Unmerged, None, Some(Link), false, Conflicted),
            (Unmerged, Some(File), Some(File), true, Conflicted),
            (Unknown, None, Some(Executable), false, Untracked),
        ];
        for (standing, old, new, is_renamed, expected) in table {
            let found = status(standing, old, new, is_renamed);
            assert_eq!(found, expected, "{standing:?} {old:?} {new:?} {is_renamed}");
        }
    }
}
