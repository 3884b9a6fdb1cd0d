//! Watching repositories across lost connections: what is said once, what is noticed later, and
//! that it all adds up to what the agent has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use agent_sdk::{
    AgentConn, Error, GitWatch, Reconnect, RepositoryWatch,
    api::{
        ErrorCode, GitChanges, GitClientMessage, GitNotice, GitNoticeCode, GitServerMessage,
        RemovedRepository, Repository, RepositoryChange, WatchGitRequest, close_codes,
    },
    mock::{Call, MockAgent},
    watch_repositories,
};
use futures_util::StreamExt;
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    peer::Peer,
    socket::{TEXT, close, text},
};

type Said = Result<GitServerMessage, Error>;

/// Longer than any pause of a watch; time is paused.
const QUIET: Duration = Duration::from_secs(20);

fn lost(code: Option<u16>) -> Error {
    Error::Closed { code, reason: "lost".to_owned() }
}

fn refused() -> Error {
    let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    Error::Connect { target: "http://h:1".to_owned(), source }
}

fn snapshot(root: &str, version: u64) -> RepositoryChange {
    let head = Some(version.to_string());
    let repository = Repository { repo_root: root.to_owned(), head, ..Default::default() };
    RepositoryChange::Snapshot(Box::new(repository))
}

fn removed(root: &str) -> RepositoryChange {
    RepositoryChange::Removed(RemovedRepository { repo_root: root.to_owned() })
}

fn changes(repositories: impl IntoIterator<Item = RepositoryChange>) -> GitServerMessage {
    let repositories = repositories.into_iter().collect();
    GitServerMessage::Changes(GitChanges { repositories, ..Default::default() })
}

fn notice(code: GitNoticeCode, root: Option<&str>, message: &str) -> GitServerMessage {
    let repo_root = root.map(str::to_owned);
    GitServerMessage::Notice(GitNotice { code, message: message.to_owned(), repo_root })
}

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

/// A mock whose connections the test plays: each comes with the way to speak on it.
fn played() -> (MockAgent, mpsc::UnboundedReceiver<mpsc::UnboundedSender<Said>>) {
    let mock = MockAgent::new();
    let (connections, opened) = mpsc::unbounded_channel();
    mock.on_watch_git(move |_| {
        let (say, mut said) = mpsc::unbounded_channel();
        connections.send(say).unwrap();
        let messages = futures_util::stream::poll_fn(move |ctx| said.poll_recv(ctx));
        Ok(GitWatch::from_stream(messages, |_| Ok(())))
    });
    (mock, opened)
}

fn watch(mock: &MockAgent, subscribed: &[&str]) -> RepositoryWatch<'static> {
    let agent: Arc<dyn AgentConn> = Arc::new(mock.clone());
    let request = WatchGitRequest::default();
    watch_repositories(agent, request, paths(subscribed), Reconnect::default()).unwrap()
}

/// The messages until nothing comes any more.
async fn all(watch: &mut RepositoryWatch<'_>) -> Vec<GitServerMessage> {
    let mut messages = Vec::new();
    while let Ok(message) = timeout(QUIET, watch.next()).await {
        messages.push(message.unwrap().unwrap());
    }
    messages
}

/// What was sent, as `+PATHS`, `-PATHS`, `!` for a refresh and `|` for a new connection.
fn sent(mock: &MockAgent) -> String {
    let show = |call| match call {
        Call::WatchGit(_) => "|".to_owned(),
        Call::WatchGitMessage(GitClientMessage::Refresh) => "!".to_owned(),
        Call::WatchGitMessage(GitClientMessage::Subscribe { paths }) => {
            format!("+{}", paths.join(" "))
        }
        Call::WatchGitMessage(GitClientMessage::Unsubscribe { paths }) => {
            format!("-{}", paths.join(" "))
        }
        other => panic!("{other:?}"),
    };
    mock.calls().into_iter().map(show).collect()
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_tells_what_is_new_and_what_is_gone() {
    let (mock, mut opened) = played();
    let mut watch = watch(&mock, &["/b/f", "/a/f"]);
    assert_eq!(all(&mut watch).await, []);
    let say = opened.recv().await.unwrap();
    let three = changes([snapshot("/a", 1), snapshot("/b", 1), snapshot("/c", 1)]);
    say.send(Ok(three.clone())).unwrap();
    assert_eq!(all(&mut watch).await, [three]);
    assert_eq!(sent(&mock), "|+/a/f /b/f", "nothing can be gone yet");

    say.send(Err(lost(None))).unwrap();
    assert_eq!(all(&mut watch).await, []);
    assert_eq!(sent(&mock), "|+/a/f /b/f|+/a/f /b/f!");
    let say = opened.recv().await.unwrap();
    say.send(Ok(changes([snapshot("/a", 1)]))).unwrap();
    say.send(Ok(changes([snapshot("/b", 2)]))).unwrap();
    assert_eq!(all(&mut watch).await, [changes([snapshot("/b", 2)])]);
    // The first empty answer may be the one to the subscription.
    say.send(Ok(changes([]))).unwrap();
    assert_eq!(all(&mut watch).await, [changes([])], "the caller's own subscription is answered");
    say.send(Ok(changes([]))).unwrap();
    assert_eq!(all(&mut watch).await, [changes([removed("/c")])]);
    say.send(Ok(changes([removed("/c"), removed("/a")]))).unwrap();
    assert_eq!(all(&mut watch).await, [changes([removed("/a")])]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_gone_while_an_answer_may_be_under_way() {
    let (mock, mut opened) = played();
    let mut watch = watch(&mock, &[]);
    assert_eq!(all(&mut watch).await, []);
    let say = opened.recv().await.unwrap();
    let first = ["/a", "/b", "/c", "/d"].map(|root| snapshot(root, 1));
    say.send(Ok(changes(first.clone()))).unwrap();
    assert_eq!(all(&mut watch).await.len(), 1);
    say.send(Err(lost(Some(close_codes::GOING_AWAY)))).unwrap();
    assert_eq!(all(&mut watch).await, []);
    let say = opened.recv().await.unwrap();
    // A large answer comes in parts, and another repository does not hold still. Each message may
    // be the answer, so another refresh asks again, but not all at once.
    for version in 1..=20 {
        say.send(Ok(changes([snapshot("/a", version)]))).unwrap();
    }
    assert_eq!(all(&mut watch).await.len(), 19);
    let refreshes = |mock: &MockAgent| sent(mock).matches('!').count();
    assert_eq!(refreshes(&mock), 3, "one at first, one at once, and one a second later");
    say.send(Ok(changes([snapshot("/b", 1), snapshot("/a", 20)]))).unwrap();
    assert_eq!(all(&mut watch).await, []);
    assert_eq!(refreshes(&mock), 4);
    // A repository that cannot be scanned is there.
    let failed = notice(GitNoticeCode::ScanFailed, Some("/c"), "why");
    say.send(Ok(failed.clone())).unwrap();
    assert_eq!(all(&mut watch).await, [failed]);
    say.send(Ok(changes([]))).unwrap();
    assert_eq!(all(&mut watch).await, [changes([removed("/d")])]);
    say.send(Ok(changes([snapshot("/a", 21)]))).unwrap();
    assert_eq!(all(&mut watch).await.len(), 1);
    assert_eq!(refreshes(&mock), 4, "everything is known");

    // Who is not watched for lack of room may be there.
    say.send(Err(lost(None))).unwrap();
    assert_eq!(all(&mut watch).await, []);
    let say = opened.recv().await.unwrap();
    let full = notice(GitNoticeCode::TooManyRepositories, None, "full");
    say.send(Ok(changes([snapshot("/a", 21)]))).unwrap();
    say.send(Ok(full.clone())).unwrap();
    say.send(Ok(changes([]))).unwrap();
    assert_eq!(all(&mut watch).await, [full]);
}

#[tokio::test(start_paused = true)]
async fn notices_and_refusals_are_passed_on_once() {
    let (mock, mut opened) = played();
    let mut watch = watch(&mock, &["/a"]);
    assert_eq!(all(&mut watch).await, []);
    let polling = || notice(GitNoticeCode::Polling, Some("/a"), "no watches");
    let failed = |why| notice(GitNoticeCode::ScanFailed, Some("/a"), why);
    let no = || GitServerMessage::Error { message: "too many paths".to_owned() };
    let say = opened.recv().await.unwrap();
    let first = [polling(), failed("x"), no(), changes([snapshot("/a", 1)]), failed("x")];
    first.iter().for_each(|message| say.send(Ok(message.clone())).unwrap());
    assert_eq!(all(&mut watch).await, first);
    say.send(Err(lost(None))).unwrap();
    assert_eq!(all(&mut watch).await, []);

    let say = opened.recv().await.unwrap();
    for message in [polling(), failed("x"), no(), failed("y"), failed("y")] {
        say.send(Ok(message)).unwrap();
    }
    assert_eq!(all(&mut watch).await, [failed("y"), failed("y")], "the rest was said");
    // It is the caller's own command that is refused now.
    watch.commands().subscribe(paths(&["/b"])).unwrap();
    assert_eq!(all(&mut watch).await, []);
    say.send(Ok(no())).unwrap();
    assert_eq!(all(&mut watch).await, [no()]);
}

#[tokio::test(start_paused = true)]
async fn commands_hold_over_connections_and_are_answered_by_a_later_one() {
    let (mock, mut opened) = played();
    let mut watch = watch(&mock, &["/a/f"]);
    let commands = watch.commands();
    commands.subscribe(paths(&["/b/f"])).unwrap();
    for wrong in [paths(&[]), paths(&["/x", "y"])] {
        for result in [commands.subscribe(wrong.clone()), commands.unsubscribe(wrong.clone())] {
            assert!(matches!(result, Err(Error::InvalidArgument { .. })), "{result:?}");
        }
    }
    assert_eq!(all(&mut watch).await, []);
    let say = opened.recv().await.unwrap();
    say.send(Ok(changes([snapshot("/a", 1), snapshot("/b", 1)]))).unwrap();
    assert_eq!(all(&mut watch).await.len(), 1);
    commands.unsubscribe(paths(&["/b/f"])).unwrap();
    commands.refresh().unwrap();
    assert_eq!(all(&mut watch).await, []);
    assert_eq!(sent(&mock), "|+/a/f /b/f-/b/f!");
    // The answer is lost with the connection, and the repository that was let go is not missed.
    say.send(Err(lost(None))).unwrap();
    assert_eq!(all(&mut watch).await, []);
    let say = opened.recv().await.unwrap();
    assert_eq!(sent(&mock), "|+/a/f /b/f-/b/f!|+/a/f!");
    say.send(Ok(changes([snapshot("/a", 1)]))).unwrap();
    say.send(Ok(changes([]))).unwrap();
    say.send(Ok(changes([]))).unwrap();
    let answers = all(&mut watch).await;
    assert!(!answers.is_empty() && answers.iter().all(|answer| *answer == changes([])));
    // Wanted again it is news, though it is as it was.
    commands.subscribe(paths(&["/b/f"])).unwrap();
    assert_eq!(all(&mut watch).await, []);
    say.send(Ok(changes([snapshot("/b", 1)]))).unwrap();
    assert_eq!(all(&mut watch).await, [changes([snapshot("/b", 1)])]);
    drop(watch);
    assert!(matches!(commands.refresh(), Err(Error::Closed { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_where_waiting_cannot_help() {
    // The first connection is made once.
    let mock = MockAgent::new();
    mock.on_watch_git(|_| Err(refused()));
    let mut ended = watch(&mock, &[]);
    assert!(matches!(ended.next().await, Some(Err(Error::Connect { .. }))));
    assert!(ended.next().await.is_none());
    assert!(matches!(ended.commands().refresh(), Err(Error::Closed { .. })));
    assert_eq!(mock.calls().len(), 1);

    for error in [lost(Some(close_codes::INTERNAL)), Error::TooLarge { limit_bytes: 1 }] {
        let expected = error.to_string();
        let (mock, mut opened) = played();
        let mut watch = watch(&mock, &[]);
        assert_eq!(all(&mut watch).await, []);
        opened.recv().await.unwrap().send(Err(error)).unwrap();
        assert_eq!(watch.next().await.unwrap().unwrap_err().to_string(), expected);
        assert!(watch.next().await.is_none());
    }

    let (mock, _opened) = played();
    let mut closed = watch(&mock, &[]);
    let (end, ()) = tokio::join!(closed.next(), async { mock.close() });
    assert!(matches!(end, Some(Err(Error::Closed { .. }))), "{end:?}");

    // An agent that is away for too long.
    let mock = MockAgent::new();
    let is_first = Mutex::new(true);
    mock.on_watch_git(move |_| match std::mem::take(&mut *is_first.lock()) {
        true => Ok(GitWatch::from_messages([changes([snapshot("/a", 1)])])),
        false => Err(Error::Api {
            operation: "watch_git",
            code: ErrorCode::Unavailable,
            message: "no".to_owned(),
            detail: None,
            fields: Vec::new(),
        }),
    });
    let mut given_up = watch(&mock, &[]);
    let begin = Instant::now();
    assert!(given_up.next().await.unwrap().is_ok());
    let error = given_up.next().await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    let whole = begin.elapsed();
    let expected = Duration::from_secs(300)..Duration::from_secs(310);
    assert!(expected.contains(&whole), "{whole:?}");
}

#[tokio::test]
async fn paths_are_checked_before_anything_is_done() {
    let mock = MockAgent::new();
    let request = WatchGitRequest::default();
    let many = (0..10_001).map(|nth| format!("/{nth}")).collect();
    for wrong in [paths(&["a"]), paths(&[""]), many] {
        let error = watch_repositories(&mock, request, wrong, Reconnect::default()).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn connections_cut_anywhere_are_made_anew_with_their_subscriptions() {
    const CONNECTIONS: usize = 300;
    let peer = Peer::start(|nth, mut conn| async move {
        conn.agree().await;
        let subscribe = br#"{"type":"subscribe","paths":["/a/f"]}"#.to_vec();
        assert_eq!(conn.client_frame().await, Some((TEXT, subscribe)));
        // Every other connection has nothing new, and each ends in another way.
        let begin = r#"{"type":"changes","scanned_at":"2026-01-31T12:00:00.000Z","repositories":"#;
        let version = nth / 2;
        let mut frames = text(&format!(r#"{begin}[{{"repo_root":"/a","head":"{version}"}}]}}"#));
        frames.extend(text(&format!("{begin}[]}}")));
        match nth % 3 {
            0 => frames.extend(close(close_codes::GOING_AWAY, "")),
            1 => frames.truncate(frames.len() - 1),
            _ => {}
        }
        conn.send(frames).await;
    })
    .await;
    let client = peer.client();
    let reconnect = Reconnect { first_pause: Duration::from_millis(1), ..Reconnect::default() };
    let request = WatchGitRequest::default();
    let mut watch = watch_repositories(&client, request, paths(&["/a/f"]), reconnect).unwrap();
    let mut heads = Vec::new();
    let read = async {
        while heads.len() < CONNECTIONS / 2 {
            let message = watch.next().await.unwrap().unwrap();
            let GitServerMessage::Changes(changes) = message else { panic!("{message:?}") };
            for change in changes.repositories {
                let RepositoryChange::Snapshot(repository) = change else { panic!("{change:?}") };
                heads.push(repository.head.unwrap().parse::<usize>().unwrap());
            }
        }
    };
    timeout(Duration::from_secs(60), read).await.unwrap();
    assert!(heads.iter().copied().eq(0..CONNECTIONS / 2), "{heads:?}");
}

/// An agent whose repositories a test changes.
#[derive(Default)]
struct Agent {
    is_down: bool,
    /// Versions by root; none was ever used before.
    repositories: BTreeMap<String, u64>,
    last_version: u64,
    connection: Option<Connection>,
    /// Decides what agents are free to do.
    dice: u64,
}

struct Connection {
    say: mpsc::UnboundedSender<Said>,
    subscribed: BTreeSet<String>,
    sent: BTreeMap<String, u64>,
    /// Whether the chat's repositories are not scanned yet.
    is_scanning: bool,
    refreshes: u64,
}

const CHAT: [&str; 2] = ["/chat0", "/chat1"];

fn root_of(path: &str) -> String {
    path.trim_end_matches("/f").to_owned()
}

impl Agent {
    fn roll(&mut self) -> bool {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.dice >> 63 == 1
    }

    fn connect(&mut self) -> Result<mpsc::UnboundedReceiver<Said>, Error> {
        if self.is_down {
            return Err(refused());
        }
        let (say, said) = mpsc::unbounded_channel();
        let (subscribed, sent) = Default::default();
        self.connection =
            Some(Connection { say, subscribed, sent, is_scanning: true, refreshes: 0 });
        Ok(said)
    }

    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = connection.say.send(Err(lost(None)));
        }
    }

    /// What some paths lead to.
    fn led_to(&self, roots: impl IntoIterator<Item = String>) -> BTreeMap<String, u64> {
        let found = roots
            .into_iter()
            .filter_map(|root| Some((root.clone(), *self.repositories.get(&root)?)));
        found.collect()
    }

    /// Takes a message; a connection that was lost meanwhile takes none.
    fn take(&mut self, message: GitClientMessage) -> Result<(), Error> {
        let Some(connection) = &mut self.connection else { return Err(lost(None)) };
        match message {
            GitClientMessage::Subscribe { paths } => {
                connection.subscribed.extend(paths.iter().map(|path| root_of(path)));
                let roots = connection.subscribed.clone();
                let known: Vec<_> = connection.sent.keys().cloned().collect();
                let mut new = self.led_to(roots);
                new.retain(|root, _| !known.contains(root));
                self.send(new, true);
            }
            GitClientMessage::Unsubscribe { paths } => {
                for root in paths.iter().map(|path| root_of(path)) {
                    connection.subscribed.remove(&root);
                    connection.sent.remove(&root);
                }
            }
            GitClientMessage::Refresh => {
                connection.refreshes += 1;
                if self.roll() {
                    self.scan();
                }
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    /// Sends what changed, and answers; tells whether there was anything to do.
    fn scan(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let was_scanning = std::mem::take(&mut connection.is_scanning);
        let refreshes = std::mem::take(&mut connection.refreshes);
        let sent = connection.sent.clone();
        let roots = connection.subscribed.iter().cloned().chain(CHAT.map(str::to_owned));
        let roots: Vec<_> = roots.collect();
        let now = self.led_to(roots);
        let gone: Vec<_> = sent.keys().filter(|root| !now.contains_key(*root)).cloned().collect();
        let changed: BTreeMap<_, _> =
            now.into_iter().filter(|(root, version)| sent.get(root) != Some(version)).collect();
        let did = was_scanning || refreshes > 0 || !gone.is_empty() || !changed.is_empty();
        if !gone.is_empty() {
            self.say(changes(gone.iter().map(|root| removed(root))));
            let connection = self.connection.as_mut().unwrap();
            connection.sent.retain(|root, _| !gone.contains(root));
        }
        self.send(changed, refreshes > 0);
        // Requests share an answer, or each has its own.
        if self.roll() {
            (1..refreshes).for_each(|_| self.say(changes([])));
        }
        did
    }

    /// Sends snapshots, in one message or a message for each.
    fn send(&mut self, snapshots: BTreeMap<String, u64>, is_answer: bool) {
        let repositories: Vec<_> =
            snapshots.iter().map(|(root, version)| snapshot(root, *version)).collect();
        if self.roll() && !repositories.is_empty() {
            repositories.into_iter().for_each(|repository| self.say(changes([repository])));
        } else if is_answer || !repositories.is_empty() {
            self.say(changes(repositories));
        }
        self.connection.as_mut().unwrap().sent.extend(snapshots);
    }

    fn say(&self, message: GitServerMessage) {
        let _ = self.connection.as_ref().unwrap().say.send(Ok(message));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Change(String),
    Remove(String),
    Scan,
    Lose,
    Down,
    Up,
    Refresh,
    Subscribe(String),
    Unsubscribe(String),
    /// Lets the watch do what it does at once, or until it rests.
    Read,
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let root = || prop::sample::select(vec!["/r0", "/r1", "/r2", "/chat0", "/chat1"]);
    let own = || prop::sample::select(vec!["/r0", "/r1", "/r2"]);
    let step = prop_oneof![
        4 => root().prop_map(|root| Step::Change(root.to_owned())),
        3 => root().prop_map(|root| Step::Remove(root.to_owned())),
        2 => Just(Step::Scan),
        2 => Just(Step::Lose),
        1 => Just(Step::Down),
        1 => Just(Step::Up),
        1 => Just(Step::Refresh),
        1 => own().prop_map(|root| Step::Subscribe(root.to_owned())),
        1 => own().prop_map(|root| Step::Unsubscribe(root.to_owned())),
        3 => Just(Step::Read),
        3 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a caller makes of the items.
#[derive(Default)]
struct Seen(BTreeMap<String, u64>);

impl Seen {
    fn take(&mut self, message: GitServerMessage) {
        let GitServerMessage::Changes(changes) = message else { panic!("{message:?}") };
        for change in changes.repositories {
            match change {
                RepositoryChange::Removed(RemovedRepository { repo_root }) => {
                    assert!(self.0.remove(&repo_root).is_some(), "{repo_root} was not there");
                }
                RepositoryChange::Snapshot(repository) => {
                    let version = repository.head.unwrap().parse().unwrap();
                    let before = self.0.insert(repository.repo_root, version);
                    assert_ne!(before, Some(version), "that was said");
                }
            }
        }
    }

    async fn read(&mut self, watch: &mut RepositoryWatch<'_>, quiet: Duration) -> bool {
        let mut did = false;
        while let Ok(message) = timeout(quiet, watch.next()).await {
            self.take(message.unwrap().unwrap());
            did = true;
        }
        did
    }

    /// Reads until neither end has anything to say.
    async fn settle(&mut self, watch: &mut RepositoryWatch<'_>, agent: &Mutex<Agent>) {
        for _ in 0..100 {
            let did = self.read(watch, QUIET).await;
            if !agent.lock().scan() && !did {
                return;
            }
        }
        panic!("the two never rest");
    }
}

async fn play(steps: Vec<Step>, dice: u64) {
    let agent = Arc::new(Mutex::new(Agent { dice, ..Agent::default() }));
    let mock = MockAgent::new();
    let far = Arc::clone(&agent);
    mock.on_watch_git(move |_| {
        let mut said = far.lock().connect()?;
        let take = Arc::clone(&far);
        let messages = futures_util::stream::poll_fn(move |ctx| said.poll_recv(ctx));
        Ok(GitWatch::from_stream(messages, move |message| take.lock().take(message)))
    });
    let reconnect = Reconnect { give_up_after: Duration::MAX, ..Reconnect::default() };
    let mut wanted = BTreeSet::from(["/r0".to_owned()]);
    let request = WatchGitRequest::default();
    let mut watch = watch_repositories(&mock, request, paths(&["/r0/f"]), reconnect).unwrap();
    let commands = watch.commands();
    let mut seen = Seen::default();
    seen.settle(&mut watch, &agent).await;
    for step in steps {
        match step {
            Step::Change(root) => {
                let mut agent = agent.lock();
                agent.last_version += 1;
                let version = agent.last_version;
                agent.repositories.insert(root, version);
            }
            Step::Remove(root) => drop(agent.lock().repositories.remove(&root)),
            Step::Scan => drop(agent.lock().scan()),
            Step::Lose => agent.lock().disconnect(),
            Step::Down => {
                let mut agent = agent.lock();
                agent.is_down = true;
                agent.disconnect();
            }
            Step::Up => agent.lock().is_down = false,
            Step::Refresh => commands.refresh().unwrap(),
            Step::Subscribe(root) => {
                commands.subscribe(vec![format!("{root}/f")]).unwrap();
                wanted.insert(root);
            }
            Step::Unsubscribe(root) => {
                // What is under way would still come.
                seen.settle(&mut watch, &agent).await;
                commands.unsubscribe(vec![format!("{root}/f")]).unwrap();
                wanted.remove(&root);
                seen.0.remove(&root);
                seen.read(&mut watch, QUIET).await;
            }
            Step::Read => drop(seen.read(&mut watch, Duration::from_millis(1)).await),
            Step::Settle => seen.settle(&mut watch, &agent).await,
        }
    }
    agent.lock().is_down = false;
    seen.settle(&mut watch, &agent).await;
    let watched = wanted.into_iter().chain(CHAT.map(str::to_owned));
    let expected = agent.lock().led_to(watched);
    assert_eq!(seen.0, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_let_go_and_wanted_again_while_nobody_answers_is_news() {
    let root = || "/r0".to_owned();
    let steps = [Step::Change(root()), Step::Scan, Step::Down, Step::Unsubscribe(root())];
    play([&steps[..], &[Step::Subscribe(root())]].concat(), 0).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_events_adds_up_to_what_the_agent_has(steps in steps(), dice in any::<u64>()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(steps, dice));
    }
}
