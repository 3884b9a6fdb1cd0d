//! The cgroup of one process's tree: its members, its accounts and its end.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::fs::{Mode, OFlags};
use tokio::io::Interest;

use super::{files, hierarchy::Parent};
use crate::{sys::watch, tree::Usage};

/// Levels of groups below a leaf that are looked at; a command may make groups of its own.
const MAX_DEPTH: usize = 16;

/// A group of its own for one command and everything it starts.
///
/// Dropped, it is removed like by [`Leaf::remove`]. Its descriptor is that of the directory, for
/// starting a process in it, until [`Leaf::entered`].
#[derive(Debug)]
pub(crate) struct Leaf {
    path: PathBuf,
    directory: Option<OwnedFd>,
    /// Whether the kernel counts memory here.
    memory: bool,
    removed: AtomicBool,
    parent: Arc<Parent>,
}

impl Leaf {
    pub(super) fn open(path: PathBuf, memory: bool, parent: Arc<Parent>) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = Some(rustix::fs::open(&path, flags, Mode::empty())?);
        Ok(Self { path, directory, memory, removed: AtomicBool::new(false), parent })
    }

    /// The process is in it: the descriptor is needed no more.
    pub(crate) fn entered(&mut self) {
        self.directory = None;
    }

    /// The processes here and in groups below, in no order; zombies are usually not among them.
    /// A group that is gone has none.
    ///
    /// # Errors
    ///
    /// The group's file cannot be read; groups that go meanwhile are no error.
    pub(crate) fn members(&self) -> io::Result<Vec<u32>> {
        let here = match self.read("cgroup.procs") {
            Err(_) if self.is_gone() => return Ok(Vec::new()),
            here => here?,
        };
        let mut members = files::parse_members(&here);
        for below in groups_below(&self.path, MAX_DEPTH) {
            if let Ok(text) = fs::read_to_string(below.join("cgroup.procs")) {
                members.extend(files::parse_members(&text));
            }
        }
        Ok(members)
    }

    /// Whether a process that is no zombie is here or below; a group that is gone has none.
    pub(crate) fn is_populated(&self) -> bool {
        let events = self.read("cgroup.events");
        events.ok().and_then(|text| files::parse_populated(&text)).unwrap_or(false)
    }

    fn is_gone(&self) -> bool {
        !self.path.exists()
    }

    /// Kills everything here and below at once, also what is being forked.
    ///
    /// # Errors
    ///
    /// The kernel is older than 5.14 and has no such file.
    pub(crate) fn kill(&self) -> io::Result<()> {
        self.write("cgroup.kill", "1")
    }

    /// Waits until nothing is here or below; for ever when the group is removed before the kernel
    /// has told.
    ///
    /// # Errors
    ///
    /// The kernel does not tell about this file, so somebody has to ask again and again.
    ///
    /// # Cancellation
    ///
    /// Changes nothing.
    pub(crate) async fn emptied(&self) -> io::Result<()> {
        let events = watch(self.file("cgroup.events")?, Interest::PRIORITY)?;
        loop {
            // Reading is what arms the next report, so it comes before the wait.
            if !self.reads_populated(events.get_ref()) {
                return Ok(());
            }
            events.ready(Interest::PRIORITY).await?.clear_ready();
        }
    }

    fn reads_populated(&self, events: &File) -> bool {
        let mut text = [0; 256];
        // A group that was removed (ENODEV) has no members.
        let read = rustix::io::pread(events, &mut text, 0).unwrap_or(0);
        let text = std::str::from_utf8(&text[..read]).unwrap_or_default();
        files::parse_populated(text).unwrap_or(false)
    }

    /// The accounts of everything that ever ran here; `None` where memory is not counted, or its
    /// highest use is not (before Linux 5.19), or the group is gone.
    pub(crate) fn usage(&self) -> Option<Usage> {
        if !self.memory {
            return None;
        }
        let cpu_time = files::parse_cpu_time(&self.read("cpu.stat").ok()?)?;
        let peak_memory_bytes = self.read("memory.peak").ok()?.trim().parse().ok()?;
        Some(Usage { cpu_time, peak_memory_bytes })
    }

    /// Whether the kernel killed a member for memory.
    pub(crate) fn oom_killed(&self) -> bool {
        self.read("memory.events").is_ok_and(|text| files::parse_oom_killed(&text))
    }

    /// Removes the group if nothing is in it; otherwise a later removal or creation tries again.
    pub(crate) fn remove(&self) {
        if !self.removed.swap(true, Ordering::Relaxed) {
            self.parent.remove(&self.path);
        }
    }

    pub(super) fn write(&self, name: &str, value: &str) -> io::Result<()> {
        File::options().write(true).open(self.path.join(name))?.write_all(value.as_bytes())
    }

    fn file(&self, name: &str) -> io::Result<File> {
        File::open(self.path.join(name))
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let mut text = String::new();
        self.file(name)?.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.remove();
    }
}

impl AsFd for Leaf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_ref().expect("nothing enters it a second time").as_fd()
    }
}

/// The groups below one, parents before children.
pub(super) fn groups_below(path: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        found.push(entry.path());
        if depth > 1 {
            found.extend(groups_below(&entry.path(), depth - 1));
        }
    }
    found
}

/// Removes a group and those below it as far as they are empty; answers whether it is gone.
pub(super) fn remove_group(path: &Path) -> bool {
    let removed = |path: &Path| match fs::remove_dir(path) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    // Nearly always there is nothing below, and listing costs more than trying.
    if removed(path) {
        return true;
    }
    for below in groups_below(path, MAX_DEPTH).iter().rev() {
        removed(below);
    }
    removed(path)
}
