//! Which directories of a repository git ignores.
//!
//! Stronger first: the `.gitignore` of the directory above and of each above that up to the top of
//! the repository, `info/exclude`, the user's own file. Source: gitignore(5).

use std::{
    fs::File,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_ignore::{Rules, Sort, Verdict};
use rustix::fs::{Mode, OFlags};

/// Largest file of rules; of a longer one none count.
const MAX_BYTES: u64 = 1024 * 1024;

/// A repository, by the directory at its top.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) top: PathBuf,
    exclude: Rules,
}

impl Repository {
    pub(super) fn at(top: PathBuf) -> Arc<Self> {
        let exclude = read_rules(&exclude_path(&top));
        Arc::new(Self { top, exclude })
    }
}

/// A `.gitignore` with rules, and the next one above in the same repository.
#[derive(Debug)]
pub(super) struct Level {
    above: Option<Arc<Self>>,
    directory: PathBuf,
    rules: Rules,
}

impl Level {
    /// What holds below a directory with these rules.
    pub(super) fn with(
        above: Option<Arc<Self>>,
        directory: &Path,
        rules: Rules,
    ) -> Option<Arc<Self>> {
        if rules.is_empty() {
            return above;
        }
        Some(Arc::new(Self { above, directory: directory.to_owned(), rules }))
    }
}

/// Whether a directory is ignored that is in no ignored one; `space` is to work in.
pub(super) fn is_ignored(
    (level, repository, user): (Option<&Level>, &Repository, &Rules),
    directory: &Path,
    space: &mut Vec<usize>,
) -> bool {
    let levels = std::iter::successors(level, |level| level.above.as_deref());
    let nearer = levels.map(|level| (&level.directory, &level.rules));
    let wider = [(&repository.top, &repository.exclude), (&repository.top, user)];
    let mut verdicts = nearer.chain(wider).filter_map(|(base, rules)| {
        let below = directory.strip_prefix(base).ok()?;
        rules.verdict(below.as_os_str().as_bytes(), Sort::Directory, space)
    });
    verdicts.next() == Some(Verdict::Ignore)
}

/// Where a repository keeps rules that it does not share.
///
/// The `.git` of a worktree or submodule is a file that names the real directory, and a worktree's
/// directory names the one it has in common with the others; gitrepository-layout(5).
fn exclude_path(top: &Path) -> PathBuf {
    let mut git = top.join(".git");
    if let Some(named) = first_line(&git, "gitdir: ") {
        git = top.join(named);
    }
    if let Some(common) = first_line(&git.join("commondir"), "") {
        git.push(common);
    }
    git.join("info/exclude")
}

/// The path on the first line of a small file, if there is such a file.
fn first_line(path: &Path, prefix: &str) -> Option<PathBuf> {
    let content = read_small(path)?;
    let line = content.split(|byte| *byte == b'\n').next()?;
    let line = line.strip_prefix(prefix.as_bytes())?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(line)))
}

/// The rules of a file; none where there is no such file.
pub(super) fn read_rules(path: &Path) -> Rules {
    read_small(path).and_then(|content| Rules::of_file(&content).ok()).unwrap_or_default()
}

/// The content of a file that is no link and not large.
pub(super) fn read_small(path: &Path) -> Option<Vec<u8>> {
    // A pipe in the place of a file would be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return None;
    }
    let mut content = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut content).ok()?;
    Some(content)
}
