//! What one repository is told: which directories it watches, and what is dirty since it asked.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Inner, Why, mask,
    pending::Pending,
    table::{GitDirectory, Purpose, Table, Target},
};
use crate::model::{Dirty, Watching};

/// The interest of one repository in events; gives its watches back when dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    hub: Arc<Inner>,
    id: u32,
    root: PathBuf,
    pending: Arc<Pending>,
}

impl Registration {
    pub(super) fn new(hub: Arc<Inner>, root: &Path) -> Self {
        let pending = Arc::new(Pending::default());
        let mut table = hub.table.lock();
        let id = table.add_owner(root.to_owned(), Arc::clone(&pending));
        drop(table);
        let registration = Self { hub, id, root: root.to_owned(), pending };
        registration.open();
        registration
    }

    /// Watches again after exhaustion, as far as it goes; everything is dirty.
    pub(crate) fn retry(&self) {
        self.pending.forget_exhaustion();
        self.open();
        self.pending.add_everything();
    }

    fn open(&self) {
        let table = Inner::open(&self.hub);
        if let Some(why) = table.refusal() {
            self.pending.exhaust(why.clone());
        }
    }

    /// Follows exactly these directories of git's own, beside everything above them and above the
    /// root. Tells whether one is new: what happened in it before is not known.
    ///
    /// Those that do not exist are left out. A root or a git directory on a file system that does
    /// not tell of every change exhausts the registration. Blocks.
    pub(crate) fn watch_git(&self, directories: &[PathBuf]) -> bool {
        for path in directories.iter().chain([&self.root]) {
            self.check_file_system(path);
        }
        let mut wanted: HashMap<&Path, Purpose> = HashMap::new();
        for path in directories.iter().chain([&self.root]) {
            for ancestor in path.ancestors().skip(1) {
                wanted.entry(ancestor).or_insert(Purpose::Ancestor);
            }
        }
        for path in directories {
            wanted.insert(path, Purpose::Git(kind(path)));
        }
        let mut table = self.hub.table.lock();
        let is_new = table.set_fixed(self.id, &wanted);
        table.settle();
        is_new
    }

    /// Takes what is dirty. A scan drains the hub before it.
    pub(crate) fn take(&self) -> Dirty {
        self.pending.take()
    }

    /// Whether something is dirty.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.pending.is_clean()
    }

    /// Waits until something is dirty; at once while something is. For one waiter, and cancel-safe.
    pub(crate) async fn changed(&self) {
        self.pending.changed().await;
    }

    /// Why events cannot be relied on; then nothing is watched.
    pub(crate) fn exhausted(&self) -> Option<Why> {
        self.pending.exhausted()
    }

    /// Grows whenever a nested repository may have come or gone.
    pub(crate) fn nested(&self) -> u64 {
        self.pending.nested()
    }

    /// Ends the watching where not every change would be told; false then.
    fn check_file_system(&self, path: &Path) -> bool {
        if let Some(name) = (self.hub.foreign)(path) {
            self.exhaust(Why::FileSystem(name));
        }
        !self.pending.is_exhausted()
    }

    fn exhaust(&self, why: Why) {
        self.pending.exhaust(why);
        let mut table = self.hub.table.lock();
        table.reset(self.id);
        table.settle();
    }
}

impl Watching for Registration {
    fn watch(&self, directory: &[u8]) {
        if self.pending.is_exhausted() || self.hub.table.lock().has_tree(self.id, directory) {
            return;
        }
        // Another one may be mounted anywhere.
        if !self.check_file_system(&absolute(&self.root, directory)) {
            return;
        }
        let mut table = self.hub.table.lock();
        table.add_tree(self.id, directory);
        table.settle();
    }

    fn unwatch_below(&self, directory: &[u8]) {
        let mut table = self.hub.table.lock();
        table.remove_below(self.id, directory);
        table.settle();
    }

    fn found_git(&self, directory: &[u8]) {
        if directory.is_empty() {
            return; // The root's own is no nested one.
        }
        let mut table = self.hub.table.lock();
        let is_new = table.add_nested(self.id, directory);
        table.settle();
        drop(table);
        if is_new {
            self.pending.add_nested();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.table.lock().remove_owner(self.id);
    }
}

impl Table {
    fn has_fixed(&self, id: u32, directory: &Path) -> bool {
        self.owners.get(&id).is_some_and(|owner| owner.fixed.contains_key(directory))
    }

    /// Makes the fixed directories of an owner these; whether one that is more than an ancestor
    /// is new.
    pub(super) fn set_fixed(&mut self, id: u32, wanted: &HashMap<&Path, Purpose>) -> bool {
        let Some(owner) = self.owners.get_mut(&id) else { return false };
        let kept = |path: &Path, purpose: &Purpose| wanted.get(path) == Some(purpose);
        let unwanted = owner.fixed.iter().filter(|(path, (_, purpose))| !kept(path, purpose));
        let unwanted: Vec<PathBuf> = unwanted.map(|(path, _)| path.clone()).collect();
        for path in unwanted {
            self.remove_fixed(id, &path);
        }
        let mut has_new = false;
        for (path, purpose) in wanted {
            if self.has_fixed(id, path) {
                continue;
            }
            let mask = match purpose {
                Purpose::Ancestor => mask::PLACE,
                Purpose::Lookout(_) => mask::APPEARANCE,
                _ => mask::CONTENTS,
            };
            let target = Target { owner: id, purpose: purpose.clone() };
            if let Some(wd) = self.add(path, mask, target)
                && let Some(owner) = self.owners.get_mut(&id)
            {
                owner.fixed.insert(path.to_path_buf(), (wd, purpose.clone()));
                has_new |= *purpose != Purpose::Ancestor;
            }
        }
        has_new
    }

    fn remove_fixed(&mut self, id: u32, path: &Path) {
        let Some(owner) = self.owners.get_mut(&id) else { return };
        if let Some((wd, purpose)) = owner.fixed.remove(path) {
            self.remove(wd, &Target { owner: id, purpose });
        }
    }
}

fn kind(directory: &Path) -> GitDirectory {
    // A repository that itself lies below some `refs` is told a little too much.
    if directory.iter().any(|component| component == "refs") {
        GitDirectory::Refs
    } else {
        GitDirectory::Other
    }
}

/// A relative path below another; either may be empty.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// The absolute path of a directory of the work tree.
pub(super) fn absolute(root: &Path, directory: &[u8]) -> PathBuf {
    if directory.is_empty() { root.to_owned() } else { root.join(OsStr::from_bytes(directory)) }
}
