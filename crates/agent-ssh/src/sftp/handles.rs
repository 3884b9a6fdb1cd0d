//! What a client has open, under small numbers as OpenSSH gives them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Dir;

/// Most handles of a session; what `limits@openssh.com` says.
pub(super) const MAX_HANDLES: usize = 1_024;

/// What a handle stands for.
#[derive(Debug)]
pub(super) enum Opened {
    /// Anything that OPEN opened, possibly a directory or a device.
    File {
        /// The file.
        file: OwnedFd,
        /// It was opened to append, so a write has no place of its own.
        appends: bool,
    },
    /// A directory being listed.
    Directory(Dir),
}

/// Handles by their number; the number freed last is given first.
#[derive(Debug, Default)]
pub(super) struct Handles {
    slots: Vec<Option<Opened>>,
    free: Vec<u32>,
}

impl Handles {
    /// Whether one more may be opened.
    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots.len() >= MAX_HANDLES
    }

    /// Gives a number to what was opened; the caller has asked [`Handles::is_full`].
    pub(super) fn insert(&mut self, opened: Opened) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("there are few handles")
        });
        self.slots[number as usize] = Some(opened);
        number
    }

    /// The file behind a handle; `None` for a directory and for what is not open.
    pub(super) fn file(&self, number: Option<u32>) -> Option<BorrowedFd<'_>> {
        match self.slots.get(number? as usize)? {
            Some(Opened::File { file, .. }) => Some(file.as_fd()),
            Some(Opened::Directory(_)) | None => None,
        }
    }

    /// Where a write to a handle goes that asks for `offset`; `None` for the end of the file.
    pub(super) fn place(&self, number: Option<u32>, offset: u64) -> Option<u64> {
        let opened = number.and_then(|number| self.slots.get(number as usize)?.as_ref());
        let appends = matches!(opened, Some(Opened::File { appends: true, .. }));
        (!appends).then_some(offset)
    }

    /// The directory behind a handle; `None` for a file and for what is not open.
    pub(super) fn directory(&mut self, number: Option<u32>) -> Option<&mut Dir> {
        match self.slots.get_mut(number? as usize)? {
            Some(Opened::Directory(directory)) => Some(directory),
            Some(Opened::File { .. }) | None => None,
        }
    }

    /// Takes a handle out; its number is free from now on.
    pub(super) fn remove(&mut self, number: Option<u32>) -> Option<Opened> {
        let number = number?;
        let opened = self.slots.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(opened)
    }
}
