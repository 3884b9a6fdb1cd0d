//! A service with an engine and a command that do what a test says.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agent_api::{DevContainer, DevContainerStatus, ListContainersRequest, ListContainersResponse};
use agent_containers::{Config, Containers, ContainersWatch, Workspace};
use agent_exec::{Cgroups, Environment, Launcher};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use tokio::time::timeout;
use uuid::Uuid;

use crate::engine::fake::FakeEngine;

/// The longest that a test waits for anything.
pub(crate) const WAIT: Duration = Duration::from_secs(30);

/// Notes its arguments; `up` prints what the test writes into a pipe, and reading a configuration
/// what the test left in a file.
const SCRIPT: &str = r#"#!/bin/sh
echo "$*" >> "$HERE/args"
case "$1" in
up) cat "$HERE/up" ;;
*) cat "$HERE/merged" ;;
esac
"#;

#[derive(Debug)]
struct TestWorkspace {
    here: PathBuf,
}

impl Workspace for TestWorkspace {
    fn cli_environment(&self) -> Environment {
        let mut path = self.here.join("bin").into_os_string();
        path.push(":/usr/bin:/bin");
        [(OsString::from("PATH"), path), ("HERE".into(), self.here.clone().into())]
            .into_iter()
            .collect()
    }

    fn agent_variables(&self) -> Vec<(OsString, OsString)> {
        Vec::new()
    }
}

/// The service, what it asks, and the folder that everything is in.
pub(crate) struct Fixture {
    pub(crate) engine: FakeEngine,
    pub(crate) containers: Containers,
    dir: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_, _| {})
    }

    /// With a configuration, which may name what is in the folder.
    pub(crate) fn with(configure: impl FnOnce(&mut Config, &Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path();
        let engine = FakeEngine::at(here.join("engine.sock"));
        fs::create_dir(here.join("bin")).unwrap();
        let program = here.join("bin/devcontainer");
        fs::write(&program, SCRIPT).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        mknodat(CWD, here.join("up"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut config = Config::new(Uuid::from_u128(9), here.join("state"), here.join("home"));
        config.engine = Some(engine.address());
        configure(&mut config, here);
        let launcher = Launcher::new(agent_exec::Config {
            cgroups: Cgroups::Off,
            ..agent_exec::Config::default()
        });
        let workspace = Arc::new(TestWorkspace { here: here.to_owned() });
        let containers = Containers::new(config, launcher, workspace);
        Self { engine, containers, dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        write(self.dir.path(), name, text)
    }

    pub(crate) fn args(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("args")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Lets the `up` that runs, or runs next, print this and end.
    pub(crate) async fn end_up(&self, text: &str) {
        timeout(WAIT, tokio::fs::write(self.path("up"), format!("{text}\n")))
            .await
            .unwrap()
            .unwrap();
    }

    /// Adds a running dev container of a folder and tells of it; answers the container's id.
    pub(crate) fn add(&self, number: u32, folder: &Path) -> String {
        self.add_with(number, folder, &[])
    }

    pub(crate) fn add_with(&self, number: u32, folder: &Path, labels: &[(&str, &str)]) -> String {
        let id = self.engine.add(number);
        self.engine.change(&id, |container| {
            let all = &mut container["Config"]["Labels"];
            all["devcontainer.local_folder"] = folder.to_str().unwrap().into();
            for (key, value) in labels {
                all[*key] = (*value).into();
            }
        });
        self.engine.tell("start", &id);
        id
    }

    pub(crate) fn remove(&self, id: &str) {
        self.engine.remove(id);
        self.engine.tell("destroy", id);
    }

    pub(crate) async fn list(&self) -> ListContainersResponse {
        self.containers.list_containers(ListContainersRequest::default()).await.unwrap()
    }

    pub(crate) async fn watch(&self) -> ContainersWatch {
        self.containers.watch_containers(ListContainersRequest::default()).await.unwrap()
    }

    /// The only dev container, as soon as it is as it should be.
    pub(crate) async fn dev(&self, is_right: impl Fn(&DevContainer) -> bool) -> DevContainer {
        let mut watch = self.watch().await;
        let answer = until(
            &mut watch,
            |answer| matches!(answer.devcontainers.as_slice(), [dev] if is_right(dev)),
        );
        answer.await.devcontainers.remove(0)
    }

    pub(crate) async fn dev_of(&self, status: DevContainerStatus) -> DevContainer {
        self.dev(|dev| dev.status == status).await
    }

    /// Lets the service end, as it always must.
    pub(crate) async fn end(self) {
        timeout(WAIT, self.containers.shutdown()).await.unwrap();
    }
}

pub(crate) fn write(here: &Path, name: &str, text: &str) -> PathBuf {
    let path = here.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// The next answer of a watch.
pub(crate) async fn next(watch: &mut ContainersWatch) -> ListContainersResponse {
    timeout(WAIT, watch.next()).await.unwrap().unwrap()
}

/// The first answer from now on that is as it should be.
pub(crate) async fn until(
    watch: &mut ContainersWatch,
    is_right: impl Fn(&ListContainersResponse) -> bool,
) -> ListContainersResponse {
    let search = async {
        loop {
            let answer = watch.next().await.unwrap();
            if is_right(&answer) {
                return answer;
            }
        }
    };
    timeout(WAIT, search).await.unwrap()
}

/// The line of a successful `up`.
pub(crate) fn success(id: &str) -> String {
    format!(r#"{{"outcome":"success","containerId":"{id}"}}"#)
}
