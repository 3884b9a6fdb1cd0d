//! One entry in the protocol's words.

use std::{borrow::Cow, ffi::CStr, os::fd::AsFd};

use agent_api::{DirEntry, EntryKind, FileMode};
use rustix::fs::{FileType, Stat};

use crate::version;

/// What is known of an entry before it is examined.
///
/// `path` is that of the directory with a `/` behind it.
pub(super) fn unexamined(path: &str, name: &[u8], file_type: FileType) -> DirEntry {
    let shown = String::from_utf8_lossy(name);
    let mut absolute = String::with_capacity(path.len() + shown.len());
    absolute.push_str(path);
    absolute.push_str(&shown);
    let lossy = matches!(shown, Cow::Owned(_));
    named(shown.into_owned(), absolute, lossy, file_type)
}

/// An entry by the path that a client gave.
pub(super) fn named(name: String, path: String, lossy: bool, file_type: FileType) -> DirEntry {
    DirEntry {
        name,
        absolute_path_string: path,
        is_dir: file_type == FileType::Directory,
        kind: version::kind(file_type),
        size_bytes: None,
        modified_at: None,
        mode: None,
        symlink_target: None,
        lossy,
        etag: None,
    }
}

/// Adds what an examination found, the kind too; a link's text is the caller's to add.
pub(super) fn describe(entry: &mut DirEntry, stat: &Stat) {
    let file_type = version::file_type(stat);
    entry.is_dir = file_type == FileType::Directory;
    entry.kind = version::kind(file_type);
    entry.size_bytes = Some(version::size(stat));
    entry.modified_at = Some(version::modified(stat));
    entry.mode = Some(FileMode::from_bits(stat.st_mode));
}

/// Adds the text of a symbolic link, unless the link is gone.
pub(super) fn add_target(entry: &mut DirEntry, directory: impl AsFd, name: &CStr) {
    if entry.kind == EntryKind::Symlink {
        let target = rustix::fs::readlinkat(directory, name, Vec::new()).ok();
        entry.symlink_target = target.map(|text| text.to_string_lossy().into_owned());
    }
}
