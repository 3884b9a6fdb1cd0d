//! The entries of one directory in bytewise order; which of them take part is decided elsewhere.

use std::os::fd::{BorrowedFd, OwnedFd};

use agent_api::EntryKind;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, openat, statat},
    io::Errno,
};

use crate::version;

/// Names and kinds, packed so that a large directory needs little more than its names.
#[derive(Debug, Default)]
pub(super) struct Listing {
    names: Vec<u8>,
    slots: Vec<Slot>,
    /// Whether ignore files are among the entries.
    pub(super) marks: Marks,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    length: u16,
    kind: EntryKind,
}

/// Which files that matter to ignoring a directory has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// `.ignore`.
    pub(super) ignore: bool,
    /// `.gitignore`.
    pub(super) gitignore: bool,
    /// `.git`, of any kind.
    pub(super) git: bool,
}

/// Which entries to list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Kinds besides directories, which are always listed.
    pub(super) kinds: Kinds,
    /// Whether names that begin with a dot are listed.
    pub(super) hidden: bool,
}

/// A set of kinds of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    /// The same set with one kind more.
    pub(crate) fn with(self, kind: EntryKind) -> Self {
        Self(self.0 | Self::bit(kind))
    }

    /// Whether a kind is in the set.
    pub(crate) fn contains(self, kind: EntryKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    fn bit(kind: EntryKind) -> u8 {
        match kind {
            EntryKind::File => 1,
            EntryKind::Directory => 2,
            EntryKind::Symlink => 4,
            EntryKind::Fifo => 8,
            EntryKind::Socket => 16,
            EntryKind::BlockDevice => 32,
            EntryKind::CharDevice => 64,
            _ => 128,
        }
    }
}

impl Listing {
    /// Reads a directory.
    ///
    /// Besides the entries that were read it answers the error, if any, that ended the reading
    /// early.
    pub(super) fn read(
        directory: BorrowedFd<'_>,
        wanted: Wanted,
        space: &mut Vec<u8>,
    ) -> (Self, Option<Errno>) {
        let mut listing = Self::default();
        let mut add = |name: &[u8], file_type: FileType| {
            listing.marks.note(name);
            let file_type = match file_type {
                // Some file systems do not tell; an entry that vanished meanwhile is left out.
                FileType::Unknown => match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => return,
                },
                known => known,
            };
            let kind = version::kind(file_type);
            let hidden = name.starts_with(b".") && !wanted.hidden;
            let listed = kind == EntryKind::Directory || wanted.kinds.contains(kind);
            if listed && !hidden && name != b"." && name != b".." {
                listing.push(name, kind);
            }
        };
        let failure = each_entry(directory, space, &mut add).err();
        listing.sort();
        (listing, failure)
    }

    /// The entry at an index in the order.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], EntryKind)> {
        let slot = self.slots.get(index)?;
        Some((self.name(slot), slot.kind))
    }

    /// The index of the first entry that does not come before `name`.
    pub(super) fn first_from(&self, name: &[u8]) -> usize {
        self.slots.partition_point(|slot| self.name(slot) < name)
    }

    fn push(&mut self, name: &[u8], kind: EntryKind) {
        // A longer name than any file system allows.
        let Ok(length) = u16::try_from(name.len()) else { return };
        self.slots.push(Slot { start: self.names.len(), length, kind });
        self.names.extend_from_slice(name);
    }

    fn name(&self, slot: &Slot) -> &[u8] {
        &self.names[slot.start..slot.start + usize::from(slot.length)]
    }

    fn sort(&mut self) {
        let names = &self.names;
        let name = |slot: &Slot| &names[slot.start..slot.start + usize::from(slot.length)];
        self.slots.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    }
}

impl Marks {
    fn note(&mut self, name: &[u8]) {
        match name {
            b".ignore" => self.ignore = true,
            b".gitignore" => self.gitignore = true,
            b".git" => self.git = true,
            _ => {}
        }
    }
}

/// Opens a directory in another one, but no link to one.
pub(super) fn open_below(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

#[cfg(target_os = "linux")]
fn each_entry(
    directory: BorrowedFd<'_>,
    space: &mut Vec<u8>,
    add: &mut dyn FnMut(&[u8], FileType),
) -> Result<(), Errno> {
    /// Room for about a thousand entries a call.
    const SPACE: usize = 32 * 1024;
    space.clear();
    space.reserve(SPACE);
    let mut entries = rustix::fs::RawDir::new(directory, space.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        add(entry.file_name().to_bytes(), entry.file_type());
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn each_entry(
    directory: BorrowedFd<'_>,
    _space: &mut Vec<u8>,
    add: &mut dyn FnMut(&[u8], FileType),
) -> Result<(), Errno> {
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        add(entry.file_name().to_bytes(), entry.file_type());
    }
    Ok(())
}
