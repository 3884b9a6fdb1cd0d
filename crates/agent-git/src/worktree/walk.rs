//! Walking directories with two threads over one queue.
//!
//! The queue is a stack, so a walk goes down before it goes on and few directories are open at
//! once. A directory is opened relative to the handle of its parent; where many are open already,
//! it is opened from the root instead, and the parent's handle is let go.

use std::{
    collections::BTreeSet,
    ops::Range,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use parking_lot::{Condvar, Mutex};
use rustix::{fs::OFlags, io::Errno};

use super::{
    ScanError, Scene,
    excludes::{Levels, Scope},
    found::Found,
    visit::Visitor,
};
use crate::fs::open_below;

/// Directories that are held open for those below them.
const MAX_OPEN: usize = 128;

/// Directories that one thread walks before another is started to help.
const ALONE: usize = 24;

/// A directory to be walked.
#[derive(Debug)]
pub(super) struct Job {
    /// Relative to the root, without a slash at its end.
    pub(super) path: Vec<u8>,
    /// The directory above it, unless it is to be opened from the root.
    pub(super) parent: Option<Arc<Handle>>,
    /// Positions of the entries below it.
    pub(super) entries: Range<usize>,
    /// The ignore files above it.
    pub(super) scope: Arc<Scope>,
    /// Whether it is ignored, as far as anybody looked.
    pub(super) ignored: Ignored,
}

/// Whether a directory is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    Yes,
    /// So many bytes of its path are known to be a directory that is not.
    NotUpTo(usize),
}

/// An open directory, counted.
#[derive(Debug)]
pub(super) struct Handle {
    directory: OwnedFd,
    open: Arc<AtomicUsize>,
}

impl Handle {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the threads of a walk share.
pub(super) struct Walk<'a> {
    pub(super) scene: Scene<'a>,
    pub(super) levels: &'a Levels,
    /// Directories that were repositories of their own at the last look.
    pub(super) nested: &'a BTreeSet<Vec<u8>>,
    open: Arc<AtomicUsize>,
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Debug)]
struct Queue {
    jobs: Vec<Job>,
    /// Threads at a job, which may bring more.
    busy: usize,
    failure: Option<ScanError>,
}

/// Walks directories and everything in them that is tracked, or untracked and not ignored.
pub(super) fn walk(
    scene: Scene<'_>,
    levels: &Levels,
    nested: &BTreeSet<Vec<u8>>,
    jobs: Vec<Job>,
) -> Result<Found, ScanError> {
    let walk = Walk {
        scene,
        levels,
        nested,
        open: Arc::default(),
        queue: Mutex::new(Queue { jobs, busy: 0, failure: None }),
        more: Condvar::new(),
    };
    let found = thread::scope(|threads| {
        let mut own = Visitor::new(&walk);
        if walk.work(&mut own, ALONE) {
            return own.into_found();
        }
        let helper = threads.spawn(|| {
            let mut visitor = Visitor::new(&walk);
            walk.work(&mut visitor, usize::MAX);
            visitor.into_found()
        });
        walk.work(&mut own, usize::MAX);
        let mut found = own.into_found();
        match helper.join() {
            Ok(helped) => found.merge(helped),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        found
    });
    walk.queue.into_inner().failure.map_or(Ok(found), Err)
}

impl Walk<'_> {
    /// Visits directories until none is left, or so many; whether none is left.
    fn work(&self, visitor: &mut Visitor<'_>, most: usize) -> bool {
        for _ in 0..most {
            let Some(job) = self.next() else {
                return true;
            };
            let busy = Busy { walk: self };
            let visited =
                if self.scene.is_stopped() { Err(ScanError::Stopped) } else { visitor.visit(job) };
            if let Err(error) = visited {
                let mut queue = self.queue.lock();
                queue.failure.get_or_insert(error);
                queue.jobs.clear();
            }
            drop(busy);
        }
        false
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop() {
                queue.busy += 1;
                return Some(job);
            }
            if queue.busy == 0 {
                return None;
            }
            self.more.wait(&mut queue);
        }
    }

    /// Adds directories to be walked, and leaves `jobs` empty.
    pub(super) fn push(&self, jobs: &mut Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut queue = self.queue.lock();
        if queue.failure.is_some() {
            jobs.clear();
            return;
        }
        queue.jobs.append(jobs);
        drop(queue);
        self.more.notify_all();
    }

    /// Opens the directory of a job to list it, or, where that is forbidden, only to go through.
    pub(super) fn open(&self, job: &Job, flags: OFlags) -> Result<Handle, Errno> {
        let directory = match &job.parent {
            Some(parent) => {
                let name = memchr::memrchr(b'/', &job.path).map_or(0, |slash| slash + 1);
                open_below(parent.as_fd(), &job.path[name..], flags | OFlags::DIRECTORY)?
            }
            None => self.scene.root.open_directory(&job.path, flags)?,
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(Handle { directory, open: Arc::clone(&self.open) })
    }

    /// Whether a handle may be kept for the directories below.
    pub(super) fn may_keep_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) <= MAX_OPEN
    }
}

/// A thread at a job; when the last one stops, the others may go home.
struct Busy<'a> {
    walk: &'a Walk<'a>,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut queue = self.walk.queue.lock();
        queue.busy -= 1;
        if queue.busy == 0 && queue.jobs.is_empty() {
            drop(queue);
            self.walk.more.notify_all();
        }
    }
}
