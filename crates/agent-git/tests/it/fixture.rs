//! A service over a temporary directory, and short ways to hear what a watch says.

use std::{path::PathBuf, time::Duration};

use agent_api::{
    AbsolutePath, Caller, ChatId, GitChanges, GitServerMessage, Repository, RepositoryChange,
    WatchGitRequest,
};
use agent_exec::Launcher;
use agent_git::{Config, Git, GitWatch};
use agent_test::GitRepository;
use tokio::time::timeout;

/// Nothing here takes as long, except on a machine that is stuck.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const CHAT: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const PARENT: &str = "22222222-2222-2222-2222-222222222222";

pub(crate) struct Fixture {
    pub(crate) git: Git,
    /// Real path of a directory in no repository.
    pub(crate) dir: PathBuf,
    _temporary: tempfile::TempDir,
}

/// A watch that is listened to.
pub(crate) struct Watch(pub(crate) GitWatch);

impl Fixture {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().canonicalize().unwrap();
        let git = service(&dir);
        Self { git, dir, _temporary: temporary }
    }

    /// A repository with `a.txt` committed.
    pub(crate) fn repository(&self, name: &str) -> GitRepository {
        let repository = GitRepository::init(self.dir.join(name));
        repository.write("a.txt", "a\n");
        repository.commit_all("first");
        repository
    }

    pub(crate) fn path(&self, name: &str) -> AbsolutePath {
        AbsolutePath::parse(self.dir.join(name).to_str().unwrap()).unwrap()
    }

    pub(crate) fn root(&self, name: &str) -> String {
        self.path(name).as_str().to_owned()
    }

    /// Ends the service, as the death of the agent would, and begins another one on its state.
    pub(crate) fn restart(&mut self) {
        self.git = service(&self.dir);
    }

    pub(crate) fn watch(&self) -> Watch {
        let caller = Caller::anonymous();
        Watch(self.git.watch_git(&caller, WatchGitRequest::default()).unwrap())
    }

    pub(crate) fn watch_chat(&self, chat: &str) -> Watch {
        let req = WatchGitRequest { chat_id: Some(chat.parse().unwrap()) };
        Watch(self.git.watch_git(&Caller::anonymous(), req).unwrap())
    }

    /// A watch of one repository that has shown its first snapshot.
    pub(crate) async fn watching(&self, name: &str) -> Watch {
        let mut watch = self.watch();
        watch.subscribe(&[&self.root(name)]);
        let roots = watch.roots().await;
        assert_eq!(roots, [self.root(name)]);
        watch
    }
}

fn service(dir: &std::path::Path) -> Git {
    let launcher = Launcher::new(agent_exec::Config {
        cgroups: agent_exec::Cgroups::Off,
        ..agent_exec::Config::default()
    });
    Git::new(Config::new(dir.join("state"), dir.join("home")), launcher)
}

pub(crate) fn caller(chat: &str, ancestors: &[&str]) -> Caller {
    let ancestors: Vec<ChatId> = ancestors.iter().map(|id| id.parse().unwrap()).collect();
    Caller::new(Some(chat.parse().unwrap()), &ancestors).unwrap()
}

impl Watch {
    pub(crate) fn subscribe(&mut self, paths: &[&str]) {
        let message = serde_json::json!({"type": "subscribe", "paths": paths});
        self.0.receive(&message.to_string());
    }

    pub(crate) fn refresh(&mut self) {
        self.0.receive(r#"{"type":"refresh"}"#);
    }

    /// The next message but notices of polling, which depend on the machine.
    pub(crate) async fn next(&mut self) -> GitServerMessage {
        loop {
            let message = timeout(LONG, self.0.next()).await.unwrap().unwrap();
            match message {
                GitServerMessage::Notice(notice)
                    if notice.code == agent_api::GitNoticeCode::Polling => {}
                message => return message,
            }
        }
    }

    pub(crate) async fn changes(&mut self) -> GitChanges {
        match self.next().await {
            GitServerMessage::Changes(changes) => changes,
            other => panic!("{other:?}"),
        }
    }

    /// The roots of the next changes.
    pub(crate) async fn roots(&mut self) -> Vec<String> {
        let changes = self.changes().await.repositories;
        changes.iter().map(|change| change.repo_root().to_owned()).collect()
    }

    /// The one repository of the next changes.
    pub(crate) async fn repository(&mut self) -> Repository {
        let mut repositories = self.changes().await.repositories;
        match (repositories.pop(), repositories.is_empty()) {
            (Some(RepositoryChange::Snapshot(repository)), true) => *repository,
            (other, _) => panic!("{other:?}, {repositories:?}"),
        }
    }

    /// The repository as soon as it is like this; what comes before it is passed over.
    pub(crate) async fn until(&mut self, is_so: impl Fn(&Repository) -> bool) -> Repository {
        loop {
            let repository = self.repository().await;
            if is_so(&repository) {
                return repository;
            }
        }
    }
}

/// The files of a snapshot with their states.
pub(crate) fn files(repository: &Repository) -> Vec<(&str, &str)> {
    let files = repository.files.iter();
    files.map(|file| (file.path.as_str(), file.status.as_str())).collect()
}
