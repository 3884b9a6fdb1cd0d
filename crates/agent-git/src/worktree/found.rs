//! What a walk finds, gathered by each thread for itself.

use std::sync::Arc;

use super::{excludes::Level, links::MAX_LINKED};
use crate::model::Stat;

/// Untracked files that are kept, the first by path.
pub(super) const MAX_UNTRACKED: usize = 100_000;

/// An entry of the index whose contents must be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    /// Of the first entry of the path.
    pub(super) position: usize,
    /// What is in its place.
    pub(super) stat: Stat,
}

/// What a walk found to differ, or to be new.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Positions of the entries whose files are not there.
    pub(super) deleted: Vec<usize>,
    pub(super) suspects: Vec<Suspect>,
    pub(super) untracked: Untracked,
    pub(super) nested: Vec<Vec<u8>>,
    /// Ignore files, by the directories that have them.
    pub(super) levels: Vec<(Vec<u8>, Arc<Level>)>,
    /// Files that have other names; of very many, one more than [`MAX_LINKED`].
    pub(super) linked: Vec<(Vec<u8>, Stat)>,
}

impl Found {
    /// Takes note of a file that is tracked, or untracked and not ignored, if it has other names.
    pub(super) fn note_names(&mut self, path: &[u8], stat: &Stat) {
        if stat.has_other_names() && self.linked.len() <= MAX_LINKED {
            self.linked.push((path.to_vec(), *stat));
        }
    }

    /// Takes over what another thread found.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.deleted.append(&mut other.deleted);
        self.suspects.append(&mut other.suspects);
        self.nested.append(&mut other.nested);
        self.levels.append(&mut other.levels);
        self.linked.append(&mut other.linked);
        self.linked.truncate(MAX_LINKED + 1);
        self.untracked.merge(other.untracked);
    }
}

/// Untracked files in no order: all of them, or the first by path of very many.
#[derive(Debug, Default)]
pub(super) struct Untracked {
    files: Vec<(Vec<u8>, Stat)>,
    left_out: u64,
}

impl Untracked {
    pub(super) fn push(&mut self, path: Vec<u8>, stat: Stat) {
        self.files.push((path, stat));
        if self.files.len() >= 2 * MAX_UNTRACKED {
            self.cut();
        }
    }

    fn merge(&mut self, mut other: Self) {
        self.left_out += other.left_out;
        self.files.append(&mut other.files);
        self.cut();
    }

    fn cut(&mut self) {
        if self.files.len() > MAX_UNTRACKED {
            self.files.select_nth_unstable_by(MAX_UNTRACKED, |left, right| left.0.cmp(&right.0));
            self.left_out += (self.files.len() - MAX_UNTRACKED) as u64;
            self.files.truncate(MAX_UNTRACKED);
        }
    }

    /// The files, at most [`MAX_UNTRACKED`], and how many more there are.
    pub(super) fn into_files(mut self) -> (Vec<(Vec<u8>, Stat)>, u64) {
        self.cut();
        (self.files, self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_files_the_first_by_path_are_kept_and_all_are_counted() {
        let stat = Stat::default();
        let name = |number: usize| format!("{number:07}").into_bytes();
        let mut halves = [Untracked::default(), Untracked::default()];
        for number in (0..500_000).rev() {
            halves[number % 2].push(name(number), stat);
            assert!(halves[number % 2].files.len() < 2 * MAX_UNTRACKED);
        }
        let [mut all, other] = halves;
        all.merge(other);
        let (mut files, left_out) = all.into_files();
        files.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        assert_eq!(left_out, 400_000);
        assert_eq!(files.len(), MAX_UNTRACKED);
        assert!(files.iter().enumerate().all(|(number, file)| file.0 == name(number)));
    }
}
