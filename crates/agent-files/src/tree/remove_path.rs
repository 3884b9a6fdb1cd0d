//! `remove_path`: one entry, or a directory with everything in it.

use std::path::PathBuf;

use agent_api::{RemovePathRequest, RemovePathResponse};
use rustix::fs::{AtFlags, FileType};

use super::{
    TreeError,
    place::{self, Place},
    protected::Protected,
    removal::{Stopped, remove_tree},
};
use crate::{
    Config, Error, Files,
    service::{blocking, parse_path},
    version,
};

impl Files {
    /// Removes an entry, a symbolic link itself; with `recursive` a directory with everything in
    /// it.
    ///
    /// Answers how many entries were removed. Links are never followed, and other file systems
    /// mounted in a tree are not entered.
    ///
    /// # Errors
    ///
    /// [`Error::Path`]; [`TreeError::Protected`]; [`TreeError::Partly`] with the first failure in
    /// a tree; [`TreeError::Io`].
    #[tracing::instrument(level = "debug", name = "files.remove_path", skip_all, fields(path = req.path))]
    pub async fn remove_path(&self, req: RemovePathRequest) -> Result<RemovePathResponse, Error> {
        let path = parse_path("path", &req.path)?;
        let files = self.clone();
        self.change(async move {
            let path = place::resolve(path).await?;
            let _guard = files.shared.locks.acquire([path.as_path()]).await;
            let shared = files.shared.clone();
            let removed_entries =
                blocking(move || Ok(remove(path, req.recursive, &shared.config)?)).await?;
            Ok(RemovePathResponse { removed_entries })
        })
        .await
    }
}

fn remove(path: PathBuf, recursive: bool, config: &Config) -> Result<u64, TreeError> {
    let protected = Protected::of(config);
    protected.check_path(&path)?;
    let place = Place::open(path)?;
    let stat = place.stat()?;
    protected.check(&place.path, &stat)?;
    let is_dir = version::file_type(&stat) == FileType::Directory;
    if is_dir && recursive {
        let removed = remove_tree(place.directory(), place.directory_path(), &place.name);
        return removed.map_err(|Stopped { removed, error }| TreeError::Partly {
            removed,
            source: Box::new(error),
        });
    }
    let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    rustix::fs::unlinkat(place.directory(), &place.name, flags)
        .map_err(TreeError::io("remove", &place.path))?;
    Ok(1)
}
