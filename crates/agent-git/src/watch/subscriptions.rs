//! The paths of one connection: who wants each, and which repository it leads to.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_api::AbsolutePath;

/// Who a path is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The client subscribed to it.
    Client,
    /// The chat's store has it.
    Store,
}

/// Paths by name, each from the client, the store, or both.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    paths: HashMap<AbsolutePath, Entry>,
    /// How many paths lead to each root.
    roots: HashMap<Arc<Path>, usize>,
    from_client: usize,
    from_store: usize,
}

#[derive(Debug, Default)]
struct Entry {
    is_client: bool,
    is_store: bool,
    leads_to: Option<Arc<Path>>,
}

impl Entry {
    fn flag(&mut self, from: From) -> &mut bool {
        match from {
            From::Client => &mut self.is_client,
            From::Store => &mut self.is_store,
        }
    }
}

impl Subscriptions {
    /// Notes a path; answers whether it was not there before from anybody.
    pub(super) fn add(&mut self, path: &AbsolutePath, from: From) -> bool {
        let count = self.count_mut(from);
        *count += 1;
        let is_new = !self.paths.contains_key(path);
        let entry = self.paths.entry(path.clone()).or_default();
        if std::mem::replace(entry.flag(from), true) {
            *self.count_mut(from) -= 1;
        }
        is_new
    }

    /// Drops a path of one of the two; answers the root that no path leads to any more.
    pub(super) fn remove(&mut self, path: &AbsolutePath, from: From) -> Option<PathBuf> {
        let entry = self.paths.get_mut(path)?;
        let was_there = std::mem::take(entry.flag(from));
        let is_over = !entry.is_client && !entry.is_store;
        if was_there {
            *self.count_mut(from) -= 1;
        }
        if !is_over {
            return None;
        }
        let root = self.paths.remove(path)?.leads_to?;
        self.leave(&root)
    }

    /// Notes where a path leads; answers the root that no path leads to any more.
    pub(super) fn lead(&mut self, path: &AbsolutePath, root: Option<&Path>) -> Option<PathBuf> {
        let entry = self.paths.get_mut(path)?;
        if entry.leads_to.as_deref() == root {
            return None;
        }
        let shared = root.map(|root| match self.roots.get_key_value(root) {
            Some((shared, _)) => Arc::clone(shared),
            None => Arc::from(root),
        });
        if let Some(shared) = &shared {
            *self.roots.entry(Arc::clone(shared)).or_default() += 1;
        }
        let before = std::mem::replace(&mut entry.leads_to, shared)?;
        self.leave(&before)
    }

    /// Forgets that paths lead to a root; answers them.
    pub(super) fn forget(&mut self, root: &Path) -> Vec<AbsolutePath> {
        self.roots.remove(root);
        let mut paths = Vec::new();
        for (path, entry) in &mut self.paths {
            if entry.leads_to.as_deref() == Some(root) {
                entry.leads_to = None;
                paths.push(path.clone());
            }
        }
        paths
    }

    /// Where a path leads; `None` also for one that is not here.
    pub(super) fn root_of(&self, path: &AbsolutePath) -> Option<&Path> {
        self.paths.get(path)?.leads_to.as_deref()
    }

    /// Whether any path leads to a root.
    pub(super) fn leads_to(&self, root: &Path) -> bool {
        self.roots.contains_key(root)
    }

    /// How many paths the client would have with these added.
    pub(super) fn client_paths_with(&self, paths: &[AbsolutePath]) -> usize {
        let is_new = |path: &&AbsolutePath| !self.paths.get(*path).is_some_and(|e| e.is_client);
        let added: std::collections::HashSet<_> = paths.iter().filter(is_new).collect();
        self.from_client + added.len()
    }

    /// How many paths are from the store.
    pub(super) fn store_paths(&self) -> usize {
        self.from_store
    }

    /// The paths from the store, in no order.
    pub(super) fn of_store(&self) -> Vec<AbsolutePath> {
        let of_store = self.paths.iter().filter(|(_, entry)| entry.is_store);
        of_store.map(|(path, _)| path.clone()).collect()
    }

    /// Every path, in no order.
    pub(super) fn all(&self) -> Vec<AbsolutePath> {
        self.paths.keys().cloned().collect()
    }

    /// The paths that lead to no repository, in no order.
    pub(super) fn unresolved(&self) -> Vec<AbsolutePath> {
        let unresolved = self.paths.iter().filter(|(_, entry)| entry.leads_to.is_none());
        unresolved.map(|(path, _)| path.clone()).collect()
    }

    fn leave(&mut self, root: &Path) -> Option<PathBuf> {
        let count = self.roots.get_mut(root)?;
        *count -= 1;
        let is_over = *count == 0;
        if is_over {
            self.roots.remove(root);
        }
        is_over.then(|| root.to_owned())
    }

    fn count_mut(&mut self, from: From) -> &mut usize {
        match from {
            From::Client => &mut self.from_client,
            From::Store => &mut self.from_store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    #[test]
    fn a_path_stays_while_client_or_store_want_it() {
        let mut paths = Subscriptions::default();
        assert!(paths.add(&path("/a"), From::Client));
        assert!(!paths.add(&path("/a"), From::Client));
        assert!(!paths.add(&path("/a"), From::Store));
        assert_eq!((paths.from_client, paths.from_store), (1, 1));
        assert_eq!(paths.client_paths_with(&[path("/a"), path("/b"), path("/b")]), 2);
        paths.lead(&path("/a"), Some(Path::new("/r")));
        assert_eq!(paths.remove(&path("/a"), From::Client), None);
        assert_eq!(paths.remove(&path("/a"), From::Client), None);
        assert_eq!((paths.from_client, paths.store_paths()), (0, 1));
        assert_eq!(paths.remove(&path("/a"), From::Store), Some("/r".into()));
        assert!(paths.all().is_empty() && paths.roots.is_empty());
    }

    #[test]
    fn a_root_is_left_with_the_last_path_that_leads_to_it() {
        let mut paths = Subscriptions::default();
        let (outer, inner) = (Path::new("/r"), Path::new("/r/in"));
        for text in ["/r/a", "/r/in/b"] {
            paths.add(&path(text), From::Client);
            assert_eq!(paths.lead(&path(text), Some(outer)), None);
        }
        assert_eq!(paths.lead(&path("/r/in/b"), Some(inner)), None);
        assert_eq!(paths.lead(&path("/r/in/b"), Some(inner)), None);
        assert_eq!(paths.root_of(&path("/r/in/b")), Some(inner));
        assert_eq!(paths.lead(&path("/r/a"), None), Some(outer.into()));
        assert_eq!(paths.unresolved(), [path("/r/a")]);
        assert_eq!(paths.forget(inner), [path("/r/in/b")]);
        assert_eq!(paths.lead(&path("/nowhere"), Some(inner)), None);
        assert!(paths.roots.is_empty());
    }
}
