//! Which untracked paths are ignored: the rules of the ignore files, each from its directory down.
//!
//! Stronger first: the `.gitignore` of the path's directory and of each above it, `info/exclude`,
//! the user's excludes file. In an ignored directory everything is.
//! Source: gitignore(5).

use std::{collections::HashMap, io::Read, os::fd::BorrowedFd, sync::Arc, time::SystemTime};

use agent_ignore::{Rules, Sort, Verdict};
use rustix::fs::OFlags;

use crate::{fs::open_below, model::Stat};

/// Largest `.gitignore` that is read; a larger one counts for nothing.
const MAX_BYTES: u64 = 1024 * 1024;

/// Ignore files that are kept compiled between scans; further ones are read by each.
const MAX_KEPT: usize = 4096;

/// The rules that hold in the whole work tree, and are weaker than every `.gitignore`.
#[derive(Debug, Default)]
pub(crate) struct Excludes {
    /// Stronger first.
    rules: [Rules; 2],
}

impl Excludes {
    /// Compiles the contents of `info/exclude` and of the user's excludes file, empty where there
    /// is none. Patterns that are too large together count for nothing.
    pub(crate) fn new(info_exclude: &[u8], excludes_file: &[u8]) -> Self {
        Self { rules: [info_exclude, excludes_file].map(compile) }
    }

    fn verdict(&self, path: &[u8], sort: Sort, space: &mut Vec<usize>) -> Option<Verdict> {
        self.rules.iter().find_map(|rules| rules.verdict(path, sort, space))
    }
}

fn compile(contents: &[u8]) -> Rules {
    Rules::of_file(contents).unwrap_or_default()
}

/// A `.gitignore` that was read.
#[derive(Debug)]
pub(super) struct Level {
    stat: Stat,
    read_at: SystemTime,
    rules: Arc<Rules>,
}

/// The ignore files read by earlier scans, by their directories.
pub(super) type Levels = HashMap<Vec<u8>, Arc<Level>>;

/// Reads the `.gitignore` of an open directory, or takes what is known of it.
pub(super) fn read_level(
    directory: BorrowedFd<'_>,
    known: Option<&Arc<Level>>,
) -> Option<Arc<Level>> {
    let file = open_below(directory, c".gitignore", OFlags::NONBLOCK).ok()?;
    let stat = Stat::of(&rustix::fs::fstat(&file).ok()?);
    if !stat.is_regular() || stat.size > MAX_BYTES {
        return None;
    }
    if let Some(known) = known
        && known.stat == stat
        && stat.is_settled_at(known.read_at)
    {
        return Some(Arc::clone(known));
    }
    let read_at = SystemTime::now();
    let mut contents = Vec::with_capacity(stat.size as usize + 1);
    std::fs::File::from(file).take(MAX_BYTES).read_to_end(&mut contents).ok()?;
    Some(Arc::new(Level { stat, read_at, rules: Arc::new(compile(&contents)) }))
}

/// Keeps a level for later scans while there is room.
pub(super) fn keep_level(levels: &mut Levels, directory: &[u8], level: Arc<Level>) {
    if levels.len() < MAX_KEPT || levels.contains_key(directory) {
        levels.insert(directory.to_vec(), level);
    }
}

/// The ignore files that hold in a directory: its own and those above, shared by all below.
#[derive(Debug, Default)]
pub(super) struct Scope {
    above: Option<Arc<Self>>,
    /// Length of the directory's path with a slash at its end; 0 for the root.
    base: usize,
    rules: Arc<Rules>,
}

impl Scope {
    /// What holds below a directory that has this `.gitignore`.
    pub(super) fn with(above: &Arc<Self>, base: usize, level: &Level) -> Arc<Self> {
        if level.rules.is_empty() {
            return Arc::clone(above);
        }
        Arc::new(Self { above: Some(Arc::clone(above)), base, rules: Arc::clone(&level.rules) })
    }
}

impl Drop for Scope {
    /// Ends a long chain without a call for each link of it.
    fn drop(&mut self) {
        let mut next = self.above.take();
        while let Some(mut scope) = next.and_then(Arc::into_inner) {
            next = scope.above.take();
        }
    }
}

/// Decides what is ignored; one for each thread.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    excludes: &'a Excludes,
    space: Vec<usize>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(excludes: &'a Excludes) -> Self {
        Self { excludes, space: Vec::new() }
    }

    /// Whether rules name a path that is in no ignored directory. `scope` is that of its
    /// directory, or of one below: rules from below the path do not count.
    pub(super) fn ignores(&mut self, scope: &Scope, path: &[u8], sort: Sort) -> bool {
        let mut at = Some(scope);
        while let Some(scope) = at {
            if scope.base < path.len()
                && let Some(verdict) =
                    scope.rules.verdict(&path[scope.base..], sort, &mut self.space)
            {
                return verdict == Verdict::Ignore;
            }
            at = scope.above.as_deref();
        }
        self.excludes.verdict(path, sort, &mut self.space) == Some(Verdict::Ignore)
    }

    /// Whether a directory or one above it is ignored; the first `known` bytes of its path are
    /// known not to be.
    pub(super) fn ignores_directory(&mut self, scope: &Scope, path: &[u8], known: usize) -> bool {
        if path.len() <= known {
            return false;
        }
        let start = if known == 0 { 0 } else { known + 1 };
        let ends = memchr::memchr_iter(b'/', &path[start..]).map(|slash| start + slash);
        ends.chain([path.len()]).any(|end| self.ignores(scope, &path[..end], Sort::Directory))
    }
}
