//! `get_git_status` where there is nothing to scan.

use agent_api::{Classify, ErrorCode, GetGitStatusRequest};

use crate::fixture::Fixture;

#[tokio::test]
async fn a_path_that_is_not_absolute_is_refused() {
    let f = Fixture::new();
    for (path, fragment) in [("a", "must be absolute"), ("", "\"path\" is required")] {
        let error = f.git.get_git_status(GetGitStatusRequest::new(path)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        let fields = error.fields();
        assert!(fields[0].detail.contains(fragment), "{fields:?}");
    }
}

#[tokio::test]
async fn a_path_in_no_repository_is_not_found() {
    let f = Fixture::new();
    for name in ["", "missing/deeper"] {
        let req = GetGitStatusRequest::new(f.root(name));
        let error = f.git.get_git_status(req).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(error.to_string().contains("not a git repository"), "{error}");
    }
}

#[tokio::test]
async fn after_the_shutdown_everything_is_refused() {
    let f = Fixture::new();
    let mut watch = f.watch();
    f.git.shutdown().await;
    assert_eq!(watch.0.next().await, None);
    let error = f.git.get_git_status(GetGitStatusRequest::new("/")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    let watch = f.git.watch_git(&agent_api::Caller::anonymous(), Default::default());
    assert_eq!(watch.unwrap_err().code(), ErrorCode::Unavailable);
}
