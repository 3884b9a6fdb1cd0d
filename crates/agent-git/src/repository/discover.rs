//! Which repository encloses a path, and whether it is still there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use super::config::Entries;

/// Where a repository is. Every path is real: absolute and without links.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    /// Top directory of the work tree.
    pub(crate) root: PathBuf,
    /// What belongs to this work tree alone: HEAD, the index.
    pub(crate) git_dir: PathBuf,
    /// What all work trees share: objects, refs, the configuration. Often the same.
    pub(crate) common_dir: PathBuf,
}

/// What encloses a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// A repository with a work tree.
    Repository(Location),
    /// A repository without one.
    Bare,
    /// No repository.
    None,
}

/// Finds the nearest repository that encloses a path.
///
/// A path that does not exist counts as its nearest existing parent, a path inside of `.git` as
/// the directory that holds it. What is named `.git` and is no git directory is passed over.
///
/// # Errors
///
/// The system does not let the path's directories be looked at; never that something is missing.
pub(crate) fn discover(path: &Path) -> io::Result<Discovery> {
    let start = real_directory(&outside_git(path))?;
    let start = outside_git(&start);
    let mut denied = None;
    for directory in start.ancestors() {
        match at(directory, &start) {
            Ok(Discovery::None) => {}
            Ok(found) => return Ok(found),
            Err(error) => denied = denied.or(Some(error)),
        }
    }
    denied.map_or(Ok(Discovery::None), Err)
}

/// Whether a repository is still there: its root, the `.git` in it, and the directory that this
/// names. Only what is surely gone counts as gone, and a `.git` that names another directory now.
pub(crate) fn exists(location: &Location) -> bool {
    let is_there =
        |path: &Path| !matches!(path.symlink_metadata(), Err(error) if is_missing(&error));
    if !is_there(&location.root) || !is_there(&location.git_dir) {
        return false;
    }
    match named_by(&location.root.join(".git")) {
        Ok(Some(named)) => named == location.git_dir,
        Ok(None) => true,
        Err(error) => !is_missing(&error) || is_elsewhere(location),
    }
}

/// The real path of what a `.git` is or names, whatever is there; `None` if it is unreadable.
fn named_by(dot_git: &Path) -> io::Result<Option<PathBuf>> {
    if dot_git.metadata()?.is_dir() {
        return dot_git.canonicalize().map(Some);
    }
    let named = named_git_dir(dot_git)?;
    named.map(|named| named.canonicalize()).transpose()
}

/// Whether the git directory is a `.git` in another directory than the root, which it names.
fn is_elsewhere(location: &Location) -> bool {
    location.git_dir.file_name() == Some(OsStr::new(".git"))
        && location.git_dir.parent() != Some(&location.root)
        && Entries::of_repository(&location.git_dir, &location.common_dir)
            .get("core.worktree")
            .is_some()
}

/// Whether an error says that a path leads nowhere.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The parent of the first component `.git`, or the path itself.
fn outside_git(path: &Path) -> PathBuf {
    path.components()
        .take_while(|component| *component != Component::Normal(OsStr::new(".git")))
        .collect()
}

/// The real path of the nearest existing directory.
fn real_directory(path: &Path) -> io::Result<PathBuf> {
    let mut denied = None;
    for candidate in path.ancestors() {
        // Real paths are found step by step, so only that of the answer is asked for.
        match candidate.metadata().map(|metadata| metadata.is_dir()) {
            Ok(true) => return candidate.canonicalize(),
            Ok(false) => {}
            // A loop of links, or a name that is too long, leads nowhere either.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {}
            Err(error) => denied = denied.or(Some(error)),
        }
    }
    Err(denied.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// What is in one directory, seen from a path at or below it.
fn at(directory: &Path, start: &Path) -> io::Result<Discovery> {
    let git_dir = match git_dir_of(&directory.join(".git"))? {
        Some(git_dir) => git_dir,
        None if is_git_dir(directory)? => directory.to_owned(),
        None => return Ok(Discovery::None),
    };
    let common_dir = common_dir_of(&git_dir)?;
    let entries = Entries::of_repository(&git_dir, &common_dir);
    let is_own = git_dir != directory;
    let is_linked = git_dir != common_dir;
    let root = match entries.get("core.worktree") {
        // Linked work trees and bare repositories have no use for the setting.
        Some(named) if !is_linked && !named.is_empty() => {
            match git_dir.join(OsStr::from_bytes(named)).canonicalize() {
                Ok(root) => root,
                Err(error) if is_missing(&error) => return Ok(Discovery::None),
                Err(error) => return Err(error),
            }
        }
        // The setting is that of the repository that the work trees are linked to.
        _ if is_own && (is_linked || !entries.bool("core.bare").unwrap_or(false)) => {
            directory.to_owned()
        }
        _ => return Ok(Discovery::Bare),
    };
    if !start.starts_with(&root) {
        // Its work tree is elsewhere.
        return Ok(Discovery::None);
    }
    Ok(Discovery::Repository(Location { root, git_dir, common_dir }))
}

/// The git directory that a `.git` is or names; `None` if it is no such thing.
pub(crate) fn git_dir_of(dot_git: &Path) -> io::Result<Option<PathBuf>> {
    let metadata = match dot_git.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        Err(_) => return Ok(None),
    };
    let candidate = if metadata.is_dir() {
        dot_git.to_owned()
    } else if metadata.is_file() {
        match named_git_dir(dot_git)? {
            Some(named) => named,
            None => return Ok(None),
        }
    } else {
        return Ok(None);
    };
    match candidate.canonicalize() {
        Ok(real) if is_git_dir(&real)? => Ok(Some(real)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(None),
    }
}

/// What a file `.git` names: `gitdir: PATH`, relative to the directory of the file.
fn named_git_dir(dot_git: &Path) -> io::Result<Option<PathBuf>> {
    let contents = read_small(dot_git)?;
    let Some(named) = contents.strip_prefix(b"gitdir: ") else { return Ok(None) };
    let named = trim_line_ends(named);
    let parent = dot_git.parent().expect("`.git` is in a directory");
    Ok((!named.is_empty()).then(|| parent.join(OsStr::from_bytes(named))))
}

/// The directory that a git directory shares with others, which is mostly itself.
pub(super) fn common_dir_of(git_dir: &Path) -> io::Result<PathBuf> {
    match read_small(&git_dir.join("commondir")) {
        Ok(named) => git_dir.join(OsStr::from_bytes(trim_line_ends(&named))).canonicalize(),
        Err(error) if is_missing(&error) => Ok(git_dir.to_owned()),
        Err(error) => Err(error),
    }
}

/// Whether a directory has what git wants to see: HEAD, and objects and refs in the common one.
fn is_git_dir(directory: &Path) -> io::Result<bool> {
    let head = directory.join("HEAD");
    match head.symlink_metadata() {
        // An old way to say which branch it is.
        Ok(metadata) if metadata.is_symlink() => {
            if !fs::read_link(&head)?.starts_with("refs") {
                return Ok(false);
            }
        }
        Ok(metadata) if metadata.is_file() => {
            if !is_head(&read_small(&head)?) {
                return Ok(false);
            }
        }
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        Err(_) => return Ok(false),
    }
    let common = match common_dir_of(directory) {
        Ok(common) => common,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        Err(_) => return Ok(false),
    };
    Ok(common.join("objects").is_dir() && common.join("refs").is_dir())
}

/// Whether the contents of HEAD are a branch or a commit.
fn is_head(contents: &[u8]) -> bool {
    match contents.strip_prefix(b"ref:") {
        Some(name) => name.trim_ascii_start().starts_with(b"refs/"),
        None => {
            let digits = contents.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            digits >= 40
        }
    }
}

fn trim_line_ends(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b'\n' | b'\r'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Reads a file of one line; at most 64 KiB, and never waits for a writer.
pub(super) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    const LARGEST: u64 = 64 * 1024;
    let mut contents = Vec::new();
    open_regular(path)?.take(LARGEST).read_to_end(&mut contents)?;
    Ok(contents)
}

/// Opens a regular file, following links.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] for anything else: a pipe would have to be waited for, and a
/// device may have no end.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let check = |metadata: fs::Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    };
    check(path.metadata()?)?;
    // It may have become another thing since.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    check(file.metadata()?)?;
    Ok(file)
}
