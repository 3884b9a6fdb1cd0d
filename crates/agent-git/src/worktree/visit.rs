//! One directory of a walk: its entries of the index against its listing.

use std::{ffi::CStr, ops::Range, os::fd::BorrowedFd, sync::Arc};

use agent_ignore::Sort;
use rustix::{
    fs::{AtFlags, OFlags},
    io::Errno,
};

use super::{
    ScanError, Scene,
    compare::{Outcome, compare},
    excludes::{Judge, Scope},
    found::{Found, Suspect},
    nested,
    walk::{Handle, Ignored, Job, Walk},
};
use crate::{
    fs::{Kind, Lister, PASS},
    index::Index,
    model::{Mode, Stat},
};

/// Untracked names that are judged together, so that a directory of any size takes little memory.
const MAX_NEW: usize = 4096;

/// Visits directories, one after the other; one for each thread.
pub(super) struct Visitor<'a> {
    walk: &'a Walk<'a>,
    judge: Judge<'a>,
    lister: Lister,
    children: Vec<Child<'a>>,
    new: Names,
    jobs: Vec<Job>,
    found: Found,
}

/// A name in a directory that the index has.
struct Child<'a> {
    name: &'a [u8],
    entries: Range<usize>,
    /// Whether the entries are below the name, not the name itself.
    is_directory: bool,
    /// What the listing says is there.
    listed: Option<Kind>,
}

/// Names and what they are.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    kinds: Vec<(usize, Kind)>,
}

impl Names {
    fn push(&mut self, name: &[u8], kind: Kind) {
        self.bytes.extend_from_slice(name);
        self.kinds.push((self.bytes.len(), kind));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.kinds.clear();
    }
}

/// What is known of the directory at hand.
struct Here<'j> {
    job: &'j Job,
    /// The path with a slash at its end, empty for the root.
    prefix: Vec<u8>,
    handle: BorrowedFd<'j>,
    ignored: Ignored,
    /// The ignore files that hold in it; `None` before its own was looked for.
    scope: Option<Arc<Scope>>,
    /// What the listing has shown so far.
    has_git: bool,
    has_ignore: bool,
    is_nested: bool,
    parent: Option<Arc<Handle>>,
}

impl<'a> Visitor<'a> {
    pub(super) fn new(walk: &'a Walk<'a>) -> Self {
        Self {
            walk,
            judge: Judge::new(walk.scene.excludes),
            lister: Lister::new(),
            children: Vec::new(),
            new: Names::default(),
            jobs: Vec::new(),
            found: Found::default(),
        }
    }

    pub(super) fn into_found(self) -> Found {
        self.found
    }

    /// Looks at a directory, and leaves those in it to the walk.
    pub(super) fn visit(&mut self, job: Job) -> Result<(), ScanError> {
        let (handle, is_readable) = match self.walk.open(&job, OFlags::empty()) {
            Ok(handle) => (handle, true),
            Err(Errno::ACCESS) if !job.entries.is_empty() => {
                // What is tracked can be looked at even where nothing can be listed.
                match self.walk.open(&job, PASS) {
                    Ok(handle) => (handle, false),
                    Err(error) => return self.not_opened(&job, error),
                }
            }
            Err(error) => return self.not_opened(&job, error),
        };
        let handle = Arc::new(handle);
        // First the watch, then the listing: what is created in between is told.
        self.walk.scene.watching.watch(&job.path);
        children_of(self.walk.scene.index, &job, &mut self.children);
        let mut prefix = job.path.clone();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let mut here = Here {
            job: &job,
            prefix,
            handle: handle.as_fd(),
            ignored: job.ignored,
            scope: None,
            has_git: false,
            has_ignore: false,
            is_nested: false,
            parent: self.walk.may_keep_open().then(|| Arc::clone(&handle)),
        };
        let is_listed = is_readable && self.list(&mut here)?;
        self.judge_new(&mut here, true);
        if here.is_nested {
            self.found.nested.push(job.path.clone());
        }
        self.look_at_children(&mut here, is_listed)?;
        self.walk.push(&mut self.jobs);
        Ok(())
    }

    /// What an entry's file is when its directory could not be opened.
    fn not_opened(&mut self, job: &Job, error: Errno) -> Result<(), ScanError> {
        match error {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => {
                job.entries.clone().for_each(|position| self.compare(position, None));
                Ok(())
            }
            // Nothing can be said, so all is taken to be as it was; so does git.
            Errno::ACCESS | Errno::PERM => Ok(()),
            error => {
                let path = self.walk.scene.root.join(&job.path);
                Err(ScanError::failed(
                    format!("open `{}`", path.display()),
                    std::io::Error::from(error),
                ))
            }
        }
    }

    /// Lists the directory; whether all of it was listed.
    fn list(&mut self, here: &mut Here<'_>) -> Result<bool, ScanError> {
        let mut lister = std::mem::take(&mut self.lister);
        let listed = lister.list(here.handle, |name, kind| {
            self.listed(here, name, kind);
            !here.is_nested
        });
        self.lister = lister;
        match listed {
            Ok(()) => Ok(true),
            // It was removed meanwhile, or may not be listed.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
                ) =>
            {
                Ok(false)
            }
            Err(error) => {
                let path = self.walk.scene.root.join(&here.job.path);
                Err(ScanError::failed(format!("list `{}`", path.display()), error))
            }
        }
    }

    /// Takes in one name of the listing.
    fn listed(&mut self, here: &mut Here<'_>, name: &CStr, kind: Kind) {
        let name = name.to_bytes();
        if name == b".git" {
            here.has_git = true;
            return;
        }
        if name == b".gitignore" {
            here.has_ignore = true;
        }
        let kind = match kind {
            Kind::Unknown => match stat_below(here.handle, name) {
                Ok(Some(stat)) => stat.kind(),
                // It vanished, or nothing can be said.
                _ => return,
            },
            kind => kind,
        };
        let mut is_taken = false;
        let start = self.children.partition_point(|child| child.name < name);
        for child in self.children[start..].iter_mut().take_while(|child| child.name == name) {
            child.listed = Some(kind);
            is_taken |= match kind {
                Kind::Directory => child.is_directory || is_submodule(self.walk, child),
                _ => !child.is_directory,
            };
        }
        if !is_taken && matches!(kind, Kind::Directory | Kind::File | Kind::Link) {
            self.new.push(name, kind);
            if self.new.kinds.len() >= MAX_NEW {
                self.judge_new(here, false);
            }
        }
    }

    /// Decides about the untracked names gathered so far.
    fn judge_new(&mut self, here: &mut Here<'_>, is_all_listed: bool) {
        self.look_for_repository(here, is_all_listed);
        let scope = self.scope_of(here, is_all_listed);
        if let Ignored::NotUpTo(known) = here.ignored
            && !self.new.kinds.is_empty()
        {
            let is_ignored = self.judge.ignores_directory(&here.job.scope, &here.job.path, known);
            here.ignored =
                if is_ignored { Ignored::Yes } else { Ignored::NotUpTo(here.job.path.len()) };
        }
        let mut new = std::mem::take(&mut self.new);
        let mut start = 0;
        if here.is_nested {
            new.clear();
        }
        for &(end, kind) in &new.kinds {
            self.judge_one(here, &scope, &new.bytes[start..end], kind);
            start = end;
        }
        new.clear();
        self.new = new;
    }

    fn judge_one(&mut self, here: &mut Here<'_>, scope: &Arc<Scope>, name: &[u8], kind: Kind) {
        let is_directory = kind == Kind::Directory;
        let sort = if is_directory { Sort::Directory } else { Sort::Other };
        here.prefix.extend_from_slice(name);
        let path = here.prefix.clone();
        here.prefix.truncate(path.len() - name.len());
        if here.ignored == Ignored::Yes || self.judge.ignores(scope, &path, sort) {
            if is_directory {
                self.walk.scene.watching.unwatch_below(&path);
            }
            return;
        }
        if is_directory {
            self.jobs.push(Job {
                parent: here.parent.clone(),
                entries: 0..0,
                scope: Arc::clone(scope),
                ignored: Ignored::NotUpTo(path.len()),
                path,
            });
            return;
        }
        // It may have vanished or become something else.
        if let Ok(Some(stat)) = stat_below(here.handle, name)
            && stat.file_mode().is_some()
        {
            self.found.note_names(&path, &stat);
            self.found.untracked.push(path, stat);
        }
    }

    /// Whether a directory without tracked files is a repository of its own.
    fn look_for_repository(&mut self, here: &mut Here<'_>, is_all_listed: bool) {
        let path = &here.job.path;
        if path.is_empty() || !here.job.entries.is_empty() || here.is_nested {
            return;
        }
        if here.has_git || !is_all_listed {
            here.is_nested = nested::look(self.walk.scene, path, self.walk.nested.contains(path));
            here.has_git = false;
        }
        if here.is_nested {
            self.jobs.clear();
        }
    }

    /// The ignore files that hold in the directory, with its own.
    fn scope_of(&mut self, here: &mut Here<'_>, is_all_listed: bool) -> Arc<Scope> {
        if let Some(scope) = &here.scope {
            return Arc::clone(scope);
        }
        let job = here.job;
        let mut scope = Arc::clone(&job.scope);
        let level = if here.has_ignore || !is_all_listed {
            self.walk.levels.read(here.handle, &job.path)
        } else {
            self.walk.levels.left_out(&job.path)
        };
        if let Some(level) = level {
            scope = Scope::with(&scope, here.prefix.len(), &level);
            self.found.levels.push((job.path.clone(), level));
        }
        here.scope = Some(Arc::clone(&scope));
        scope
    }

    /// Compares what the index has with what is there.
    fn look_at_children(&mut self, here: &mut Here<'_>, is_listed: bool) -> Result<(), ScanError> {
        let scope = self.scope_of(here, true);
        let mut children = std::mem::take(&mut self.children);
        for child in children.drain(..) {
            // An index may have names that no listing has, and that lead elsewhere.
            let is_name = !matches!(child.name, b"" | b"." | b".." | b".git");
            let may_be_there = child.listed.is_some() || !is_listed && is_name;
            if child.is_directory {
                if may_be_there && child.listed.is_none_or(|kind| kind == Kind::Directory) {
                    let mut path = Vec::with_capacity(here.prefix.len() + child.name.len());
                    path.extend_from_slice(&here.prefix);
                    path.extend_from_slice(child.name);
                    self.jobs.push(Job {
                        path,
                        parent: here.parent.clone(),
                        entries: child.entries,
                        scope: Arc::clone(&scope),
                        ignored: here.ignored,
                    });
                } else {
                    child.entries.for_each(|position| self.compare(position, None));
                }
                continue;
            }
            let stat = if may_be_there { stat_below(here.handle, child.name) } else { Ok(None) };
            match stat {
                Ok(stat) => self.compare(child.entries.start, stat.as_ref()),
                // Nothing can be said, so it is taken to be as it was.
                Err(Errno::ACCESS | Errno::PERM) => {}
                Err(error) => {
                    let path = self.walk.scene.root.join(&here.prefix);
                    return Err(ScanError::failed(
                        format!("look at a file in `{}`", path.display()),
                        std::io::Error::from(error),
                    ));
                }
            }
        }
        self.children = children;
        Ok(())
    }

    fn compare(&mut self, position: usize, stat: Option<&Stat>) {
        let Scene { index, settings, .. } = self.walk.scene;
        let entry = index.at(position);
        stat.into_iter().for_each(|stat| self.found.note_names(entry.path, stat));
        match compare(&entry, stat, index.modified(), settings) {
            Outcome::Same => {}
            Outcome::Deleted => self.found.deleted.push(position),
            Outcome::Unsure => {
                let stat = *stat.expect("only what is there can be unsure");
                self.found.suspects.push(Suspect { position, stat });
            }
        }
    }
}

/// Stat of a name in a directory, a link's own; `None` when it is not there.
pub(super) fn stat_below(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Stat::of(&stat))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_submodule(walk: &Walk<'_>, child: &Child<'_>) -> bool {
    walk.scene.index.at(child.entries.start).version.mode == Mode::Submodule
}

/// Splits the entries below a directory by the names in it, and sorts them by these.
fn children_of<'a>(index: &'a Index, job: &Job, children: &mut Vec<Child<'a>>) {
    children.clear();
    let base = if job.path.is_empty() { 0 } else { job.path.len() + 1 };
    let mut at = job.entries.start;
    while at < job.entries.end {
        let path = index.path_at(at);
        let rest = &path[base..];
        let (name, is_directory, end) = match memchr::memchr(b'/', rest) {
            Some(slash) => {
                let prefix = &path[..base + slash + 1];
                let is_below = |position| index.path_at(position).starts_with(prefix);
                (&rest[..slash], true, end_of_run(at, job.entries.end, is_below))
            }
            None => {
                let is_same = |position| index.path_at(position) == path;
                (rest, false, end_of_run(at, job.entries.end, is_same))
            }
        };
        children.push(Child { name, entries: at..end, is_directory, listed: None });
        at = end;
    }
    // Nearly so already: the index sorts a directory as if its name ended with a slash.
    children.sort_by(|left, right| left.name.cmp(right.name));
}

/// Where positions from `start` on cease to belong to it, found in steps that double.
fn end_of_run(start: usize, end: usize, belongs: impl Fn(usize) -> bool) -> usize {
    let mut last = start;
    let mut step = 1;
    while last + step < end && belongs(last + step) {
        last += step;
        step *= 2;
    }
    let mut after = (last + step).min(end);
    while after - last > 1 {
        let middle = last + (after - last) / 2;
        if belongs(middle) {
            last = middle;
        } else {
            after = middle;
        }
    }
    after
}
