//! Refs that are files, read without opening a repository. Repositories that keep refs in another
//! way have none here.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::discover::{common_dir_of, git_dir_of, open_regular, read_small};
use crate::model::ObjectId;

/// Refs that name each other deeper than git follows them lead nowhere.
const MAX_DEPTH: usize = 5;

/// Packed refs are read up to here: three million of them.
pub(super) const MAX_PACKED_REFS: u64 = 256 * 1024 * 1024;

/// Commit that is checked out in the repository at `dir`, a submodule of another.
///
/// `None` when nothing is: no repository, no commit yet, or refs that are no files. Git then takes
/// the submodule for unchanged.
pub(crate) fn checked_out_commit(dir: &Path) -> Option<ObjectId> {
    let git_dir = git_dir_of(&dir.join(".git")).ok()??;
    let common_dir = common_dir_of(&git_dir).ok()?;
    let mut name = b"HEAD".to_vec();
    for _ in 0..=MAX_DEPTH {
        match read(&git_dir, &common_dir, &name)? {
            Ref::Symbolic(next) => name = next,
            Ref::Direct(id) => return Some(id),
        }
    }
    None
}

/// The branch that HEAD names, without `refs/heads/`, whether or not it exists.
pub(crate) fn branch(git_dir: &Path) -> Option<Vec<u8>> {
    let Ref::Symbolic(name) = loose(git_dir, b"HEAD")? else { return None };
    name.strip_prefix(b"refs/heads/").map(<[u8]>::to_vec)
}

enum Ref {
    Symbolic(Vec<u8>),
    Direct(ObjectId),
}

fn read(git_dir: &Path, common_dir: &Path, name: &[u8]) -> Option<Ref> {
    // Everything but these belongs to all work trees.
    let is_own = !name.starts_with(b"refs/")
        || [&b"refs/bisect/"[..], b"refs/worktree/", b"refs/rewritten/"]
            .iter()
            .any(|own| name.starts_with(own));
    let directory = if is_own { git_dir } else { common_dir };
    loose(directory, name).or_else(|| packed(common_dir, name).map(Ref::Direct))
}

fn loose(directory: &Path, name: &[u8]) -> Option<Ref> {
    let name = std::ffi::OsStr::from_bytes(name);
    let is_plain = |part| matches!(part, std::path::Component::Normal(_));
    if !Path::new(name).components().all(is_plain) {
        return None;
    }
    let path = directory.join(name);
    if path.is_symlink()
        && let Ok(target) = fs::read_link(&path)
        && target.starts_with("refs")
    {
        return Some(Ref::Symbolic(target.as_os_str().as_bytes().to_vec()));
    }
    let contents = read_small(&path).ok()?;
    if let Some(target) = contents.strip_prefix(b"ref:") {
        return Some(Ref::Symbolic(target.trim_ascii().to_vec()));
    }
    let end = contents.iter().position(u8::is_ascii_whitespace).unwrap_or(contents.len());
    ObjectId::from_hex(&contents[..end]).map(Ref::Direct)
}

/// Looks a ref up among the packed ones: lines of an id, a space and a name.
fn packed(common_dir: &Path, name: &[u8]) -> Option<ObjectId> {
    let file = open_regular(&common_dir.join("packed-refs")).ok()?;
    let mut lines = BufReader::new(file.take(MAX_PACKED_REFS));
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).ok()? > 0 {
        let mut parts = line.trim_ascii_end().splitn(2, |byte| *byte == b' ');
        if let (Some(id), Some(named)) = (parts.next(), parts.next())
            && named == name
        {
            return ObjectId::from_hex(id);
        }
        line.clear();
    }
    None
}
