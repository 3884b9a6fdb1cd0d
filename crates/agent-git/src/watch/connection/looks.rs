//! From the paths of a connection to the repositories that it follows.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use agent_api::{
    AbsolutePath,
    limits::{MAX_GIT_PATHS, MAX_GIT_REPOSITORIES},
};

use super::{Connection, Repositories, Watched, notices::Causes};
use crate::{
    repository::Location,
    tracker::{Scope, State, Ticket},
};

/// More paths than this that wait for a look, many of them twice, are all paths: a client may ask
/// faster than the disk answers.
const MAX_WAITING: usize = 2 * MAX_GIT_PATHS;

/// Paths to be looked up.
#[derive(Debug)]
pub(in crate::watch) struct Look {
    number: u64,
    /// Whether it is about every path.
    pub(in crate::watch) is_whole: bool,
    pub(in crate::watch) paths: Vec<AbsolutePath>,
}

/// Which paths are to be looked up, and what was.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// Paths of the chat are not known yet; nothing is looked up before.
    pub(super) is_waiting: bool,
    pub(super) is_running: bool,
    /// Number of the last look that was asked for.
    pub(super) asked: u64,
    /// At most [`MAX_WAITING`].
    pub(super) paths: Vec<AbsolutePath>,
    pub(super) unresolved: bool,
    pub(super) all: bool,
    /// Number of the last look that was begun.
    pub(super) taken: u64,
}

impl Connection {
    /// Looks up again what leads to no repository.
    pub(in crate::watch) fn look_at_unresolved(&mut self) {
        self.looks.unresolved = true;
        self.looks.ask();
    }

    /// Looks up every path again.
    pub(in crate::watch) fn look_at_all(&mut self) {
        self.looks.all = true;
        self.looks.ask();
    }

    /// The paths that lead to no repository, in order.
    pub(in crate::watch) fn unresolved(&self) -> Vec<AbsolutePath> {
        let mut paths = self.paths.unresolved();
        paths.sort_unstable();
        paths
    }

    /// The next paths to look up, if any; the caller answers with [`Connection::looked`].
    pub(in crate::watch) fn take_look(&mut self) -> Option<Look> {
        let looks = &mut self.looks;
        if looks.is_waiting || looks.is_running || looks.taken == looks.asked {
            return None;
        }
        looks.is_running = true;
        looks.taken = looks.asked;
        let mut paths = std::mem::take(&mut looks.paths);
        let unresolved = std::mem::take(&mut looks.unresolved);
        let is_whole = std::mem::take(&mut looks.all);
        if is_whole {
            paths = self.paths.all();
        } else if unresolved {
            paths.extend(self.paths.unresolved());
        }
        Some(Look { number: self.looks.taken, is_whole, paths })
    }

    /// Takes the end of a look: for each path the repository that encloses it.
    pub(in crate::watch) fn looked(
        &mut self,
        look: &Look,
        found: Vec<Option<Location>>,
        repositories: &mut dyn Repositories,
    ) {
        self.looks.is_running = false;
        let mut begun = BTreeMap::new();
        let mut left = Vec::new();
        let mut is_over_limit = false;
        for (path, location) in look.paths.iter().zip(found) {
            let found = location.is_some();
            let followed =
                location.filter(|location| self.watch(location, repositories, &mut begun));
            is_over_limit |= found && followed.is_none();
            left.extend(self.paths.lead(path, followed.as_ref().map(|found| &*found.root)));
        }
        // A path may have been dropped while it was looked up, and a later one may lead back.
        left.extend(begun.keys().cloned());
        for root in left {
            if !self.paths.leads_to(&root) {
                begun.remove(&root);
                self.leave(&root, repositories);
            }
        }
        if !is_over_limit {
            self.notices.forget_limits();
        }
        self.requests.looked(look.number, &begun);
    }

    /// Follows a repository if it is not yet; answers false where it would be one too many.
    fn watch(
        &mut self,
        location: &Location,
        repositories: &mut dyn Repositories,
        begun: &mut BTreeMap<PathBuf, Ticket>,
    ) -> bool {
        let root = &location.root;
        if let Some(watched) = self.watched.get_mut(root) {
            watched.leaving = None;
            return true;
        }
        if self.watched.len() >= MAX_GIT_REPOSITORIES {
            self.notices.too_many_here();
            return false;
        }
        if let Err(why) = repositories.track(location) {
            self.notices.too_many_in_agent(why);
            return false;
        }
        // One that is back before its removal was told has just changed.
        let shown = self.gone.remove(root);
        let first = repositories.request(root, Scope::Changed);
        let causes = Causes::default();
        let watched = Watched { state: State::default(), first, shown, causes, leaving: None };
        self.watched.insert(root.clone(), watched);
        begun.insert(root.clone(), first);
        true
    }

    /// Lets go of a repository that no path leads to: it is elsewhere or gone, and only a scan can
    /// tell which.
    fn leave(&mut self, root: &Path, repositories: &mut dyn Repositories) {
        match self.watched.get_mut(root) {
            Some(watched) if watched.shown.is_some() => {
                watched.leaving = Some(repositories.request(root, Scope::Changed));
            }
            Some(_) => self.drop_silently(root, repositories),
            None => {}
        }
    }
}

impl Looks {
    /// Notes paths of the connection that are to be looked up.
    pub(super) fn add(&mut self, paths: impl IntoIterator<Item = AbsolutePath>) {
        for path in paths {
            if self.paths.len() >= MAX_WAITING {
                self.all = true;
            }
            if self.all {
                self.paths = Vec::new();
                return;
            }
            self.paths.push(path);
        }
    }

    /// Notes that something is to be looked up; answers the number of the look that will have.
    pub(super) fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }
}
