//! Lines of any bytes as messages of `watch_git` and what happens between them: none panics, what is read is written alike, and what a
//! caller is told adds up to what came, however often the connection is lost.
#![no_main]
#![expect(dead_code, reason = "the modules are those of another crate")]

use std::collections::{BTreeMap, BTreeSet};

use agent_api::{GitClientMessage, GitServerMessage, Repository, RepositoryChange};
use libfuzzer_sys::fuzz_target;

// The modules are private to their crate and need nothing else of it.
#[path = "../../src/git/message.rs"]
mod message;
#[path = "../../src/git/view.rs"]
mod view;

fuzz_target!(|input: &[u8]| {
    let mut view = view::View::default();
    view.connected();
    let mut caller = Caller::default();
    for line in input.split(|byte| *byte == b'\n') {
        match line {
            b"lost" => view.connected(),
            b"refresh" => view.sent(&GitClientMessage::Refresh, false),
            b"refresh?" => view.sent(&GitClientMessage::Refresh, true),
            b"subscribe" => {
                view.sent(&GitClientMessage::Subscribe { paths: Vec::new() }, false);
            }
            b"subscribe?" => {
                view.sent(&GitClientMessage::Subscribe { paths: Vec::new() }, true);
            }
            [b'-', path @ ..] => {
                let path = String::from_utf8_lossy(path).into_owned();
                view.let_go(&BTreeSet::from([path]), &BTreeSet::new());
                caller.doubts();
            }
            message => {
                let Some(message) = read(message) else { continue };
                let came = message.clone();
                let news = view.take(message);
                caller.check(&came, news);
            }
        }
    }
});

fn read(bytes: &[u8]) -> Option<GitServerMessage> {
    let message = message::decode(bytes).ok()??;
    let text = serde_json::to_vec(&message).expect("a message is plain data");
    assert_eq!(message::decode(&text), Ok(Some(message.clone())));
    Some(message)
}

/// What a caller knows.
#[derive(Default)]
struct Caller {
    told: BTreeMap<String, Repository>,
    /// What it may not hear the end of: it let go, or there was no room.
    doubtful: BTreeSet<String>,
}

impl Caller {
    fn doubts(&mut self) {
        self.doubtful.extend(self.told.keys().cloned());
    }

    /// Takes in what it is told: nothing is removed that was not there, and behind a message every
    /// repository of it is known as it came.
    fn check(&mut self, came: &GitServerMessage, news: Option<GitServerMessage>) {
        if let Some(GitServerMessage::Changes(changes)) = news {
            for change in changes.repositories {
                match change {
                    RepositoryChange::Removed(removed) => {
                        assert!(self.told.remove(&removed.repo_root).is_some());
                    }
                    RepositoryChange::Snapshot(snapshot) => {
                        self.told.insert(snapshot.repo_root.clone(), *snapshot);
                    }
                }
            }
        }
        let changes = match came {
            GitServerMessage::Changes(changes) => changes,
            GitServerMessage::Notice(_) => return self.doubts(),
            _ => return,
        };
        let last: BTreeMap<_, _> =
            changes.repositories.iter().map(|change| (change.repo_root(), change)).collect();
        for (root, change) in last {
            match change {
                RepositoryChange::Removed(_) => {
                    assert!(self.doubtful.contains(root) || !self.told.contains_key(root));
                }
                RepositoryChange::Snapshot(snapshot) => {
                    assert_eq!(self.told.get(root), Some(&**snapshot));
                }
            }
        }
    }
}
