//! What a file's stat says about an entry of the index: pure, and exactly as careful as git.
//!
//! Source: `ie_match_stat` and `match_stat_data` of git's `read-cache.c`.

use crate::{
    index::{Entry, IndexStat},
    model::{Mode, Stat},
    repository::Settings,
};

/// What a stat says about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The work tree has what the index has.
    Same,
    /// The work tree has no such file.
    Deleted,
    /// Only the contents can tell: those of a file, or what is checked out in a directory.
    Unsure,
}

/// Compares an entry with what is in its place.
pub(super) fn compare(
    entry: &Entry<'_>,
    stat: Option<&Stat>,
    index_modified: (i64, u32),
    settings: &Settings,
) -> Outcome {
    let is_present = stat.is_some();
    if entry.stage == 0 {
        if entry.assume_unchanged {
            return Outcome::Same;
        }
        // A file that should not be there and is, is not overlooked, unless that is expected.
        let counts = settings.sparse_checkout && !settings.expects_files_outside && is_present;
        if entry.skip_worktree && !counts {
            return Outcome::Same;
        }
    }
    let Some(stat) = stat else {
        return Outcome::Deleted;
    };
    if stat.is_directory() {
        return Outcome::Unsure;
    }
    let Some(mode) = work_mode(stat, Some(entry.version.mode), settings) else {
        return Outcome::Deleted;
    };
    let is_same = entry.stage == 0
        && mode == entry.version.mode
        && !entry.intent_to_add
        && matches(&entry.stat, stat, settings)
        && !is_racy(&entry.stat, index_modified, settings.check_stat_minimal);
    if is_same { Outcome::Same } else { Outcome::Unsure }
}

/// The mode that git sees in a file, given what the index has; `None` for what is no file.
pub(super) fn work_mode(stat: &Stat, indexed: Option<Mode>, settings: &Settings) -> Option<Mode> {
    let mode = stat.file_mode()?;
    if settings.file_mode || mode == Mode::Link {
        return Some(mode);
    }
    Some(match indexed {
        Some(indexed @ (Mode::File | Mode::Executable)) => indexed,
        _ => Mode::File,
    })
}

/// Whether all that the index remembers is still so.
fn matches(indexed: &IndexStat, stat: &Stat, settings: &Settings) -> bool {
    let is_strict = !settings.check_stat_minimal;
    let same_time = |indexed: (u32, u32), now: (i64, u32)| {
        // Programs that do not know nanoseconds write 0.
        indexed.0 == now.0 as u32 && (!is_strict || indexed.1 == 0 || indexed.1 == now.1)
    };
    same_time(indexed.mtime, stat.mtime)
        && indexed.size == stat.size as u32
        && (!is_strict || !settings.trust_ctime || same_time(indexed.ctime, stat.ctime))
        && (!is_strict || (indexed.uid, indexed.gid) == (stat.uid, stat.gid))
        && (!is_strict || indexed.ino == stat.ino as u32)
}

/// Whether the file may have changed in the tick in which the index was written.
fn is_racy(indexed: &IndexStat, index_modified: (i64, u32), whole_seconds: bool) -> bool {
    let (seconds, nanoseconds) = (index_modified.0 as u32, index_modified.1);
    match indexed.mtime {
        (file, _) if file != seconds => file > seconds,
        // Without nanoseconds on either side, or where they are not compared, the whole second
        // counts.
        (_, file) => whole_seconds || file == 0 || nanoseconds == 0 || file >= nanoseconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: (u32, u32), index: (i64, u32), whole_seconds: bool, expected: bool) {
        let indexed = IndexStat { mtime: file, ..IndexStat::default() };
        assert_eq!(is_racy(&indexed, index, whole_seconds), expected, "{file:?} {index:?}");
    }

    #[test]
    fn a_file_is_racy_in_the_tick_of_the_index_as_finely_as_times_are_compared() {
        check((5, 20), (5, 20), false, true);
        check((5, 19), (5, 20), false, false);
        check((5, 19), (5, 20), true, true);
        check((4, 99), (5, 20), true, false);
        check((6, 1), (5, 20), false, true);
        check((5, 0), (5, 20), false, true);
        check((5, 19), (5, 0), false, true);
    }
}
