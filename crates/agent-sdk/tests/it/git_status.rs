//! One snapshot of a repository on the wire.

use agent_sdk::{
    AgentConn, Error,
    api::{ErrorCode, FileStatus, GetGitStatusRequest},
};

use crate::peer::{Peer, response};

const STATUS: &str = r#"{"scanned_at": "2026-01-31T12:00:00.000Z", "weather": "fine",
    "repository": {"repo_root": "/repo", "branch": "main", "head": null, "detached": false,
        "upstream": null, "unified_diff": null, "files": [{"path": "a", "status": "untracked",
        "additions": 3, "deletions": null, "binary": false, "truncated": false}]}}"#;

#[tokio::test]
async fn a_status_is_asked_for_with_its_path_and_read_with_its_files() {
    let (peer, mut requests) = Peer::recording(STATUS).await;
    let client = peer.client();
    let status = client.get_git_status(GetGitStatusRequest::new("/repo/a b")).await.unwrap();
    let line = requests.recv().await.unwrap().line;
    assert_eq!(line, "GET /api/v0/git/status?path=%2Frepo%2Fa+b HTTP/1.1");
    let repository = status.repository;
    assert_eq!(
        (repository.repo_root.as_str(), repository.branch.as_deref()),
        ("/repo", Some("main"))
    );
    assert_eq!(
        (repository.head, repository.unified_diff, repository.files_left_out),
        (None, None, 0)
    );
    let [file] = &repository.files[..] else { panic!("{:?}", repository.files) };
    assert_eq!((file.status, file.additions, file.deletions), (FileStatus::Untracked, 3, 0));

    let request = GetGitStatusRequest { diff: false, ..GetGitStatusRequest::new("/repo") };
    client.get_git_status(request).await.unwrap();
    let line = requests.recv().await.unwrap().line;
    assert_eq!(line, "GET /api/v0/git/status?diff=false&path=%2Frepo HTTP/1.1");
}

#[tokio::test]
async fn a_refused_status_is_the_agents_error() {
    for (status, code) in [
        ("400 Bad Request", ErrorCode::InvalidArgument),
        ("404 Not Found", ErrorCode::NotFound),
        ("501 Not Implemented", ErrorCode::Unsupported),
        ("504 Gateway Timeout", ErrorCode::DeadlineExceeded),
    ] {
        let answer = response(status, "", r#"{"message": "not a git repository"}"#);
        let peer = Peer::answering(answer).await;
        let request = GetGitStatusRequest::new("/tmp");
        match peer.client().get_git_status(request).await.unwrap_err() {
            Error::Api { operation, code: told, message, .. } => {
                assert_eq!((operation, told), ("get_git_status", code));
                assert_eq!(message, "not a git repository");
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}
