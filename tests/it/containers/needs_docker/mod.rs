//! Tests on the real engine.

mod engine;
mod exec;
mod inside;
mod labels;
mod lists;
mod needs_devcontainer;
mod prompt;
mod terminals;

use std::path::Path;

use agent_api::DevContainer;
use agent_sdk::{ContainersWatch, api::ListContainersResponse};
use agent_server::Config;
use agent_test::Engine;
use agent_tests::TestAgent;

use super::until_list;

async fn agent_on(engine: &Engine) -> TestAgent {
    agent_with(engine, |_| ()).await
}

async fn agent_with(engine: &Engine, change: impl FnOnce(&mut Config)) -> TestAgent {
    TestAgent::start_with(|config| {
        config.containers.engine = Some(engine.host());
        change(config);
    })
    .await
}

/// Runs `sleep` in a container of that name without a network; answers its id.
fn sleeper(engine: &Engine, name: &str, options: &[&str]) -> String {
    let run = ["run", "-d", "--init", "--network", "none", "--name", name];
    engine.run(&[&run, options, &[engine.busybox(), "sleep", "600"]].concat())
}

/// The dev container of a folder in a list.
fn of_folder<'l>(list: &'l ListContainersResponse, folder: &Path) -> Option<&'l DevContainer> {
    list.devcontainers.iter().find(|one| Path::new(&one.workspace_folder) == folder)
}

/// Waits until the dev container of a folder is as wished, and answers it.
async fn until_dev(
    watch: &mut ContainersWatch,
    folder: &Path,
    what: &str,
    mut holds: impl FnMut(&DevContainer) -> bool,
) -> DevContainer {
    let holds = |list: &ListContainersResponse| of_folder(list, folder).is_some_and(&mut holds);
    let list = until_list(watch, what, holds).await;
    of_folder(&list, folder).expect("it holds for one that is there").clone()
}
