//! The decisions of a connection, step by step, with repositories that exist in the test only.

mod answers;
mod changes;
mod degraded;
mod paths;

use agent_api::{Repository, RepositoryChange};

use super::*;

/// Repositories that are asked, and answer when the test says so.
#[derive(Debug, Default)]
struct Fake {
    /// Number of the last ticket, by root; those that are followed.
    tickets: BTreeMap<PathBuf, u64>,
    /// What was asked for, in order.
    asked: Vec<String>,
    is_full: bool,
}

impl Repositories for Fake {
    fn track(&mut self, location: &Location) -> Result<(), String> {
        if self.is_full {
            return Err("the agent is full".to_owned());
        }
        self.tickets.insert(location.root.clone(), 0);
        Ok(())
    }

    fn untrack(&mut self, root: &Path) {
        self.tickets.remove(root);
    }

    fn request(&mut self, root: &Path, scope: Scope) -> Ticket {
        self.asked.push(format!("{} {scope:?}", root.display()));
        let number = self.tickets.get_mut(root).expect("it is followed");
        *number += 1;
        Ticket::numbered(*number)
    }
}

/// A connection, its repositories, and the time.
struct Bench {
    connection: Connection,
    fake: Fake,
    now: Now,
    /// Roots that exist.
    roots: Vec<PathBuf>,
}

fn path(text: &str) -> AbsolutePath {
    AbsolutePath::parse(text).unwrap()
}

fn snapshot(root: &str, diff: &str) -> Arc<Snapshot> {
    let unified_diff = Some(diff.to_owned());
    let repository = Repository { repo_root: root.to_owned(), unified_diff, ..Default::default() };
    Arc::new(Snapshot { repository, spans: Vec::new() })
}

impl Bench {
    fn new(has_chat: bool, roots: &[&str]) -> Self {
        let now = Now { instant: Instant::now(), wall: Timestamp::from_unix_ms(1_000_000) };
        Self {
            connection: Connection::new(has_chat, now),
            fake: Fake::default(),
            now,
            roots: roots.iter().map(PathBuf::from).collect(),
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now.instant += Duration::from_millis(ms);
        self.now.wall = Timestamp::from_unix_ms(self.now.wall.as_unix_ms() + ms as i64);
    }

    fn receive(&mut self, text: &str) {
        self.connection.receive(text, &mut self.fake, self.now);
    }

    fn subscribe(&mut self, paths: &[&str]) {
        self.receive(&serde_json::json!({"type": "subscribe", "paths": paths}).to_string());
    }

    fn unsubscribe(&mut self, paths: &[&str]) {
        self.receive(&serde_json::json!({"type": "unsubscribe", "paths": paths}).to_string());
    }

    fn refresh(&mut self) {
        self.receive(r#"{"type":"refresh"}"#);
    }

    /// Looks up what is to be looked up; answers how many paths that were.
    fn look(&mut self) -> usize {
        let Some(look) = self.connection.take_look() else { return 0 };
        let find = |path: &AbsolutePath| {
            let enclosing = self.roots.iter().filter(|root| path.as_path().starts_with(root));
            let root = enclosing.max_by_key(|root| root.as_os_str().len())?.clone();
            Some(Location { git_dir: root.join(".git"), common_dir: root.join(".git"), root })
        };
        let found = look.paths.iter().map(find).collect();
        self.connection.looked(&look, found, &mut self.fake);
        look.paths.len()
    }

    /// Everything that was asked of a repository is done, with this diff.
    fn scanned(&mut self, root: &str, diff: &str) {
        let state = self.state(root, diff);
        self.observe(root, state);
    }

    /// The state after such a scan.
    fn state(&self, root: &str, diff: &str) -> State {
        State {
            completed: Ticket::numbered(self.fake.tickets[Path::new(root)]),
            is_idle: true,
            scanned_at: Some(self.now.wall),
            snapshot: Some(snapshot(root, diff)),
            outcome: Outcome::Ok,
            ..State::default()
        }
    }

    fn observe(&mut self, root: &str, state: State) {
        self.connection.observe(Path::new(root), state, &mut self.fake);
    }

    fn next(&mut self) -> Option<GitServerMessage> {
        self.connection.poll(self.now)
    }

    /// The next message in short.
    fn told(&mut self) -> String {
        match self.next() {
            None => "nothing".to_owned(),
            Some(GitServerMessage::Error { message }) => format!("error {message}"),
            Some(GitServerMessage::Notice(notice)) => {
                let root = notice.repo_root.unwrap_or_default();
                format!("{:?} {root}: {}", notice.code, notice.message)
            }
            Some(GitServerMessage::Changes(changes)) => {
                let shown = changes.repositories.iter().map(|change| match change {
                    RepositoryChange::Removed(removed) => format!("-{}", removed.repo_root),
                    RepositoryChange::Snapshot(repository) => {
                        let diff = repository.unified_diff.as_deref().unwrap_or("none");
                        format!("{}={diff}", repository.repo_root)
                    }
                });
                format!("[{}]", shown.collect::<Vec<_>>().join(" "))
            }
            Some(other) => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn tells(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.told(), *expected);
        }
        assert_eq!(self.told(), "nothing");
    }

    /// A connection that watches these roots and has said so.
    fn watching(roots: &[&str]) -> Self {
        let mut bench = Self::new(false, roots);
        bench.subscribe(roots);
        bench.look();
        for root in roots {
            bench.scanned(root, "");
        }
        assert!(bench.told().starts_with('['));
        bench.fake.asked.clear();
        bench
    }
}
