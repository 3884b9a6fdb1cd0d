//! What a caller wants to be watched, and what a connection was not told of yet; not the sending.
//! Pure, so that it can be driven by a test.

use std::collections::BTreeSet;

use agent_api::{
    GitClientMessage,
    limits::{MAX_GIT_PATHS, MAX_GIT_PATHS_PER_MESSAGE},
};

use super::message::check_absolute;

/// Most bytes of the paths of one message: as JSON each may need six, which is below 4 MiB.
const MAX_PATH_BYTES: usize = 512 * 1024;

/// The paths that are wanted, and the difference to those a connection knows.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// At most [`MAX_GIT_PATHS`].
    wanted: BTreeSet<String>,
    /// What the connection was told to watch.
    known: BTreeSet<String>,
    to_unsubscribe: BTreeSet<String>,
    to_subscribe: BTreeSet<String>,
    /// Paths that were taken back, and perhaps are wanted again, until the view was told.
    let_go: BTreeSet<String>,
    /// Whether the caller waits for an answer to a subscription that was not sent yet.
    asked: bool,
    to_refresh: bool,
    /// Whether nothing of this will be sent any more.
    pub(super) has_ended: bool,
}

impl Wishes {
    /// # Errors
    ///
    /// What the agent would refuse; nothing changes then. Here as below.
    pub(super) fn subscribe(&mut self, paths: Vec<String>) -> Result<(), String> {
        check(&paths)?;
        let new = paths.iter().filter(|path| !self.wanted.contains(*path));
        if self.wanted.len() + new.collect::<BTreeSet<_>>().len() > MAX_GIT_PATHS {
            return Err(format!("more than {MAX_GIT_PATHS} paths cannot be watched"));
        }
        for path in paths {
            self.to_subscribe.insert(path.clone());
            self.wanted.insert(path);
        }
        self.asked = true;
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, paths: Vec<String>) -> Result<(), String> {
        check(&paths)?;
        for path in paths {
            self.to_subscribe.remove(&path);
            if self.known.contains(&path) {
                self.to_unsubscribe.insert(path.clone());
            }
            if self.wanted.remove(&path) {
                self.let_go.insert(path);
            }
        }
        Ok(())
    }

    pub(super) fn refresh(&mut self) {
        self.to_refresh = true;
    }

    /// A new connection knows nothing.
    pub(super) fn connected(&mut self) {
        self.known.clear();
        self.to_unsubscribe.clear();
        self.to_subscribe.clone_from(&self.wanted);
    }

    /// What is to be said next. What is taken back and wanted again is said in this order.
    pub(super) fn next(&self) -> Option<GitClientMessage> {
        if !self.to_unsubscribe.is_empty() {
            return Some(GitClientMessage::Unsubscribe { paths: some(&self.to_unsubscribe) });
        }
        if !self.to_subscribe.is_empty() {
            return Some(GitClientMessage::Subscribe { paths: some(&self.to_subscribe) });
        }
        self.to_refresh.then_some(GitClientMessage::Refresh)
    }

    /// Notes that something was said; tells whether the caller waits for an answer.
    pub(super) fn sent(&mut self, message: &GitClientMessage) -> bool {
        match message {
            GitClientMessage::Unsubscribe { paths } => {
                for path in paths {
                    self.to_unsubscribe.remove(path);
                    self.known.remove(path);
                }
                false
            }
            GitClientMessage::Subscribe { paths } => {
                for path in paths {
                    self.to_subscribe.remove(path);
                    self.known.insert(path.clone());
                    // It may have been taken back while it was sent.
                    if !self.wanted.contains(path) {
                        self.to_unsubscribe.insert(path.clone());
                    }
                }
                std::mem::take(&mut self.asked)
            }
            _ => std::mem::take(&mut self.to_refresh),
        }
    }

    /// The paths that were taken back since the last call, and those that were wanted all along.
    pub(super) fn take_let_go(&mut self) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
        if self.let_go.is_empty() {
            return None;
        }
        let let_go = std::mem::take(&mut self.let_go);
        let left = self.wanted.difference(&let_go).cloned().collect();
        Some((let_go, left))
    }
}

fn check(paths: &[String]) -> Result<(), String> {
    if paths.is_empty() {
        return Err("no path is given".to_owned());
    }
    if paths.iter().any(|path| path.len() > MAX_PATH_BYTES) {
        return Err(format!("a path has more than {MAX_PATH_BYTES} bytes"));
    }
    check_absolute(paths)
}

/// As many paths as a message holds.
fn some(paths: &BTreeSet<String>) -> Vec<String> {
    let mut room = MAX_PATH_BYTES;
    let fits = |path: &&String| match room.checked_sub(path.len()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    paths.iter().take(MAX_GIT_PATHS_PER_MESSAGE).take_while(fits).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::message::encode;

    fn paths(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Says everything and shows it as `+PATHS`, `-PATHS` and `!`, with `?` where the caller waits.
    fn say(wishes: &mut Wishes) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(message) = wishes.next() {
            encode(&message).unwrap();
            let shown = match &message {
                GitClientMessage::Subscribe { paths } => format!("+{}", paths.join(" ")),
                GitClientMessage::Unsubscribe { paths } => format!("-{}", paths.join(" ")),
                _ => "!".to_owned(),
            };
            said.push(shown + if wishes.sent(&message) { "?" } else { "" });
        }
        said
    }

    #[test]
    fn each_connection_is_told_what_is_wanted_and_then_what_changes() {
        let mut wishes = Wishes::default();
        wishes.subscribe(paths(&["/b", "/a"])).unwrap();
        wishes.connected();
        assert_eq!(say(&mut wishes), ["+/a /b?"]);
        assert_eq!(say(&mut wishes), [""; 0]);
        wishes.refresh();
        wishes.refresh();
        wishes.subscribe(paths(&["/c", "/a"])).unwrap();
        wishes.unsubscribe(paths(&["/b", "/never"])).unwrap();
        assert_eq!(say(&mut wishes), ["-/b", "+/a /c?", "!?"]);
        wishes.connected();
        assert_eq!(say(&mut wishes), ["+/a /c"]);
    }

    #[test]
    fn what_is_taken_back_and_wanted_again_is_said_in_order() {
        let mut wishes = Wishes::default();
        wishes.subscribe(paths(&["/a"])).unwrap();
        wishes.unsubscribe(paths(&["/a"])).unwrap();
        assert_eq!(say(&mut wishes), [""; 0]);
        wishes.subscribe(paths(&["/a"])).unwrap();
        say(&mut wishes);
        wishes.unsubscribe(paths(&["/a"])).unwrap();
        wishes.subscribe(paths(&["/a"])).unwrap();
        assert_eq!(say(&mut wishes), ["-/a", "+/a?"]);
        // Taken back while it is sent.
        wishes.subscribe(paths(&["/b"])).unwrap();
        let message = wishes.next().unwrap();
        wishes.unsubscribe(paths(&["/b"])).unwrap();
        wishes.sent(&message);
        assert_eq!(say(&mut wishes), ["-/b"]);
    }

    #[test]
    fn many_and_long_paths_take_several_messages() {
        let mut wishes = Wishes::default();
        let many = (0..MAX_GIT_PATHS).map(|nth| format!("/{nth}")).collect();
        wishes.subscribe(many).unwrap();
        assert!(wishes.subscribe(paths(&["/more"])).is_err());
        wishes.subscribe(paths(&["/1"])).unwrap();
        assert_eq!(say(&mut wishes).len(), MAX_GIT_PATHS / MAX_GIT_PATHS_PER_MESSAGE);
        let mut wishes = Wishes::default();
        // The bytes that need most in JSON.
        let long = |nth| format!("/{nth}{}", "\u{1}".repeat(MAX_PATH_BYTES - 2));
        wishes.subscribe((0..3).map(long).collect()).unwrap();
        assert_eq!(say(&mut wishes).len(), 3);
    }

    #[test]
    fn what_the_agent_would_refuse_changes_nothing() {
        let mut wishes = Wishes::default();
        for wrong in [vec![], paths(&["/a", "b"]), vec!["/".repeat(MAX_PATH_BYTES + 1)]] {
            assert!(wishes.subscribe(wrong.clone()).is_err());
            assert!(wishes.unsubscribe(wrong).is_err());
        }
        assert_eq!(say(&mut wishes), [""; 0]);
    }
}
