//! One walk through all roots in the order of results, an entry at a time; it decides which
//! entries take part and does not look into them.
//!
//! A stack of directories, of which the top one is being listed:
//!
//! ```text
//! next entry ──► before the start? ──► filtered? ──► directory ──► push, list ──┐
//!     ▲               │ leave out          │ leave out   │ file, …              │
//!     └───────────────┴────────────────────┴─────────────┴── Step::Entry ◄──────┘
//! ```

use std::{cmp::Ordering, collections::VecDeque, os::fd::AsFd, sync::Arc};

use agent_api::{EntryKind, SkippedPath, io_text, limits::MAX_PATH_BYTES};
use agent_ignore::Sort;
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};

use super::{
    clock::Clock,
    entry::{Directory, Entry, Place, shown},
    globs::Share,
    ignore_files::{Refused, read_level},
    levels::{Level, is_ignored},
    listing::{Kinds, Listing, Wanted, open_below},
    position::{Position, Resume, split_first},
    roots::{Root, Roots},
    scope::Scope,
};

/// Entries between two looks at the clock.
const ENTRIES_PER_LOOK: u32 = 64;
/// Entries between two pauses.
const ENTRIES_PER_PAUSE: u32 = 4096;

/// What a walk comes by.
#[derive(Debug)]
pub(crate) enum Step {
    /// An entry that takes part.
    Entry(Entry),
    /// A file or directory that cannot be read.
    Skipped(SkippedPath),
    /// Nothing for a while, so that the caller can look whether the walk is still wanted.
    Pause,
    /// The time is over; everything before the position was walked. The last step.
    Expired(Position),
}

/// A walk.
#[derive(Debug)]
pub(crate) struct Walker<'a> {
    scope: &'a Scope,
    roots: Roots,
    wanted: Wanted,
    clock: Clock<'a>,
    /// Whether the clock is looked at only after the first entry.
    insist: bool,
    next_root: usize,
    start: Option<Position>,
    stack: Vec<Frame>,
    /// Steps found before their turn.
    ready: VecDeque<Step>,
    /// Real path of the directory on top of the stack, with a final slash.
    real: Vec<u8>,
    /// Bytes of `real` that belong to the root.
    real_root: usize,
    looks: u32,
    space: Vec<u8>,
    found: Vec<usize>,
}

/// A directory that is being walked.
#[derive(Debug)]
struct Frame {
    directory: Arc<Directory>,
    listing: Listing,
    next: usize,
    level: Option<Arc<Level>>,
    share: Share,
    /// Length of [`Walker::real`] while this frame is on top.
    real: usize,
    /// Where to begin, relative to this directory, while the walk is not past it.
    start: Option<(Vec<u8>, Option<Resume>)>,
}

impl<'a> Walker<'a> {
    /// Begins a walk at `start`, or at the first root.
    ///
    /// Entries of the `kinds` are its steps. A walk with a start comes to at least one entry, if
    /// there is one left, before it looks at the clock, and then to more as long as time is left.
    pub(crate) fn new(
        scope: &'a Scope,
        roots: Roots,
        kinds: Kinds,
        start: Option<Position>,
        clock: Clock<'a>,
    ) -> Self {
        // What lies above the roots is told by the first page alone.
        let told = if start.is_some() { &[][..] } else { &roots.skipped };
        let ready = told.iter().cloned().map(Step::Skipped).collect();
        Self {
            scope,
            wanted: Wanted { kinds, hidden: scope.hidden },
            clock,
            insist: start.is_some(),
            next_root: start.as_ref().map_or(0, |start| start.root),
            start,
            stack: Vec::new(),
            ready,
            roots,
            real: Vec::new(),
            real_root: 0,
            looks: 0,
            space: Vec::new(),
            found: Vec::new(),
        }
    }

    /// The next step; `None` after the last one.
    pub(crate) fn step(&mut self) -> Option<Step> {
        for _ in 0..ENTRIES_PER_PAUSE {
            if let Some(step) = self.ready.pop_front() {
                self.insist &= !matches!(step, Step::Entry(_));
                return Some(step);
            }
            if self.is_expired() {
                let position = self.position();
                self.stack.clear();
                self.next_root = self.roots.all.len();
                return position.map(Step::Expired);
            }
            match self.stack.pop() {
                Some(frame) => self.advance(frame),
                None if self.next_root < self.roots.all.len() => self.enter_root(),
                None => return None,
            }
        }
        Some(Step::Pause)
    }

    fn is_expired(&mut self) -> bool {
        self.looks += 1;
        if self.looks < ENTRIES_PER_LOOK && !self.stack.is_empty() {
            return false;
        }
        self.looks = 0;
        if self.insist { self.clock.patient().is_over() } else { self.clock.is_over() }
    }

    /// The place of the walk; `None` at its end.
    fn position(&self) -> Option<Position> {
        let Some(frame) = self.stack.last() else {
            let more = self.next_root < self.roots.all.len();
            return more.then(|| Position::start_of(self.next_root));
        };
        let directory = &frame.directory;
        let root = directory.root.index;
        if let Some((rest, resume)) = &frame.start {
            return Some(Position { root, path: directory.path_of(rest), resume: *resume });
        }
        let last = frame.next.checked_sub(1).and_then(|last| frame.listing.get(last));
        let path = match last {
            Some((name, _)) => directory.path_of(name),
            None => directory.path.clone(),
        };
        Some(Position { root, path, resume: None })
    }

    fn enter_root(&mut self) {
        let root = Arc::clone(&self.roots.all[self.next_root]);
        let start = self.start.take().filter(|start| start.root == root.index);
        self.next_root += 1;
        if root.is_repeated(self.scope) {
            return;
        }
        if root.kind != EntryKind::Directory {
            let resume = start.and_then(|start| start.resume);
            let kind = root.kind;
            if self.wanted.kinds.contains(kind) {
                let entry = Entry { place: Place::Root(root), kind, resume };
                self.ready.push_back(Step::Entry(entry));
            }
            return;
        }
        self.real.clear();
        self.real.extend_from_slice(&root.real);
        if !self.real.is_empty() {
            self.real.push(b'/');
        }
        self.real_root = self.real.len();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(CWD, root.path.as_path(), flags, Mode::empty());
        let directory =
            opened.map(|handle| Directory { root: Arc::clone(&root), path: Vec::new(), handle });
        let start = start.map(|start| (start.path, start.resume));
        let start = start.filter(|(path, _)| !path.is_empty());
        let level = root.above.clone();
        match directory {
            Ok(directory) => self.push(directory, level, self.scope.globs.share_of_root(), start),
            Err(error) => self.skip(root.path.to_string(), error),
        }
    }

    /// Lists a directory and puts it on the stack; `self.real` is its path already.
    fn push(
        &mut self,
        directory: Directory,
        level: Option<Arc<Level>>,
        share: Share,
        start: Option<(Vec<u8>, Option<Resume>)>,
    ) {
        let (listing, failure) =
            Listing::read(directory.handle.as_fd(), self.wanted, &mut self.space);
        // A directory that was removed since it was opened is gone like any other entry
        // (getdents(2)), and no failure.
        if let Some(error) = failure.filter(|error| *error != Errno::NOENT) {
            self.skip(shown(&directory.root.path, &directory.path), error);
        }
        let marks = listing.marks;
        let level = if self.scope.no_ignore || marks == Default::default() {
            level
        } else {
            let mut refused = Vec::new();
            let handle = directory.handle.as_fd();
            let level = read_level(handle, marks, level, self.real.len(), &mut refused);
            for Refused { name, reason } in refused {
                let path = shown(&directory.root.path, &directory.path_of(name.as_bytes()));
                self.ready.push_back(Step::Skipped(SkippedPath { path, reason }));
            }
            level
        };
        let next = start.as_ref().map_or(0, |(path, _)| listing.first_from(split_first(path).0));
        let (directory, real) = (Arc::new(directory), self.real.len());
        self.stack.push(Frame { directory, listing, next, level, share, real, start });
    }

    /// Handles the next entry of the directory that was on top of the stack.
    fn advance(&mut self, mut frame: Frame) {
        self.real.truncate(frame.real);
        let Some((name, kind)) = frame.listing.get(frame.next) else {
            return;
        };
        frame.next += 1;
        let is_directory = kind == EntryKind::Directory;
        let sort = if is_directory { Sort::Directory } else { Sort::Other };
        let place = begin(&mut frame.start, name, sort);
        if place == Start::Before || is_directory && name == b".git" {
            self.stack.push(frame);
            return;
        }
        self.real.extend_from_slice(name);
        if is_ignored(frame.level.as_ref(), &self.real, sort, &mut self.found) {
            self.stack.push(frame);
            return;
        }
        let path = &self.real[self.real_root..];
        let globs = &self.scope.globs;
        let share = match sort {
            Sort::Directory => globs.share_of_directory(path, frame.share, &mut self.found),
            Sort::Other if globs.takes(path, sort, frame.share, &mut self.found) => Share::All,
            Sort::Other => Share::None,
        };
        let root = &frame.directory.root;
        let reported = share == Share::All
            && self.wanted.kinds.contains(kind)
            && !matches!(place, Start::On { .. })
            && !root.is_repeated_below(path, sort, self.scope);
        if reported {
            let resume = match place {
                Start::In(resume) => Some(resume),
                _ => None,
            };
            let place = Place::Below(Arc::clone(&frame.directory), name.into());
            self.ready.push_back(Step::Entry(Entry { place, kind, resume }));
        }
        if !is_directory || share == Share::None || self.is_left_out(path, root) {
            self.stack.push(frame);
            return;
        }
        let start = match place {
            Start::On { rest } => rest,
            _ => None,
        };
        self.enter(frame, start, share);
    }

    /// Whether an earlier root reported all that is below a directory.
    fn is_left_out(&self, path: &[u8], root: &Root) -> bool {
        self.scope.globs.is_empty() && root.is_repeated_from(path)
    }

    /// Opens the directory whose name was just added to `self.real`.
    fn enter(&mut self, frame: Frame, start: Option<(Vec<u8>, Option<Resume>)>, share: Share) {
        let name = &self.real[frame.real..];
        let path = frame.directory.path_of(name);
        let root = Arc::clone(&frame.directory.root);
        let opened = if root.path.as_str().len() + path.len() < MAX_PATH_BYTES {
            open_below(frame.directory.handle.as_fd(), name)
        } else {
            // No client could name what is inside.
            Err(Errno::NAMETOOLONG)
        };
        let level = frame.level.clone();
        self.stack.push(frame);
        match opened {
            Ok(handle) => {
                self.real.push(b'/');
                self.push(Directory { root, path, handle }, level, share, start);
            }
            // It is gone, or no directory any more.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => self.skip(shown(&root.path, &path), error),
        }
    }

    fn skip(&mut self, path: String, error: Errno) {
        let reason = io_text(&error.into());
        self.ready.push_back(Step::Skipped(SkippedPath { path, reason }));
    }
}

/// Where an entry stands to the start of the walk.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// It comes before the start, and so does all below it.
    Before,
    /// It is a directory on the way to the start: done itself, and walked from `rest` on.
    On { rest: Option<(Vec<u8>, Option<Resume>)> },
    /// It is the file in which the walk begins.
    In(Resume),
    /// It comes after the start.
    After,
}

/// Compares an entry of a directory with the place in it where the walk begins.
fn begin(start: &mut Option<(Vec<u8>, Option<Resume>)>, name: &[u8], sort: Sort) -> Start {
    let Some((path, resume)) = start.take() else {
        return Start::After;
    };
    let (first, rest) = split_first(&path);
    match (name.cmp(first), sort) {
        (Ordering::Greater, _) => Start::After,
        (Ordering::Less, _) => {
            *start = Some((path, resume));
            Start::Before
        }
        (Ordering::Equal, Sort::Directory) => {
            let rest = (!rest.is_empty()).then(|| (rest.to_vec(), resume));
            Start::On { rest }
        }
        (Ordering::Equal, Sort::Other) => match resume {
            Some(resume) if rest.is_empty() => Start::In(resume),
            _ => Start::Before,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_begins_where_another_ended() {
        let inside = Resume { line: 3, offset: 30, version: None };
        let on = |rest: &str, resume| Start::On { rest: Some((rest.into(), resume)) };
        let cases = [
            ("b/c", None, "a", Sort::Other, Start::Before),
            ("b/c", None, "a", Sort::Directory, Start::Before),
            ("b/c", None, "b", Sort::Directory, on("c", None)),
            ("b/c", None, "b", Sort::Other, Start::Before),
            ("b/c", None, "c", Sort::Other, Start::After),
            ("b", None, "b", Sort::Other, Start::Before),
            ("b", None, "b", Sort::Directory, Start::On { rest: None }),
            ("b", Some(inside), "b", Sort::Other, Start::In(inside)),
            ("b/c", Some(inside), "b", Sort::Directory, on("c", Some(inside))),
            ("b/c", Some(inside), "b", Sort::Other, Start::Before),
        ];
        for (path, resume, name, sort, expected) in cases {
            let mut start = Some((path.as_bytes().to_vec(), resume));
            assert_eq!(begin(&mut start, name.as_bytes(), sort), expected, "{path} and {name}");
            assert_eq!(start.is_some(), expected == Start::Before && name < "b", "{path}");
        }
    }
}
