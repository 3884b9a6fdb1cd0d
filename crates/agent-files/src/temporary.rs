//! Files for the time of a change: their names and how they are made; what becomes of them is the
//! change's matter.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::fd::OwnedFd,
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags},
    io::Errno,
};

use crate::sys;

/// The beginning of the name of every temporary file; independent of the target's name, so that a
/// name of the longest length can be written too.
const TEMPORARY_PREFIX: &str = ".agentd-";

/// A name that no other change of this or another agent uses.
///
/// The time of the start tells apart the agents of two containers, which share directories and
/// have the same process ids, and those that died before.
pub(crate) fn name() -> CString {
    static START_NS: LazyLock<u128> = LazyLock::new(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
    });
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{TEMPORARY_PREFIX}{:x}-{:x}-{number:x}", *START_NS, std::process::id());
    CString::new(name).expect("no NUL in hex digits")
}

/// Makes an unnamed file in a directory of the agent's own; it is gone when it is closed.
pub(crate) fn spool(directory: &Path) -> io::Result<File> {
    let directory = sys::open_directory(directory)?;
    let (file, name) = make(&directory)?;
    rustix::fs::unlinkat(&directory, &name, AtFlags::empty())?;
    Ok(file)
}

/// Makes a temporary file; answers its name too.
pub(crate) fn make(directory: &OwnedFd) -> io::Result<(File, CString)> {
    make_named(directory, name)
}

/// Makes a file under the first of the names that is free.
fn make_named(
    directory: &OwnedFd,
    mut names: impl FnMut() -> CString,
) -> io::Result<(File, CString)> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let name = names();
        match rustix::fs::openat(directory, &name, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {}
            made => return Ok((File::from(made?), name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_takes_the_first_free_name() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        std::fs::write(root.join("taken"), "kept").unwrap();
        let mut names = [c"taken", c"free"].into_iter();
        let directory = sys::open_directory(&root).unwrap();
        let made = make_named(&directory, || names.next().unwrap().to_owned());
        assert_eq!(made.unwrap().1.as_c_str(), c"free");
        assert_eq!(std::fs::read(root.join("taken")).unwrap(), b"kept");
    }
}
