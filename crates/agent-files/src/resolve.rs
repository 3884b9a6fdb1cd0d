//! Replaces the symbolic links of a path; the end of the path need not exist.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType},
    io::Errno,
};

/// Most links followed in one path, as in the kernel (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Replaces every symbolic link of an absolute, clean path.
///
/// Components that do not exist are kept, also those behind a dangling link.
///
/// # Errors
///
/// `ELOOP` beyond 40 links, `ENOTDIR` where a file is used as a directory, and what the system
/// says of a component that may not be examined.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut todo: VecDeque<OsString> = names(path).map(OsStr::to_owned).collect();
    let mut done = PathBuf::from("/");
    let mut links = 0;
    let mut exists = true;
    while let Some(name) = todo.pop_front() {
        if name.as_bytes() == b".." {
            done.pop();
            // Above what is missing there may be something again.
            exists = true;
            continue;
        }
        done.push(&name);
        if !exists {
            continue;
        }
        match kind_of(&done) {
            Ok(FileType::Symlink) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = rustix::fs::readlinkat(CWD, &done, Vec::new())?;
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                done.pop();
                if target.is_absolute() {
                    done = PathBuf::from("/");
                }
                for name in names(target).rev() {
                    todo.push_front(name.to_owned());
                }
            }
            Ok(FileType::Directory) => {}
            Ok(_) if todo.is_empty() => {}
            Ok(_) => return Err(Errno::NOTDIR.into()),
            Err(Errno::NOENT) => exists = false,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

/// The same, but the last component is kept as it is, a link too.
pub(crate) fn resolve_parent(path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(resolve(parent)?.join(name)),
        _ => Ok(path.to_owned()),
    }
}

fn names(path: &Path) -> impl DoubleEndedIterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn kind_of(path: &Path) -> Result<FileType, Errno> {
    let stat = rustix::fs::lstat(path)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_replaced_and_missing_ends_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/f"), "").unwrap();
        symlink("real", root.join("dir")).unwrap();
        symlink(root.join("real/f"), root.join("file")).unwrap();
        symlink("missing/x", root.join("dangling")).unwrap();
        symlink("dir/../real", root.join("up")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let cases = [
            ("file", Ok("real/f")),
            ("dir/f", Ok("real/f")),
            ("dir/new/deep", Ok("real/new/deep")),
            ("dangling", Ok("missing/x")),
            ("up/f", Ok("real/f")),
            ("none", Ok("none")),
            ("file/x", Err(Errno::NOTDIR)),
            ("loop", Err(Errno::LOOP)),
        ];
        for (given, expected) in cases {
            let resolved = resolve(&root.join(given)).map_err(|e| e.raw_os_error());
            let expected =
                expected.map(|path| root.join(path)).map_err(|errno| Some(errno.raw_os_error()));
            assert_eq!(resolved, expected, "{given}");
        }
    }

    #[test]
    fn the_last_component_can_be_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        symlink("real", root.join("dir")).unwrap();
        symlink("loop", root.join("real/loop")).unwrap();
        assert_eq!(resolve_parent(&root.join("dir")).unwrap(), root.join("dir"));
        assert_eq!(resolve_parent(&root.join("dir/loop")).unwrap(), root.join("real/loop"));
    }

    #[test]
    fn forty_links_are_followed_and_no_more() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        std::fs::write(root.join("0"), "").unwrap();
        for n in 1..=41 {
            symlink((n - 1).to_string(), root.join(n.to_string())).unwrap();
        }
        assert_eq!(resolve(&root.join("40")).unwrap(), root.join("0"));
        assert!(resolve(&root.join("41")).is_err());
    }
}
