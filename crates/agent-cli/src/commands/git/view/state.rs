//! What the live view knows and where in it a person is; not how that is laid out.

use std::collections::BTreeMap;

use agent_sdk::api::{GitChanges, GitNotice, Repository, RepositoryChange, Timestamp};

use super::{super::diff::Reader, keys::Motion};
use crate::palette::Part;

/// Everything that the view shows.
#[derive(Debug, Default)]
pub(super) struct View {
    repositories: BTreeMap<String, Shown>,
    /// Root of the repository whose files are shown; of one that is there, if any is.
    selected: String,
    pub(super) link: Link,
    /// When the last scan began that found something.
    pub(super) changed_at: Option<Timestamp>,
    /// The last thing that is to be known beside the repositories.
    pub(super) notice: Option<String>,
    /// Whether an answer to a refresh is due.
    pub(super) is_refreshing: bool,
}

/// The state of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Link {
    /// What is shown is what there is.
    #[default]
    Live,
    /// It was lost, and is made anew.
    Lost,
}

/// A repository, and how far its files and its diff are scrolled.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) repository: Repository,
    /// Where each line of the diff begins, and what it is; kept so that a frame costs no more than
    /// the lines it shows.
    lines: Vec<(usize, Option<Part>)>,
    top: usize,
}

impl View {
    /// Takes what the agent found.
    pub(super) fn change(&mut self, changes: GitChanges) {
        (self.link, self.is_refreshing) = (Link::Live, false);
        if !changes.repositories.is_empty() {
            self.changed_at = Some(changes.scanned_at);
        }
        for change in changes.repositories {
            match change {
                RepositoryChange::Removed(removed) => {
                    self.remove(&removed.repo_root);
                    self.notice = Some(format!("{} is gone", removed.repo_root));
                }
                RepositoryChange::Snapshot(repository) => self.show(*repository),
            }
        }
    }

    /// Takes what works less well than it should.
    pub(super) fn notice(&mut self, notice: GitNotice) {
        self.notice = Some(match notice.repo_root {
            Some(root) => format!("{root}: {}", notice.message),
            None => notice.message,
        });
    }

    /// Takes it whether there is a connection; a request on a lost one is made again on the next.
    pub(super) fn linked(&mut self, is_there: bool) {
        self.link = if is_there { Link::Live } else { Link::Lost };
    }

    /// The repositories in the order of their roots.
    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = &Repository> {
        self.repositories.values().map(|shown| &shown.repository)
    }

    /// The place of the selected one among them.
    pub(super) fn position(&self) -> usize {
        self.repositories.range(..self.selected.clone()).count()
    }

    /// The one whose files are shown.
    pub(super) fn selected(&self) -> Option<&Shown> {
        self.repositories.get(&self.selected)
    }

    /// Selects another repository: the next one, or the one before, in a circle.
    pub(super) fn turn(&mut self, is_forward: bool) {
        let count = self.repositories.len();
        let step = if is_forward { 1 } else { count.saturating_sub(1) };
        let next = (self.position() + step).checked_rem(count);
        if let Some(root) = next.and_then(|next| self.repositories.keys().nth(next)) {
            self.selected.clone_from(root);
        }
    }

    /// Scrolls what is shown in so many rows.
    pub(super) fn scroll(&mut self, motion: Motion, rows: usize) {
        let Some(shown) = self.repositories.get_mut(&self.selected) else { return };
        let (last, page) = (shown.rows().saturating_sub(rows), rows.saturating_sub(1).max(1));
        let top = shown.top.min(last);
        shown.top = match motion {
            Motion::Line(true) => top + 1,
            Motion::Line(false) => top.saturating_sub(1),
            Motion::Page(true) => top + page,
            Motion::Page(false) => top.saturating_sub(page),
            Motion::End(true) => last,
            Motion::End(false) => 0,
        }
        .min(last);
    }

    fn show(&mut self, repository: Repository) {
        let root = repository.repo_root.clone();
        if self.repositories.is_empty() {
            self.selected.clone_from(&root);
        }
        let shown = self.repositories.entry(root).or_default();
        shown.lines = index(repository.unified_diff.as_deref().unwrap_or_default());
        shown.repository = repository;
    }

    fn remove(&mut self, root: &str) {
        self.repositories.remove(root);
        if self.selected == root {
            let after = self.repositories.range(root.to_owned()..).next();
            let neighbor = after.or_else(|| self.repositories.last_key_value());
            self.selected = neighbor.map(|(root, _)| root.clone()).unwrap_or_default();
        }
    }
}

impl Shown {
    /// Rows of everything: the files, a line about those not listed, an empty one, the diff.
    pub(super) fn rows(&self) -> usize {
        self.head() + self.lines.len()
    }

    /// Rows in front of the diff.
    pub(super) fn head(&self) -> usize {
        let files = &self.repository.files;
        files.len()
            + usize::from(self.repository.files_left_out > 0)
            + usize::from(!files.is_empty())
    }

    /// The first row that is shown where there are so many; also after the text became shorter.
    pub(super) fn top(&self, rows: usize) -> usize {
        self.top.min(self.rows().saturating_sub(rows))
    }

    /// A line of the diff.
    pub(super) fn line(&self, number: usize) -> Option<(Option<Part>, &str)> {
        let (start, part) = *self.lines.get(number)?;
        let rest = self.repository.unified_diff.as_deref()?.get(start..)?;
        Some((part, rest.split('\n').next().unwrap_or(rest)))
    }
}

fn index(diff: &str) -> Vec<(usize, Option<Part>)> {
    let (mut reader, mut start) = (Reader::default(), 0);
    let line = |line: &str| {
        let entry = (start, reader.part(line.strip_suffix('\n').unwrap_or(line)));
        start += line.len();
        entry
    };
    diff.split_inclusive('\n').map(line).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use agent_sdk::api::{ChangedFile, RemovedRepository};

    use super::*;

    /// A repository with as many files and a diff.
    pub(in super::super) fn repository(root: &str, files: usize, diff: &str) -> Repository {
        let file = |number| ChangedFile { path: format!("f{number}"), ..ChangedFile::default() };
        Repository {
            repo_root: root.to_owned(),
            branch: Some("main".to_owned()),
            head: Some("9fceb02d0ae598e95dc970b74767f19372d61af8".to_owned()),
            unified_diff: Some(diff.to_owned()),
            files: (0..files).map(file).collect(),
            ..Repository::default()
        }
    }

    /// A view of these repositories, the first one selected.
    pub(in super::super) fn viewing(repositories: Vec<Repository>) -> View {
        let snapshot = |repository| RepositoryChange::Snapshot(Box::new(repository));
        let repositories = repositories.into_iter().map(snapshot).collect();
        let scanned_at = Timestamp::from_unix_ms(1_769_860_800_123);
        let mut view = View::default();
        view.change(GitChanges { scanned_at, repositories });
        view
    }

    fn selected(view: &View) -> &str {
        view.selected().map_or("", |shown| &shown.repository.repo_root)
    }

    fn removed(root: &str) -> GitChanges {
        let removed = RemovedRepository { repo_root: root.to_owned() };
        let repositories = vec![RepositoryChange::Removed(removed)];
        GitChanges { repositories, ..GitChanges::default() }
    }

    #[test]
    fn repositories_are_selected_in_a_circle() {
        let mut view = viewing(["/b", "/a", "/c"].map(|root| repository(root, 0, "")).to_vec());
        assert_eq!((selected(&view), view.position()), ("/b", 1));
        for (is_forward, expected) in
            [(true, "/c"), (true, "/a"), (false, "/c"), (false, "/b"), (false, "/a")]
        {
            view.turn(is_forward);
            assert_eq!(selected(&view), expected);
        }
        let mut nothing = View::default();
        nothing.turn(true);
        nothing.scroll(Motion::End(true), 9);
        assert_eq!(selected(&nothing), "");
    }

    #[test]
    fn the_neighbor_of_a_repository_that_is_gone_is_selected() {
        let mut view = viewing(["/b", "/a", "/c"].map(|root| repository(root, 0, "")).to_vec());
        for (gone, expected) in [("/b", "/c"), ("/x", "/c"), ("/c", "/a"), ("/a", "")] {
            view.change(removed(gone));
            assert_eq!(selected(&view), expected);
            assert_eq!(view.notice.as_deref(), Some(format!("{gone} is gone").as_str()));
        }
        view.change(GitChanges::default());
        assert_eq!(view.all().len(), 0);
    }

    #[test]
    fn motions_stay_within_the_text() {
        // Three files, an empty line, and six lines of a diff.
        let mut view = viewing(vec![repository("/a", 3, "1\n2\n3\n4\n5\n6\n")]);
        let rows = 4;
        for (motion, expected) in [
            (Motion::Line(false), 0),
            (Motion::Line(true), 1),
            (Motion::Page(true), 4),
            (Motion::Page(true), 6),
            (Motion::Line(true), 6),
            (Motion::Page(false), 3),
            (Motion::End(true), 6),
            (Motion::End(false), 0),
        ] {
            view.scroll(motion, rows);
            assert_eq!(view.selected().unwrap().top(rows), expected, "{motion:?}");
        }
        view.scroll(Motion::End(true), rows);
        view.show(repository("/a", 1, "1\n2\n3\n"));
        assert_eq!(view.selected().unwrap().top(rows), 1, "the text is shorter now");
    }

    #[test]
    fn only_an_answer_ends_a_refresh_and_only_a_change_has_a_time() {
        let mut view = viewing(vec![repository("/a", 0, "")]);
        let changed_at = view.changed_at;
        view.is_refreshing = true;
        view.linked(false);
        assert_eq!((view.link, view.is_refreshing), (Link::Lost, true));
        view.change(GitChanges { scanned_at: Timestamp::from_unix_ms(9), repositories: vec![] });
        assert_eq!((view.link, view.is_refreshing), (Link::Live, false));
        assert_eq!(view.changed_at, changed_at);
    }
}
