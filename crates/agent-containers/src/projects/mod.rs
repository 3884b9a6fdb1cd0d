//! Which folders below a directory have a configuration of a dev container; what the engine knows is
//! no matter here.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

/// A folder with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// The folder.
    pub(crate) workspace_folder: PathBuf,
    /// Its `devcontainer.json`.
    pub(crate) config_path: PathBuf,
}

/// What was found, in the order of the folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The folders.
    pub(crate) projects: Vec<Project>,
    /// Why the search ended before its end.
    pub(crate) warning: Option<String>,
}

/// Searches `directory`, or each project directly in it; blocking.
pub(crate) fn scan(directory: &Path, home: &Path, stop: &CancellationToken) -> Scan {
    let _ = (directory, home, stop);
    todo!()
}
