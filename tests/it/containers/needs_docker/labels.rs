//! Dev containers that the engine's labels tell of.

use std::path::Path;

use agent_api::{DevContainerStatus, ErrorCode};
use agent_sdk::AgentConn;
use agent_test::Engine;
use agent_tests::Transport;
use uuid::Uuid;

use super::{
    super::{everything, list, refusal, within},
    agent_on, agent_with, of_folder, sleeper, until_dev,
};

const FOLDER: &str = "devcontainer.local_folder";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_labeled_container_is_a_dev_container_and_stays_one_when_it_is_removed() {
    let engine = Engine::shared();
    let folder = Path::new("/labels/My.Project_1");
    let label = format!("{FOLDER}=/labels/./x/../My.Project_1/");
    let config = "devcontainer.config_file=/labels/conf.json";
    sleeper(engine, "labels-gone", &["-l", &label, "-l", config]);
    let agent = agent_on(engine).await;
    let client = agent.client(Transport::Tcp);
    let mut watch = within(client.watch_containers(everything())).await.unwrap();
    let dev = until_dev(&mut watch, folder, "it runs", |one| one.container.is_some()).await;
    assert_eq!((dev.name.as_str(), dev.status), ("my-project-1", DevContainerStatus::Running));
    assert_eq!(dev.config_path.as_deref(), Some("/labels/conf.json"));
    let agent_id = agent.agent().info().agent_id.parse().unwrap();
    let expected = Uuid::new_v5(&agent_id, b"/labels/My.Project_1");
    assert_eq!((dev.id, dev.subagent_id), (expected, None));
    for transport in Transport::ALL {
        let far = list(&agent.client(transport)).await;
        assert_eq!(of_folder(&far, folder).unwrap().id, expected, "over {transport:?}");
    }

    engine.run(&["rm", "-f", "labels-gone"]);
    let dev = until_dev(&mut watch, folder, "it is removed", |one| one.container.is_none()).await;
    assert_eq!((dev.name.as_str(), dev.status), ("", DevContainerStatus::Stopped));
    assert_eq!(dev.id, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_containers_with_one_folder_the_running_one_wins_then_the_newest() {
    let engine = Engine::shared();
    let folder = Path::new("/labels/several");
    let label = format!("{FOLDER}=/labels/several");
    let running = sleeper(engine, "several-running", &["-l", &label]);
    sleeper(engine, "several-old", &["-l", &label]);
    let newest = sleeper(engine, "several-new", &["-l", &label]);
    engine.run(&["kill", "several-old", "several-new"]);
    let agent = agent_on(engine).await;
    let client = agent.client(Transport::Unix);
    let mut watch = within(client.watch_containers(everything())).await.unwrap();
    let of = |id: &str| {
        let id = id.to_owned();
        move |one: &agent_api::DevContainer| one.container.as_ref().is_some_and(|it| it.id == id)
    };
    let dev = until_dev(&mut watch, folder, "the running one", of(&running)).await;
    assert_eq!(dev.status, DevContainerStatus::Running);
    engine.run(&["kill", "several-running"]);
    let dev = until_dev(&mut watch, folder, "the newest", of(&newest)).await;
    assert_eq!(dev.status, DevContainerStatus::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_runs_and_ignored_ones_are_none_and_labels_narrow_the_choice() {
    let engine = Engine::shared();
    let label = |name: &str| format!("{FOLDER}=/choice/{name}");
    sleeper(engine, "choice-plain", &["-l", &label("plain")]);
    sleeper(engine, "choice-run", &["-l", &label("run"), "-l", "devcontainer.is_test_run=true"]);
    sleeper(engine, "choice-no", &["-l", &label("no"), "-l", "workspace.ignore=true"]);
    sleeper(engine, "choice-yes", &["-l", &label("yes"), "-l", "choice=a=b"]);
    sleeper(engine, "choice-empty", &["-l", &format!("{FOLDER}=")]);
    let chosen = async |include: &[(&str, &str)]| {
        let labels = include.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let agent =
            agent_with(engine, |config| config.containers.include_labels = labels.collect()).await;
        let all = list(&agent.client(Transport::Unix)).await.devcontainers;
        let ours = all.into_iter().map(|one| one.workspace_folder);
        ours.filter(|folder| folder.starts_with("/choice")).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&[]).await, ["/choice/plain", "/choice/yes"]);
    assert_eq!(chosen(&[("choice", "a=b")]).await, ["/choice/yes"]);
    assert_eq!(chosen(&[("devcontainer.is_test_run", "true")]).await, ["/choice/run"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_dev_container_is_gone_with_its_container_and_its_volume_stays() {
    let engine = Engine::shared();
    let folder = Path::new("/labels/delete");
    let label = format!("{FOLDER}=/labels/delete");
    let agent = agent_on(engine).await;
    for (transport, is_stopped) in
        [(Transport::Duplex, true), (Transport::Tcp, false), (Transport::Unix, true)]
    {
        let id = sleeper(engine, "delete-me", &["-l", &label, "-v", "kept:/kept"]);
        if is_stopped {
            engine.run(&["kill", "delete-me"]);
        }
        let client = agent.client(transport);
        let dev = of_folder(&list(&client).await, folder).unwrap().id;
        within(client.delete_dev_container(dev)).await.unwrap();
        let after = list(&client).await;
        assert_eq!(of_folder(&after, folder), None, "over {transport:?}");
        assert!(after.containers.iter().all(|one| one.id != id));
        let inspect = engine.docker().args(["inspect", &id]).output().unwrap();
        assert!(!inspect.status.success());
        engine.run(&["volume", "inspect", "kept"]);
        let gone = refusal(within(client.delete_dev_container(dev)).await);
        assert_eq!(gone.0, ErrorCode::NotFound);
        let gone = refusal(within(client.recreate_dev_container(dev)).await);
        assert_eq!(gone.0, ErrorCode::NotFound);
        let gone = refusal(within(client.dev_container_logs(dev, false)).await);
        assert_eq!(gone.0, ErrorCode::NotFound);
    }
}
