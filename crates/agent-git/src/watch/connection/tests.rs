//! The decisions of a connection, step by step, with repositories that exist in the test only.

use agent_api::{GitNoticeCode, Repository};

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

#[test]
fn the_first_message_of_a_chat_has_all_its_repositories() {
    let mut bench = Bench::new(true, &["/b", "/a"]);
    assert_eq!(bench.look(), 0, "the paths are not known yet");
    bench.connection.begin(&[path("/b/x"), path("/a/x"), path("/nowhere"), path("/a/y")]);
    assert_eq!(bench.look(), 4);
    bench.scanned("/b", "1");
    bench.pass(5000);
    bench.tells(&[]);
    bench.scanned("/a", "2");
    bench.tells(&["[/a=2 /b=1]"]);
}

#[test]
fn the_first_message_waits_no_longer_than_ten_seconds() {
    let mut bench = Bench::new(true, &["/b", "/a"]);
    bench.connection.begin(&[path("/b"), path("/a")]);
    bench.look();
    bench.scanned("/b", "1");
    bench.tells(&[]);
    let until = bench.connection.deadline(bench.now.instant).unwrap();
    assert_eq!(until - bench.now.instant, FIRST_TIME);
    bench.pass(10_000);
    bench.tells(&[]);
    bench.pass(100);
    bench.tells(&["[/b=1]"]);
    bench.scanned("/a", "2");
    bench.tells(&["[/a=2]"]);
}

#[test]
fn a_chat_without_repositories_is_told_nothing() {
    let mut bench = Bench::new(true, &[]);
    bench.connection.begin(&[path("/nowhere")]);
    bench.look();
    bench.tells(&[]);
    assert_eq!(bench.connection.unresolved(), [path("/nowhere")]);
}

#[test]
fn a_snapshot_is_told_when_it_differs_from_the_last_one_told() {
    let mut bench = Bench::watching(&["/a"]);
    bench.scanned("/a", "");
    bench.tells(&[]);
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
    bench.scanned("/a", "1");
    bench.tells(&[]);
    bench.scanned("/a", "2");
    bench.scanned("/a", "3");
    bench.tells(&["[/a=3]"]);
    bench.scanned("/a", "4");
    bench.scanned("/a", "3");
    bench.tells(&[]);
}

#[test]
fn every_refresh_is_answered_by_scans_that_began_after_it() {
    let mut bench = Bench::watching(&["/a", "/b"]);
    bench.refresh();
    assert_eq!(bench.fake.asked, ["/a Everything", "/b Everything"]);
    assert_eq!(bench.look(), 2, "every path is looked up again");
    bench.scanned("/a", "");
    bench.tells(&[]);
    // Asked for while the scan of `/b` has not ended: another one is due.
    bench.refresh();
    bench.look();
    let mut earlier = bench.state("/b", "");
    earlier.completed = Ticket::numbered(2);
    bench.observe("/b", earlier);
    bench.tells(&["[]"]);
    bench.scanned("/a", "");
    bench.scanned("/b", "new");
    bench.tells(&["[/b=new]"]);
}

#[test]
fn a_refresh_of_nothing_is_answered_at_once() {
    let mut bench = Bench::new(false, &[]);
    bench.refresh();
    bench.tells(&[]);
    bench.look();
    let Some(GitServerMessage::Changes(changes)) = bench.next() else { panic!("no answer") };
    assert_eq!((changes.scanned_at, changes.repositories), (bench.now.wall, Vec::new()));
    bench.tells(&[]);
}

#[test]
fn refreshes_beyond_a_bound_wait_together_and_are_all_answered() {
    let mut bench = Bench::watching(&["/a"]);
    for _ in 0..100 {
        bench.refresh();
    }
    bench.look();
    bench.scanned("/a", "1");
    let answers: Vec<_> = (0..100).map(|_| bench.told()).collect();
    assert_eq!(answers[0], "[/a=1]");
    assert!(answers[1..].iter().all(|answer| answer == "[]"), "{answers:?}");
    bench.tells(&[]);
}

#[test]
fn a_refresh_finds_inner_repositories_and_drops_outer_ones() {
    let mut bench = Bench::watching(&["/a"]);
    bench.subscribe(&["/a/in/x"]);
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[]"]);
    bench.unsubscribe(&["/a"]);
    bench.roots.push("/a/in".into());
    bench.refresh();
    bench.look();
    bench.scanned("/a", "1");
    assert_eq!(bench.fake.tickets.keys().collect::<Vec<_>>(), [Path::new("/a/in")]);
    bench.tells(&[]);
    bench.scanned("/a/in", "1");
    bench.tells(&["[/a/in=1]"]);
}

#[test]
fn a_nested_repository_that_comes_makes_all_paths_be_looked_up() {
    let mut bench = Bench::watching(&["/a"]);
    bench.subscribe(&["/a/in/x"]);
    bench.look();
    bench.tells(&["[]"]);
    bench.roots.push("/a/in".into());
    let state = State { nested: 1, ..bench.state("/a", "") };
    bench.observe("/a", state.clone());
    assert_eq!(bench.look(), 2);
    bench.scanned("/a/in", "1");
    bench.tells(&["[/a/in=1]"]);
    bench.observe("/a", state);
    assert_eq!(bench.look(), 0);
}

#[test]
fn a_subscription_is_answered_with_its_new_repositories_together() {
    let mut bench = Bench::watching(&["/a"]);
    bench.roots.extend(["/b".into(), "/c".into()]);
    bench.subscribe(&["/c/1", "/b/1", "/a/1", "/nowhere", "/c/2"]);
    assert_eq!(bench.look(), 5);
    bench.scanned("/c", "1");
    bench.pass(500);
    bench.tells(&[]);
    bench.scanned("/b", "2");
    bench.tells(&["[/b=2 /c=1]"]);
    bench.subscribe(&["/nowhere", "/b"]);
    bench.look();
    bench.tells(&["[]"]);
}

#[test]
fn a_repository_that_others_watch_is_shown_as_it_is_after_the_subscription() {
    let mut bench = Bench::new(false, &["/a"]);
    bench.subscribe(&["/a"]);
    bench.look();
    let mut state = bench.state("/a", "old");
    state.completed = Ticket::default();
    bench.observe("/a", state);
    bench.pass(20_000);
    bench.tells(&[]);
    bench.scanned("/a", "new");
    bench.tells(&["[/a=new]"]);
}

#[test]
fn repositories_that_change_together_are_told_together() {
    let mut bench = Bench::watching(&["/a", "/b"]);
    let busy = State { is_idle: false, ..bench.state("/b", "") };
    bench.observe("/b", busy);
    bench.scanned("/a", "1");
    bench.tells(&[]);
    bench.scanned("/b", "2");
    bench.tells(&["[/a=1 /b=2]"]);
}

#[test]
fn a_change_waits_no_longer_than_its_time_for_another() {
    let mut bench = Bench::watching(&["/a", "/b"]);
    let busy = State { is_idle: false, ..bench.state("/b", "") };
    bench.observe("/b", busy);
    bench.scanned("/a", "1");
    bench.tells(&[]);
    let until = bench.connection.deadline(bench.now.instant).unwrap();
    assert_eq!(until - bench.now.instant, GATHER_TIME);
    bench.pass(100);
    bench.tells(&["[/a=1]"]);
    assert_eq!(bench.connection.deadline(bench.now.instant), None);
}

#[test]
fn an_unsubscription_drops_silently_what_no_path_leads_to() {
    let mut bench = Bench::watching(&["/a", "/b"]);
    bench.subscribe(&["/a/x"]);
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[]"]);
    bench.unsubscribe(&["/a", "/b", "/unknown"]);
    bench.tells(&[]);
    assert_eq!(bench.fake.tickets.keys().collect::<Vec<_>>(), [Path::new("/a")]);
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
    bench.subscribe(&["/b"]);
    bench.look();
    bench.scanned("/b", "");
    bench.tells(&["[/b=]"]);
}

#[test]
fn a_path_of_the_chat_cannot_be_dropped() {
    let mut bench = Bench::new(true, &["/a"]);
    bench.connection.begin(&[path("/a")]);
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[/a=]"]);
    bench.subscribe(&["/a"]);
    bench.look();
    bench.tells(&["[]"]);
    bench.unsubscribe(&["/a"]);
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
}

#[test]
fn a_path_that_is_recorded_brings_its_repository_or_scans_it() {
    let mut bench = Bench::new(true, &["/a", "/b"]);
    bench.connection.begin(&[path("/a")]);
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[/a=]"]);
    bench.fake.asked.clear();
    bench.connection.recorded(&[path("/a"), path("/b/x")], &mut bench.fake);
    assert_eq!(bench.look(), 1);
    assert_eq!(bench.fake.asked, ["/a Changed", "/b Changed"]);
    bench.scanned("/b", "");
    bench.tells(&["[/b=]"]);
    bench.connection.keep_of_store(&[path("/b/x")], &mut bench.fake);
    assert_eq!(bench.fake.tickets.keys().collect::<Vec<_>>(), [Path::new("/b")]);
    bench.fake.asked.clear();
    bench.connection.rescan(&mut bench.fake);
    assert_eq!(bench.fake.asked, ["/b Changed"]);
    assert_eq!(bench.look(), 1);
}

#[test]
fn a_removal_is_told_once_and_the_repository_is_found_again() {
    let mut bench = Bench::watching(&["/a"]);
    bench.roots.clear();
    bench.observe("/a", State { outcome: Outcome::Removed, ..State::default() });
    bench.tells(&["[-/a]"]);
    assert_eq!(bench.look(), 1);
    assert_eq!(bench.connection.unresolved(), [path("/a")]);
    bench.refresh();
    bench.look();
    bench.tells(&["[]"]);
    bench.roots.push("/a".into());
    bench.connection.look_at_unresolved();
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[/a=]"]);
}

#[test]
fn a_removal_ends_what_waits_for_the_repository() {
    let mut bench = Bench::watching(&["/a"]);
    bench.refresh();
    bench.look();
    bench.tells(&[]);
    bench.roots.clear();
    bench.observe("/a", State { outcome: Outcome::Removed, ..State::default() });
    bench.tells(&["[-/a]"]);
}

#[test]
fn a_removal_is_told_also_where_a_look_sees_it_first() {
    let mut bench = Bench::watching(&["/a/in"]);
    bench.roots = vec!["/a".into()];
    bench.refresh();
    bench.look();
    bench.tells(&[]);
    bench.scanned("/a", "1");
    bench.observe("/a/in", State { outcome: Outcome::Removed, ..State::default() });
    bench.tells(&["[/a=1 -/a/in]"]);
}

#[test]
fn a_repository_that_paths_lead_to_again_stays() {
    let mut bench = Bench::watching(&["/a"]);
    bench.roots.clear();
    bench.connection.look_at_all();
    bench.look();
    bench.roots.push("/a".into());
    bench.connection.look_at_unresolved();
    bench.look();
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
}

#[test]
fn a_repository_that_is_back_before_its_removal_is_told_just_changes() {
    let mut bench = Bench::watching(&["/a"]);
    bench.observe("/a", State { outcome: Outcome::Removed, ..State::default() });
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&[]);
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
}

#[test]
fn a_repository_that_vanishes_before_it_was_shown_is_not_told() {
    let mut bench = Bench::new(false, &["/a"]);
    bench.subscribe(&["/a"]);
    bench.look();
    bench.observe("/a", State { outcome: Outcome::Removed, ..State::default() });
    bench.tells(&["[]"]);
}

#[test]
fn the_enclosing_repository_is_found_when_the_inner_one_is_removed() {
    let mut bench = Bench::watching(&["/a/in"]);
    bench.roots = vec!["/a".into()];
    bench.observe("/a/in", State { outcome: Outcome::Removed, ..State::default() });
    bench.look();
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1 -/a/in]"]);
}

#[test]
fn a_refused_message_is_answered_and_has_no_effect() {
    let mut bench = Bench::new(false, &["/a"]);
    for text in ["{", r#"{"type":"bogus"}"#, r#"{"type":"subscribe","paths":["/a","b"]}"#] {
        bench.receive(text);
    }
    assert_eq!(bench.look(), 0);
    assert!(bench.told().contains("valid JSON"));
    assert!(bench.told().contains("unknown"));
    assert!(bench.told().contains("must be absolute"));
    bench.tells(&[]);
}

#[test]
fn refusals_that_nobody_reads_are_bounded() {
    let mut bench = Bench::new(false, &[]);
    (0..1000).for_each(|_| bench.receive("{"));
    let told: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
    assert_eq!(told.len(), MAX_REFUSALS);
    let Some(GitServerMessage::Error { message }) = told.last() else { panic!("{told:?}") };
    assert!(message.contains("further"));
}

#[test]
fn a_connection_has_ten_thousand_subscribed_paths_and_no_more() {
    let mut bench = Bench::new(true, &[]);
    bench.connection.begin(&[path("/of/store"), path("/0/0")]);
    for round in 0..10 {
        let paths: Vec<_> = (0..1000).map(|n| format!("/{round}/{n}")).collect();
        bench.subscribe(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    }
    bench.look();
    (0..10).for_each(|_| assert_eq!(bench.told(), "[]"));
    bench.subscribe(&["/0/0", "/9/999"]);
    bench.look();
    bench.tells(&["[]"]);
    bench.subscribe(&["/one", "/more"]);
    assert!(bench.told().contains("at most 10000"));
    assert_eq!(bench.look(), 0);
    bench.unsubscribe(&["/1/1"]);
    bench.subscribe(&["/one"]);
    bench.look();
    bench.tells(&["[]"]);
}

#[test]
fn the_257th_repository_is_not_watched_and_that_is_told_once() {
    let roots: Vec<String> = (0..258).map(|n| format!("/{n:03}")).collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    let mut bench = Bench::new(false, &roots);
    bench.subscribe(&roots);
    bench.look();
    assert_eq!(bench.fake.tickets.len(), 256);
    roots[..256].iter().for_each(|root| bench.scanned(root, ""));
    let Some(GitServerMessage::Changes(changes)) = bench.next() else { panic!("no changes") };
    assert_eq!(changes.repositories.len(), 256);
    assert!(bench.told().starts_with("TooManyRepositories"));
    bench.connection.look_at_unresolved();
    assert_eq!(bench.look(), 2);
    bench.tells(&[]);
    bench.unsubscribe(&["/000", "/001"]);
    bench.connection.look_at_unresolved();
    bench.look();
    bench.scanned("/256", "");
    bench.scanned("/257", "");
    bench.tells(&["[/256= /257=]"]);
}

#[test]
fn a_full_agent_is_told_once_and_tried_again() {
    let mut bench = Bench::new(false, &["/a"]);
    bench.fake.is_full = true;
    bench.subscribe(&["/a"]);
    bench.look();
    bench.tells(&["[]", "TooManyRepositories : the agent is full"]);
    bench.fake.is_full = false;
    bench.connection.look_at_unresolved();
    bench.look();
    bench.scanned("/a", "");
    bench.tells(&["[/a=]"]);
}

#[test]
fn degraded_service_is_told_once_for_each_cause() {
    let mut bench = Bench::watching(&["/a"]);
    let fail = |bench: &mut Bench, why: &str| {
        let outcome = Outcome::Failed(why.to_owned());
        let state = State { outcome, ..bench.state("/a", "") };
        bench.observe("/a", state);
    };
    fail(&mut bench, "x");
    fail(&mut bench, "x");
    bench.tells(&["ScanFailed /a: x"]);
    fail(&mut bench, "y");
    fail(&mut bench, "x");
    bench.tells(&["ScanFailed /a: y"]);
    bench.scanned("/a", "");
    fail(&mut bench, "x");
    bench.tells(&["ScanFailed /a: x"]);

    let polling = Some("no watches".to_owned());
    let state = State { polling, ..bench.state("/a", "") };
    bench.observe("/a", state.clone());
    bench.observe("/a", state);
    let told = bench.told();
    assert!(told.starts_with("Polling /a: ") && told.ends_with("no watches"), "{told}");
    bench.tells(&[]);
}

#[test]
fn an_unsupported_repository_is_told_and_answers_what_waits() {
    let mut bench = Bench::new(false, &["/a"]);
    bench.subscribe(&["/a"]);
    bench.look();
    let outcome = Outcome::Unsupported("reftable".to_owned());
    let state = State { outcome, snapshot: None, ..bench.state("/a", "") };
    bench.observe("/a", state.clone());
    bench.observe("/a", state);
    bench.tells(&["[]", "UnsupportedRepository /a: reftable"]);
}

#[test]
fn notices_that_nobody_reads_are_replaced_by_newer_ones() {
    let mut bench = Bench::watching(&["/a"]);
    for round in 0..1000 {
        let outcome = Outcome::Failed(format!("failure {round}"));
        let state = State { outcome, ..bench.state("/a", "") };
        bench.observe("/a", state);
    }
    let Some(GitServerMessage::Notice(notice)) = bench.next() else { panic!("no notice") };
    assert_eq!((notice.code, &*notice.message), (GitNoticeCode::ScanFailed, "failure 999"));
    bench.tells(&[]);
}

#[test]
fn a_message_over_its_size_is_split_by_repository() {
    let large = "x".repeat(1_500_000);
    let mut bench = Bench::watching(&["/a", "/b", "/c"]);
    bench.refresh();
    bench.look();
    ["/a", "/b", "/c"].iter().for_each(|root| bench.scanned(root, &large));
    let mut roots: Vec<Vec<String>> = Vec::new();
    while let Some(message) = bench.next() {
        assert!(serde_json::to_string(&message).unwrap().len() <= MAX_WEBSOCKET_MESSAGE_BYTES);
        let GitServerMessage::Changes(changes) = message else { panic!("{message:?}") };
        let shown = changes.repositories.iter().map(|change| change.repo_root().to_owned());
        roots.push(shown.collect());
    }
    assert_eq!(roots, [vec!["/a".to_owned(), "/b".to_owned()], vec!["/c".to_owned()]]);
}

#[test]
fn a_single_snapshot_over_the_size_loses_diff_texts_from_its_end() {
    let mut bench = Bench::watching(&["/a"]);
    // Each of these characters takes six bytes of JSON.
    let (first, second) = ("\u{1}".repeat(600_000), "\u{1}".repeat(200_000));
    let diff = format!("{first}{second}");
    let mut state = bench.state("/a", &diff);
    let mut whole = Snapshot::clone(state.snapshot.as_ref().unwrap());
    whole.repository.files = vec![Default::default(); 2];
    whole.spans = vec![Some(0..first.len()), Some(first.len()..diff.len())];
    state.snapshot = Some(Arc::new(whole));
    bench.observe("/a", state);
    let message = bench.next().unwrap();
    assert!(serde_json::to_string(&message).unwrap().len() <= MAX_WEBSOCKET_MESSAGE_BYTES);
    let GitServerMessage::Changes(mut changes) = message else { panic!("{message:?}") };
    let Some(RepositoryChange::Snapshot(shown)) = changes.repositories.pop() else { panic!() };
    let line = crate::diff::total_too_large(1);
    assert_eq!(shown.unified_diff, Some(format!("{first}{line}")));
    assert_eq!(shown.files.iter().map(|f| f.truncated).collect::<Vec<_>>(), [false, true]);
    bench.tells(&[]);
}

#[test]
fn the_time_of_changes_never_goes_back() {
    let mut bench = Bench::watching(&["/a"]);
    let time = |message: Option<GitServerMessage>| match message {
        Some(GitServerMessage::Changes(changes)) => changes.scanned_at,
        other => panic!("{other:?}"),
    };
    bench.pass(1000);
    bench.scanned("/a", "1");
    let first = time(bench.next());
    assert_eq!(first, bench.now.wall);
    bench.now.wall = Timestamp::from_unix_ms(5);
    bench.scanned("/a", "2");
    assert_eq!(time(bench.next()), first);
    bench.refresh();
    bench.look();
    bench.scanned("/a", "2");
    assert_eq!(time(bench.next()), first);
}
