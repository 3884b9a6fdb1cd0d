//! What the parts of the crate say to each other: ids, modes, versions of files, changes.

use std::{collections::HashSet, fmt, ops::Range};

use agent_api::Repository;

/// How a repository names its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum ObjectFormat {
    /// 20 bytes.
    #[default]
    Sha1,
    /// 32 bytes.
    Sha256,
}

/// The name of an object: 20 or 32 bytes, by the repository's [`ObjectFormat`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId {
    bytes: [u8; 32],
    len: u8,
}

impl ObjectFormat {
    /// Length of an id in bytes.
    pub(crate) fn id_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

impl ObjectId {
    /// An id of exactly 20 or 32 bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if !matches!(bytes.len(), 20 | 32) {
            return None;
        }
        let mut id = Self { bytes: [0; 32], len: bytes.len() as u8 };
        id.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(id)
    }

    /// An id of exactly 40 or 64 hexadecimal digits.
    pub(crate) fn from_hex(text: &[u8]) -> Option<Self> {
        if !matches!(text.len(), 40 | 64) {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Self::from_bytes(&bytes[..text.len() / 2])
    }

    /// The id that stands for no object.
    pub(crate) fn null(format: ObjectFormat) -> Self {
        Self { bytes: [0; 32], len: format.id_len() as u8 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(crate) fn is_null(&self) -> bool {
        self.bytes == [0; 32]
    }
}

impl fmt::Display for ObjectId {
    /// All digits, or as many as the precision says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(usize::MAX).min(self.as_bytes().len() * 2);
        for (index, byte) in self.as_bytes().iter().enumerate().take(digits.div_ceil(2)) {
            if index * 2 + 1 < digits {
                write!(f, "{byte:02x}")?;
            } else {
                write!(f, "{:x}", byte >> 4)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What git knows of a file's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    /// `100644`.
    File,
    /// `100755`.
    Executable,
    /// `120000`, a symbolic link.
    Link,
    /// `160000`, the commit of a submodule.
    Submodule,
}

impl Mode {
    /// Reads the bits that a tree or an index holds; `None` for a directory and what is no mode.
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        match bits & 0o170_000 {
            0o100_000 if bits & 0o100 != 0 => Some(Self::Executable),
            0o100_000 => Some(Self::File),
            0o120_000 => Some(Self::Link),
            0o160_000 => Some(Self::Submodule),
            _ => None,
        }
    }

    /// The six digits that a diff shows.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
            Self::Submodule => "160000",
        }
    }

    /// Whether two modes are the same kind of thing: files of either mode are.
    pub(crate) fn is_same_kind(self, other: Self) -> bool {
        let kind = |mode| if mode == Self::Executable { Self::File } else { mode };
        kind(self) == kind(other)
    }
}

/// A file as HEAD or the index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Version {
    pub(crate) mode: Mode,
    pub(crate) id: ObjectId,
}

/// What the system says of a file: equal stats mean that nothing happened to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Stat {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    /// Type and permissions.
    pub(crate) mode: u32,
    /// How many names it has.
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    /// Seconds and nanoseconds.
    pub(crate) mtime: (i64, u32),
    /// Seconds and nanoseconds.
    pub(crate) ctime: (i64, u32),
}

/// A file as the work tree has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WorkFile {
    pub(crate) mode: Mode,
    /// Id of the contents as git would store them; the commit of a submodule. `None` where it was
    /// not needed to know that the file differs from HEAD: untracked files, and those over
    /// `MAX_GIT_FILE_BYTES`.
    pub(crate) id: Option<ObjectId>,
    /// The contents are the index's: `id` is there, and names an object to read in place of the
    /// file, which need not even exist (sparse checkouts, files assumed unchanged).
    pub(crate) indexed: bool,
    /// What the system says of it; all zero where `indexed`.
    pub(crate) stat: Stat,
}

/// How git stands to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// In HEAD or in the index, and merged.
    Tracked,
    /// In the index with stages of a merge.
    Conflicted,
    /// In neither, and not ignored.
    Untracked,
}

/// A path at which HEAD and the work tree differ.
///
/// A list of changes is ordered by path, bytewise. A path occurs twice where it is in HEAD, no
/// longer in the index, and still in the work tree: first tracked without [`Change::work`], then
/// untracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Relative to the root.
    pub(crate) path: Vec<u8>,
    pub(crate) standing: Standing,
    /// `None` when HEAD does not have it.
    pub(crate) head: Option<Version>,
    /// `None` when the work tree does not have it, or the index does not while HEAD does.
    pub(crate) work: Option<WorkFile>,
}

/// State of HEAD, as a snapshot shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) branch: Option<String>,
    /// `None` before the first commit.
    pub(crate) commit: Option<ObjectId>,
    pub(crate) detached: bool,
    pub(crate) remote_origin: Option<String>,
    /// Short name, ahead, behind.
    pub(crate) upstream: Option<(String, u64, u64)>,
}

/// A snapshot, and where in its diff each of its files is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) repository: Repository,
    /// For each of `repository.files` its part of `repository.unified_diff`; `None` where it was
    /// left out.
    pub(crate) spans: Vec<Option<Range<usize>>>,
}

/// What was seen to change since the last scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dirty {
    /// Anything may have changed.
    pub(crate) all: bool,
    /// Paths relative to the root; more than 10,000 become `all`.
    pub(crate) paths: HashSet<Vec<u8>>,
    /// Something of git's own: HEAD, the index, refs, configuration.
    pub(crate) git: bool,
}

impl Dirty {
    /// Everything is to be looked at.
    pub(crate) fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }
}

/// Who is told which directories of a work tree are worth watching.
pub(crate) trait Watching: Sync {
    /// Called before a directory is listed, so that nothing that is made later is missed.
    fn watch(&self, directory: &[u8]);

    /// The directory and all below it are of no interest any more.
    fn unwatch_below(&self, directory: &[u8]);

    /// A directory below the root has an entry `.git`; called before it is decided whether that is
    /// a repository, so that nothing that completes it later is missed.
    fn found_git(&self, _directory: &[u8]) {}
}

/// Watches nothing: for a scan of which nothing is kept.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoWatching;

#[cfg(test)]
impl Watching for NoWatching {
    fn watch(&self, _directory: &[u8]) {}

    fn unwatch_below(&self, _directory: &[u8]) {}
}
