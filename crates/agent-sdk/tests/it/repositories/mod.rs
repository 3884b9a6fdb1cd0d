//! Watching repositories across lost connections: what is said once, what is noticed later, and
//! that it all adds up to what the agent has.

mod model;

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
