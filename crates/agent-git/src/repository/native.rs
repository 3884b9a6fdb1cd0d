//! Objects and refs of a repository, read with libgit2. The index and the work tree are read
//! elsewhere, so libgit2 never sees them.

use std::path::Path;

use git2::{ErrorCode, ObjectType, Odb, Oid, Reference, Repository, RepositoryOpenFlags};

use super::attributes::{AttributeFiles, Attributes};
use super::head;
use super::{Abbreviations, Divergence, Location, Settings, Source, SourceError, User};
use crate::convert::Conversion;
use crate::model::{Head, ObjectId};
use crate::sys;

const READ_HEAD: &str = "read HEAD";

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
        let repository = open(&location.git_dir)?;
        let attributes = Attributes::new(location, &settings)?;
        let abbreviations = Abbreviations::new(&location.common_dir.join("objects"));
        let divergence = Divergence::default();
        Ok(Self { repository, settings, abbreviations, attributes, divergence })
    }

    /// Whether libgit2 opens a repository; if not, what it says.
    pub(super) fn check(location: &Location) -> Result<(), String> {
        open(&location.git_dir).map(drop).map_err(|error| match error {
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
        let mut name = b"HEAD".to_vec();
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
        let reference = self.repository.find_reference(name).ok()?;
        let id = object_id(reference.resolve().ok()?.target()?);
        let short = head::shortened(name, |other| self.repository.find_reference(other).is_ok());
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
        let blob = |id| Ok(read(&odb, id, ObjectType::Blob)?.data().to_vec());
        let attributes = self.attributes.of(path, blob)?;
        Ok(Conversion::new(&attributes, self.settings.conversion))
    }
}

/// Opens a git directory as if it had no work tree: that is not libgit2's matter here.
fn open(git_dir: &Path) -> Result<Repository, SourceError> {
    const OPEN: &str = "open the repository";
    sys::isolate().map_err(SourceError::failed(OPEN))?;
    let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::BARE;
    Repository::open_ext(git_dir, flags, [] as [&Path; 0]).map_err(SourceError::failed(OPEN))
}

fn find<'a>(repository: &'a Repository, name: &[u8]) -> Result<Reference<'a>, git2::Error> {
    let name = str::from_utf8(name).map_err(|_| git2::Error::from_str("its name is not UTF-8"))?;
    repository.find_reference(name)
}

fn read<'a>(
    odb: &'a Odb<'_>,
    id: ObjectId,
    kind: ObjectType,
) -> Result<git2::OdbObject<'a>, SourceError> {
    let object = odb.read(oid(id)).map_err(unread(id))?;
    if object.kind() != kind {
        let what = format!("it is a {}, not a {kind}", object.kind());
        return Err(SourceError::failed(format!("read the object {id}"))(what));
    }
    Ok(object)
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
