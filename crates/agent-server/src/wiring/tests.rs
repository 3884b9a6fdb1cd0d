//! What an agent's files and processes tell its git.

use agent_api::Caller;

use super::*;

const CHAT: &str = "11111111-1111-1111-1111-111111111111";
const PARENT: &str = "22222222-2222-2222-2222-222222222222";

fn caller() -> Caller {
    Caller::new(CHAT.parse().ok(), &[PARENT.parse().unwrap()]).unwrap()
}

#[tokio::test]
async fn forwarding_ends_when_it_is_stopped_after_everything_told() {
    let dir = tempfile::tempdir().unwrap();
    let launcher = agent_exec::Launcher::new(agent_exec::Config::default());
    let git = Git::new(agent_git::Config::new(dir.path(), dir.path()), launcher);
    let events = tokio::sync::broadcast::Sender::new(8);
    let (receiver, stop) = (events.subscribe(), CancellationToken::new());
    for name in ["/a", "/b"] {
        let path = AbsolutePath::parse(name).unwrap();
        events.send((path, caller())).unwrap();
    }
    stop.cancel();
    forward(receiver, &git, &stop, |(path, by)| Some((vec![path], by))).await;
    assert_eq!(git.statistics().chats, 2);
}

mod needs_git {
    use std::time::Duration;

    use agent_api::{
        GitServerMessage, RepositoryChange, StartProcessRequest, WatchGitRequest, WriteFileRequest,
    };
    use agent_git::GitWatch;
    use agent_test::GitRepository;

    use super::*;
    use crate::{Agent, Config, Stopped};

    const LONG: Duration = Duration::from_secs(60);

    async fn agent(dir: &std::path::Path) -> Agent {
        let address = "127.0.0.1:0".parse().unwrap();
        let config = Config::new(dir.join("state"), dir.join("home"));
        Agent::bind(Config { listen: vec![address], ..config }).await.unwrap()
    }

    fn watch(agent: &Agent, chat: &str) -> GitWatch {
        let req = WatchGitRequest { chat_id: chat.parse().ok() };
        agent.git().watch_git(&Caller::anonymous(), req).unwrap()
    }

    /// Waits for changes that have a repository at this root.
    async fn shown(watch: &mut GitWatch, root: &std::path::Path) -> agent_api::Repository {
        let shown = async {
            loop {
                let message = watch.next().await.unwrap();
                let GitServerMessage::Changes(changes) = message else { continue };
                for change in changes.repositories {
                    if let RepositoryChange::Snapshot(repository) = change
                        && repository.repo_root == root.to_str().unwrap()
                    {
                        return *repository;
                    }
                }
            }
        };
        tokio::time::timeout(LONG, shown).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_that_is_written_brings_its_repository_to_the_chat_and_its_ancestors() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().canonicalize().unwrap();
        let repository = GitRepository::init(dir.join("r"));
        let agent = agent(&dir).await;
        let mut watches = [watch(&agent, CHAT), watch(&agent, PARENT)];
        let path = repository.path("a.txt");
        let content = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"a\n"))]);
        let req = WriteFileRequest::new(path.to_str().unwrap());
        agent.files().write_file(&caller(), req, content).await.unwrap();
        for watch in &mut watches {
            let shown = shown(watch, repository.root()).await;
            assert_eq!(shown.files[0].path, "a.txt");
        }
        drop(watches);
        assert_eq!(agent.shutdown().await, Stopped::Clean);
    }

    #[tokio::test]
    async fn however_many_files_calls_edit_all_are_recorded() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().canonicalize().unwrap();
        let agent = agent(&dir).await;
        let calls = (0..4).map(|call| {
            let edits = (0..1000).map(|number| {
                let path = dir.join(format!("{call}-{number}"));
                std::fs::write(&path, "a").unwrap();
                serde_json::json!({ "path": path, "edits": [{ "old_text": "a", "new_text": "b" }] })
            });
            let req = serde_json::json!({ "files": edits.collect::<Vec<_>>() });
            let (files, req) = (agent.files(), serde_json::from_value(req).unwrap());
            async move { files.edit_files(&caller(), req).await }
        });
        futures_util::future::try_join_all(calls).await.unwrap();
        assert_eq!(agent.shutdown().await, Stopped::Clean);
        for chat in [CHAT, PARENT] {
            let recorded = std::fs::read_to_string(dir.join("state/git").join(chat)).unwrap();
            assert_eq!(recorded.lines().count(), 4000);
        }
    }

    #[tokio::test]
    async fn a_process_that_ends_brings_its_directory_also_to_the_next_agent() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("w")).unwrap();
        let first = agent(&dir).await;
        let mut watched = watch(&first, CHAT);
        GitRepository::init(dir.join("w")).write("made.txt", "");
        let req = StartProcessRequest {
            command: Some("true".to_owned()),
            workdir: dir.join("w").to_str().map(str::to_owned),
            ..StartProcessRequest::default()
        };
        first.processes().start_process(&caller(), req).await.unwrap();
        let told = shown(&mut watched, &dir.join("w")).await;
        assert_eq!(told.files[0].path, "made.txt");
        drop(watched);
        assert_eq!(first.shutdown().await, Stopped::Clean);

        let second = agent(&dir).await;
        shown(&mut watch(&second, PARENT), &dir.join("w")).await;
        assert_eq!(second.shutdown().await, Stopped::Clean);
    }

    #[tokio::test]
    async fn the_stop_ends_watches() {
        let temporary = tempfile::tempdir().unwrap();
        let agent = agent(temporary.path()).await;
        let mut watched = watch(&agent, CHAT);
        let (stopped, last) = tokio::join!(agent.shutdown(), watched.next());
        assert_eq!((stopped, last), (Stopped::Clean, None));
    }
}
