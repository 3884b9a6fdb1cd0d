//! The group that holds the leaves of all commands, and how it comes to be.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    process::getpid,
};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::{
    files::{Controllers, parse_members},
    leaf::{Leaf, remove_group},
    limits, locate,
};
use crate::Limits;

/// The leaf into which this process moves itself, when controllers need its group to be empty.
const SELF: &str = "self";
/// Attempts to make the parent group while another agent sweeps.
const ATTEMPTS: usize = 3;
/// Leftover leaves that one call tries to remove, so that many survivors slow no command down.
const MAX_TRIED: usize = 8;

/// Why a command gets no leaf.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeafError {
    /// A limit was asked for that cannot be enforced; without a source the controller is missing.
    #[error("cgroup v2 cannot enforce the limits here")]
    Unsupported(#[source] Option<io::Error>),
    /// The group cannot be made.
    #[error("cannot create a cgroup")]
    Create(#[source] io::Error),
}

/// The parent of all leaves, `<own group>/<name>`.
///
/// Cheap to clone; the clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Hierarchy {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    controllers: Controllers,
    parent: Arc<Parent>,
}

impl Hierarchy {
    /// Makes the parent group below this process's own, with as many controllers as possible,
    /// and removes what dead agents left there empty.
    ///
    /// `None`, with a line in the log, when there is no cgroup v2 that this process may change.
    pub(crate) fn probe(name: &str) -> Option<Self> {
        let found = own_group(name).and_then(|own| Self::below(&own, name));
        found.inspect_err(|error| info!(%error, "commands have no cgroups")).ok()
    }

    fn below(own: &Path, name: &str) -> io::Result<Self> {
        let path = own.join(name);
        let lock = create_locked(&path)?;
        sweep(own, &path, name);
        let controllers = enable_controllers(own, &path);
        info!(path = %path.display(), ?controllers, "commands have cgroups");
        let parent = Arc::new(Parent { path, _lock: Some(lock), leftovers: Mutex::default() });
        Ok(Self { shared: Arc::new(Shared { controllers, parent }) })
    }

    /// Whether the controllers for these limits are there.
    pub(crate) fn supports(&self, limits: &Limits) -> bool {
        limits::needed(limits).missing_in(self.shared.controllers).is_empty()
    }

    /// Makes the leaf of a command.
    ///
    /// # Errors
    ///
    /// [`LeafError::Unsupported`] when a limit cannot be enforced; [`LeafError::Create`] when the
    /// system refuses the group or another command of that id still runs. Nothing is left.
    pub(crate) fn leaf(&self, id: Uuid, limits: &Limits) -> Result<Leaf, LeafError> {
        if !self.supports(limits) {
            return Err(LeafError::Unsupported(None));
        }
        let Shared { controllers, parent } = &*self.shared;
        parent.sweep();
        let path = parent.path.join(id.to_string());
        create(&path).map_err(LeafError::Create)?;
        let leaf =
            Leaf::open(path, controllers.memory, Arc::clone(parent)).map_err(LeafError::Create)?;
        limit(&leaf, limits)?;
        Ok(leaf)
    }
}

/// This process's own group; after a restart in place, the one it had before it moved itself.
fn own_group(name: &str) -> io::Result<PathBuf> {
    let mounts = fs::read("/proc/self/mountinfo")?;
    let membership = fs::read("/proc/self/cgroup")?;
    let own = locate::own_directory(&mounts, &membership)
        .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "no cgroup v2 is mounted"))?;
    let moved = Path::new(name).join(SELF);
    let before = own.ancestors().nth(2).filter(|_| own.ends_with(&moved)).map(Path::to_owned);
    Ok(before.unwrap_or(own))
}

fn limit(leaf: &Leaf, limits: &Limits) -> Result<(), LeafError> {
    for setting in limits::settings(limits) {
        match leaf.write(setting.file, &setting.value) {
            Err(error) if setting.optional && error.kind() == io::ErrorKind::NotFound => {}
            written => written.map_err(|error| LeafError::Unsupported(Some(error)))?,
        }
    }
    Ok(())
}

/// Makes a group; one of that name that is empty is replaced, so that its accounts start anew.
fn create(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && remove_group(path) => {
            fs::create_dir(path)
        }
        created => created,
    }
}

/// Makes the parent group or takes over that of an earlier life, and marks it as in use.
fn create_locked(path: &Path) -> io::Result<File> {
    for _ in 0..ATTEMPTS {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // A sweeper may hold it for a moment, or have removed it before the lock was there.
        let Ok(lock) = File::open(path) else { continue };
        if flock(&lock, FlockOperation::LockShared).is_ok() && path.is_dir() {
            return Ok(lock);
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Removes empty leaves of this agent's earlier life, and empty groups of agents that are dead;
/// groups with survivors in them stay.
fn sweep(own: &Path, path: &Path, name: &str) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path());
        }
    }
    let Some((family, _)) = name.split_once('-') else { return };
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let kin = entry.file_name().to_str().is_some_and(|other| {
            other != name && other.split_once('-').is_some_and(|(other, _)| other == family)
        });
        let Some(group) = kin.then(|| File::open(entry.path()).ok()).flatten() else { continue };
        if flock(&group, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let removed = remove_group(&entry.path());
            debug!(path = %entry.path().display(), removed, "swept a dead agent's cgroup");
        }
    }
}

/// Hands the controllers of limits down to the leaves as far as possible; answers which they are.
fn enable_controllers(own: &Path, path: &Path) -> Controllers {
    let available = controllers(own, "cgroup.controllers");
    let mut enabled = hand_down(own, available);
    if enabled.as_ref().is_err_and(is_busy) {
        match leave_to_self(own, path) {
            Ok(true) => enabled = hand_down(own, available),
            Ok(false) => {}
            Err(error) => warn!(%error, "cannot move agentd to a cgroup of its own"),
        }
    }
    if let Err(error) = enabled {
        info!(%error, path = %own.display(), "cgroup controllers stay disabled");
    }
    let below = controllers(path, "cgroup.controllers");
    if let Err(error) = hand_down(path, below) {
        warn!(%error, path = %path.display(), "cgroup controllers stay disabled");
    }
    controllers(path, "cgroup.subtree_control")
}

fn is_busy(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::BUSY)
}

/// Enables controllers in the groups below one; answers the first failure after trying all.
fn hand_down(group: &Path, wanted: Controllers) -> io::Result<()> {
    let present = controllers(group, "cgroup.subtree_control");
    let enable = |name| fs::write(group.join("cgroup.subtree_control"), format!("+{name}"));
    let results: Vec<_> = wanted.missing_in(present).into_iter().map(enable).collect();
    results.into_iter().collect()
}

/// Moves this process out of a group where it is alone, because a group with processes of its own
/// cannot hand controllers down (the "no internal process" rule); answers whether it did.
fn leave_to_self(own: &Path, path: &Path) -> io::Result<bool> {
    let alone = |text: &str| {
        let me = getpid().as_raw_nonzero().get().cast_unsigned();
        parse_members(text) == [me] && text.lines().count() == 1
    };
    if !alone(&fs::read_to_string(own.join("cgroup.procs"))?) {
        return Ok(false);
    }
    let own_leaf = path.join(SELF);
    match fs::create_dir(&own_leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => fs::write(own_leaf.join("cgroup.procs"), "0")?,
    }
    Ok(true)
}

fn controllers(group: &Path, file: &str) -> Controllers {
    let text = fs::read_to_string(group.join(file)).unwrap_or_default();
    Controllers::parse(&text)
}

/// The directory of all leaves; removed with the last leaf.
#[derive(Debug, Default)]
pub(super) struct Parent {
    path: PathBuf,
    /// Locked as long as this agent lives, which tells other agents not to sweep the group.
    _lock: Option<File>,
    /// Leaves that could not be removed yet because something still ran in them.
    leftovers: Mutex<VecDeque<PathBuf>>,
}

impl Drop for Parent {
    fn drop(&mut self) {
        for leaf in self.leftovers.get_mut().drain(..) {
            remove_group(&leaf);
        }
        // Leaves with survivors, or this process itself, may be in it; then the next agent sweeps.
        let _ = fs::remove_dir(&self.path);
    }
}

impl Parent {
    /// Removes a group now, or when a later call finds it empty.
    pub(super) fn remove(&self, path: &Path) {
        if !remove_group(path) {
            self.leftovers.lock().push_back(path.to_owned());
        }
        self.sweep();
    }

    /// Tries a few, those that wait longest first.
    fn sweep(&self) {
        let tried: Vec<_> = {
            let mut leftovers = self.leftovers.lock();
            let count = leftovers.len().min(MAX_TRIED);
            leftovers.drain(..count).collect()
        };
        let kept: Vec<_> = tried.into_iter().filter(|path| !remove_group(path)).collect();
        self.leftovers.lock().extend(kept);
    }
}

#[cfg(test)]
mod tests;
