//! Dev containers that do not come up, or not wholly.

use std::{fs, time::Duration};

use agent_api::{DevContainerLogLevel, DevContainerStatus, ErrorCode};
use agent_sdk::AgentConn;
use agent_server::Stopped;
use agent_test::Engine;
use agent_tests::until;
use serde_json::json;

use super::super::super::{refusal, within};
use super::{Projects, configure, container_id, found, has_text, log, until_dev, watching};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_cannot_be_built_is_an_error_until_it_can() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let folder = projects.add("unbuilt", &json!({"build": {"dockerfile": "Dockerfile"}}));
    let dockerfile = folder.join(".devcontainer/Dockerfile");
    fs::write(&dockerfile, format!("FROM {}\nRUN echo broken && false\n", engine.glibc())).unwrap();
    let agent = projects.agent(engine, |_| ()).await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    within(client.recreate_dev_container(dev.id)).await.unwrap();
    let failed =
        until_dev(&mut watch, &folder, "it failed", |one| one.status == DevContainerStatus::Error)
            .await;
    let error = failed.error.as_deref().unwrap();
    assert!(error.contains("docker build"), "{error}");
    assert_eq!((failed.container, failed.dirty), (None, false));
    let entries = log(&client, dev.id, true).await;
    assert!(has_text(&entries, "broken"), "{entries:#?}");
    assert!(entries.iter().any(|entry| entry.level == DevContainerLogLevel::Error));

    fs::write(&dockerfile, format!("FROM {}\nRUN echo fixed\n", engine.glibc())).unwrap();
    within(client.recreate_dev_container(dev.id)).await.unwrap();
    let up = until_dev(&mut watch, &folder, "it runs", |one| one.container.is_some()).await;
    assert_eq!((up.status, &up.error), (DevContainerStatus::Running, &None));
    assert!(!has_text(&log(&client, dev.id, true).await, "broken"), "the log is the latest one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_fails_is_an_error_beside_a_container_that_runs() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let folder = projects.add(
        "hook",
        &json!({"image": engine.glibc(), "postCreateCommand": "echo in the hook; exit 5"}),
    );
    let agent = projects.agent(engine, |_| ()).await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    within(client.recreate_dev_container(dev.id)).await.unwrap();
    let up = until_dev(&mut watch, &folder, "it runs with an error", |one| {
        one.status == DevContainerStatus::Running && one.error.is_some()
    })
    .await;
    let error = up.error.as_deref().unwrap();
    assert!(error.contains("postCreateCommand"), "{error}");
    assert_eq!(engine.run(&["inspect", "-f", "{{.State.Running}}", container_id(&up)]), "true");
    assert!(has_text(&log(&client, dev.id, true).await, "in the hook"));

    configure(&folder, &json!({"image": engine.glibc(), "postCreateCommand": "true"}));
    within(client.recreate_dev_container(dev.id)).await.unwrap();
    let clean = until_dev(&mut watch, &folder, "it runs without one", |one| {
        one.status == DevContainerStatus::Running && one.container.is_some() && one.error.is_none()
    });
    assert!(!clean.await.dirty);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_too_long_is_ended_with_everything_it_started() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let hook = "sleep 4007";
    let folder = projects.add("slow", &json!({"image": engine.glibc(), "initializeCommand": hook}));
    let agent = projects
        .agent(engine, |config| config.containers.up_timeout = Duration::from_secs(3))
        .await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    within(client.recreate_dev_container(dev.id)).await.unwrap();
    until("its hook runs on the host", || runs(hook)).await;
    let failed =
        until_dev(&mut watch, &folder, "it failed", |one| one.status == DevContainerStatus::Error);
    assert_eq!(failed.await.error.as_deref(), Some("timed out after 3s"));
    until("nothing is left of it", || !runs(hook)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_stops_ends_what_it_brings_up() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let hook = "sleep 4008";
    let folder =
        projects.add("stops", &json!({"image": engine.glibc(), "initializeCommand": hook}));
    let agent = projects.agent(engine, |_| ()).await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    within(client.recreate_dev_container(dev.id)).await.unwrap();
    until("its hook runs on the host", || runs(hook)).await;
    assert_eq!(within(agent.shutdown()).await, Stopped::Clean);
    assert!(!runs(hook), "the agent has stopped, and this runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_command_nothing_is_brought_up() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let folder = projects.add("lacking", &json!({"image": engine.glibc()}));
    let path = "/usr/bin:/bin";
    let agent = projects
        .agent(engine, |config| {
            config.inherited.0.insert("PATH".into(), path.into());
        })
        .await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    let refused = refusal(within(client.recreate_dev_container(dev.id)).await);
    assert_eq!(refused.0, ErrorCode::Unsupported);
    let after = found(&mut watching(&agent).await.1, &folder).await;
    assert_eq!(after.status, DevContainerStatus::Stopped);
}

/// Whether a process with that text in its command line runs on the host.
fn runs(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        // A process may end while it is looked at.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line: Vec<_> = line.split(|byte| *byte == 0).filter(|word| !word.is_empty()).collect();
        line.iter().map(|word| String::from_utf8_lossy(word)).eq(words.iter().copied())
    })
}
