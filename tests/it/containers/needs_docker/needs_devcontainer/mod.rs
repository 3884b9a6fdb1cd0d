//! Dev containers brought up by the real command.

mod customized;
mod failures;
mod life;
mod nested;
mod races;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use agent_api::{DevContainer, DevContainerLogEntry};
use agent_sdk::{AgentClient, AgentConn, ContainersWatch};
use agent_server::Config;
use agent_test::{Engine, devcontainer_bin};
use agent_tests::{TestAgent, Transport};
use futures_util::TryStreamExt;
use uuid::Uuid;

use super::super::{everything, within};
use super::{agent_with, until_dev};

/// `PATH` with the command in front.
fn path() -> OsString {
    #[expect(clippy::disallowed_methods, reason = "a test finds programs as its caller does")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ours = devcontainer_bin();
    let dirs = std::iter::once(ours).chain(std::env::split_paths(&path));
    std::env::join_paths(dirs).unwrap()
}

/// A directory of projects, gone with this value.
struct Projects {
    dir: tempfile::TempDir,
}

impl Projects {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    /// Makes a project with a configuration, and answers its folder.
    fn add(&self, name: &str, configuration: &serde_json::Value) -> PathBuf {
        let folder = self.path().join(name);
        fs::create_dir_all(folder.join(".git")).unwrap();
        fs::create_dir_all(folder.join(".devcontainer")).unwrap();
        configure(&folder, configuration);
        folder
    }

    /// Starts an agent that finds them.
    async fn agent(&self, engine: &Engine, change: impl FnOnce(&mut Config)) -> TestAgent {
        agent_with(engine, |config| {
            config.directory = Some(self.path());
            config.inherited.0.insert("PATH".into(), path());
            change(config);
        })
        .await
    }
}

fn configuration(folder: &Path) -> PathBuf {
    folder.join(".devcontainer/devcontainer.json")
}

/// Replaces the configuration as editors do: another file takes its name.
fn configure(folder: &Path, content: &serde_json::Value) {
    let file = configuration(folder);
    let other = file.with_extension("new");
    fs::write(&other, content.to_string()).unwrap();
    fs::rename(other, file).unwrap();
}

async fn watching(agent: &TestAgent) -> (AgentClient, ContainersWatch) {
    let client = agent.client(Transport::Unix);
    let watch = within(client.watch_containers(everything())).await.unwrap();
    (client, watch)
}

async fn log(client: &AgentClient, id: Uuid, follow: bool) -> Vec<DevContainerLogEntry> {
    let log = within(client.dev_container_logs(id, follow)).await.unwrap();
    within(log.try_collect()).await.unwrap()
}

fn has_text(log: &[DevContainerLogEntry], text: &str) -> bool {
    log.iter().any(|entry| entry.text.contains(text))
}

fn container_id(dev: &DevContainer) -> &str {
    &dev.container.as_ref().expect("it has a container").id
}

/// Waits until it is there without a container, as the scan of projects finds it.
async fn found(watch: &mut ContainersWatch, folder: &Path) -> DevContainer {
    until_dev(watch, folder, "it is found", |_| true).await
}
