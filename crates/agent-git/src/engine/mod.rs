//! What is known of one repository, and the snapshots made from it.
//!
//! A scan takes what it can from the scan before: the parsed index while the file of it is the
//! same, what is staged while neither HEAD's tree nor the index changed, the work tree except for
//! the paths that are dirty, and the diffs of files whose versions did not change. What is not
//! certain is looked at again: other settings, other ignore or attribute files outside of the work
//! tree, another way to read the repository, or a repository made again in its place begin anew.
//!
//! When a scan is due, and what is dirty, is decided elsewhere.

mod attributes;
mod changes;
mod command;
mod directories;
mod error;
mod index_file;
mod native;
mod outside;
#[cfg(test)]
mod tests;

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::SystemTime,
};

pub(crate) use error::ScanError;

use crate::{
    command::Program,
    diff::{Rendered, Renderer},
    fs::Root,
    model::{Dirty, Head, Snapshot, Watching},
    repository::{self, Abbreviations, Divergence, Kind, Location, User},
};

/// What all engines of an agent have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// The git command line, for repositories that the agent does not read itself.
    pub(crate) program: Program,
    /// Where the user's configuration is.
    pub(crate) home: PathBuf,
    /// Where it is as well; by default `.config` in `home`.
    pub(crate) xdg_config_home: Option<PathBuf>,
}

/// What a scan found.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) snapshot: Snapshot,
    /// Whether the whole work tree was looked at.
    pub(crate) was_full: bool,
}

/// One repository's knowledge.
#[derive(Debug)]
pub(crate) struct Engine {
    location: Location,
    shared: Arc<Shared>,
    /// Of which root and git directory the rest is known.
    identity: Option<Identity>,
    known: Known,
    /// Whether the next scan looks at everything, because the last one failed.
    is_whole_due: bool,
    renderer: Renderer,
    divergence: Divergence,
    abbreviations: Option<Abbreviations>,
    head: Head,
}

/// Device, inode and birth of the root and of the git directory. Inodes alone are used again at
/// once; not every file system knows births.
type Identity = [(u64, u64, Option<SystemTime>); 2];

/// What a scan leaves for the next one.
#[derive(Debug, Default)]
enum Known {
    #[default]
    Nothing,
    Native(Box<native::Native>),
    Command(Box<command::Watched>),
}

/// What one scan is given.
#[derive(Clone, Copy)]
struct Scene<'a> {
    root: &'a Root,
    user: &'a User,
    watching: &'a dyn Watching,
    stop: &'a AtomicBool,
}

impl Engine {
    /// Knows nothing yet, and touches nothing.
    pub(crate) fn new(location: Location, shared: Arc<Shared>) -> Self {
        Self {
            location,
            shared,
            identity: None,
            known: Known::Nothing,
            is_whole_due: false,
            renderer: Renderer::new(),
            divergence: Divergence::default(),
            abbreviations: None,
            head: Head::default(),
        }
    }

    /// Makes a snapshot of the repository as it is at some moment after the call; blocks.
    ///
    /// Only what is dirty is looked at again where that is enough. Repositories that are read by
    /// the command line need a thread of a Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ScanError`]; after every one but [`ScanError::Removed`] the next scan is a whole one.
    pub(crate) fn scan(
        &mut self,
        dirty: Dirty,
        watching: &dyn Watching,
        stop: &AtomicBool,
    ) -> Result<Scanned, ScanError> {
        let scanned = self.attempt(dirty, watching, stop);
        // A repository that vanishes during a scan makes it fail, or look as if all files were
        // deleted.
        if !matches!(scanned, Err(ScanError::Stopped)) && !repository::exists(&self.location) {
            self.forget(watching);
            self.identity = None;
            return Err(ScanError::Removed);
        }
        self.is_whole_due = scanned.is_err();
        scanned
    }

    fn attempt(
        &mut self,
        mut dirty: Dirty,
        watching: &dyn Watching,
        stop: &AtomicBool,
    ) -> Result<Scanned, ScanError> {
        dirty.all |= self.is_whole_due;
        let failed = |error| ScanError::failed("open the repository", error);
        let root = Root::open(&self.location.root).map_err(failed)?;
        let identity = self.identity().map_err(failed)?;
        if self.identity != Some(identity) {
            self.forget(watching);
            self.identity = Some(identity);
        }
        let home = self.shared.xdg_config_home.as_deref();
        let user = User::read(&self.shared.home, home, &self.location);
        let scene = Scene { root: &root, user: &user, watching, stop };
        match repository::kind(&self.location, &user)? {
            Kind::Native => match self.scan_native(&dirty, scene) {
                Err(native::Failure::Other(reason)) => self.scan_command(scene, &reason),
                Err(native::Failure::Scan(error)) => Err(error),
                Ok(scanned) => Ok(scanned),
            },
            Kind::Command(reason) => self.scan_command(scene, &reason),
        }
    }

    fn identity(&self) -> io::Result<Identity> {
        let of = |path: &Path| {
            let metadata = path.metadata()?;
            Ok::<_, io::Error>((metadata.dev(), metadata.ino(), metadata.created().ok()))
        };
        Ok([of(&self.location.root)?, of(&self.location.git_dir)?])
    }

    /// Lets go of everything that an earlier scan found.
    fn forget(&mut self, watching: &dyn Watching) {
        watching.unwatch_below(b"");
        self.known = Known::Nothing;
        self.renderer = Renderer::new();
        self.divergence = Divergence::default();
        self.abbreviations = None;
    }

    fn finish(&mut self, head: Head, rendered: Rendered, was_full: bool) -> Scanned {
        let (upstream, ahead, behind) = match head.upstream.clone() {
            Some((name, ahead, behind)) => (Some(name), Some(ahead), Some(behind)),
            None => (None, None, None),
        };
        self.head = head;
        let Head { branch, commit, detached, remote_origin, .. } = self.head.clone();
        let repository = agent_api::Repository {
            repo_root: self.location.root.to_string_lossy().into_owned(),
            branch,
            head: commit.map(|id| id.to_string()),
            detached,
            remote_origin,
            upstream,
            ahead,
            behind,
            unified_diff: Some(rendered.unified_diff),
            files: rendered.files,
            files_left_out: rendered.files_left_out,
        };
        Scanned { snapshot: Snapshot { repository, spans: rendered.spans }, was_full }
    }
}
