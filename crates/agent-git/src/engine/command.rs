//! Scans of repositories that the git command line reads: each looks at everything.
//!
//! The work tree is walked as well, only to watch its directories.

use std::mem;

use super::{Engine, Known, ScanError, Scanned, Scene, native, outside::Outside};
use crate::{
    command::Command,
    diff::{Renderer, Rendering},
    index::Index,
    repository::{Reason, Settings, Source},
    worktree::{Look, WorkTree},
};

/// What a scan leaves for the next one.
#[derive(Debug)]
pub(super) struct Watched {
    settings: Settings,
    outside: Outside,
    /// The paths that are tracked, all assumed to be unchanged.
    index: Index,
}

impl Watched {
    /// Directories of the submodules, relative to the root.
    pub(super) fn submodules(&self) -> impl Iterator<Item = &[u8]> {
        native::submodules(&self.index)
    }
}

impl Engine {
    pub(super) fn scan_command(
        &mut self,
        scene: Scene<'_>,
        reason: &Reason,
    ) -> Result<Scanned, ScanError> {
        let Scene { root, user, watching, stop } = scene;
        let mut source = Command::open(&self.location, user, &self.shared.program, stop)?;
        let settings = source.settings().clone();
        let outside = Outside::read(&self.location, &settings);
        let known = mem::take(&mut self.known);
        if !matches!(&known, Known::Command(watched)
            if watched.settings == settings && watched.outside == outside)
        {
            tracing::debug!(
                repository = %self.location.root.display(),
                %reason,
                "read by the git command line"
            );
            self.forget(watching);
        }
        let listing = source.list_index()?;
        let index = Index::of_listing(&listing, settings.object_format)
            .map_err(|error| ScanError::failed("list the index", error))?;
        drop(listing);
        // Before the changes are listed, so that nothing that is made later is missed.
        WorkTree::new().scan_all(&mut Look {
            root,
            index: &index,
            settings: &settings,
            excludes: &outside.excludes(),
            watching,
            source: &mut source,
            stop,
        })?;
        let object_format = settings.object_format;
        self.known = Known::Command(Box::new(Watched { settings, outside, index }));
        let changes = source.changes(root)?;
        let head = source.head()?;
        // Attributes may be others than in the last scan, and nothing was compared with it.
        self.renderer = Renderer::new();
        let look = Rendering { root, source: &mut source, object_format, stop };
        let rendered = self.renderer.render(&changes, 0, look)?;
        Ok(self.finish(head, rendered, true))
    }
}
