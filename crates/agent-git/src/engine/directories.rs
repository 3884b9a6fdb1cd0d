//! Git's own directories whose events say that HEAD, the index, refs or settings changed.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{Engine, Known};
use crate::repository::{Discovery, discover, head_branch};

/// Remotes beyond these are not waited for when the upstream is missing.
const MAX_REMOTES: usize = 16;
/// Submodules beyond these are seen only when something else is.
const MAX_SUBMODULES: usize = 1000;

impl Engine {
    /// Existing directories, absolute, each once: the git directory and the common one, their
    /// `info`, those of the refs of HEAD's branch and its upstream (or the nearest above, or
    /// those of the remotes), that of refs in tables, and the same of submodules.
    pub(crate) fn git_directories(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        add(&mut found, &self.location.git_dir, &self.location.common_dir);
        let heads = self.location.common_dir.join("refs/heads");
        let remotes = self.location.common_dir.join("refs/remotes");
        if let Some(branch) = &self.head.branch {
            nearest(&mut found, &heads, branch.as_ref());
        }
        if let Some((upstream, ..)) = &self.head.upstream {
            // The short name of a ref does not say which of the two it is.
            nearest(&mut found, &heads, upstream.as_ref());
            nearest(&mut found, &remotes, upstream.as_ref());
        } else if self.head.branch.is_some() {
            // A fetch may bring the upstream that is configured.
            let entries = fs::read_dir(&remotes).into_iter().flatten().flatten();
            let below = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
            found.extend(below.take(MAX_REMOTES));
            found.extend(remotes.is_dir().then_some(remotes));
        }
        for path in self.submodules().take(MAX_SUBMODULES) {
            let directory = self.location.root.join(OsStr::from_bytes(path));
            if let Ok(Discovery::Repository(module)) = discover(&directory)
                && module.root == directory
            {
                add(&mut found, &module.git_dir, &module.common_dir);
                add_branch(&mut found, &module.git_dir, &module.common_dir);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn submodules(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        match &self.known {
            Known::Nothing => Box::new(std::iter::empty()),
            Known::Native(native) => Box::new(native.submodules()),
            Known::Command(watched) => Box::new(watched.submodules()),
        }
    }
}

fn add(found: &mut Vec<PathBuf>, git_dir: &Path, common_dir: &Path) {
    let below = ["info", "refs", "refs/heads", "reftable"].map(|name| common_dir.join(name));
    let all = [git_dir.to_owned(), common_dir.to_owned(), git_dir.join("reftable")];
    found.extend(all.into_iter().chain(below).filter(|path| path.is_dir()));
}

/// The directory of the ref that HEAD names.
fn add_branch(found: &mut Vec<PathBuf>, git_dir: &Path, common_dir: &Path) {
    if let Some(branch) = head_branch(git_dir) {
        nearest(found, &common_dir.join("refs/heads"), Path::new(OsStr::from_bytes(&branch)));
    }
}

/// The directory of a ref, or the nearest one above it: git makes and removes them with the refs.
fn nearest(found: &mut Vec<PathBuf>, refs: &Path, name: &Path) {
    let is_plain = |part| matches!(part, std::path::Component::Normal(_));
    if name.components().all(is_plain) {
        let above = refs.join(name);
        let existing = above.ancestors().skip(1).find(|path| path.is_dir());
        found.extend(existing.filter(|path| path.starts_with(refs)).map(Path::to_owned));
    }
}
