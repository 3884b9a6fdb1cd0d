//! Values of git: snapshots of repositories, and the messages about them.

use agent_api::{
    ChangedFile, FileStatus, GetGitStatusRequest, GetGitStatusResponse, GitChanges,
    GitClientMessage, GitNotice, GitNoticeCode, GitServerMessage, RemovedRepository, Repository,
    RepositoryChange, WatchGitRequest,
};

use super::{Values, time};

pub(super) fn visit(values: &mut impl Values) {
    values.query(vec![
        GetGitStatusRequest::new("/repo/src"),
        GetGitStatusRequest { diff: false, ..GetGitStatusRequest::new("/a b/ü") },
    ]);
    values.query(vec![
        WatchGitRequest::default(),
        WatchGitRequest { chat_id: Some("8f14e45f-ceea-467f-a0e6-5b0b0b0b0b0b".parse().unwrap()) },
    ]);
    values.json(vec![
        FileStatus::Added,
        FileStatus::Modified,
        FileStatus::Deleted,
        FileStatus::Renamed,
        FileStatus::TypeChanged,
        FileStatus::Untracked,
        FileStatus::Conflicted,
        FileStatus::Submodule,
        FileStatus::Unknown,
    ]);
    values.json(files());
    values.json(vec![unborn(), full(), Repository { unified_diff: None, ..full() }]);
    values.json(vec![GetGitStatusResponse { scanned_at: time(), repository: unborn() }]);
    values.json(vec![RemovedRepository { repo_root: "/gone".to_owned() }]);
    values.json(changes());
    values.json(vec![
        GitChanges { scanned_at: time(), repositories: Vec::new() },
        GitChanges { scanned_at: time(), repositories: changes() },
    ]);
    messages(values);
}

fn files() -> Vec<ChangedFile> {
    vec![
        ChangedFile {
            path: "a.txt".to_owned(),
            additions: 1,
            deletions: 1,
            ..ChangedFile::default()
        },
        ChangedFile {
            path: "src/\u{fffd} \"b\".rs".to_owned(),
            old_path: Some("src/c.rs".to_owned()),
            status: FileStatus::Renamed,
            additions: u64::from(u32::MAX) + 1,
            deletions: 0,
            binary: true,
            truncated: true,
        },
    ]
}

fn unborn() -> Repository {
    Repository {
        repo_root: "/repo".to_owned(),
        branch: Some("main".to_owned()),
        unified_diff: Some(String::new()),
        ..Repository::default()
    }
}

fn full() -> Repository {
    Repository {
        repo_root: "/repo".to_owned(),
        branch: None,
        head: Some("9fceb02d0ae598e95dc970b74767f19372d61af8".to_owned()),
        detached: true,
        remote_origin: Some("https://example.com/repo.git".to_owned()),
        upstream: Some("origin/main".to_owned()),
        ahead: Some(1),
        behind: Some(0),
        unified_diff: Some("diff --git a/a.txt b/a.txt\n".to_owned()),
        files: files(),
        files_left_out: 3,
    }
}

fn changes() -> Vec<RepositoryChange> {
    vec![
        RepositoryChange::Removed(RemovedRepository { repo_root: "/gone".to_owned() }),
        RepositoryChange::Snapshot(Box::new(unborn())),
        RepositoryChange::Snapshot(Box::new(full())),
    ]
}

fn messages(values: &mut impl Values) {
    let paths = vec!["/repo/src".to_owned(), "/b".to_owned()];
    values.json(vec![
        GitClientMessage::Refresh,
        GitClientMessage::Subscribe { paths: paths.clone() },
        GitClientMessage::Unsubscribe { paths },
        GitClientMessage::Unknown,
    ]);
    values.json(vec![
        GitNoticeCode::Polling,
        GitNoticeCode::UnsupportedRepository,
        GitNoticeCode::TooManyRepositories,
        GitNoticeCode::ScanFailed,
        GitNoticeCode::Unknown,
    ]);
    let notices = [None, Some("/repo".to_owned())].map(|repo_root| GitNotice {
        code: GitNoticeCode::ScanFailed,
        message: "cannot read the index".to_owned(),
        repo_root,
    });
    values.json(notices.to_vec());
    values.json(vec![
        GitServerMessage::Changes(GitChanges { scanned_at: time(), repositories: changes() }),
        GitServerMessage::Error { message: "unknown message".to_owned() },
        GitServerMessage::Notice(notices[1].clone()),
        GitServerMessage::Unknown,
    ]);
}
