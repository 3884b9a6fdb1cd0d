//! Which untracked paths are ignored: the rules of the ignore files, each from its directory down.
//!
//! Stronger first: the `.gitignore` of the path's directory and of each above it, `info/exclude`,
//! the user's excludes file. In an ignored directory everything is.
//! Source: gitignore(5).

use std::{
    collections::HashMap,
    io::Read,
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
    time::SystemTime,
};

use agent_ignore::{Rules, Sort, Verdict};
use rustix::fs::OFlags;

use crate::{
    fs::open_below,
    index::Index,
    model::{ObjectId, Stat},
    repository::{Source, SourceError},
};

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

/// A `.gitignore` and its rules.
#[derive(Debug)]
pub(super) struct Level {
    /// The file's stat, and when it was read; `None` for one that only the index has.
    seen: Option<(Stat, SystemTime)>,
    rules: Arc<Rules>,
}

/// Ignore files, by the directories that they are in.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// Those read by earlier scans.
    read: HashMap<Vec<u8>, Arc<Level>>,
    /// Those that are left out of the checkout, as the index has them.
    left_out: HashMap<Vec<u8>, (ObjectId, Arc<Level>)>,
}

impl Levels {
    /// Reads the `.gitignore` of an open directory, or takes what is known of it. One that is left
    /// out of the checkout counts where there is none.
    pub(super) fn read(&self, handle: BorrowedFd<'_>, directory: &[u8]) -> Option<Arc<Level>> {
        match open_below(handle, c".gitignore", OFlags::NONBLOCK) {
            Ok(file) => read_level(file, self.read.get(directory)),
            Err(_) => self.left_out(directory),
        }
    }

    /// What the index has of a `.gitignore` that is left out of the checkout.
    pub(super) fn left_out(&self, directory: &[u8]) -> Option<Arc<Level>> {
        self.left_out.get(directory).map(|(_, level)| Arc::clone(level))
    }

    /// Whether these are the rules that are kept of a directory.
    pub(super) fn has(&self, directory: &[u8], level: &Arc<Level>) -> bool {
        self.read.get(directory).is_some_and(|known| Arc::ptr_eq(known, level))
    }

    /// Keeps what was read for later scans while there is room.
    pub(super) fn keep(&mut self, directory: Vec<u8>, level: Arc<Level>) {
        let has_room = self.read.len() < MAX_KEPT || self.read.contains_key(&directory);
        if level.seen.is_some() && has_room {
            self.read.insert(directory, level);
        }
    }

    /// Forgets what was read.
    pub(super) fn clear(&mut self) {
        self.read.clear();
    }

    /// Looks for the ignore files that an index has and that are left out of the checkout.
    ///
    /// # Errors
    ///
    /// Those of the source, but for one that is missing or too large, which counts for nothing.
    pub(super) fn take_index(
        &mut self,
        index: &Index,
        source: &mut dyn Source,
    ) -> Result<(), SourceError> {
        let known = std::mem::take(&mut self.left_out);
        for entry in index.entries().filter(|entry| entry.skip_worktree && entry.stage == 0) {
            let Some(directory) = directory_of(entry.path) else { continue };
            let id = entry.version.id;
            let level = match known.get(directory) {
                Some((of, level)) if *of == id => Arc::clone(level),
                _ => match source.blob_up_to(id, MAX_BYTES)? {
                    Some(contents) => {
                        Arc::new(Level { seen: None, rules: Arc::new(compile(&contents)) })
                    }
                    None => continue,
                },
            };
            self.left_out.insert(directory.to_vec(), (id, level));
        }
        Ok(())
    }
}

/// The directory of a path that is a `.gitignore`.
fn directory_of(path: &[u8]) -> Option<&[u8]> {
    let rest = path.strip_suffix(b".gitignore")?;
    if rest.is_empty() { Some(rest) } else { rest.strip_suffix(b"/") }
}

fn read_level(file: OwnedFd, known: Option<&Arc<Level>>) -> Option<Arc<Level>> {
    let stat = Stat::of(&rustix::fs::fstat(&file).ok()?);
    if !stat.is_regular() || stat.size > MAX_BYTES {
        return None;
    }
    if let Some(known) = known
        && let Some((of, read_at)) = known.seen
        && of == stat
        && stat.is_settled_at(read_at)
    {
        return Some(Arc::clone(known));
    }
    let read_at = SystemTime::now();
    let mut contents = Vec::with_capacity(stat.size as usize + 1);
    std::fs::File::from(file).take(MAX_BYTES).read_to_end(&mut contents).ok()?;
    Some(Arc::new(Level { seen: Some((stat, read_at)), rules: Arc::new(compile(&contents)) }))
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
