//! Reading the ignore files of one directory from disk.

use std::{
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_ignore::Rules;
use rustix::fs::{Mode, OFlags, openat};

use super::{levels::Level, listing::Marks};

/// Largest ignore file; a larger one does not count and is reported as skipped.
const MAX_IGNORE_FILE_BYTES: u64 = 1024 * 1024;

/// An ignore file that does not count, and why.
#[derive(Debug)]
pub(super) struct Refused {
    /// Its path below its directory.
    pub(super) name: String,
    /// Why.
    pub(super) reason: String,
}

/// Reads what `marks` says is there; the answer is `above` itself when nothing of it matters.
///
/// `prefix` is the length of an absolute path of this directory, see [`Level::prefix`].
pub(super) fn read_level(
    directory: BorrowedFd<'_>,
    marks: Marks,
    above: Option<Arc<Level>>,
    prefix: usize,
    refused: &mut Vec<Refused>,
) -> Option<Arc<Level>> {
    let mut rules = |there: bool, name: &Path| match there.then(|| read_rules(directory, name)) {
        Some(Ok(rules)) => rules,
        Some(Err(reason)) => {
            refused.push(Refused { name: name.to_string_lossy().into_owned(), reason });
            Rules::default()
        }
        None => Rules::default(),
    };
    let ignore = rules(marks.ignore, Path::new(".ignore"));
    let gitignore = rules(marks.gitignore, Path::new(".gitignore"));
    let exclude = if marks.git { exclude_path(directory) } else { PathBuf::new() };
    let exclude = rules(marks.git, &exclude);
    let matters = marks.git || !ignore.is_empty() || !gitignore.is_empty();
    if !matters {
        return above;
    }
    Some(Arc::new(Level { above, prefix, ignore, gitignore, exclude, is_repository: marks.git }))
}

/// Where a repository keeps its private ignore file.
///
/// The `.git` of a worktree or submodule is a file that names the real directory, and a worktree's
/// directory names the one it has in common with the others; gitrepository-layout(5).
fn exclude_path(directory: BorrowedFd<'_>) -> PathBuf {
    let mut git = PathBuf::from(".git");
    if let Some(named) = first_line(directory, &git, "gitdir: ") {
        git = named;
    }
    if let Some(common) = first_line(directory, &git.join("commondir"), "") {
        git.push(common);
    }
    git.join("info/exclude")
}

/// The path on the first line of a small file, if there is such a file.
fn first_line(directory: BorrowedFd<'_>, name: &Path, prefix: &str) -> Option<PathBuf> {
    let content = read_small(directory, name).ok()?;
    let line = content.split(|byte| *byte == b'\n').next()?;
    let line = line.strip_prefix(prefix.as_bytes())?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(line)))
}

fn read_rules(directory: BorrowedFd<'_>, name: &Path) -> Result<Rules, String> {
    match read_small(directory, name) {
        Ok(content) => Rules::of_file(&content),
        Err(error) if is_absent(&error) => Ok(Rules::default()),
        Err(error) => Err(agent_api::io_text(&error)),
    }
}

/// Whether the file is not there, or is a link, which git does not follow here either.
fn is_absent(error: &io::Error) -> bool {
    let link = rustix::io::Errno::LOOP.raw_os_error();
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(link)
}

fn read_small(directory: BorrowedFd<'_>, name: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(directory.as_fd(), name, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).min(1 << 16));
    file.take(MAX_IGNORE_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_IGNORE_FILE_BYTES {
        let text = format!("an ignore file has at most {MAX_IGNORE_FILE_BYTES} bytes");
        return Err(io::Error::other(text));
    }
    Ok(content)
}
