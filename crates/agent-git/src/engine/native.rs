//! Scans of repositories that the agent reads itself.

use std::mem;

use super::{
    Engine, Known, ScanError, Scanned, Scene,
    attributes::{self, is_attributes},
    changes::changes,
    index_file::{self, Stamp},
    outside::Outside,
};
use crate::{
    diff::{Renderer, Rendering},
    index::{Index, IndexError},
    model::{Change, Dirty, Mode, ObjectId},
    repository::{self, AttributeFiles, Reason, Settings, Source, checked_out_commit},
    staged::{Staged, staged},
    worktree::{Excludes, Look, WorkTree},
};

/// How often a scan is made again at once, because the index or HEAD changed meanwhile.
const MAX_ROUNDS: usize = 3;

/// What a scan leaves for the next one.
#[derive(Debug)]
pub(super) struct Native {
    settings: Settings,
    outside: Outside,
    excludes: Excludes,
    /// Files of attributes in the index.
    attributes: AttributeFiles,
    /// Files of attributes in the work tree; `None` before the first scan.
    attributes_here: Option<attributes::Seen>,
    stamp: Stamp,
    index: Index,
    /// What is staged, and for which tree of HEAD; `None` once the index is another one.
    staged: Option<(Option<ObjectId>, Staged)>,
    worktree: WorkTree,
}

/// Why there is no snapshot.
#[derive(Debug)]
pub(super) enum Failure {
    Scan(ScanError),
    /// The index is one that git itself must read.
    Other(Reason),
}

impl<E: Into<ScanError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Scan(error.into())
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Sparse => Self::Other(Reason::SparseIndex),
            IndexError::Extension(_) | IndexError::Version(_) => {
                Self::Other(Reason::UnknownIndex(error.to_string()))
            }
            IndexError::Corrupt { .. } => Self::Scan(ScanError::failed("read the index", error)),
        }
    }
}

/// What one round of a scan found.
struct Round {
    was_full: bool,
    /// Whether contents are converted in another way than they were.
    converts_otherwise: bool,
    changes: Vec<Change>,
    left_out: u64,
}

impl Engine {
    pub(super) fn scan_native(
        &mut self,
        dirty: &Dirty,
        scene: Scene<'_>,
    ) -> Result<Scanned, Failure> {
        let mut scanned = self.round(dirty, scene)?;
        for _ in 1..MAX_ROUNDS {
            if !self.is_outdated()? {
                break;
            }
            let was_full = scanned.was_full;
            scanned = self.round(&Dirty { git: true, ..Dirty::default() }, scene)?;
            scanned.was_full |= was_full;
        }
        Ok(scanned)
    }

    /// Whether the index or HEAD are no longer what the last round has read.
    fn is_outdated(&self) -> Result<bool, ScanError> {
        let Known::Native(native) = &self.known else { return Ok(true) };
        let now = Stamp::of(&self.index_path(), native.settings.object_format)?;
        let commit = checked_out_commit(&self.location.root);
        Ok(!native.stamp.is_still(&now) || commit.is_some() && commit != self.head.commit)
    }

    /// Scans once.
    fn round(&mut self, dirty: &Dirty, scene: Scene<'_>) -> Result<Scanned, Failure> {
        let mut source = repository::Native::open(&self.location, scene.user)?;
        source.divergence = self.divergence;
        if let Some(mut known) = self.abbreviations.take() {
            known.renew();
            source.abbreviations = known;
        }
        // HEAD comes first: a commit that moves it from here on is noticed at the end.
        let head = source.head()?;
        self.divergence = source.divergence;
        let tree = source.head_tree()?;
        let (mut native, replaced) = self.take_native(source.settings(), dirty, scene)?;
        let round = native.round(&mut source, tree, replaced.as_ref(), dirty, scene);
        let object_format = native.settings.object_format;
        // Kept after a failure too: whoever hashed for a minute need not begin again.
        self.known = Known::Native(native);
        let round = round?;
        if round.converts_otherwise {
            self.renderer = Renderer::new();
        }
        let Scene { root, stop, .. } = scene;
        let look = Rendering { root, source: &mut source, object_format, stop };
        let rendered = self.renderer.render(&round.changes, round.left_out, look)?;
        self.abbreviations = Some(source.abbreviations);
        Ok(self.finish(head, rendered, round.was_full))
    }

    /// Takes what is known out of the engine, with the index as it is now, and beside it the
    /// index that was known if that was another. What does not count any more is made anew.
    fn take_native(
        &mut self,
        settings: &Settings,
        dirty: &Dirty,
        scene: Scene<'_>,
    ) -> Result<(Box<Native>, Option<Index>), Failure> {
        let outside = Outside::read(&self.location, settings);
        let touches_attributes = dirty.paths.iter().any(|path| is_attributes(path));
        let path = self.index_path();
        if let Known::Native(mut known) = mem::take(&mut self.known)
            && known.settings == *settings
            && known.outside == outside
            && !touches_attributes
            && !known.worktree.has_changed_link(scene.root, is_attributes)
        {
            let now = Stamp::of(&path, settings.object_format)?;
            if known.stamp.is_still(&now) {
                return Ok((known, None));
            }
            let (stamp, index) = index_file::read(&path, settings.object_format)?;
            let index = index?;
            if attributes::in_index(&index) == known.attributes {
                known.stamp = stamp;
                known.staged = None;
                let old = mem::replace(&mut known.index, index);
                return Ok((known, Some(old)));
            }
        }
        self.forget(scene.watching);
        let (stamp, index) = index_file::read(&path, settings.object_format)?;
        let index = index?;
        let native = Native {
            settings: settings.clone(),
            excludes: outside.excludes(),
            outside,
            attributes: attributes::in_index(&index),
            attributes_here: None,
            stamp,
            index,
            staged: None,
            worktree: WorkTree::new(),
        };
        Ok((Box::new(native), None))
    }

    fn index_path(&self) -> std::path::PathBuf {
        self.location.git_dir.join("index")
    }
}

impl Native {
    /// Directories of the submodules, relative to the root.
    pub(super) fn submodules(&self) -> impl Iterator<Item = &[u8]> {
        submodules(&self.index)
    }

    fn round(
        &mut self,
        source: &mut repository::Native,
        tree: Option<ObjectId>,
        replaced: Option<&Index>,
        dirty: &Dirty,
        scene: Scene<'_>,
    ) -> Result<Round, ScanError> {
        let Scene { root, stop, .. } = scene;
        source.set_attributes_in_index(self.attributes.clone());
        let is_new = self.attributes_here.is_none();
        let mut was_full = self.look(replaced, dirty, source, scene)?;
        let mut converts_otherwise = false;
        if was_full || is_new {
            let here = attributes::in_work_tree(root, &self.attributes, &self.worktree);
            converts_otherwise = !is_new && self.attributes_here.as_ref() != Some(&here);
            self.attributes_here = Some(here);
        }
        if converts_otherwise {
            self.worktree = WorkTree::new();
            was_full |= self.look(None, &Dirty::everything(), source, scene)?;
        }
        if self.staged.as_ref().is_none_or(|(of, _)| *of != tree) {
            // The old one first: both could be large.
            self.staged = None;
            self.staged = Some((tree, staged(source, tree, &self.index, stop)?));
        }
        let (_, staged) = self.staged.as_ref().expect("it was just made");
        let stat = |path: &[u8]| root.stat(path).ok().flatten();
        let file_mode = self.settings.file_mode;
        let changes = changes(staged, &self.worktree, &self.index, file_mode, stat);
        let left_out = self.worktree.untracked_left_out();
        Ok(Round { was_full, converts_otherwise, changes, left_out })
    }

    /// Brings the work tree up to date; whether all of it was looked at.
    fn look(
        &mut self,
        replaced: Option<&Index>,
        dirty: &Dirty,
        source: &mut dyn Source,
        scene: Scene<'_>,
    ) -> Result<bool, ScanError> {
        let worktree = &mut self.worktree;
        let mut look = Look {
            root: scene.root,
            index: &self.index,
            settings: &self.settings,
            excludes: &self.excludes,
            watching: scene.watching,
            source,
            stop: scene.stop,
        };
        if dirty.all || self.attributes_here.is_none() {
            worktree.scan_all(&mut look)?;
            return Ok(true);
        }
        let mut was_full = false;
        if let Some(old) = replaced {
            worktree.index_replaced(old, &mut look)?;
            was_full |= worktree.was_whole();
        }
        if !was_full && dirty.git {
            worktree.scan_submodules(&mut look)?;
            was_full |= worktree.was_whole();
        }
        if !was_full && (!dirty.paths.is_empty() || worktree.has_links()) {
            worktree.scan_paths(&mut look, &dirty.paths)?;
            was_full |= worktree.was_whole();
        }
        Ok(was_full)
    }
}

/// Directories of the submodules that an index has.
pub(super) fn submodules(index: &Index) -> impl Iterator<Item = &[u8]> {
    let entries = index.entries().filter(|entry| entry.version.mode == Mode::Submodule);
    entries.map(|entry| entry.path)
}
