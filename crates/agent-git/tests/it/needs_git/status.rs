//! `get_git_status` of real repositories.

use agent_api::{Classify, ErrorCode, GetGitStatusRequest};
use agent_test::GitRepository;

use crate::fixture::{Fixture, files};

#[tokio::test]
async fn each_answer_is_a_fresh_snapshot_of_the_enclosing_repository() {
    let f = Fixture::new();
    let repository = f.repository("r");
    let ask = |path: &str| f.git.get_git_status(GetGitStatusRequest::new(f.root(path)));
    let clean = ask("r").await.unwrap();
    assert_eq!(clean.repository.repo_root, f.root("r"));
    assert_eq!(clean.repository.branch.as_deref(), Some("main"));
    assert_eq!(clean.repository.unified_diff.as_deref(), Some(""));
    for round in 0..5 {
        repository.write("a.txt", format!("{round}\n"));
        repository.write(format!("new-{round}"), "");
        let answer = ask("r/missing/directory").await.unwrap();
        let diff = answer.repository.unified_diff.unwrap();
        assert!(diff.contains(&format!("+{round}\n")), "{diff}");
        assert_eq!(answer.repository.files.len(), 2 + round);
        assert!(answer.scanned_at >= clean.scanned_at);
    }
}

#[tokio::test]
async fn the_diff_can_be_left_out() {
    let f = Fixture::new();
    f.repository("r").write("b.txt", "b\n");
    let req = GetGitStatusRequest { diff: false, ..GetGitStatusRequest::new(f.root("r/b.txt")) };
    let repository = f.git.get_git_status(req).await.unwrap().repository;
    assert_eq!(repository.unified_diff, None);
    assert_eq!(files(&repository), [("b.txt", "untracked")]);
}

#[tokio::test]
async fn a_bare_repository_is_none() {
    let f = Fixture::new();
    GitRepository::init_with(f.dir.join("bare.git"), &["--bare"]);
    for name in ["bare.git", "bare.git/objects", "bare.git/missing"] {
        let error = f.git.get_git_status(GetGitStatusRequest::new(f.root(name))).await;
        assert_eq!(error.unwrap_err().code(), ErrorCode::NotFound, "{name}");
    }
}

#[tokio::test]
async fn a_format_that_nobody_can_read_is_unsupported() {
    let f = Fixture::new();
    let repository = f.repository("r");
    repository.git(&["config", "core.repositoryFormatVersion", "1"]);
    repository.git(&["config", "extensions.fromTheFuture", "true"]);
    let error = f.git.get_git_status(GetGitStatusRequest::new(f.root("r"))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
}

#[tokio::test]
async fn scans_are_counted() {
    let f = Fixture::new();
    f.repository("r");
    f.git.get_git_status(GetGitStatusRequest::new(f.root("r"))).await.unwrap();
    let statistics = f.git.statistics();
    assert_eq!((statistics.repositories, statistics.full_scans_total), (1, 1));
    assert!(!statistics.scan_time.is_zero());
}

#[cfg(feature = "http")]
#[tokio::test]
async fn a_status_is_answered_over_http() {
    let f = Fixture::new();
    f.repository("r").write("b.txt", "b\n");
    let uri = format!("/git/status?path={}&diff=false", f.root("r"));
    let (status, body) = crate::http::ask(&f, &uri, &[]).await;
    assert_eq!(status, 200, "{body}");
    assert!(body["scanned_at"].is_string());
    assert_eq!(body["repository"]["files"][0]["path"], "b.txt");
    assert_eq!(body["repository"].get("unified_diff"), None);
}
