//! Which directories are watched for which files, and what their events say; inotify(7).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ffi::OsStr,
    fs, io,
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};
use tokio::io::unix::AsyncFd;

use super::warning;

/// Most looks at directories that come and go while one is to be watched.
const MAX_TRIES: usize = 16;

/// Watched files and directories.
#[derive(Debug)]
pub(super) struct Watches {
    queue: Result<Arc<OwnedFd>, String>,
    files: BTreeMap<PathBuf, File>,
    /// Descriptors of the watched directories.
    watched: BTreeSet<i32>,
}

#[derive(Debug)]
struct File {
    /// The directory that is watched for it and its descriptor: that of the file, else the nearest
    /// one above that is there.
    anchor: Result<(PathBuf, i32), String>,
    seen: Option<Identity>,
}

/// What differs when a file was replaced or written to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
        })
    }
}

/// What events say of the files of one directory.
#[derive(Debug, Default)]
struct Said {
    names: BTreeSet<Vec<u8>>,
    /// Whether the directory itself is gone or elsewhere.
    is_lost: bool,
}

impl Watches {
    pub(super) fn new() -> Self {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        Self {
            queue: queue.map(Arc::new).map_err(|errno| words(errno.into())),
            files: BTreeMap::new(),
            watched: BTreeSet::new(),
        }
    }

    pub(super) fn set(&mut self, paths: &BTreeSet<PathBuf>) -> Vec<String> {
        let gone: Vec<PathBuf> =
            self.files.keys().filter(|path| !paths.contains(*path)).cloned().collect();
        for path in gone {
            self.files.remove(&path);
        }
        for path in paths {
            let is_watched = self.files.get(path).is_some_and(|file| file.anchor.is_ok());
            if !is_watched {
                let anchor = self.anchor(path);
                self.files.insert(path.clone(), File { anchor, seen: Identity::of(path) });
            }
        }
        self.forget_unused();
        let failed = |(path, file): (&PathBuf, &File)| {
            file.anchor.as_ref().err().map(|why| warning(path, why))
        };
        self.files.iter().filter_map(failed).collect()
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.files.is_empty() && self.watched.is_empty()
    }

    /// Waits until [`Watches::take`] may have something; for ever if nothing can be watched.
    pub(super) async fn readable(watches: &Mutex<Self>) {
        let queue = watches.lock().queue.clone();
        let waiter = queue.ok().and_then(|queue| waiter(queue).ok());
        match waiter {
            // A new waiter begins by looking, so that nothing is missed.
            Some(waiter) => drop(waiter.readable().await),
            None => std::future::pending().await,
        }
    }

    /// Reads what happened: the files that changed, in order.
    pub(super) fn take(&mut self) -> Vec<PathBuf> {
        let (said, is_overrun) = self.read();
        let mut changed = BTreeSet::new();
        let mut unsettled = Vec::new();
        for (path, file) in &self.files {
            let Ok((anchor, wd)) = &file.anchor else { continue };
            let said = said.get(wd);
            let is_lost = is_overrun || said.is_some_and(|said| said.is_lost);
            // The first name below the directory: the file's own, or that of a directory which
            // is there now.
            let next = path.strip_prefix(anchor).ok().and_then(|below| below.iter().next());
            let next = next.map(OsStr::as_bytes).unwrap_or_default();
            let is_named = said.is_some_and(|said| said.names.contains(next));
            let is_own = path.parent() == Some(anchor);
            if is_named && is_own {
                changed.insert(path.clone());
            }
            if is_lost || is_named && !is_own {
                unsettled.push(path.clone());
            }
        }
        for path in unsettled {
            let anchor = self.anchor(&path);
            if let Some(file) = self.files.get_mut(&path) {
                file.anchor = anchor;
                if file.seen != Identity::of(&path) {
                    changed.insert(path);
                }
            }
        }
        for path in &changed {
            if let Some(file) = self.files.get_mut(path) {
                file.seen = Identity::of(path);
            }
        }
        self.forget_unused();
        changed.into_iter().collect()
    }

    /// What was said of each directory, and whether some of it was lost.
    fn read(&mut self) -> (HashMap<i32, Said>, bool) {
        let mut said: HashMap<i32, Said> = HashMap::new();
        let mut is_overrun = false;
        let Ok(queue) = &self.queue else { return (said, false) };
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&**queue, &mut buffer);
        let lost =
            ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED | ReadFlags::UNMOUNT;
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            let flags = event.events();
            is_overrun |= flags.contains(ReadFlags::QUEUE_OVERFLOW);
            let of_directory = said.entry(event.wd()).or_default();
            of_directory.is_lost |= flags.intersects(lost);
            if let Some(name) = event.file_name() {
                of_directory.names.insert(name.to_bytes().to_vec());
            }
        }
        (said, is_overrun)
    }

    /// Watches the directory of a file, or the nearest one above that is there.
    fn anchor(&mut self, path: &Path) -> Result<(PathBuf, i32), String> {
        let queue = self.queue.clone()?;
        let parent = path.parent().ok_or("it has no directory")?;
        for _ in 0..MAX_TRIES {
            let Some(nearest) = nearest(parent) else { break };
            match watch(&queue, nearest, nearest == parent) {
                Ok(wd) => {
                    self.watched.insert(wd);
                    // What appeared before the watch was there tells nothing.
                    if self::nearest(parent) == Some(nearest) {
                        return Ok((nearest.to_owned(), wd));
                    }
                }
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => return Err(words(errno.into())),
            }
        }
        Err("its directory comes and goes".to_owned())
    }

    /// Ends the watches that no file needs any more.
    fn forget_unused(&mut self) {
        let used: BTreeSet<i32> =
            self.files.values().filter_map(|file| Some(file.anchor.as_ref().ok()?.1)).collect();
        let queue = self.queue.clone();
        self.watched.retain(|wd| {
            let is_used = used.contains(wd);
            if let (false, Ok(queue)) = (is_used, &queue) {
                // The kernel ends the watch of a removed directory itself.
                let _ = inotify::remove_watch(&**queue, *wd);
            }
            is_used
        });
    }
}

/// The nearest of a directory and those above it that is there.
fn nearest(directory: &Path) -> Option<&Path> {
    directory.ancestors().find(|path| path.is_dir())
}

fn watch(queue: &OwnedFd, directory: &Path, is_own: bool) -> Result<i32, Errno> {
    let coming = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
        | WatchFlags::MASK_ADD;
    let changing = WatchFlags::MODIFY | WatchFlags::DELETE | WatchFlags::MOVED_FROM;
    inotify::add_watch(queue, directory, if is_own { coming | changing } else { coming })
}

fn words(error: io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC) => "no watches are left (fs.inotify.max_user_watches)".to_owned(),
        Some(Errno::MFILE) => "no queues are left (fs.inotify.max_user_instances)".to_owned(),
        _ => agent_api::io_text(&error),
    }
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe, to say what the Arc says: the descriptor stays open and the same"
)]
fn waiter(queue: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    AsyncFd::with_interest(queue, tokio::io::Interest::READABLE)
}
