//! Looking again at a few paths: what events told, or what the index says otherwise now.
//!
//! The cost is that of the paths, whatever the size of the work tree. A path that is a directory
//! is walked; one that is below something that is walked is not looked at twice.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ops::Bound,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::SystemTime,
};

use agent_ignore::Sort;
use rustix::fs::OFlags;

use super::{
    Look, ScanError, Scene, WorkTree,
    compare::{Outcome, compare},
    excludes::{Judge, Level, Levels, Scope},
    found::{Found, MAX_UNTRACKED, Suspect},
    nested,
    walk::{self, Ignored, Job},
};
use crate::{
    fs::{PASS, open_below},
    index::{Entry, Index},
    model::{Mode, Stat},
};

impl WorkTree {
    /// Looks at these paths: files and directories that appeared, vanished, or were changed; and
    /// at files that changed through another of their names.
    ///
    /// A `.gitignore` stands for its directory, something in a `.git` for the directory that holds
    /// it, unless that is the root. The empty path is the whole work tree.
    ///
    /// # Errors
    ///
    /// As [`WorkTree::scan_all`].
    pub(crate) fn scan_paths(
        &mut self,
        look: &mut Look<'_>,
        paths: &HashSet<Vec<u8>>,
    ) -> Result<(), ScanError> {
        let mut targets = Targets::default();
        for path in paths {
            match outside_git(path) {
                Some(b"") if path.is_empty() => targets.is_all = true,
                Some(b"") => {}
                Some(directory) => _ = targets.paths.insert(directory.to_vec()),
                None => targets.add(path, self),
            }
        }
        if !self.links.are_too_many() {
            self.links.changed(look.root, |_| true).for_each(|path| targets.add(path, self));
        }
        self.look_at(look, targets)
    }

    /// Looks at the entries that came, went or changed when another index took the place of `old`.
    ///
    /// # Errors
    ///
    /// As [`WorkTree::scan_all`].
    pub(crate) fn index_replaced(
        &mut self,
        old: &Index,
        look: &mut Look<'_>,
    ) -> Result<(), ScanError> {
        let was_complete = std::mem::take(&mut self.is_complete);
        self.levels.take_index(look.index, look.source)?;
        self.is_complete = was_complete;
        let is_left_out =
            |index: &Index, path| index.get(path).is_some_and(|entry| entry.skip_worktree);
        let mut targets = Targets::default();
        let mut seen: &[u8] = b"\0";
        let mut changed = 0;
        for path in differences(old, look.index) {
            changed += 1;
            // Past this the walk is the cheaper way.
            if changed > look.index.len() / 4 + 1000 {
                targets.is_all = true;
                break;
            }
            targets.paths.insert(path.to_vec());
            let parent = parent_of(path);
            // The index's rules count where the file is left out of the checkout.
            if name_of(path) == b".gitignore"
                && (is_left_out(old, path) || is_left_out(look.index, path))
            {
                targets.add(path, self);
            }
            if parent != seen {
                seen = parent;
                // A directory that has its first entries may have been ignored or a repository of
                // its own; one that lost its last entries may be so now.
                let has = |index: &Index, directory| !index.positions(directory).is_empty();
                let other = ancestors(path).find(|it| has(old, it) != has(look.index, it));
                targets.paths.extend(other.map(<[u8]>::to_vec));
            }
        }
        self.look_at(look, targets)
    }

    /// Looks at what is checked out in each submodule.
    ///
    /// # Errors
    ///
    /// As [`WorkTree::scan_all`].
    pub(crate) fn scan_submodules(&mut self, look: &mut Look<'_>) -> Result<(), ScanError> {
        let submodules = look.index.entries().filter(|entry| entry.version.mode == Mode::Submodule);
        let paths = submodules.map(|entry| entry.path.to_vec()).collect();
        self.look_at(look, Targets { paths, ..Targets::default() })
    }

    fn look_at(&mut self, look: &mut Look<'_>, targets: Targets) -> Result<(), ScanError> {
        let is_bounded = self.left_out == 0 && !self.links.are_too_many();
        if targets.is_all || !self.is_complete || !is_bounded {
            return self.scan_all(look);
        }
        self.was_whole = false;
        if targets.paths.is_empty() && targets.directories.is_empty() {
            return Ok(());
        }
        self.is_complete = false;
        let began = SystemTime::now();
        let links = self.links.clone();
        let mut round = Round::new(look.scene());
        round.directories = targets.directories;
        for path in &targets.paths {
            round.scene.check()?;
            if !round.is_covered(path) {
                self.look_at_one(&mut round, path)?;
            }
        }
        let jobs = self.jobs(&mut round);
        let walked = walk::walk(look.scene(), &self.levels, &round.ended, jobs)?;
        let mut found = round.found;
        found.merge(walked);

        self.take_deleted(look.index, &found.deleted);
        let verified = self.contents.verify(look, &found.suspects)?;
        self.take_verified(look.index, verified);
        self.nested.extend(std::mem::take(&mut found.nested));
        let (files, left_out) = std::mem::take(&mut found.untracked).into_files();
        self.untracked.extend(files);
        // A new name means another one, which may be a path that nothing was told of.
        let has_new_link = found.linked.iter().any(|(path, stat)| !links.has(path, stat));
        self.links.extend(std::mem::take(&mut found.linked), began);
        self.take_levels(found);
        self.is_complete = true;
        if has_new_link || left_out > 0 || self.untracked.len() > MAX_UNTRACKED {
            return self.scan_all(look);
        }
        Ok(())
    }

    fn look_at_one(&mut self, round: &mut Round<'_>, path: &[u8]) -> Result<(), ScanError> {
        let scene = round.scene;
        match self.owner_of(scene.index, path) {
            Owner::WorkTree => {}
            Owner::Nested => return Ok(()),
            Owner::Submodule(submodule) => return round.compare_at(self, submodule),
        }
        let Some(stat) = round.stat(path)? else {
            return Ok(());
        };
        self.links.remove(path);
        let own = scene.index.positions_of(path);
        let below = scene.index.positions(path);
        let is_directory = stat.is_some_and(|stat| stat.is_directory());
        let is_submodule =
            !own.is_empty() && scene.index.at(own.start).version.mode == Mode::Submodule;
        if own.is_empty() {
            self.contents.forget(path);
            self.tracked.remove(path);
        } else {
            self.untracked.remove(path);
            round.compare(self, own.start, stat.as_ref());
        }
        if is_directory && !is_submodule {
            let is_known = self.nested.contains(path) && below.is_empty();
            if !(is_known && nested::look(scene, path, false)) {
                self.untracked.remove(path);
                round.directories.insert(path.to_vec());
            }
            return Ok(());
        }
        // Whatever was below is no more.
        self.forget_below(round, path);
        scene.watching.unwatch_below(path);
        below.for_each(|position| round.compare(self, position, None));
        if own.is_empty() {
            match stat.filter(|stat| stat.file_mode().is_some()) {
                Some(stat) if !round.ignores(&self.levels, path, Sort::Other) => {
                    round.found.note_names(path, &stat);
                    self.untracked.insert(path.to_vec(), stat);
                }
                _ => _ = self.untracked.remove(path),
            }
        }
        Ok(())
    }

    /// Makes jobs of the directories that are to be walked, and forgets what was known of them.
    fn jobs(&mut self, round: &mut Round<'_>) -> Vec<Job> {
        let mut jobs = Vec::new();
        for path in std::mem::take(&mut round.directories) {
            if ancestors(&path).any(|above| round.walked.contains(above)) {
                continue;
            }
            let owner = self.owner_of(round.scene.index, &path);
            let is_here = round
                .scene
                .root
                .stat(&path)
                .is_ok_and(|stat| stat.is_none_or(|stat| stat.is_directory()));
            if !matches!(owner, Owner::WorkTree) || !is_here {
                continue;
            }
            self.forget_below(round, &path);
            let entries = round.scene.index.positions(&path);
            let is_ignored = round.ignores(&self.levels, &path, Sort::Directory);
            if is_ignored && entries.is_empty() {
                round.scene.watching.unwatch_below(&path);
                continue;
            }
            let scope = round.surroundings(&self.levels, parent_of(&path)).scope;
            let ignored = if is_ignored { Ignored::Yes } else { Ignored::NotUpTo(path.len()) };
            round.walked.insert(path.clone());
            jobs.push(Job { path, parent: None, entries, scope, ignored });
        }
        jobs
    }

    /// Who looks after a path, by the directories above it.
    fn owner_of(&self, index: &Index, path: &[u8]) -> Owner {
        for above in ancestors(path) {
            if self.nested.contains(above) {
                return Owner::Nested;
            }
            let own = index.positions_of(above);
            if !own.is_empty() && index.at(own.start).version.mode == Mode::Submodule {
                return Owner::Submodule(own.start);
            }
        }
        Owner::WorkTree
    }

    /// Forgets everything below a path, and that the path is a repository of its own.
    fn forget_below(&mut self, round: &mut Round<'_>, path: &[u8]) {
        let first = [path, b"/"].concat();
        let after = [path, b"0"].concat();
        let range = || (Bound::Included(first.as_slice()), Bound::Excluded(after.as_slice()));
        let keys = |found: Vec<&Vec<u8>>| found.into_iter().cloned().collect::<Vec<_>>();
        for gone in keys(self.tracked.range::<[u8], _>(range()).map(|it| it.0).collect()) {
            self.tracked.remove(&gone);
        }
        for gone in keys(self.untracked.range::<[u8], _>(range()).map(|it| it.0).collect()) {
            self.untracked.remove(&gone);
        }
        self.links.remove_range(range());
        let mut ended = keys(self.nested.range::<[u8], _>(range()).collect());
        ended.extend(self.nested.contains(path).then(|| path.to_vec()));
        for gone in ended {
            self.nested.remove(&gone);
            round.ended.insert(gone);
        }
    }
}

/// What is to be looked at.
#[derive(Debug, Default)]
struct Targets {
    is_all: bool,
    paths: BTreeSet<Vec<u8>>,
    /// To be walked, whatever happened to themselves.
    directories: BTreeSet<Vec<u8>>,
}

impl Targets {
    fn add(&mut self, path: &[u8], known: &WorkTree) {
        let parent = parent_of(path);
        match &path[path.len() - name_of(path).len()..] {
            b".gitignore" if parent.is_empty() => self.is_all = true,
            b".gitignore" => _ = self.directories.insert(parent.to_vec()),
            b".gitattributes" => {
                // The same contents may be stored in another way now.
                let read = known.contents.paths().chain(known.tracked.keys().map(Vec::as_slice));
                let concerned = read.filter(|path| is_below(path, parent));
                self.paths.extend(concerned.map(<[u8]>::to_vec));
                self.paths.insert(path.to_vec());
            }
            _ => _ = self.paths.insert(path.to_vec()),
        }
    }
}

/// Who looks after a path.
enum Owner {
    WorkTree,
    /// A repository of its own.
    Nested,
    /// The one of this entry.
    Submodule(usize),
}

/// What holds in a directory.
#[derive(Clone, Debug)]
struct Surroundings {
    /// The ignore files of the directory and of those above it.
    scope: Arc<Scope>,
    is_ignored: bool,
}

/// One look at some paths.
struct Round<'a> {
    scene: Scene<'a>,
    judge: Judge<'a>,
    directories: BTreeSet<Vec<u8>>,
    walked: BTreeSet<Vec<u8>>,
    surroundings: HashMap<Vec<u8>, Surroundings>,
    /// What was a repository of its own, and is forgotten.
    ended: BTreeSet<Vec<u8>>,
    found: Found,
}

impl<'a> Round<'a> {
    fn new(scene: Scene<'a>) -> Self {
        Self {
            scene,
            judge: Judge::new(scene.excludes),
            directories: BTreeSet::new(),
            walked: BTreeSet::new(),
            surroundings: HashMap::new(),
            ended: BTreeSet::new(),
            found: Found::default(),
        }
    }

    /// Whether a directory above a path will be walked.
    fn is_covered(&self, path: &[u8]) -> bool {
        !self.directories.is_empty()
            && ancestors(path).any(|above| self.directories.contains(above))
    }

    /// Stat of a path; no answer where nothing can be said and all is taken to be as it was.
    #[expect(clippy::option_option, reason = "no answer is not the answer that nothing is there")]
    fn stat(&self, path: &[u8]) -> Result<Option<Option<Stat>>, ScanError> {
        // What an index says to be in a git directory is no file of the work tree.
        if outside_git(path).is_some_and(|_| !path.is_empty()) {
            return Ok(Some(None));
        }
        match self.scene.root.stat(path) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => {
                let path = self.scene.root.join(path);
                Err(ScanError::failed(format!("look at `{}`", path.display()), error))
            }
        }
    }

    fn compare_at(&mut self, known: &mut WorkTree, position: usize) -> Result<(), ScanError> {
        if let Some(stat) = self.stat(self.scene.index.path_at(position))? {
            self.compare(known, position, stat.as_ref());
        }
        Ok(())
    }

    fn compare(&mut self, known: &mut WorkTree, position: usize, stat: Option<&Stat>) {
        let entry: Entry<'_> = self.scene.index.at(position);
        stat.into_iter().for_each(|stat| self.found.note_names(entry.path, stat));
        match compare(&entry, stat, self.scene.index.modified(), self.scene.settings) {
            Outcome::Same => {
                known.tracked.remove(entry.path);
                known.contents.forget(entry.path);
            }
            Outcome::Deleted => self.found.deleted.push(position),
            Outcome::Unsure => {
                let stat = *stat.expect("only what is there can be unsure");
                self.found.suspects.push(Suspect { position, stat });
            }
        }
    }

    /// Whether an untracked path is ignored, or is in a directory that is.
    fn ignores(&mut self, levels: &Levels, path: &[u8], sort: Sort) -> bool {
        let surroundings = self.surroundings(levels, parent_of(path));
        surroundings.is_ignored || self.judge.ignores(&surroundings.scope, path, sort)
    }

    /// What holds in a directory, by the ignore files that are there now.
    fn surroundings(&mut self, levels: &Levels, directory: &[u8]) -> Surroundings {
        if let Some(known) = self.surroundings.get(directory) {
            return known.clone();
        }
        let mut scope = Arc::default();
        let mut is_ignored = false;
        let mut at: Option<OwnedFd> = None;
        let above = ancestors(directory).chain([directory].into_iter().filter(|it| !it.is_empty()));
        for path in [b"".as_slice()].into_iter().chain(above) {
            if !path.is_empty() {
                is_ignored |= self.judge.ignores(&scope, path, Sort::Directory);
                let parent = at.as_ref().map_or(self.scene.root.as_fd(), |it| it.as_fd());
                let flags = PASS | OFlags::DIRECTORY;
                let Ok(open) = open_below(parent, name_of(path), flags) else { break };
                at = Some(open);
            }
            if is_ignored {
                break;
            }
            let handle = at.as_ref().map_or(self.scene.root.as_fd(), |it| it.as_fd());
            if let Some(level) = self.level(levels, handle, path) {
                let base = if path.is_empty() { 0 } else { path.len() + 1 };
                scope = Scope::with(&scope, base, &level);
            }
        }
        let found = Surroundings { scope, is_ignored };
        self.surroundings.insert(directory.to_vec(), found.clone());
        found
    }

    fn level(
        &mut self,
        levels: &Levels,
        handle: BorrowedFd<'_>,
        directory: &[u8],
    ) -> Option<Arc<Level>> {
        let level = levels.read(handle, directory)?;
        if !levels.has(directory, &level) {
            self.found.levels.push((directory.to_vec(), Arc::clone(&level)));
        }
        Some(level)
    }
}

/// The directories above a path, without the root, from the top down.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b'/', path).map(|slash| &path[..slash])
}

fn parent_of(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', path).map_or(b"", |slash| &path[..slash])
}

fn name_of(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..])
}

fn is_below(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty()
        || (path.starts_with(directory) && path.get(directory.len()) == Some(&b'/'))
}

/// The directory that holds the first `.git` of a path; `None` without one. The empty path is
/// its own.
fn outside_git(path: &[u8]) -> Option<&[u8]> {
    if path.is_empty() {
        return Some(path);
    }
    let mut start = 0;
    for component in path.split(|byte| *byte == b'/') {
        if component == b".git" {
            return Some(&path[..start.max(1) - 1]);
        }
        start += component.len() + 1;
    }
    None
}

/// The paths of which two indexes have not the same entries, in order, each at least once.
fn differences<'a>(old: &'a Index, new: &'a Index) -> impl Iterator<Item = &'a [u8]> {
    let mut old = old.entries().peekable();
    let mut new = new.entries().peekable();
    std::iter::from_fn(move || {
        loop {
            let key = |entry: &Entry<'a>| (entry.path, entry.stage);
            let order = match (old.peek(), new.peek()) {
                (None, None) => return None,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(old), Some(new)) => key(old).cmp(&key(new)),
            };
            let gone = if order.is_le() { old.next() } else { None };
            let come = if order.is_ge() { new.next() } else { None };
            if gone != come {
                return gone.or(come).map(|entry| entry.path);
            }
        }
    })
}
