//! The paths of a request looked up on disk: what they are, where they really are, which ignore
//! files lie above them, and which of them reach the same entries.

use std::{
    collections::HashMap,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_api::{AbsolutePath, EntryKind, SkippedPath};
use agent_ignore::Sort;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};

use super::{
    error::SearchError,
    ignore_files::{Refused, read_level},
    levels::{Level, is_ignored},
    listing::Marks,
    scope::Scope,
};
use crate::version;

/// The roots of a request, in its order.
#[derive(Debug)]
pub(crate) struct Roots {
    pub(super) all: Vec<Arc<Root>>,
    /// Ignore files above the roots that do not count.
    pub(super) skipped: Vec<SkippedPath>,
}

/// One path of a request.
#[derive(Debug)]
pub(crate) struct Root {
    /// Index in the request.
    pub(crate) index: usize,
    /// The path as the request gives it, cleaned.
    pub(crate) path: AbsolutePath,
    /// What it leads to, links followed.
    pub(super) kind: EntryKind,
    /// The path without links, and without its first slash.
    pub(super) real: Vec<u8>,
    /// Ignore files of the directories above.
    pub(super) above: Option<Arc<Level>>,
    /// Roots before this one that reach some of the same entries.
    earlier: Vec<Earlier>,
}

/// An earlier root that has entries in common with a later one.
///
/// Ignore files decide about an entry alike from wherever it is reached. So once the way from the
/// one root to the other is known to be open, the earlier root's globs alone decide what it
/// reported.
#[derive(Debug)]
enum Earlier {
    /// It contains the later root, which it knows by this path; empty when they are the same.
    Above { way: Vec<u8> },
    /// It is the directory at this path below the later root.
    Below { way: Vec<u8> },
    /// It is the file at this path below the later root; empty when they are the same.
    File { way: Vec<u8> },
}

impl Roots {
    /// Looks up the paths of a request.
    ///
    /// Other kinds than files and directories are accepted if `any_kind`.
    ///
    /// # Errors
    ///
    /// [`SearchError::Path`] for the first path that is missing or cannot be examined, and
    /// [`SearchError::WrongKind`] for one of another kind.
    pub(crate) fn resolve(scope: &Scope, any_kind: bool) -> Result<Self, SearchError> {
        let mut ancestry = Ancestry::default();
        let mut all: Vec<Root> = Vec::with_capacity(scope.paths.len());
        for (index, path) in scope.paths.iter().enumerate() {
            let (kind, real) = look_up(index, path)?;
            if !any_kind && !matches!(kind, EntryKind::File | EntryKind::Directory) {
                let (field, path) = (field_of(index), path.to_string());
                return Err(SearchError::WrongKind { field, path });
            }
            let above = match scope.no_ignore {
                true => None,
                false => ancestry.above(&real),
            };
            let mut root =
                Root { index, path: path.clone(), kind, real, above, earlier: Vec::new() };
            let earlier = all.iter().filter_map(|before| before.relation(&root, scope));
            root.earlier = earlier.collect();
            all.push(root);
        }
        let skipped = ancestry.skipped;
        Ok(Self { all: all.into_iter().map(Arc::new).collect(), skipped })
    }
}

impl Root {
    /// Whether an earlier root has reported this whole root or has nothing left of it to report.
    pub(super) fn is_repeated(&self, scope: &Scope) -> bool {
        self.earlier.iter().any(|earlier| match earlier {
            Earlier::Above { way } if self.kind == EntryKind::Directory => {
                scope.globs.is_empty() || way.is_empty()
            }
            Earlier::Above { way } => scope.globs.takes_from_root(way, Sort::Other),
            Earlier::File { way } => way.is_empty(),
            Earlier::Below { .. } => false,
        })
    }

    /// Whether an earlier root has reported the entry at this path below this root.
    pub(super) fn is_repeated_below(&self, path: &[u8], sort: Sort, scope: &Scope) -> bool {
        self.earlier.iter().any(|earlier| match earlier {
            Earlier::Above { way } => scope.globs.takes_from_root(&join(way, path), sort),
            Earlier::Below { way } => strip_directory(path, way)
                .is_some_and(|below| scope.globs.takes_from_root(below, sort)),
            Earlier::File { way } => path == way,
        })
    }

    /// Whether an earlier root begins at the directory at this path below this root.
    pub(super) fn is_repeated_from(&self, path: &[u8]) -> bool {
        self.earlier.iter().any(|earlier| match earlier {
            Earlier::Below { way } => path == way,
            Earlier::Above { .. } | Earlier::File { .. } => false,
        })
    }

    /// How this root stands to a later one.
    fn relation(&self, later: &Self, scope: &Scope) -> Option<Earlier> {
        if self.real == later.real {
            return Some(match self.kind {
                EntryKind::Directory => Earlier::Above { way: Vec::new() },
                _ => Earlier::File { way: Vec::new() },
            });
        }
        if let Some(way) = strip_directory(&self.real, &later.real) {
            let way = way.to_vec();
            return Some(match self.kind {
                EntryKind::Directory => Earlier::Below { way },
                _ => Earlier::File { way },
            });
        }
        let way = strip_directory(&later.real, &self.real)?;
        self.reaches(later, way, scope).then(|| Earlier::Above { way: way.to_vec() })
    }

    /// Whether a walk from this root comes to a root below it, whatever the globs say.
    fn reaches(&self, later: &Self, way: &[u8], scope: &Scope) -> bool {
        let start = self.real.len() + usize::from(!self.real.is_empty());
        let ends = way.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut from = 0;
        ends.chain([way.len()]).all(|end| {
            let name = &way[from..end];
            from = end + 1;
            let is_last = end == way.len();
            let sort = match later.kind {
                EntryKind::Directory => Sort::Directory,
                _ if is_last => Sort::Other,
                _ => Sort::Directory,
            };
            let hidden = name.starts_with(b".") && !scope.hidden;
            let git = name == b".git" && sort == Sort::Directory;
            let path = &later.real[..start + end];
            !hidden && !git && !later.is_ignored_above(path, sort)
        })
    }

    /// Whether ignore files that lie above a path do ignore it; `path` is this root's or above it.
    fn is_ignored_above(&self, path: &[u8], sort: Sort) -> bool {
        let mut level = self.above.as_ref();
        while let Some(found) = level.filter(|level| level.prefix >= path.len()) {
            level = found.above.as_ref();
        }
        is_ignored(level, path, sort, &mut Vec::new())
    }
}

fn field_of(index: usize) -> String {
    format!("paths[{index}]")
}

/// What a path leads to, and where that really is.
fn look_up(index: usize, path: &AbsolutePath) -> Result<(EntryKind, Vec<u8>), SearchError> {
    let failed = |source: io::Error| SearchError::Path {
        field: field_of(index),
        path: path.to_string(),
        source,
    };
    let stat = rustix::fs::stat(path.as_path()).map_err(|errno| failed(errno.into()))?;
    let kind = version::kind(version::file_type(&stat));
    let real = std::fs::canonicalize(path).map_err(failed)?;
    Ok((kind, real.as_os_str().as_bytes()[1..].to_vec()))
}

/// The rest of a path that lies below a directory; neither has a slash at its ends.
fn strip_directory<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    if directory.is_empty() {
        return Some(path);
    }
    path.strip_prefix(directory)?.strip_prefix(b"/")
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match directory {
        [] => name.to_vec(),
        _ => [directory, b"/", name].concat(),
    }
}

/// The ignore files of directories above roots, each read once.
#[derive(Default)]
struct Ancestry {
    known: HashMap<Vec<u8>, Option<Arc<Level>>>,
    skipped: Vec<SkippedPath>,
}

impl Ancestry {
    /// What counts for an entry from the directories above it.
    fn above(&mut self, real: &[u8]) -> Option<Arc<Level>> {
        if real.is_empty() {
            return None;
        }
        let mut level = self.level_of(&[], None);
        for (at, _) in real.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            level = self.level_of(&real[..at], level);
        }
        level
    }

    fn level_of(&mut self, real: &[u8], above: Option<Arc<Level>>) -> Option<Arc<Level>> {
        if let Some(known) = self.known.get(real) {
            return known.clone();
        }
        let path = PathBuf::from("/").join(Path::new(std::ffi::OsStr::from_bytes(real)));
        let mut refused = Vec::new();
        let level = open_to_look_up(&path).map_or(above.clone(), |directory| {
            let git = statat(&directory, ".git", AtFlags::SYMLINK_NOFOLLOW).is_ok();
            let marks = Marks { ignore: true, gitignore: true, git };
            let prefix = real.len() + usize::from(!real.is_empty());
            read_level(directory.as_fd(), marks, above, prefix, &mut refused)
        });
        let skipped = |Refused { name, reason }: Refused| SkippedPath {
            path: path.join(name).to_string_lossy().into_owned(),
            reason,
        };
        self.skipped.extend(refused.into_iter().map(skipped));
        self.known.insert(real.to_vec(), level.clone());
        level
    }
}

/// Opens a directory that perhaps may be passed and not be read.
fn open_to_look_up(path: &Path) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).ok()
}
