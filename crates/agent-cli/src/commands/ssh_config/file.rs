//! A configuration file that is changed as a whole or not at all; not what the change is.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

/// Changes what a file holds, keeps its mode and owner, and tells whether that made a difference.
/// A file that is not there is empty, and gets mode 0600; its directory, if that is missing, 0700. A
/// symbolic link stays, and the file it leads to is changed.
///
/// # Errors
///
/// What could not be done; the file is as it was then. An error of the change has the kind
/// [`io::ErrorKind::InvalidData`].
pub(super) fn change(
    path: &Path,
    change: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>,
) -> io::Result<bool> {
    let path = resolved(path)?;
    let existing = match fs::metadata(&path) {
        Ok(metadata) => Some((fs::read(&path)?, metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let before = existing.as_ref().map_or(&[][..], |(bytes, _)| bytes);
    let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    let after = change(before).map_err(invalid)?;
    if after == before {
        return Ok(false);
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    if existing.is_none() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    // A temporary file of this kind has mode 0600 from its beginning.
    let mut file = tempfile::Builder::new().prefix(".agentctl-").tempfile_in(directory)?;
    file.write_all(&after)?;
    if let Some((_, metadata)) = &existing {
        let made = file.as_file().metadata()?;
        if (made.uid(), made.gid()) != (metadata.uid(), metadata.gid()) {
            fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
        }
        file.as_file().set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))?;
    }
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(true)
}

/// The file that a path leads to, so that a rename does not replace a link.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(_) => fs::canonicalize(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_new_one_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/config");
        assert!(change(&path, |before| Ok([before, b"a"].concat())).unwrap());
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(change(&link, |before| Ok([before, b"b"].concat())).unwrap());
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"ab".to_vec(), 0o644));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_change_that_fails_or_changes_nothing_leaves_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        fs::write(&path, "a").unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        assert!(!change(&path, |before| Ok(before.to_vec())).unwrap());
        let error = change(&path, |_| Err("no".to_owned())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        let dangling = dir.path().join("dangling");
        std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
        assert!(change(&dangling, |_| Ok(b"a".to_vec())).is_err());
    }
}
