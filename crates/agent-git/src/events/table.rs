//! Who watches what: descriptors of the kernel, their targets, and the directories of each owner.
//!
//! A directory may be watched by several owners, and by one for several purposes; the kernel knows
//! it once. What the events mean is in `dispatch`.
//!
//! A directory of ten thousand costs about 200 bytes here (a descriptor, a target, an ordered map
//! entry, and its relative path once), beside what the kernel keeps.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_util::sync::DropGuard;

use super::{
    Statistics, Why,
    kernel::{Buffer, Kernel, Refusal},
    mask,
    pending::Pending,
    registration::absolute,
};

/// Watches removed at once before the notices of that are read: more of them than the queue is
/// long would push out everything else.
const REMOVED_AT_ONCE: usize = 4096;

/// All watches of the agent.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) max_watches: usize,
    open: Option<Open>,
    /// Why there is no queue.
    refusal: Option<Why>,
    pub(super) watches: HashMap<i32, Targets>,
    pub(super) owners: HashMap<u32, Owner>,
    next_owner: u32,
    /// Descriptors without a target, still to be given back.
    doomed: Vec<i32>,
    pub(super) events: u64,
    pub(super) overflows: u64,
}

/// The queue while somebody uses it.
#[derive(Debug)]
struct Open {
    kernel: Kernel,
    /// Absent while events are sorted.
    buffer: Option<Buffer>,
    /// Ends the reader.
    reader: Option<DropGuard>,
}

/// A registration or a lookout.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) root: PathBuf,
    pub(super) pending: Arc<Pending>,
    /// Directories of the work tree by relative path.
    pub(super) tree: BTreeMap<Arc<[u8]>, i32>,
    /// Directories below the root that have a `.git`, and the watch of it if it is a directory.
    pub(super) nested: BTreeMap<Arc<[u8]>, Option<i32>>,
    /// All others, by absolute path.
    pub(super) fixed: HashMap<PathBuf, (i32, Purpose)>,
    /// Names that a lookout waits for beside `.git`.
    pub(super) missing: HashSet<Vec<u8>>,
}

/// For whom a descriptor is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) owner: u32,
    pub(super) purpose: Purpose,
}

/// What a watched directory is to its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Of the work tree, by relative path.
    Tree(Arc<[u8]>),
    /// The `.git` of this directory of the work tree.
    Nested(Arc<[u8]>),
    /// One of git's own.
    Git(GitDirectory),
    /// Above the root or above one of git's own.
    Ancestor,
    /// Where a lookout waits for a name.
    Lookout(Lookout),
}

/// Which events of one of git's own directories count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GitDirectory {
    /// Below `refs`: any name is a ref.
    Refs,
    /// Others: some names are known not to matter.
    Other,
}

/// What a lookout waits for in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookout {
    /// `.git`, or the missing part of a path.
    Parent,
    /// Anything: this is a `.git` that is not complete yet.
    Unfinished,
}

/// Nearly always one.
#[derive(Debug)]
pub(super) enum Targets {
    One(Target),
    Many(Vec<Target>),
}

impl Targets {
    pub(super) fn all(&self) -> Vec<Target> {
        match self {
            Self::One(target) => vec![target.clone()],
            Self::Many(targets) => targets.clone(),
        }
    }

    fn add(&mut self, target: Target) {
        let mut targets = self.all();
        if !targets.contains(&target) {
            targets.push(target);
            *self = Self::Many(targets);
        }
    }

    /// Whether none is left.
    fn remove(&mut self, target: &Target) -> bool {
        match self {
            Self::One(one) => one == target,
            Self::Many(targets) => {
                targets.retain(|other| other != target);
                targets.is_empty()
            }
        }
    }
}

impl Table {
    pub(super) fn new(max_watches: usize) -> Self {
        Self {
            max_watches,
            open: None,
            refusal: None,
            watches: HashMap::new(),
            owners: HashMap::new(),
            next_owner: 0,
            doomed: Vec::new(),
            events: 0,
            overflows: 0,
        }
    }

    /// Makes the queue; the kernel if it was made just now.
    pub(super) fn open(&mut self) -> Option<Kernel> {
        if self.open.is_some() {
            return None;
        }
        let kernel = Kernel::new().map_err(|why| self.refusal = Some(why)).ok()?;
        let open = Open { kernel: kernel.clone(), buffer: Some(Buffer::new()), reader: None };
        self.open = Some(open);
        Some(kernel)
    }

    pub(super) fn on_close(&mut self, reader: DropGuard) {
        if let Some(open) = &mut self.open {
            open.reader = Some(reader);
        }
    }

    /// Gives the queue back, and with it every watch.
    pub(super) fn close(&mut self) {
        self.open = None;
        self.watches = HashMap::new();
        self.doomed = Vec::new();
    }

    /// The queue cannot be used.
    pub(super) fn refuse(&mut self, why: Why) {
        self.refusal = Some(why);
        self.close();
    }

    /// Why there is no queue, if there is none.
    pub(super) fn refusal(&self) -> Option<&Why> {
        self.refusal.as_ref().filter(|_| self.open.is_none())
    }

    pub(super) fn statistics(&self) -> Statistics {
        let (events, overflows) = (self.events, self.overflows);
        Statistics { watches: self.watches.len(), events, overflows }
    }

    pub(super) fn add_owner(&mut self, root: PathBuf, pending: Arc<Pending>) -> u32 {
        let id = self.next_owner;
        self.next_owner += 1;
        let owner = Owner {
            root,
            pending,
            tree: BTreeMap::new(),
            nested: BTreeMap::new(),
            fixed: HashMap::new(),
            missing: HashSet::new(),
        };
        self.owners.insert(id, owner);
        id
    }

    pub(super) fn remove_owner(&mut self, id: u32) {
        self.reset(id);
        self.owners.remove(&id);
        if self.owners.is_empty() {
            self.close();
        }
        self.settle();
    }

    /// Watches a directory for an owner; `None` when it cannot be, which may exhaust the owner.
    pub(super) fn add(&mut self, path: &Path, mask: u32, target: Target) -> Option<i32> {
        let owner = self.owners.get(&target.owner)?;
        if owner.pending.is_exhausted() {
            return None;
        }
        let kernel = &self.open.as_ref()?.kernel;
        if self.watches.len() >= self.max_watches {
            owner.pending.exhaust(Why::Limit { max: self.max_watches });
            self.reset(target.owner);
            return None;
        }
        match kernel.add(path, mask) {
            Ok(wd) => {
                self.doomed.retain(|doomed| *doomed != wd);
                match self.watches.entry(wd) {
                    std::collections::hash_map::Entry::Occupied(known) => {
                        known.into_mut().add(target);
                    }
                    std::collections::hash_map::Entry::Vacant(new) => {
                        new.insert(Targets::One(target));
                    }
                }
                Some(wd)
            }
            Err(Refusal::Absent) => None,
            Err(Refusal::NoWatches) => {
                owner.pending.exhaust(Why::Watches);
                self.reset(target.owner);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, wd: i32, target: &Target) {
        let Some(targets) = self.watches.get_mut(&wd) else { return };
        if targets.remove(target) {
            self.watches.remove(&wd);
            self.doomed.push(wd);
        }
    }

    /// Gives back everything of an owner: its directories are elsewhere, or unknown.
    pub(super) fn reset(&mut self, id: u32) {
        let Some(owner) = self.owners.get_mut(&id) else { return };
        let tree = std::mem::take(&mut owner.tree);
        let nested = std::mem::take(&mut owner.nested);
        let fixed = std::mem::take(&mut owner.fixed);
        let of = |purpose| Target { owner: id, purpose };
        for (path, wd) in tree {
            self.remove(wd, &of(Purpose::Tree(path)));
        }
        for (path, wd) in nested {
            if let Some(wd) = wd {
                self.remove(wd, &of(Purpose::Nested(path)));
            }
        }
        for (wd, purpose) in fixed.into_values() {
            self.remove(wd, &of(purpose));
        }
    }

    /// Whether a directory of the work tree is watched.
    pub(super) fn has_tree(&self, id: u32, directory: &[u8]) -> bool {
        self.owners.get(&id).is_some_and(|owner| owner.tree.contains_key(directory))
    }

    /// Watches a directory of the work tree.
    pub(super) fn add_tree(&mut self, id: u32, directory: &[u8]) {
        if self.has_tree(id, directory) {
            return;
        }
        let Some(owner) = self.owners.get(&id) else { return };
        let path = absolute(&owner.root, directory);
        let directory: Arc<[u8]> = directory.into();
        let target = Target { owner: id, purpose: Purpose::Tree(Arc::clone(&directory)) };
        if let Some(wd) = self.add(&path, mask::CONTENTS, target)
            && let Some(owner) = self.owners.get_mut(&id)
        {
            owner.tree.insert(directory, wd);
        }
    }

    /// Remembers that a directory has a `.git`, and watches it; whether that was unknown.
    pub(super) fn add_nested(&mut self, id: u32, directory: &[u8]) -> bool {
        /// Beyond it every walk counts as one that found something new.
        const MAX_NESTED: usize = 10_000;
        let Some(owner) = self.owners.get(&id) else { return false };
        if owner.nested.contains_key(directory) {
            return false;
        }
        if owner.nested.len() >= MAX_NESTED {
            return true;
        }
        let path = absolute(&owner.root, directory).join(".git");
        let directory: Arc<[u8]> = directory.into();
        let target = Target { owner: id, purpose: Purpose::Nested(Arc::clone(&directory)) };
        let wd = self.add(&path, mask::CONTENTS, target);
        if let Some(owner) = self.owners.get_mut(&id) {
            owner.nested.insert(directory, wd);
        }
        true
    }

    /// Forgets a directory of the work tree and all below it; whether one had a `.git`.
    pub(super) fn remove_below(&mut self, id: u32, directory: &[u8]) -> bool {
        let Some(owner) = self.owners.get_mut(&id) else { return false };
        let tree = take_below(&mut owner.tree, directory);
        let nested = take_below(&mut owner.nested, directory);
        for (path, wd) in tree {
            self.remove(wd, &Target { owner: id, purpose: Purpose::Tree(path) });
        }
        let had_nested = !nested.is_empty();
        for (path, wd) in nested {
            if let Some(wd) = wd {
                self.remove(wd, &Target { owner: id, purpose: Purpose::Nested(path) });
            }
        }
        had_nested
    }

    /// Sorts what is queued; whether there may be more.
    pub(super) fn drain(&mut self) -> bool {
        let more = self.read();
        self.settle();
        more
    }

    fn read(&mut self) -> bool {
        let Some(open) = &mut self.open else { return false };
        let kernel = open.kernel.clone();
        let mut buffer = open.buffer.take().unwrap_or_else(Buffer::new);
        let more = kernel.read(&mut buffer, |wd, bits, name| self.dispatch(wd, bits, name));
        if let Some(open) = &mut self.open {
            open.buffer = Some(buffer);
        }
        more
    }

    /// Gives back the descriptors that nobody needs any more. Ends every public operation.
    pub(super) fn settle(&mut self) {
        while !self.doomed.is_empty() {
            let rest = self.doomed.len().saturating_sub(REMOVED_AT_ONCE);
            let now = self.doomed.split_off(rest);
            let Some(open) = &self.open else { return self.doomed.clear() };
            now.iter().for_each(|wd| open.kernel.remove(*wd));
            if rest > 0 {
                self.read();
            }
        }
        self.doomed.shrink_to(REMOVED_AT_ONCE);
    }
}

/// Takes out the entries of a directory and all below it.
fn take_below<V>(map: &mut BTreeMap<Arc<[u8]>, V>, directory: &[u8]) -> Vec<(Arc<[u8]>, V)> {
    if directory.is_empty() {
        return std::mem::take(map).into_iter().collect();
    }
    let start = [directory, b"/"].concat();
    // The byte after the slash: no path below the directory is at or beyond it.
    let end = [directory, b"0"].concat();
    let below = (Bound::Included(&start[..]), Bound::Excluded(&end[..]));
    let mut keys: Vec<Arc<[u8]>> =
        map.range::<[u8], _>(below).map(|(key, _)| key.clone()).collect();
    keys.extend(map.get_key_value(directory).map(|(key, _)| Arc::clone(key)));
    keys.into_iter().filter_map(|key| map.remove_entry(&key)).collect()
}
