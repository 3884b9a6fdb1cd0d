//! `move_path`: one entry to another place, by renaming it or, between file systems, by copying.

use std::path::{Path, PathBuf};

use agent_api::{MovePathRequest, MovePathResponse};
use rustix::fs::{AtFlags, FileType, Stat};

use super::{
    TreeError,
    place::{self, Place},
    protected::Protected,
    rename::{Renamed, Source, check_replaceable, rename},
    transfer::Transfer,
};
use crate::{
    Config, Error, Files,
    service::{blocking, parse_path},
    version,
};

impl Files {
    /// Moves an entry, a symbolic link itself; makes missing parents of the new place.
    ///
    /// Nothing is replaced without `overwrite`; with it a non-directory replaces a non-directory
    /// and a directory an empty directory. To the same place nothing is done. Between file systems
    /// a complete copy is made beside the new place first, with links, modes, times, attributes
    /// and, as far as permitted, owners.
    ///
    /// # Errors
    ///
    /// [`Error::Path`]; [`TreeError::Protected`], [`TreeError::Exists`], [`TreeError::Kinds`],
    /// [`TreeError::Inside`], [`TreeError::Io`]; between file systems also
    /// [`TreeError::SpecialFile`], [`TreeError::MountPoint`], [`TreeError::Changed`] and
    /// [`TreeError::Left`].
    #[tracing::instrument(level = "debug", name = "files.move_path", skip_all, fields(path = req.from, to = req.to))]
    pub async fn move_path(&self, req: MovePathRequest) -> Result<MovePathResponse, Error> {
        let from = parse_path("from", &req.from)?;
        let to = parse_path("to", &req.to)?;
        let files = self.clone();
        self.change(async move {
            let source = place::resolve(from.clone()).await?;
            let target = place::resolve(to.clone()).await?;
            let paths = [source.as_path(), target.as_path()];
            let _guard = files.shared.locks.acquire(paths).await;
            let shared = files.shared.clone();
            blocking(move || Ok(move_entry(source, target, req.overwrite, &shared.config)?))
                .await?;
            Ok(MovePathResponse { from: from.to_string(), to: to.to_string() })
        })
        .await
    }
}

fn move_entry(
    from: PathBuf,
    to: PathBuf,
    overwrite: bool,
    config: &Config,
) -> Result<(), TreeError> {
    let protected = Protected::of(config);
    protected.check_path(&from)?;
    let source = Place::open(from)?;
    let stat = source.stat()?;
    protected.check(&source.path, &stat)?;
    if source.path == to {
        return Ok(());
    }
    check_outside(&source, &stat, &to)?;
    let target = Place::make(to, config.umask)?;
    if source.is(&target) {
        return Ok(());
    }
    let present = target.look()?;
    if let Some(present) = &present {
        if !overwrite {
            return Err(TreeError::Exists { path: target.path });
        }
        protected.check(&target.path, present)?;
        if version::is_same_file(&stat, present) {
            // Two names of one file: a rename would leave both (rename(2)).
            return rustix::fs::unlinkat(source.directory(), &source.name, AtFlags::empty())
                .map_err(TreeError::io("move", &source.path));
        }
        check_replaceable(&source, &stat, &target, present)?;
    }
    let renamed = Source { directory: source.directory(), name: &source.name, path: &source.path };
    match rename(renamed, &target, overwrite)? {
        Renamed::Done => Ok(()),
        Renamed::OtherFileSystem => {
            let (source, target, replaces) = (&source, &target, present.is_some());
            Transfer { source, stat: &stat, target, overwrite, replaces }.run()
        }
    }
}

/// Refuses a new place inside a directory that is to be moved, also where a bind mount hides it.
fn check_outside(source: &Place, stat: &Stat, to: &Path) -> Result<(), TreeError> {
    if version::file_type(stat) != FileType::Directory {
        return Ok(());
    }
    let is_source = |above: &Path| {
        above == source.path
            || rustix::fs::lstat(above).is_ok_and(|other| version::is_same_file(&other, stat))
    };
    if to.ancestors().skip(1).any(is_source) {
        return Err(TreeError::Inside { from: source.path.clone(), to: to.to_owned() });
    }
    Ok(())
}
