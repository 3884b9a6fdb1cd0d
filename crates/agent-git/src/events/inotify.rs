//! The queue of Linux: adding and removing watches, reading events; knows nothing of their meaning.

use std::{fmt, fs, io, mem::MaybeUninit, os::fd::OwnedFd, path::Path, sync::Arc};

use rustix::{
    fs::inotify::{self, CreateFlags, Reader, WatchFlags},
    io::Errno,
};
use tokio::io::unix::AsyncFd;

use super::Why;

/// `fs.inotify.max_queued_events` where it cannot be read; the kernel's default.
const DEFAULT_MAX_QUEUED: usize = 16_384;

/// An inotify instance; closed with its last clone.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    fd: Arc<OwnedFd>,
    max_queued: usize,
}

/// Why a directory is not watched.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not there, no directory, or may not be read.
    Absent,
    /// The kernel has none left.
    NoWatches,
}

/// Where events are read into.
pub(super) struct Buffer(Box<[MaybeUninit<u8>]>);

impl Buffer {
    pub(super) fn new() -> Self {
        Self(vec![MaybeUninit::uninit(); 32 * 1024].into_boxed_slice())
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.0.len()).finish()
    }
}

impl Kernel {
    pub(super) fn new() -> Result<Self, Why> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|errno| Why::Queue(io::Error::from(errno).to_string()))?;
        let max_queued = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(DEFAULT_MAX_QUEUED);
        Ok(Self { fd: Arc::new(fd), max_queued })
    }

    /// Adds `mask` to what is told of the directory; the same directory has the same descriptor.
    pub(super) fn add(&self, directory: &Path, mask: u32) -> Result<i32, Refusal> {
        let how = WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::EXCL_UNLINK
            | WatchFlags::MASK_ADD;
        let flags = WatchFlags::from_bits_retain(mask) | how;
        match inotify::add_watch(&*self.fd, directory, flags) {
            Ok(wd) => Ok(wd),
            Err(Errno::NOSPC | Errno::NOMEM) => Err(Refusal::NoWatches),
            Err(_) => Err(Refusal::Absent),
        }
    }

    /// Removes a watch; one that the kernel removed itself is no failure.
    pub(super) fn remove(&self, wd: i32) {
        let _ = inotify::remove_watch(&*self.fd, wd);
    }

    /// Calls `each` with descriptor, bits and name of every event that was queued before the call.
    ///
    /// Tells whether there may be more: somebody writes as fast as this reads, and every event
    /// that was queued at the call is done.
    pub(super) fn read(&self, buffer: &mut Buffer, mut each: impl FnMut(i32, u32, &[u8])) -> bool {
        let mut reader = Reader::new(&*self.fd, &mut buffer.0);
        let mut seen = 0;
        loop {
            // One more than the longest queue: the notice of its overflow.
            if seen > self.max_queued && reader.is_buffer_empty() {
                return true;
            }
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map_or(&b""[..], |name| name.to_bytes());
                    each(event.wd(), event.events().bits(), name);
                    seen += 1;
                }
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// The queue as the runtime waits for it.
    #[expect(
        deprecated,
        reason = "the replacement is unsafe, to say what the Arc says: the descriptor stays open and the same"
    )]
    pub(super) fn waiter(&self) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
        AsyncFd::with_interest(Arc::clone(&self.fd), tokio::io::Interest::READABLE)
    }
}
