//! Hands descriptors to the runtime; not the waiting on them.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What names one open descriptor as long as it lives.
pub(crate) trait Steady: AsRawFd {}

impl Steady for OwnedFd {}
impl Steady for Arc<OwnedFd> {}
impl Steady for BorrowedFd<'_> {}
impl Steady for File {}

/// Lets the runtime watch a descriptor; needs one with I/O around it.
///
/// # Errors
///
/// The system has no room for it.
#[expect(unsafe_code, reason = "the runtime cannot know which types keep their descriptor")]
pub(crate) fn watch<T: Steady>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: the trait is implemented above for types only whose descriptor is open and the same
    // until they are dropped.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}
