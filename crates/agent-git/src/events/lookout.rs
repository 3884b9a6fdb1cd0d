//! Waiting for repositories to appear where there are none.

use std::{
    collections::{HashMap, HashSet},
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Inner,
    pending::Pending,
    table::{self, Purpose},
};

/// Directories watched by all lookouts of the agent together; what is further away, or looked out
/// for later, is found only by looking from time to time.
const MAX_DIRECTORIES: usize = 1000;

/// Waits for a `.git`, or a part of a path, to appear; gives its watches back when dropped.
#[derive(Debug)]
pub(crate) struct Lookout {
    hub: Arc<Inner>,
    id: u32,
    pending: Arc<Pending>,
}

impl Lookout {
    pub(super) fn new(hub: Arc<Inner>, paths: &[PathBuf]) -> Self {
        let pending = Arc::new(Pending::default());
        let (wanted, missing) = directories(paths, hub.foreign);
        let mut table = Inner::open(&hub);
        let room = MAX_DIRECTORIES.saturating_sub(table.lookout_directories());
        let id = table.add_owner(PathBuf::new(), Arc::clone(&pending));
        if let Some(owner) = table.owners.get_mut(&id) {
            owner.missing = missing;
        }
        let wanted = wanted
            .iter()
            .take(room)
            .map(|(path, kind)| (path.as_path(), Purpose::Lookout(*kind)))
            .collect::<HashMap<_, _>>();
        table.set_fixed(id, &wanted);
        table.settle();
        drop(table);
        Self { hub, id, pending }
    }

    /// Waits until a repository may have appeared; a false alarm is possible, and once is enough:
    /// then a new lookout is made. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        self.pending.changed().await;
        self.pending.take();
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.hub.table.lock().remove_owner(self.id);
    }
}

impl table::Table {
    fn lookout_directories(&self) -> usize {
        // Only lookouts have no root.
        let lookouts = self.owners.values().filter(|owner| owner.root.as_os_str().is_empty());
        lookouts.map(|owner| owner.fixed.len()).sum()
    }
}

/// The directories to watch, the nearest of every path first, and the names that are missing in
/// them. Those on file systems that do not tell of every change are left out.
fn directories(
    paths: &[PathBuf],
    foreign: fn(&Path) -> Option<&'static str>,
) -> (Vec<(PathBuf, table::Lookout)>, HashSet<Vec<u8>>) {
    let mut missing = HashSet::new();
    let mut nearest = Vec::new();
    for path in paths {
        let Some(parent) = path.ancestors().find_map(|path| fs::canonicalize(path).ok()) else {
            continue;
        };
        missing.extend(first_missing(path));
        // A file is in no directory of its own.
        let is_directory = parent.is_dir();
        nearest.push(if is_directory { parent } else { parent_of(&parent) });
    }
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut level: Vec<PathBuf> = nearest;
    while !level.is_empty() && found.len() <= MAX_DIRECTORIES {
        level.retain(|path| seen.insert(path.clone()));
        for path in level.iter().filter(|path| foreign(path).is_none()) {
            found.push((path.clone(), table::Lookout::Parent));
            let inside = path.join(".git");
            if inside.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                found.push((inside, table::Lookout::Unfinished));
            }
        }
        level = level.iter().filter_map(|path| path.parent().map(Path::to_owned)).collect();
    }
    (found, missing)
}

fn parent_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// The name of the first component that is not there.
fn first_missing(path: &Path) -> Option<Vec<u8>> {
    let mut missing = None;
    for ancestor in path.ancestors() {
        if fs::metadata(ancestor).is_ok() {
            break;
        }
        missing = ancestor.file_name();
    }
    missing.map(|name| name.as_bytes().to_vec())
}
