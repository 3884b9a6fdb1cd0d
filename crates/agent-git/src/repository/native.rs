//! Objects and refs of a repository, read with libgit2. The index and the work tree are read
//! elsewhere, so libgit2 never sees them.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use git2::{ErrorCode, ObjectType, Odb, Oid, Reference, Repository, RepositoryOpenFlags};

use super::attributes::{AttributeFiles, Attributes};
use super::head;
use super::refs::MAX_PACKED_REFS;
use super::{Abbreviations, Divergence, Location, Settings, Source, SourceError, User};
use crate::convert::Conversion;
use crate::model::{Head, ObjectId};
use crate::sys;

const READ_HEAD: &str = "read HEAD";
/// Largest object that is read into memory.
const MAX_OBJECT: usize = 256 * 1024 * 1024;

/// A repository as libgit2 reads it; opened for one scan (about 0.3 ms) and dropped after it.
pub(crate) struct Native {
    repository: Repository,
    settings: Settings,
    /// Looked up again by the next one who opens the repository, after a
    /// [`renewal`](Abbreviations::renew).
    pub(crate) abbreviations: Abbreviations,
    attributes: Attributes,
    /// What is known of ahead and behind; the next one who opens the repository gives it again.
    pub(crate) divergence: Divergence,
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    pub(crate) name: Vec<u8>,
    /// As the tree has them; [`Mode::from_bits`](crate::model::Mode::from_bits) reads those of
    /// files, 0o040000 is a directory.
    pub(crate) bits: u32,
    pub(crate) id: ObjectId,
}

impl Native {
    /// Opens a repository of the native kind.
    ///
    /// # Errors
    ///
    /// [`SourceError::Failed`] when its configuration or libgit2 does not allow it.
    pub(crate) fn open(location: &Location, user: &User) -> Result<Self, SourceError> {
        let settings = Settings::read(location, user)?;
        let repository = open(location)?;
        let attributes = Attributes::new(location, &settings)?;
        let abbreviations = Abbreviations::new(&location.common_dir.join("objects"));
        let divergence = Divergence::default();
        Ok(Self { repository, settings, abbreviations, attributes, divergence })
    }

    /// Whether libgit2 opens a repository; if not, what it says.
    pub(super) fn check(location: &Location) -> Result<(), String> {
        open(location).map(drop).map_err(|error| match error {
            SourceError::Failed { source, .. } => source.to_string(),
            other => other.to_string(),
        })
    }

    /// Says which files of attributes the index has: they count where the work tree has none.
    pub(crate) fn set_attributes_in_index(&mut self, files: AttributeFiles) {
        self.attributes.set_in_index(files);
    }

    /// The tree of HEAD's commit; `None` before the first one.
    ///
    /// # Errors
    ///
    /// [`SourceError::Missing`] when the commit is not there.
    pub(crate) fn head_tree(&mut self) -> Result<Option<ObjectId>, SourceError> {
        let Some(commit) = self.resolve_head()?.1 else { return Ok(None) };
        let odb = self.odb()?;
        let object = read(&odb, commit, ObjectType::Commit)?;
        let tree = object.data().strip_prefix(b"tree ").and_then(|rest| rest.get(..40));
        let tree = tree.and_then(ObjectId::from_hex).ok_or("it names no tree");
        tree.map(Some).map_err(SourceError::failed(format!("read the commit {commit}")))
    }

    /// The entries of a tree in git's order: by name, where that of a directory ends with `/`.
    ///
    /// # Errors
    ///
    /// [`SourceError::Missing`] when there is no such tree.
    pub(crate) fn tree(&mut self, id: ObjectId) -> Result<Vec<TreeEntry>, SourceError> {
        let odb = self.odb()?;
        let object = read(&odb, id, ObjectType::Tree)?;
        let mut rest = object.data();
        let mut entries = Vec::with_capacity(rest.len() / 40);
        while !rest.is_empty() {
            let (entry, after) = tree_entry(rest)
                .ok_or("it is damaged")
                .map_err(SourceError::failed(format!("read the tree {id}")))?;
            entries.push(entry);
            rest = after;
        }
        Ok(entries)
    }

    fn odb(&self) -> Result<Odb<'_>, SourceError> {
        self.repository.odb().map_err(SourceError::failed("open the objects"))
    }

    /// Name of the ref that HEAD leads to, if it is one, and its commit, if there is one.
    fn resolve_head(&self) -> Result<(Option<Vec<u8>>, Option<ObjectId>), SourceError> {
        self.resolve(b"HEAD")
    }

    /// The same for any ref.
    fn resolve(&self, name: &[u8]) -> Result<(Option<Vec<u8>>, Option<ObjectId>), SourceError> {
        let mut name = name.to_vec();
        // Git follows as many links.
        for _ in 0..=5 {
            let is_head = name == b"HEAD";
            let known = (!is_head).then(|| name.clone());
            let reference = match find(&self.repository, &name) {
                Ok(reference) => reference,
                Err(error) if error.code() == ErrorCode::NotFound && !is_head => {
                    return Ok((known, None));
                }
                Err(error) => return Err(SourceError::failed(READ_HEAD)(error)),
            };
            match (reference.symbolic_target_bytes(), reference.target()) {
                (Some(target), _) => name = target.to_vec(),
                (None, Some(id)) => return Ok((known, Some(object_id(id)))),
                (None, None) => break,
            }
        }
        Err(SourceError::failed(READ_HEAD)("it leads nowhere"))
    }

    /// The upstream of a branch with its commit, if it is configured and exists.
    fn upstream(&self, branch: &[u8]) -> Option<(String, ObjectId)> {
        let branch = str::from_utf8(branch).ok()?;
        let name = self.repository.branch_upstream_name(branch).ok()?;
        let name = str::from_utf8(&name).ok()?;
        let id = self.resolve(name.as_bytes()).ok()?.1?;
        let exists = |other: &str| find(&self.repository, other.as_bytes()).is_ok();
        let short = head::shortened(name, exists);
        Some((short, id))
    }

    fn count(&mut self, local: ObjectId, upstream: ObjectId) -> Result<(u64, u64), SourceError> {
        if let Some(counts) = self.divergence.between(local, upstream) {
            return Ok(counts);
        }
        let (ahead, behind) = self
            .repository
            .graph_ahead_behind(oid(local), oid(upstream))
            .map_err(SourceError::failed("count the commits of the upstream"))?;
        let counts = (ahead as u64, behind as u64);
        self.divergence.set(local, upstream, counts);
        Ok(counts)
    }
}

impl Source for Native {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn head(&mut self) -> Result<Head, SourceError> {
        let (name, commit) = self.resolve_head()?;
        let upstream = match (&name, commit) {
            (Some(name), Some(local)) => match self.upstream(name) {
                Some((short, id)) => {
                    let (ahead, behind) = self.count(local, id)?;
                    Some((short, ahead, behind))
                }
                None => None,
            },
            _ => None,
        };
        Ok(Head {
            branch: name.as_deref().map(head::branch_name),
            commit,
            detached: name.is_none(),
            remote_origin: self.settings.remote_origin.clone(),
            upstream,
        })
    }

    fn blob_size(&mut self, id: ObjectId) -> Result<u64, SourceError> {
        match self.odb()?.read_header(oid(id)) {
            Ok((size, _)) => Ok(size as u64),
            Err(error) => Err(unread(id)(error)),
        }
    }

    fn blob(&mut self, id: ObjectId) -> Result<Vec<u8>, SourceError> {
        let odb = self.odb()?;
        Ok(read(&odb, id, ObjectType::Blob)?.data().to_vec())
    }

    fn abbreviations(&mut self, ids: &[ObjectId]) -> Result<Vec<usize>, SourceError> {
        self.abbreviations.digits(ids)
    }

    fn conversion(&mut self, path: &[u8]) -> Result<Conversion, SourceError> {
        let odb = self.repository.odb().map_err(SourceError::failed("open the objects"))?;
        let blob = |id| match read(&odb, id, ObjectType::Blob) {
            Ok(object) => Ok(object.data().to_vec()),
            // As for git, they say nothing then.
            Err(SourceError::Missing { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let attributes = self.attributes.of(path, blob)?;
        Ok(Conversion::new(&attributes, self.settings.conversion))
    }
}

/// Opens a git directory as if it had no work tree: that is not libgit2's matter here.
fn open(location: &Location) -> Result<Repository, SourceError> {
    const OPEN: &str = "open the repository";
    check_files(location).map_err(SourceError::failed(OPEN))?;
    sys::isolate().map_err(SourceError::failed(OPEN))?;
    let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::BARE;
    Repository::open_ext(&location.git_dir, flags, [] as [&Path; 0])
        .map_err(SourceError::failed(OPEN))
}

/// Makes sure that libgit2 waits for no pipe and reads no device or huge file to its end: it opens
/// these files whatever they are.
fn check_files(location: &Location) -> Result<(), String> {
    const NAMES: [&str; 7] = [
        "config.worktree",
        "packed-refs",
        "shallow",
        "info/grafts",
        "objects/info/alternates",
        "objects/info/commit-graph",
        "objects/pack/multi-pack-index",
    ];
    let check = |path: &Path| match path.metadata() {
        Ok(it) if !it.is_file() => Err(format!("`{}` is no regular file", path.display())),
        Ok(it) if it.len() > MAX_PACKED_REFS && path.ends_with("packed-refs") => {
            Err(format!("`{}` is over 256 MiB", path.display()))
        }
        _ => Ok(()),
    };
    for name in NAMES {
        check(&location.common_dir.join(name))?;
        if location.git_dir != location.common_dir {
            check(&location.git_dir.join(name))?;
        }
    }
    let Ok(packs) = fs::read_dir(location.common_dir.join("objects/pack")) else { return Ok(()) };
    for pack in packs.flatten().filter(|pack| !pack.file_type().is_ok_and(|it| it.is_file())) {
        if pack.path().extension() == Some(OsStr::new("idx")) {
            check(&pack.path())?;
        }
    }
    Ok(())
}

fn find<'a>(repository: &'a Repository, name: &[u8]) -> Result<Reference<'a>, git2::Error> {
    let name = str::from_utf8(name).map_err(|_| git2::Error::from_str("its name is not UTF-8"))?;
    for directory in [repository.path(), repository.commondir()] {
        let is_other = |it: fs::Metadata| !it.is_file() && !it.is_dir();
        if directory.join(name).metadata().is_ok_and(is_other) {
            return Err(git2::Error::from_str("it is no regular file"));
        }
    }
    repository.find_reference(name)
}

fn read<'a>(
    odb: &'a Odb<'_>,
    id: ObjectId,
    kind: ObjectType,
) -> Result<git2::OdbObject<'a>, SourceError> {
    let (size, found) = odb.read_header(oid(id)).map_err(unread(id))?;
    let refuse = |what: String| SourceError::failed(format!("read the object {id}"))(what);
    if found != kind {
        return Err(refuse(format!("it is a {found}, not a {kind}")));
    }
    // Room for all that it claims to have is made before it is read.
    if size > MAX_OBJECT {
        return Err(refuse(format!("its {size} bytes are too many")));
    }
    odb.read(oid(id)).map_err(unread(id))
}

fn unread(id: ObjectId) -> impl FnOnce(git2::Error) -> SourceError {
    move |error| match error.code() {
        ErrorCode::NotFound => SourceError::Missing { id },
        _ => SourceError::failed(format!("read the object {id}"))(error),
    }
}

/// Reads one entry: octal mode, space, name, NUL, id.
fn tree_entry(bytes: &[u8]) -> Option<(TreeEntry, &[u8])> {
    let space = memchr::memchr(b' ', bytes)?;
    let bits = u32::from_str_radix(str::from_utf8(&bytes[..space]).ok()?, 8).ok()?;
    let rest = &bytes[space + 1..];
    let end = memchr::memchr(0, rest)?;
    let (id, after) = rest[end + 1..].split_at_checked(20)?;
    Some((TreeEntry { name: rest[..end].to_vec(), bits, id: ObjectId::from_bytes(id)? }, after))
}

fn object_id(id: Oid) -> ObjectId {
    ObjectId::from_bytes(id.as_bytes()).expect("ids of libgit2 have the length of SHA-1")
}

/// Ids of another length name no object here.
fn oid(id: ObjectId) -> Oid {
    Oid::from_bytes(id.as_bytes()).unwrap_or(Oid::ZERO_SHA1)
}
