//! Walking through the directories of projects, level by level, within bounds.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use agent_ignore::Rules;
use tokio_util::sync::CancellationToken;

use super::{
    Project,
    ignore::{Level, Repository, is_ignored, read_rules},
};

/// Where a folder may have its configuration; the first counts.
const CONFIGURATIONS: [&str; 2] = [".devcontainer/devcontainer.json", ".devcontainer.json"];

/// Why a walk ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Entries,
    Time,
    Stopped,
}

/// What a walk may still take.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    entries: usize,
    end: Instant,
    stop: &'a CancellationToken,
}

impl<'a> Budget<'a> {
    pub(super) fn new(entries: usize, time: Duration, stop: &'a CancellationToken) -> Self {
        Self { entries, end: Instant::now() + time, stop }
    }

    /// Takes one entry.
    fn take(&mut self) -> Result<(), Spent> {
        self.entries = self.entries.checked_sub(1).ok_or(Spent::Entries)?;
        if self.entries.is_multiple_of(64) { self.look() } else { Ok(()) }
    }

    fn look(&self) -> Result<(), Spent> {
        if self.stop.is_cancelled() {
            Err(Spent::Stopped)
        } else if Instant::now() >= self.end {
            Err(Spent::Time)
        } else {
            Ok(())
        }
    }
}

/// A walk and what it found.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    budget: Budget<'a>,
    /// The rules of the user's own file.
    user: Rules,
    pub(super) found: Vec<Project>,
    space: Vec<usize>,
}

/// A directory to be looked at, and the rules that hold there by those above it.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    repository: Arc<Repository>,
    level: Option<Arc<Level>>,
}

impl Walk<'_> {
    pub(super) fn new(budget: Budget<'_>, user: Rules) -> Walk<'_> {
        Walk { budget, user, found: Vec::new(), space: Vec::new() }
    }

    /// Walks through `directory` if it is a project, else through those directly in it.
    pub(super) fn projects(&mut self, directory: &Path) -> Result<(), Spent> {
        if is_project(directory) {
            return self.walk(VecDeque::from([top(directory.to_owned())]));
        }
        let mut tops = VecDeque::new();
        let entries = self.entries(directory)?.unwrap_or_default();
        for name in entries.directories {
            let path = directory.join(name);
            if is_project(&path) {
                tops.push_back(top(path));
            }
        }
        self.walk(tops)
    }

    fn walk(&mut self, mut places: VecDeque<Place>) -> Result<(), Spent> {
        while let Some(place) = places.pop_front() {
            self.budget.look()?;
            self.visit(place, &mut places)?;
        }
        Ok(())
    }

    fn visit(&mut self, place: Place, places: &mut VecDeque<Place>) -> Result<(), Spent> {
        let Some(entries) = self.entries(&place.path)? else { return Ok(()) };
        self.take_configuration(&place.path);
        let Place { path, mut repository, mut level } = place;
        if entries.has_git && path != repository.top {
            repository = Repository::at(path.clone());
            // The rules of a repository do not reach into another one.
            level = None;
        }
        if entries.has_gitignore {
            level = Level::with(level, &path, read_rules(&path.join(".gitignore")));
        }
        for name in entries.directories {
            let child = path.join(name);
            let rules = (level.as_deref(), &*repository, &self.user);
            if !is_ignored(rules, &child, &mut self.space) {
                let (repository, level) = (Arc::clone(&repository), level.clone());
                places.push_back(Place { path: child, repository, level });
            }
        }
        Ok(())
    }

    fn take_configuration(&mut self, folder: &Path) {
        // An answer names folders in JSON, which has no other names.
        if folder.to_str().is_none() {
            return;
        }
        let mut paths = CONFIGURATIONS.iter().map(|name| folder.join(name));
        if let Some(config_path) = paths.find(|path| is_own_file(folder, path)) {
            self.found.push(Project { workspace_folder: folder.to_owned(), config_path });
        }
    }

    /// What is in a directory; `None` for one that cannot be read.
    fn entries(&mut self, directory: &Path) -> Result<Option<Entries>, Spent> {
        let Ok(listed) = fs::read_dir(directory) else { return Ok(None) };
        let mut entries = Entries::default();
        for entry in listed.flatten() {
            self.budget.take()?;
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            match name.as_bytes() {
                b".git" => entries.has_git = true,
                b".gitignore" => entries.has_gitignore = true,
                _ if kind.is_dir() => entries.directories.push(name),
                _ => {}
            }
        }
        // So that the same is found each time when the bounds end the walk.
        entries.directories.sort();
        Ok(Some(entries))
    }
}

#[derive(Debug, Default)]
struct Entries {
    directories: Vec<OsString>,
    has_git: bool,
    has_gitignore: bool,
}

fn top(path: PathBuf) -> Place {
    Place { repository: Repository::at(path.clone()), path, level: None }
}

fn is_project(directory: &Path) -> bool {
    fs::metadata(directory.join(".git")).is_ok_and(|git| git.is_dir() || git.is_file())
}

/// Whether there is a file to which no link leads.
fn is_own_file(folder: &Path, path: &Path) -> bool {
    let is_own = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| !found.is_symlink());
    let parents = path.ancestors().skip(1).take_while(|parent| *parent != folder);
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) && { parents }.all(is_own)
}
