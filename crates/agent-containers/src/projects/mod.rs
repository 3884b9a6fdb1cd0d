//! Which folders below a directory have a configuration of a dev container; what the engine knows is
//! no matter here.
//!
//! A project is a repository or a worktree of git; what its rules ignore is not searched.

mod ignore;
mod user_file;
mod walk;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use agent_api::AbsolutePath;
use tokio_util::sync::CancellationToken;

/// Most entries of directories that are looked at, in all projects together.
const MAX_ENTRIES: usize = 200_000;

/// Longest search.
const MAX_TIME: Duration = Duration::from_secs(30);

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

/// Searches `directory`, or each project directly in it, whose user's home is `home`; blocking.
///
/// Symbolic links below `directory` are not followed and unreadable directories are skipped. At
/// most 200,000 entries are looked at, the upper ones first, for at most 30 s.
pub(crate) fn scan(directory: &Path, home: &Path, stop: &CancellationToken) -> Scan {
    scan_within(directory, home, stop, MAX_ENTRIES, MAX_TIME)
}

fn scan_within(
    directory: &Path,
    home: &Path,
    stop: &CancellationToken,
    max_entries: usize,
    max_time: Duration,
) -> Scan {
    // As the folders of containers are, so that one folder has one name.
    let clean = directory.to_str().and_then(|text| AbsolutePath::parse(text).ok());
    let directory = clean.as_ref().map_or(directory, AbsolutePath::as_path);
    let budget = walk::Budget::new(max_entries, max_time, stop);
    let mut walk = walk::Walk::new(budget, user_file::excludes(home));
    let end = walk.projects(directory);
    let mut projects = walk.found;
    projects.sort_by(|a, b| a.workspace_folder.cmp(&b.workspace_folder));
    let place = directory.display();
    let warning = match end {
        Ok(()) | Err(walk::Spent::Stopped) => None,
        Err(walk::Spent::Entries) => Some(format!(
            "the search for dev containers in {place} ended after {max_entries} entries"
        )),
        Err(walk::Spent::Time) => Some(format!(
            "the search for dev containers in {place} ended after {} s",
            max_time.as_secs()
        )),
    };
    Scan { projects, warning }
}
