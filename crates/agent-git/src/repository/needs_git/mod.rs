//! Repositories made by the real git, read by this crate.

mod discovery;
mod hostile;
mod kinds;
mod reading;

use std::path::Path;

use agent_test::GitRepository;
use tempfile::TempDir;

use super::*;

/// A directory for tests; its path is real.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().canonicalize().unwrap().join(path)
    }

    fn repository(&self, path: &str) -> GitRepository {
        GitRepository::init(self.path(path))
    }

    /// With one commit of a file `a`.
    fn with_commit(&self, path: &str) -> GitRepository {
        let repository = self.repository(path);
        repository.write("a", "a\n");
        repository.commit_all("one");
        repository
    }
}

fn located(path: &Path) -> Location {
    match discover(path).unwrap() {
        Discovery::Repository(location) => location,
        other => panic!("{other:?} at {}", path.display()),
    }
}

fn opened(repository: &GitRepository) -> Native {
    Native::open(&located(repository.root()), &User::default()).unwrap()
}

fn id(text: &str) -> ObjectId {
    ObjectId::from_hex(text.as_bytes()).unwrap()
}
