//! File systems that are mounted for one test.

use std::{
    ffi::CString,
    io,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, UnmountFlags};
use tempfile::TempDir;

/// A mounted file system; it is unmounted when this is dropped.
#[derive(Debug)]
pub struct Mount {
    path: PathBuf,
    /// Removed after unmounting, so it is declared here and dropped last.
    _directory: Option<TempDir>,
}

impl Mount {
    /// Mounts an empty tmpfs that holds at most `bytes`, rounded up to pages, on a temporary
    /// directory.
    ///
    /// # Errors
    ///
    /// The directory cannot be made, or the process may not mount.
    pub fn tmpfs(bytes: u64) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().canonicalize()?;
        mount_tmpfs(&path, bytes)?;
        Ok(Self { path, _directory: Some(directory) })
    }

    /// Mounts an empty tmpfs on an existing directory.
    ///
    /// # Errors
    ///
    /// The process may not mount there.
    pub fn tmpfs_on(path: impl Into<PathBuf>, bytes: u64) -> io::Result<Self> {
        let path = path.into();
        mount_tmpfs(&path, bytes)?;
        Ok(Self { path, _directory: None })
    }

    /// Shows an existing file or directory at a second, existing path too.
    ///
    /// # Errors
    ///
    /// The process may not mount there, or only one of them is a directory.
    pub fn bind(shown: impl AsRef<Path>, at: impl Into<PathBuf>) -> io::Result<Self> {
        let path = at.into();
        rustix::mount::mount_bind(shown.as_ref(), &path)?;
        Ok(Self { path, _directory: None })
    }

    /// Lets nothing be changed through this mount.
    ///
    /// # Errors
    ///
    /// The process may not change mounts.
    pub fn make_read_only(&self) -> io::Result<()> {
        let flags = MountFlags::BIND | MountFlags::RDONLY;
        Ok(rustix::mount::mount_remount(&self.path, flags, "")?)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn mount_tmpfs(path: &Path, bytes: u64) -> io::Result<()> {
    let options = CString::new(format!("size={bytes},mode=755")).expect("digits hold no NUL");
    Ok(rustix::mount::mount(c"tmpfs", path, c"tmpfs", MountFlags::empty(), options.as_c_str())?)
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Detached, because a test that failed may still have files open there.
        let _ = rustix::mount::unmount(&self.path, UnmountFlags::DETACH);
    }
}

#[cfg(test)]
mod tests {
    mod needs_tmpfs {
        use crate::Mount;

        #[test]
        fn a_mount_holds_what_was_asked_and_goes_with_its_guard() {
            let mount = Mount::tmpfs(64 * 1024).unwrap();
            let path = mount.path().to_owned();
            std::fs::write(path.join("f"), vec![0; 32 * 1024]).unwrap();
            let full = std::fs::write(path.join("g"), vec![0; 64 * 1024]).unwrap_err();
            assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
            drop(mount);
            assert!(!path.exists());
        }
    }
}
