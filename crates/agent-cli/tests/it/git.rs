//! `git status` and `git watch` as lines: what is asked, what is printed, how it ends.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use agent_cli::{Connection, Io, run};
use agent_sdk::{
    Error, GitWatch,
    api::{
        ChangedFile, ErrorCode, FileStatus, GetGitStatusRequest, GetGitStatusResponse, GitChanges,
        GitClientMessage, GitNotice, GitNoticeCode, GitServerMessage, RemovedRepository,
        Repository, RepositoryChange, Timestamp, WatchGitRequest,
    },
    mock::{Call, MockAgent},
};
use futures_util::{StreamExt as _, stream};

use crate::{
    files::refusal,
    prompt::{Captured, Ran, type_line, type_with},
};

const DIFF: &str = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+\x1b[2J\r\n";

/// A repository in which a file was edited and one was moved to a name of two lines.
pub(crate) fn edited() -> Repository {
    let (path, additions, deletions) = ("a".to_owned(), 12, 1);
    let edited = ChangedFile { path, additions, deletions, ..ChangedFile::default() };
    let (path, old_path) = ("n\nm".to_owned(), Some("old".to_owned()));
    let status = FileStatus::Renamed;
    let renamed = ChangedFile { path, old_path, status, ..ChangedFile::default() };
    Repository {
        unified_diff: Some(DIFF.to_owned()),
        files: vec![edited, renamed],
        upstream: Some("origin/main".to_owned()),
        ahead: Some(1),
        behind: Some(2),
        ..clean("/srv/app")
    }
}

pub(crate) fn clean(root: &str) -> Repository {
    Repository {
        repo_root: root.to_owned(),
        branch: Some("main".to_owned()),
        head: Some("9fceb02d0ae598e95dc970b74767f19372d61af8".to_owned()),
        unified_diff: Some(String::new()),
        ..Repository::default()
    }
}

/// An agent that answers with this repository, with its diff only when that is asked for.
fn with(repository: Repository) -> MockAgent {
    let agent = MockAgent::new();
    agent.on_get_git_status(move |request| {
        let mut repository = repository.clone();
        repository.unified_diff = repository.unified_diff.filter(|_| request.diff);
        Ok(GetGitStatusResponse { scanned_at: Timestamp::default(), repository })
    });
    agent
}

const STATUS: &str = "/srv/app\nbranch main\nupstream origin/main, 1 ahead, 2 behind\n\
                      M  +12 -1  a\nR   +0 -0  old -> n?m\n2 files, +12 -1\n";

#[tokio::test]
async fn status_is_head_files_and_their_number() {
    let agent = with(edited());
    assert_eq!(type_line(&agent, "git status /srv/app/src").await.ok(), STATUS);
    let request = GetGitStatusRequest { path: "/srv/app/src".to_owned(), diff: false };
    assert_eq!(agent.calls(), [Call::GetGitStatus(request)]);
    let stdout = type_line(&with(clean("/srv/app")), "git status /srv/app").await.ok();
    assert_eq!(stdout, "/srv/app\nbranch main\nclean\n");
    let detached = Repository { branch: None, detached: true, ..clean("/srv/app") };
    let stdout = type_line(&with(detached), "git status /srv/app").await.ok();
    assert_eq!(stdout, "/srv/app\ndetached at 9fceb02\nclean\n");
}

#[tokio::test]
async fn a_diff_is_byte_by_byte_and_harmless_on_a_terminal() {
    let agent = with(edited());
    let stdout = type_line(&agent, "git status --diff /srv/app").await.ok();
    assert_eq!(stdout, format!("{STATUS}{DIFF}"));
    let words = ["git", "status", "--diff", "--color", "always", "/srv/app"];
    let ran = type_with(&agent, &words, |io| io.stdout_is_terminal = true).await;
    let stdout = ran.ok();
    assert!(stdout.contains("\x1b[31m-a\x1b[0m\n\x1b[32m+^[[2J^M\x1b[0m\n"), "{stdout:?}");
    assert!(stdout.contains("\x1b[36m@@ -1 +1 @@\x1b[0m\n"), "{stdout:?}");
}

#[tokio::test]
async fn status_in_json_is_the_response() {
    let json = type_line(&with(edited()), "git status --json --diff /srv/app").await.ok();
    let response: GetGitStatusResponse = serde_json::from_str(&json).unwrap();
    assert_eq!(response.repository, edited());
    let json = type_line(&with(edited()), "git status --json /srv/app").await.ok();
    assert!(!json.contains("unified_diff") && json.ends_with("}\n"), "{json}");
}

#[tokio::test]
async fn the_exit_code_can_say_whether_something_differs() {
    let left_out = Repository { files_left_out: 1, ..clean("/srv/app") };
    for (repository, option, code) in [
        (edited(), "--exit-code", 1),
        (left_out, "--exit-code", 1),
        (clean("/srv/app"), "--exit-code", 0),
        (edited(), "--diff", 0),
    ] {
        for form in ["text", "json"] {
            let line = format!("git status {option} --output {form} /srv/app");
            let ran = type_line(&with(repository.clone()), &line).await;
            assert_eq!((ran.code, ran.stderr.as_str()), (code, ""), "{line}");
        }
    }
    let agent = MockAgent::new();
    agent.on_get_git_status(|_| {
        Err(refusal("get_git_status", ErrorCode::NotFound, "not a git repository"))
    });
    for (line, code) in [("git status /tmp", 1), ("git status --exit-code /tmp", 125)] {
        let stderr = type_line(&agent, line).await.failed(code);
        assert_eq!(stderr, "agentctl: get_git_status: not a git repository\n");
    }
}

#[tokio::test]
async fn the_current_directory_is_meant_where_the_agent_has_it() {
    let agent = with(clean("/srv/app"));
    for line in ["git status", "git status a", "git watch", "git watch /a b"] {
        let stderr = type_line(&agent, line).await.failed(64);
        assert!(stderr.contains("the agent is not known to be on this machine"), "{stderr}");
    }
    assert_eq!(agent.calls(), []);
    for (line, path) in [("git status", "/srv/app"), ("git status src", "/srv/app/src")] {
        let agent = with(clean("/srv/app"));
        let mut io = Io::new(Captured::default(), Captured::default());
        let mut connection = Connection::new(Arc::new(agent.clone()), "mock");
        connection.directory = Some(PathBuf::from("/srv/app"));
        let words = std::iter::once("agentctl").chain(line.split(' '));
        assert_eq!(run(words, &mut io, |_, _| Ok(connection)).await, 0);
        let request = GetGitStatusRequest { path: path.to_owned(), diff: false };
        assert_eq!(agent.calls(), [Call::GetGitStatus(request)]);
    }
}

pub(crate) fn snapshot(repository: Repository) -> RepositoryChange {
    RepositoryChange::Snapshot(Box::new(repository))
}

pub(crate) fn changes(repositories: Vec<RepositoryChange>) -> GitServerMessage {
    let scanned_at = Timestamp::from_unix_ms(1_769_860_800_123);
    GitServerMessage::Changes(GitChanges { scanned_at, repositories })
}

/// An agent that says all this, and then has no watch any more.
fn saying(messages: Vec<GitServerMessage>) -> MockAgent {
    let agent = MockAgent::new();
    let messages = Mutex::new(Some(messages));
    agent.on_watch_git(move |_| match messages.lock().unwrap().take() {
        Some(messages) => Ok(GitWatch::from_messages(messages)),
        None => Err(refusal("watch_git", ErrorCode::Unsupported, "no more")),
    });
    agent
}

fn many() -> Vec<GitServerMessage> {
    let removed = RemovedRepository { repo_root: "/srv/app".to_owned() };
    vec![
        changes(vec![snapshot(edited()), snapshot(clean("/srv/lib"))]),
        GitServerMessage::Notice(GitNotice {
            code: GitNoticeCode::Polling,
            message: "scanned every 30 s".to_owned(),
            repo_root: Some("/srv/lib".to_owned()),
        }),
        GitServerMessage::Error { message: "too many paths".to_owned() },
        changes(vec![RepositoryChange::Removed(removed)]),
    ]
}

#[tokio::test]
async fn watch_prints_a_line_for_each_change() {
    let ran = type_line(&saying(many()), "git watch /srv/app /srv/lib").await;
    let stderr = "agentctl: /srv/lib: scanned every 30 s\n\
                  agentctl: too many paths\n\
                  agentctl: watch_git: no more\n";
    let expected = "/srv/app: 2 files, +12 -1, main\n/srv/lib: clean, main\n/srv/app: removed\n";
    let notes = "agentctl: connection lost; reconnecting\n";
    let ran = Ran { stderr: ran.stderr.replace(notes, ""), ..ran };
    assert_eq!(ran, Ran { code: 1, stdout: expected.to_owned(), stderr: stderr.to_owned() });
}

#[tokio::test]
async fn watch_prints_diffs_and_messages_when_asked() {
    let ran = type_line(&saying(many()), "git watch --diff --quiet /srv/app").await;
    let expected = format!(
        "/srv/app: 2 files, +12 -1, main\n{DIFF}/srv/lib: clean, main\n/srv/app: removed\n"
    );
    assert_eq!(ran.stdout, expected);
    let ran = type_line(&saying(many()), "git watch --json /srv/app").await;
    let said = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(said.collect::<Vec<GitServerMessage>>(), many());
}

/// An agent that says this once it was told what to watch, and then nothing more.
pub(crate) fn answering(message: GitServerMessage) -> MockAgent {
    let agent = MockAgent::new();
    agent.on_watch_git(move |_| {
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        let message = message.clone();
        let answers = stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) });
        let answers = answers.map(move |_: GitClientMessage| Ok(message.clone()));
        let gone = |_| Error::Closed { code: None, reason: "gone".to_owned() };
        Ok(GitWatch::from_stream(answers, move |message| tell.send(message).map_err(gone)))
    });
    agent
}

#[tokio::test]
async fn once_ends_with_the_first_state() {
    let agent = answering(changes(vec![snapshot(edited())]));
    let stdout = type_line(&agent, "git watch --once /srv/app").await.ok();
    assert_eq!(stdout, "/srv/app: 2 files, +12 -1, main\n");
    let paths = vec!["/srv/app".to_owned()];
    let expected = [
        Call::WatchGit(WatchGitRequest::default()),
        Call::WatchGitMessage(GitClientMessage::Subscribe { paths }),
    ];
    assert_eq!(agent.calls(), expected);
    let ran = type_line(&answering(changes(vec![])), "git watch --once /tmp").await;
    let stderr = "agentctl: no repository is there\n".to_owned();
    assert_eq!(ran, Ran { code: 0, stdout: String::new(), stderr });
}

#[tokio::test]
async fn a_chat_has_its_own_paths() {
    let chat = "5f0c2a3e-8a8f-4d3c-9b53-6f5f6a0d2c11";
    for (option, chat_id) in [("--chat", Some(chat.parse().unwrap())), ("--chat-id", None)] {
        let agent = answering(changes(vec![]));
        type_line(&agent, &format!("git watch --once --quiet {option} {chat}")).await.ok();
        let expected = [
            Call::WatchGit(WatchGitRequest { chat_id }),
            Call::WatchGitMessage(GitClientMessage::Refresh),
        ];
        assert_eq!(agent.calls(), expected);
    }
    type_line(&MockAgent::new(), "git watch --chat abc /a").await.failed(64);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_a_watch_quietly() {
    let (reader, writer) = tokio::io::duplex(64);
    drop(reader);
    let agent = saying(many());
    let ran = type_with(&agent, &["git", "watch", "/a"], |io| {
        *io = Io::new(writer, std::io::sink());
    })
    .await;
    assert_eq!(ran, Ran { code: 0, stdout: String::new(), stderr: String::new() });
}

#[tokio::test]
async fn bad_usage_of_git_is_refused() {
    for line in ["git", "git log", "git status /a /b", "git status --once /a"] {
        type_line(&MockAgent::new(), line).await.failed(64);
    }
}
