//! Repositories made by the real git, read by the real git.

mod changes;
mod failures;
mod hostile;
mod sources;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use agent_exec::{Cgroups, Config, Launcher};
use agent_test::GitRepository;
use tempfile::TempDir;

use super::*;
use crate::repository::{Discovery, Native, discover};

/// A directory for tests; its path is real.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(path)
    }

    fn repository(&self, path: &str, options: &[&str]) -> GitRepository {
        GitRepository::init_with(self.path(path), options)
    }
}

fn located(path: &Path) -> Location {
    match discover(path).unwrap() {
        Discovery::Repository(location) => location,
        other => panic!("{other:?} at {}", path.display()),
    }
}

fn program(path: impl Into<OsString>) -> Program {
    let config = Config { cgroups: Cgroups::Off, ..Config::default() };
    Program { launcher: Launcher::new(config), path: path.into() }
}

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Runs work on a thread that may block, as the agent does.
fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::task::spawn_blocking(work).await.unwrap() })
}

/// Opens a repository with git, and hands it out.
fn opened<T: Send + 'static>(
    root: &Path,
    work: impl FnOnce(&mut Command<'_>, &Root) -> T + Send + 'static,
) -> T {
    let location = located(root);
    blocking(move || {
        let stop = AtomicBool::new(false);
        let mut command =
            Command::open(&location, &User::default(), &program(PATH), &stop).unwrap();
        work(&mut command, &Root::open(&location.root).unwrap())
    })
}

fn changes(repository: &GitRepository) -> Vec<Change> {
    opened(repository.root(), |command, root| command.changes(root).unwrap())
}

fn id(text: &str) -> ObjectId {
    ObjectId::from_hex(text.as_bytes()).unwrap()
}

/// Everything in a directory: names, contents and times of change.
fn everything(directory: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let contents = if metadata.is_file() { std::fs::read(&path).unwrap() } else { vec![] };
            found.push((path.clone(), contents, metadata.modified().unwrap()));
            if metadata.is_dir() {
                directories.push(path);
            }
        }
    }
    found.sort();
    found
}
