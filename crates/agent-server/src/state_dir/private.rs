//! Small files that are nobody else's: read without following links, written complete or not at
//! all.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use rustix::fs::{Mode, OFlags};

/// Reads a file up to one byte more than `most`; `None` when there is none, or nothing in it, as a
/// crash of the machine may leave it.
///
/// A file that others may access is closed to them.
pub(super) fn read(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(opened) => File::from(opened),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        tracing::warn!(path = %path.display(), "others could access the file until now");
    }
    let mut content = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut content)?;
    Ok((!content.is_empty()).then_some(content))
}

/// Writes a file with mode 0600 under another name and renames it.
///
/// It does not wait for the disk, which can take longer than everything else at a start: each of
/// these files can be made anew.
pub(super) fn write(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let unfinished = dir.join(format!(".{name}.new"));
    // One that an agent left when it died would be in the way for ever.
    let _ = fs::remove_file(&unfinished);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(&unfinished, flags, Mode::RUSR | Mode::WUSR)?);
    let written = file.write_all(content).and_then(|()| fs::rename(&unfinished, dir.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}
