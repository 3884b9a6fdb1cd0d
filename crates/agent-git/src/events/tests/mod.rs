//! Tests with the queue of the real kernel.

mod bounds;
mod git_directories;
mod lookouts;
mod mirror;
mod operations;

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Hub, Registration};
use crate::model::Watching;

const LONG: Duration = Duration::from_secs(30);

/// A hub and a directory; the reader does not run while a test does not wait.
struct World {
    dir: TempDir,
    root: PathBuf,
    hub: Hub,
    tasks: TaskTracker,
}

impl World {
    fn new() -> Self {
        Self::with_limit(65_536)
    }

    fn with_limit(max_watches: usize) -> Self {
        // Thousands of directories are made and removed, which takes a minute on some disks.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let root = dir.path().canonicalize().unwrap().join("root");
        fs::create_dir(&root).unwrap();
        let tasks = TaskTracker::new();
        let hub = Hub::new(max_watches, tasks.clone(), CancellationToken::new());
        Self { dir, root, hub, tasks }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, contents: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), contents).unwrap();
    }

    /// A registration of the root that watches all of it.
    fn registration(&self) -> Registration {
        let registration = self.hub.register(&self.root);
        registration.watch_git(&[]);
        walk(&registration, &self.root, b"", &mut |_| {});
        registration
    }

    /// The dirty paths after everything so far, with `*` for all and `+git` for git.
    fn dirty(&self, registration: &Registration) -> BTreeSet<String> {
        self.hub.drain();
        let dirty = registration.take();
        let paths = dirty.paths.iter().map(|path| String::from_utf8_lossy(path).into_owned());
        let all = dirty.all.then(|| "*".to_owned());
        let git = dirty.git.then(|| "+git".to_owned());
        paths.chain(all).chain(git).collect()
    }

    fn check(&self, registration: &Registration, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(self.dirty(registration), expected);
    }
}

/// What a scan does: watches each directory before it lists it. Tells of each file.
fn walk(registration: &Registration, root: &Path, directory: &[u8], file: &mut dyn FnMut(&[u8])) {
    registration.watch(directory);
    let Ok(entries) = fs::read_dir(super::registration::absolute(root, directory)) else { return };
    for entry in entries.flatten() {
        let path = super::registration::join(directory, entry.file_name().as_bytes());
        if entry.file_name() == ".git" {
            registration.found_git(directory);
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(registration, root, &path, file);
        } else {
            file(&path);
        }
    }
}

/// Inotify watches of this process on the inode of `path`, whoever has them.
fn kernel_watches(path: &Path) -> usize {
    let found = fs::metadata(path).unwrap();
    let inode = format!(" ino:{:x} ", found.ino());
    let descriptors = fs::read_dir("/proc/self/fdinfo").unwrap();
    let texts = descriptors.flatten().map(|entry| fs::read_to_string(entry.path()));
    // A descriptor of another test may be closed meanwhile.
    let texts: Vec<String> = texts.flat_map(io::Result::ok).collect();
    texts.iter().flat_map(|text| text.lines()).filter(|line| is_watch(line, &inode)).count()
}

fn is_watch(line: &str, inode: &str) -> bool {
    line.starts_with("inotify wd:") && line.contains(inode)
}
