//! What an event means to the owners of its directory.

use std::sync::Arc;

use super::{
    mask,
    registration::join,
    table::{GitDirectory, Lookout, Purpose, Table, Target, Targets},
};

/// Names in a git directory whose changes change no snapshot, and are frequent.
const NOISE: [&[u8]; 11] = [
    b"COMMIT_EDITMSG",
    b"FETCH_HEAD",
    b"ORIG_HEAD",
    b"description",
    b"gc.log",
    b"gc.pid",
    b"hooks",
    b"lfs",
    b"logs",
    b"objects",
    b"worktrees",
];

impl Table {
    /// Sorts one event.
    pub(super) fn dispatch(&mut self, wd: i32, bits: u32, name: &[u8]) {
        self.events += 1;
        if bits & mask::Q_OVERFLOW != 0 {
            self.overflows += 1;
            for owner in self.owners.keys().copied().collect::<Vec<_>>() {
                self.lose(owner);
            }
            return;
        }
        let targets = if bits & mask::IGNORED != 0 { self.watches.remove(&wd) } else { None };
        let is_ignored = targets.is_some();
        let Some(targets) = targets.as_ref().or_else(|| self.watches.get(&wd)).map(Targets::all)
        else {
            return;
        };
        for target in targets {
            if is_ignored {
                self.forget(wd, &target);
            } else {
                self.tell(wd, bits, name, &target);
            }
        }
    }

    /// The kernel removed a watch by itself: the directory was deleted or its file system
    /// unmounted. It may be there again, so it is looked at again.
    fn forget(&mut self, wd: i32, target: &Target) {
        let Some(owner) = self.owners.get_mut(&target.owner) else { return };
        match &target.purpose {
            Purpose::Tree(path) if path.is_empty() => self.lose(target.owner),
            Purpose::Tree(path) => {
                // The path may already lead to another directory.
                if owner.tree.get(path) == Some(&wd) {
                    owner.tree.remove(path);
                }
                owner.pending.add_path(path);
            }
            Purpose::Nested(path) => {
                if owner.nested.get(path) == Some(&Some(wd)) {
                    owner.nested.remove(path);
                }
                owner.pending.add_path(&join(path, b".git"));
                owner.pending.add_nested();
            }
            Purpose::Ancestor => self.lose(target.owner),
            Purpose::Git(_) | Purpose::Lookout(_) => {
                owner.fixed.retain(|_, (fixed, _)| *fixed != wd);
                owner.pending.add_git();
            }
        }
    }

    /// Nothing that an owner watched is where it was, or nobody knows.
    fn lose(&mut self, id: u32) {
        self.reset(id);
        if let Some(owner) = self.owners.get(&id) {
            owner.pending.add_everything();
            owner.pending.add_nested();
        }
    }

    fn tell(&mut self, wd: i32, bits: u32, name: &[u8], target: &Target) {
        let id = target.owner;
        let Some(owner) = self.owners.get(&id) else { return };
        match &target.purpose {
            Purpose::Tree(directory) if name.is_empty() => {
                if !directory.is_empty() {
                    return; // Its parent tells the same by name.
                }
                if bits & mask::GONE != 0 {
                    self.lose(id);
                } else {
                    owner.pending.add_everything();
                }
            }
            Purpose::Tree(directory) if name == b".git" => {
                self.tell_dot_git(id, bits, directory);
            }
            Purpose::Tree(directory) => self.tell_entry(id, bits, &join(directory, name)),
            Purpose::Nested(directory) => {
                if matches!(name, b"HEAD" | b"config" | b"objects" | b"refs" | b"commondir") {
                    owner.pending.add_path(&join(directory, b".git"));
                    owner.pending.add_nested();
                }
            }
            Purpose::Git(kind) => {
                if name.is_empty() && bits & mask::MOVE_SELF != 0 {
                    owner.pending.add_git();
                    self.forget_place(wd, target);
                } else if bits & mask::GONE != 0 || (!name.is_empty() && counts(*kind, name)) {
                    owner.pending.add_git();
                }
            }
            Purpose::Ancestor => {
                if name.is_empty() && bits & mask::GONE != 0 {
                    self.lose(id);
                }
            }
            Purpose::Lookout(kind) => {
                let is_awaited = name == b".git" || owner.missing.contains(name);
                let appears = !name.is_empty() && bits & mask::APPEARANCE != 0;
                if bits & mask::GONE != 0
                    || (appears && (*kind == Lookout::Unfinished || is_awaited))
                {
                    owner.pending.add_git();
                }
            }
        }
    }

    /// One of git's own directories was moved away: what is at its path now is another.
    fn forget_place(&mut self, wd: i32, target: &Target) {
        if let Some(owner) = self.owners.get_mut(&target.owner) {
            owner.fixed.retain(|_, (fixed, _)| *fixed != wd);
        }
        self.remove(wd, target);
    }

    /// Something happened to a `.git`.
    fn tell_dot_git(&mut self, id: u32, bits: u32, directory: &Arc<[u8]>) {
        let Some(owner) = self.owners.get_mut(&id) else { return };
        if directory.is_empty() {
            return owner.pending.add_git();
        }
        owner.pending.add_path(&join(directory, b".git"));
        owner.pending.add_nested();
        if bits & (mask::CREATE | mask::DELETE | mask::MOVED_FROM | mask::MOVED_TO) == 0 {
            return;
        }
        if let Some((path, Some(wd))) = owner.nested.remove_entry(&**directory) {
            self.remove(wd, &Target { owner: id, purpose: Purpose::Nested(path) });
        }
        if bits & (mask::CREATE | mask::MOVED_TO) != 0 {
            self.add_nested(id, directory);
        }
    }

    /// Something happened to an entry of a directory of the work tree.
    fn tell_entry(&mut self, id: u32, bits: u32, path: &[u8]) {
        let left = mask::DELETE | mask::MOVED_FROM;
        // What was at the new name of a rename is gone, even if its own end is not told yet.
        let replaced = mask::MOVED_TO;
        let is_gone = bits & mask::ISDIR != 0 && bits & (left | replaced) != 0;
        let had_nested = is_gone && self.remove_below(id, path);
        let Some(owner) = self.owners.get(&id) else { return };
        if had_nested {
            owner.pending.add_nested();
        }
        owner.pending.add_path(path);
    }
}

/// Whether a change of this name in one of git's own directories may change a snapshot.
fn counts(kind: GitDirectory, name: &[u8]) -> bool {
    !name.ends_with(b".lock") && (kind == GitDirectory::Refs || !NOISE.contains(&name))
}
