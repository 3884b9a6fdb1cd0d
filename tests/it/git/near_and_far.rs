//! Each operation gives the same answer in process and through the SDK over each transport.

use agent_api::{
    Caller, Classify, ErrorCode, GetGitStatusRequest, GitServerMessage, Timestamp, WatchGitRequest,
};
use agent_sdk::AgentConn;
use agent_test::GitRepository;
use agent_tests::{TestAgent, Transport};
use futures_util::StreamExt;
use serde_json::json;

use super::{text, within};

/// A repository in which several things differ.
fn changed(dir: &std::path::Path) -> GitRepository {
    let repository = GitRepository::init(dir);
    repository.write("a.txt", "a\n");
    repository.write("old name.txt", "1\n2\n3\n4\n5\n6\n");
    repository.commit_all("first");
    repository.write("a.txt", "b\n");
    repository.git(&["mv", "old name.txt", "new name.txt"]);
    repository.write("ü/untracked", "x");
    repository
}

#[tokio::test]
async fn get_git_status() {
    let agent = TestAgent::start().await;
    let directory = tempfile::tempdir().unwrap();
    let repository = changed(&directory.path().join("repository"));
    let bare = directory.path().join("bare");
    GitRepository::init_with(&bare, &["--bare"]);
    let inside = text(repository.root());
    let paths = [
        inside.clone(),
        format!("{inside}/does/not/exist"),
        text(&bare),
        text(directory.path()),
        "relative".to_owned(),
        String::new(),
    ];
    let requests = paths.iter().flat_map(|path| {
        [true, false].map(|diff| GetGitStatusRequest { diff, ..GetGitStatusRequest::new(path) })
    });
    for request in requests {
        let near = agent.agent().git().get_git_status(request.clone()).await;
        let expected = near.map(|answer| answer.repository).map_err(|error| error.code());
        assert_eq!(expected.is_ok(), request.path.starts_with(&inside), "{expected:?}");
        for transport in Transport::ALL {
            let far = agent.client(transport).get_git_status(request.clone()).await;
            let answer = far.map(|answer| answer.repository).map_err(|error| error.code());
            assert_eq!(answer, expected, "{request:?} over {transport:?}");
        }
    }
    let client = agent.client(Transport::Tcp);
    let refused = client.get_git_status(GetGitStatusRequest::new(text(&bare))).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NotFound);
}

fn timeless(mut message: GitServerMessage) -> GitServerMessage {
    if let GitServerMessage::Changes(changes) = &mut message {
        changes.scanned_at = Timestamp::default();
    }
    message
}

#[tokio::test]
async fn watch_git() {
    let agent = TestAgent::start().await;
    let directory = tempfile::tempdir().unwrap();
    let repository = changed(&directory.path().join("repository"));
    let (known, unknown) = (text(repository.root()), text(directory.path()));
    let request = WatchGitRequest::default();

    let mut near = agent.agent().git().watch_git(&Caller::anonymous(), request).unwrap();
    let mut expected = Vec::new();
    for paths in [&known, &unknown] {
        near.receive(&json!({"type": "subscribe", "paths": [paths]}).to_string());
        expected.push(timeless(within(near.next()).await.unwrap()));
    }
    near.receive(&json!({"type": "refresh"}).to_string());
    expected.push(timeless(within(near.next()).await.unwrap()));

    // In memory there is no connection of its own for a WebSocket.
    for transport in [Transport::Tcp, Transport::Unix] {
        let mut far = agent.client(transport).watch_git(request).await.unwrap();
        let mut seen = Vec::new();
        for paths in [&known, &unknown] {
            far.subscribe(vec![paths.clone()]).await.unwrap();
            seen.push(timeless(within(far.next()).await.unwrap().unwrap()));
        }
        far.refresh().await.unwrap();
        seen.push(timeless(within(far.next()).await.unwrap().unwrap()));
        assert_eq!(seen, expected, "over {transport:?}");
    }
}
