//! A folder below a directory that everybody may write to: this user's alone, or not used at all.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

/// Bits that let anybody else in.
const OTHERS: u32 = 0o077;

/// A folder that was found to be this user's alone. What is reached through it is in that very folder,
/// whatever its path leads to by now.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
}

impl Folder {
    /// Makes the folder, or opens the one there is.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Self::open(path),
            Err(error) => Err(explain(error.into(), path, "cannot make")),
        }
    }

    /// Opens the folder, if it is one that nobody else can have put there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => fd,
            // A link, with these flags, is not a directory.
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(foreign(path, "is not a directory")),
            Err(error) => return Err(explain(error.into(), path, "cannot open")),
        };
        let stat = rustix::fs::fstat(&fd)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(foreign(path, "belongs to another user"));
        }
        if stat.st_mode & OTHERS != 0 {
            return Err(foreign(path, "is open to other users"));
        }
        Ok(Self { fd })
    }

    /// A path of something in it, as long as this value is there.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.fd.as_raw_fd()))
    }

    /// Opens a file in it for reading, no link; `None` when there is none.
    pub(super) fn file(&self, name: &str) -> io::Result<Option<File>> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(self.fd.as_fd(), name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn foreign(path: &Path, why: &str) -> io::Error {
    let text = format!("`{}` {why}, so it may be somebody else's", path.display());
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

fn explain(error: io::Error, path: &Path, what: &str) -> io::Error {
    let text = format!("{what} `{}`: {}", path.display(), agent_api::io_text(&error));
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn check(path: &Path, expected: &str) {
        for error in [Folder::make(path).unwrap_err(), Folder::open(path).unwrap_err()] {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_folder_is_made_for_this_user_alone_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        assert_eq!(Folder::open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        Folder::make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("lock"), "7").unwrap();
        let folder = Folder::make(&path).unwrap();
        assert!(folder.file("lock").unwrap().is_some());
        assert!(folder.file("other").unwrap().is_none());
        assert_eq!(std::fs::read(folder.path_of("lock")).unwrap(), b"7");
    }

    #[test]
    fn links_files_and_folders_that_are_open_to_others_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o700)).unwrap();
        let link = dir.path().join("link");
        symlink(&real, &link).unwrap();
        check(&link, "is not a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        check(&file, "is not a directory");
        for mode in [0o701, 0o740, 0o770, 0o777] {
            std::fs::set_permissions(&real, PermissionsExt::from_mode(mode)).unwrap();
            check(&real, "is open to other users");
        }
    }

    #[test]
    fn a_link_in_the_folder_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        let folder = Folder::make(&path).unwrap();
        symlink("/dev/null", path.join("lock")).unwrap();
        assert!(folder.file("lock").is_err());
    }

    mod needs_root {
        use super::*;

        #[test]
        fn a_folder_of_another_user_is_refused() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("folder");
            Folder::make(&path).unwrap();
            std::os::unix::fs::chown(&path, Some(4711), None).unwrap();
            check(&path, "belongs to another user");
        }
    }
}
