//! What the real `git` and others do to a repository while it is watched.

use std::{collections::HashSet, path::Path};

use agent_api::{
    ChatId, ErrorCode, FileStatus, GetGitStatusRequest, WatchGitRequest, WriteFileRequest,
};
use agent_sdk::{AgentClient, AgentConn, ByteStream};
use agent_test::GitRepository;
use agent_tests::{Daemon, TestAgent, Transport};
use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process};

use super::{View, same_as_git, text, within};

async fn watching(client: &AgentClient, paths: &[&Path]) -> View {
    let watch = within(client.watch_git(WatchGitRequest::default())).await.unwrap();
    let mut view = View::new(watch);
    let paths: Vec<_> = paths.iter().map(|path| text(path)).collect();
    view.watch.subscribe(paths).await.unwrap();
    view.next().await;
    view
}

async fn status_is_as_git(client: &AgentClient, repository: &GitRepository) {
    let request = GetGitStatusRequest::new(text(repository.root()));
    let answer = within(client.get_git_status(request)).await.unwrap();
    same_as_git(repository, &answer.repository);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebase_ends_in_what_git_says() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    let directory = tempfile::tempdir().unwrap();
    let repository = GitRepository::init(directory.path().join("r"));
    for number in 0..30 {
        repository.write(format!("file{number}"), format!("{number}\n"));
    }
    repository.commit_all("base");
    repository.git(&["checkout", "-q", "-b", "topic"]);
    for number in 0..10 {
        repository.write(format!("topic{number}"), format!("{number}\n"));
        repository.write(format!("file{number}"), format!("topic\n{number}\n"));
        repository.commit_all(&format!("topic {number}"));
    }
    repository.git(&["checkout", "-q", "main"]);
    repository.write("main", "main\n");
    repository.write("file9", "main\n");
    repository.commit_all("main");
    repository.git(&["checkout", "-q", "topic"]);

    let mut view = watching(&client, &[repository.root()]).await;
    let stopped = repository.try_git(&["rebase", "main"]);
    assert!(!stopped.status.success(), "the last commit conflicts");
    view.until_as_git(&repository).await;
    let conflicted = &view.repositories[&repository.root().canonicalize().unwrap()];
    let of_file9 = conflicted.files.iter().find(|file| file.path == "file9").unwrap();
    assert_eq!(of_file9.status, FileStatus::Conflicted);
    assert!(conflicted.detached, "a rebase works on no branch");

    repository.write("file9", "both\n");
    repository.git(&["add", "file9"]);
    repository.git(&["-c", "core.editor=true", "rebase", "--continue"]);
    view.until_as_git(&repository).await;
    status_is_as_git(&client, &repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_of_ten_thousand_files_ends_in_what_git_says() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Tcp);
    let directory = tempfile::tempdir().unwrap();
    let repository = GitRepository::init(directory.path().join("r"));
    let write_all = |version: &str| {
        for number in 0..10_000 {
            let path = format!("d{}/e{}/file{number}", number % 40, number % 7);
            repository.write(path, format!("{version} {number}\n"));
        }
    };
    write_all("one");
    repository.commit_all("one");
    repository.git(&["checkout", "-q", "-b", "other"]);
    write_all("two");
    repository.commit_all("two");

    let mut view = watching(&client, &[repository.root()]).await;
    repository.write("d1/e1/file1", "changed\n");
    repository.write("new", "new\n");
    view.until_as_git(&repository).await;
    repository.git(&["checkout", "-q", "-f", "main"]);
    repository.write("d2/e2/file2", "changed too\n");
    view.until_as_git(&repository).await;
    repository.git(&["checkout", "-q", "-f", "other"]);
    view.until_as_git(&repository).await;
    status_is_as_git(&client, &repository).await;
    assert!(view.messages < 60, "{} messages for three checkouts", view.messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_goes_and_comes_back_is_found_again() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    let directory = tempfile::tempdir().unwrap();
    let origin = GitRepository::init(directory.path().join("origin"));
    origin.write("a/b/c", "1\n");
    origin.commit_all("first");
    let path = directory.path().canonicalize().unwrap().join("clone");
    let clone = || origin.git(&["clone", "-q", ".", path.to_str().unwrap()]);
    clone();
    let mut view = watching(&client, &[&path.join("a/b")]).await;
    assert!(view.repositories.contains_key(&path));

    std::fs::remove_dir_all(&path).unwrap();
    view.until(&path, |seen| seen.is_none()).await;
    let request = GetGitStatusRequest::new(text(&path));
    let gone = within(client.get_git_status(request)).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::NotFound);

    origin.write("a/b/c", "2\n");
    origin.commit_all("second");
    clone();
    let repository = GitRepository::at(&path);
    repository.write("a/b/c", "3\n");
    view.until_as_git(&repository).await;
    let seen = &view.repositories[&path];
    assert_eq!(seen.upstream.as_deref(), Some("origin/main"));
    assert_eq!((seen.ahead, seen.behind), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_in_an_ignored_directory_is_no_change() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    let directory = tempfile::tempdir().unwrap();
    let repository = GitRepository::init(directory.path().join("r"));
    repository.write(".gitignore", "/target\nnode_modules/\n");
    repository.write("src/main.rs", "fn main() {}\n");
    repository.commit_all("first");
    let mut view = watching(&client, &[repository.root()]).await;
    for number in 0..2_000 {
        repository.write(format!("target/debug/deps/x{number}.o"), "object");
        repository.write(format!("web/node_modules/p{number}/index.js"), "module");
    }
    view.watch.refresh().await.unwrap();
    assert_eq!(view.next().await.len(), 0, "nothing changed");
    repository.write("src/main.rs", "fn main() { todo!() }\n");
    view.until_as_git(&repository).await;
    let metrics = within(client.get_metrics()).await.unwrap();
    let watches =
        metrics.lines().find_map(|line| line.strip_prefix("agent_git_watched_directories "));
    let watches: u64 = watches.expect("watches are counted").parse().unwrap();
    assert!(watches < 60, "{watches} watches");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_see_the_same_each_with_a_first_state_of_its_own() {
    let agent = TestAgent::start().await;
    let directory = tempfile::tempdir().unwrap();
    let repositories = ["one", "two"].map(|name| {
        let repository = GitRepository::init(directory.path().join(name));
        repository.write("a", "1\n");
        repository.commit_all("first");
        repository
    });
    let roots = repositories.each_ref().map(|one| one.root().to_owned());
    let roots = [&*roots[0], &*roots[1]];
    let mut first = watching(&agent.client(Transport::Tcp), &roots).await;
    assert_eq!((first.messages, first.repositories.len()), (1, 2), "both in one message");
    repositories[0].write("a", "2\n");
    first.until_as_git(&repositories[0]).await;
    let mut second = watching(&agent.client(Transport::Unix), &roots).await;
    assert_eq!((second.messages, second.repositories.len()), (1, 2));
    assert_eq!(second.repositories, first.repositories);
    repositories[1].write("a", "2\n");
    first.until_as_git(&repositories[1]).await;
    second.until_as_git(&repositories[1]).await;
    assert_eq!(second.repositories, first.repositories);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_holds_up_nobody() {
    let agent = TestAgent::start().await;
    let directory = tempfile::tempdir().unwrap();
    let repository = GitRepository::init(directory.path().join("r"));
    let large =
        |seed: usize| (0..30_000).map(|n| format!("{}\n", n + 100_000 * seed)).collect::<String>();
    repository.write("a", "");
    repository.commit_all("first");
    let mut stuck = Vec::new();
    for _ in 0..8 {
        stuck.push(watching(&agent.client(Transport::Tcp), &[repository.root()]).await);
    }
    let mut reader = watching(&agent.client(Transport::Unix), &[repository.root()]).await;
    for seed in 1..6 {
        repository.write("a", large(seed));
        reader.until_as_git(&repository).await;
    }
    // Those who come back to reading get the newest state, not every one in between.
    for view in &mut stuck {
        view.until_as_git(&repository).await;
        assert!(view.messages <= 7, "{}", view.messages);
    }
}

fn send(daemon: &Daemon, signal: Signal) {
    let pid = Pid::from_raw(daemon.pid().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn chat(number: u32) -> ChatId {
    format!("8f14e45f-ceea-467f-a0e6-{number:012}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_chat_wrote_is_watched_by_its_ancestors_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let repository = GitRepository::init(directory.path().canonicalize().unwrap().join("r"));
    repository.write("a", "1\n");
    repository.commit_all("first");
    let (child, parent) = (chat(1), chat(2));
    let state = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start_on(state.path(), &[]).await;
    let watch_of = async |client: &AgentClient, chat| {
        let request = WatchGitRequest { chat_id: Some(chat) };
        View::new(within(client.watch_git(request)).await.unwrap())
    };
    let client = daemon.client();
    let mut view = watch_of(&client, parent).await;
    let writer = daemon.client();
    let caller = agent_api::Caller::new(Some(child), &[parent]).unwrap();
    writer.set_extra_headers(agent_sdk::caller_headers(&caller)).unwrap();
    let request = WriteFileRequest::new(text(&repository.path("a")));
    within(writer.write_file(request, ByteStream::from("2\n"))).await.unwrap();
    view.until_as_git(&repository).await;
    drop(view);

    send(&daemon, Signal::KILL);
    daemon.wait().await;
    let mut daemon = Daemon::start_on(state.path(), &[]).await;
    let client = daemon.client();
    for chat in [child, parent] {
        let mut view = watch_of(&client, chat).await;
        view.until_as_git(&repository).await;
        assert_eq!(view.messages, 1, "the first message has it");
    }
    let mut other = watch_of(&client, chat(3)).await;
    other.watch.refresh().await.unwrap();
    assert_eq!(other.next().await.len(), 0, "another chat wrote nothing");
    send(&daemon, Signal::TERM);
    assert_eq!(daemon.wait().await.code(), Some(0));
    let end = within(other.watch.next()).await.unwrap().unwrap_err();
    assert!(matches!(end, agent_sdk::Error::Closed { code: Some(1001), .. }), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_repositories_change_at_once() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    let directory = tempfile::tempdir().unwrap();
    let repositories: Vec<_> = (0..40)
        .map(|number| {
            let repository = GitRepository::init(directory.path().join(format!("r{number}")));
            repository.write("a", "1\n");
            repository.commit_all("first");
            repository
        })
        .collect();
    let roots: Vec<_> = repositories.iter().map(GitRepository::root).collect();
    let mut view = watching(&client, &roots).await;
    assert_eq!(view.repositories.len(), 40);
    for repository in &repositories {
        repository.write("a", "2\n");
    }
    for repository in &repositories {
        view.until_as_git(repository).await;
    }
    let roots: HashSet<_> = view.repositories.keys().collect();
    assert_eq!(roots.len(), 40);
}
