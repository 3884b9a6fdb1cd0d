//! A system without a queue that this crate can use: nothing can be made of it.

use std::{convert::Infallible, io, os::fd::OwnedFd, path::Path, sync::Arc};

use tokio::io::unix::AsyncFd;

use super::Why;

/// There is none.
#[derive(Clone, Debug)]
pub(super) struct Kernel(Infallible);

/// Why a directory is not watched.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not there.
    Absent,
    /// There are none left.
    NoWatches,
}

/// Where events would be read into.
#[derive(Debug)]
pub(super) struct Buffer;

impl Buffer {
    pub(super) fn new() -> Self {
        Self
    }
}

impl Kernel {
    pub(super) fn new() -> Result<Self, Why> {
        Err(Why::System)
    }

    pub(super) fn add(&self, _directory: &Path, _mask: u32) -> Result<i32, Refusal> {
        match self.0 {}
    }

    pub(super) fn remove(&self, _wd: i32) {
        match self.0 {}
    }

    pub(super) fn read(&self, _buffer: &mut Buffer, _each: impl FnMut(i32, u32, &[u8])) -> bool {
        match self.0 {}
    }

    pub(super) fn waiter(&self) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
        match self.0 {}
    }
}
