//! Which way a repository must be read, by what is found in its git directory.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::config::Entries;
use super::discover::open_regular;
use super::native::Native;
use super::refs::MAX_PACKED_REFS;
use super::{Location, Settings, SourceError, User};

/// How a repository is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By this agent itself.
    Native,
    /// By an installed `git`.
    Command(Reason),
}

/// Why a repository is not read by this agent itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The index has directories in place of files.
    SparseIndex,
    /// The index has a required extension or a version that is not known.
    UnknownIndex(String),
    /// Objects are not named by SHA-1.
    ObjectFormat(String),
    /// Refs are not kept as files.
    RefStorage(String),
    /// An extension of the format that is not known, such as that of partial clones.
    Extension(String),
    /// A version of the format that is not known.
    Version(String),
    /// Names in another case are the same.
    IgnoreCase,
    /// The work tree holds files in place of links.
    NoSymlinks,
    /// Some objects stand for others.
    Replacements,
    /// libgit2 refuses the repository.
    Refused(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SparseIndex => f.write_str("its index is sparse"),
            Self::UnknownIndex(what) => write!(f, "its index is of an unknown form: {what}"),
            Self::ObjectFormat(name) => write!(f, "its objects are of the format `{name}`"),
            Self::RefStorage(name) => write!(f, "its refs are of the format `{name}`"),
            Self::Extension(name) => write!(f, "its format has the extension `{name}`"),
            Self::Version(version) => write!(f, "its format has the version `{version}`"),
            Self::IgnoreCase => f.write_str("it ignores the case of names"),
            Self::NoSymlinks => f.write_str("it holds files in place of links"),
            Self::Replacements => f.write_str("some of its objects are replaced"),
            Self::Refused(what) => write!(f, "libgit2 refuses it: {what}"),
        }
    }
}

/// Decides how a repository is read, by everything but its index.
///
/// # Errors
///
/// [`SourceError::Failed`] when its configuration cannot be read or understood: git would not do
/// anything with it either.
pub(crate) fn kind(location: &Location, user: &User) -> Result<Kind, SourceError> {
    let entries = Entries::of_repository(&location.git_dir, &location.common_dir);
    if let Some(reason) = format(&entries) {
        return Ok(Kind::Command(reason));
    }
    let settings = Settings::read(location, user)?;
    let reason = if settings.ignore_case {
        Some(Reason::IgnoreCase)
    } else if !settings.symlinks {
        Some(Reason::NoSymlinks)
    } else if has_replacements(&location.common_dir) {
        Some(Reason::Replacements)
    } else {
        Native::check(location).err().map(Reason::Refused)
    };
    Ok(reason.map_or(Kind::Native, Kind::Command))
}

/// What speaks against it in the description of the format.
///
/// Source: gitrepository-layout(5) and git's `repository-version.txt`: in version 0 only some
/// extensions count.
fn format(entries: &Entries) -> Option<Reason> {
    let version = entries.get("core.repositoryformatversion").unwrap_or(b"0");
    if !matches!(version, b"0" | b"1") {
        return Some(Reason::Version(text(version)));
    }
    entries.below("extensions.").find_map(|(name, value)| match name {
        b"noop" | b"preciousobjects" | b"worktreeconfig" | b"relativeworktrees" => None,
        b"objectformat" if value == b"sha1" => None,
        b"objectformat" => Some(Reason::ObjectFormat(text(value))),
        b"refstorage" => Some(Reason::RefStorage(text(value))),
        b"partialclone" => Some(Reason::Extension(text(name))),
        _ => (version == b"1").then(|| Reason::Extension(text(name))),
    })
}

/// Whether there are refs below `refs/replace/`.
fn has_replacements(common_dir: &Path) -> bool {
    let is_loose = fs::read_dir(common_dir.join("refs/replace"))
        .is_ok_and(|mut entries| entries.next().is_some());
    is_loose
        || packed_refs(common_dir)
            .is_ok_and(|refs| memchr::memmem::find(&refs, b" refs/replace/").is_some())
}

fn packed_refs(common_dir: &Path) -> io::Result<Vec<u8>> {
    let mut refs = Vec::new();
    let file = open_regular(&common_dir.join("packed-refs"))?;
    file.take(MAX_PACKED_REFS).read_to_end(&mut refs)?;
    Ok(refs)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
