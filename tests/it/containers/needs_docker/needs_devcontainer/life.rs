//! The life of a dev container, from the file in a project to its deletion.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use agent_api::{DevContainerLogLevel, DevContainerStatus, ErrorCode};
use agent_containers::ConfiguredDevContainer;
use agent_sdk::{AgentConn, ssh::SshExit};
use agent_server::Stopped;
use agent_test::Engine;
use agent_tests::Transport;
use serde_json::json;
use uuid::Uuid;

use super::super::super::{list, refusal, until_list, within};
use super::super::of_folder;
use super::{
    Projects, configuration, configure, container_id, found, has_text, log, until_dev, watching,
};

/// The contract's time from a changed file to a dirty dev container.
const DIRTY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_is_found_brought_up_changed_rebuilt_entered_and_deleted() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let hello = json!({"image": engine.glibc(), "postCreateCommand": "echo hello from $PWD; echo oops >&2"});
    let folder = projects.add("shown", &hello);
    let agent = projects.agent(engine, |_| ()).await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    assert_eq!((dev.status, dev.name.as_str()), (DevContainerStatus::Stopped, ""));
    assert_eq!(dev.config_path.as_deref(), configuration(&folder).to_str());
    assert!(log(&client, dev.id, true).await.is_empty(), "it was never brought up");

    let answer = within(client.recreate_dev_container(dev.id)).await.unwrap();
    assert_eq!(answer.message, "dev container recreation initiated");
    // The answer comes when it starts already; its log is read live, to the end of the start.
    let starting = list(&client).await;
    assert_eq!(of_folder(&starting, &folder).unwrap().status, DevContainerStatus::Starting);
    let entries = log(&client, dev.id, true).await;
    assert!(has_text(&entries, "hello from /workspaces/shown"), "{entries:#?}");
    assert!(entries.iter().all(|entry| entry.text == entry.text.trim() && !entry.text.is_empty()));
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    let result = entries.iter().find(|entry| entry.text.contains("\"outcome\":\"success\""));
    assert_eq!(result.unwrap().level, DevContainerLogLevel::Info);
    assert_eq!(log(&client, dev.id, false).await, entries, "it is kept");

    let up = until_dev(&mut watch, &folder, "it runs", |one| {
        one.status == DevContainerStatus::Running && one.container.is_some()
    });
    let up = up.await;
    assert_eq!((up.name.as_str(), up.dirty, &up.error), ("shown", false, &None));
    let first = container_id(&up).to_owned();
    let label = format!("label=devcontainer.local_folder={}", folder.display());
    assert_eq!(engine.run(&["ps", "-q", "--no-trunc", "--filter", &label]), first);

    // Permissions are no change of the content; a file that takes its place is.
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(configuration(&folder), mode).unwrap();
    assert!(!of_folder(&list(&client).await, &folder).unwrap().dirty);
    let saved = Instant::now();
    configure(&folder, &json!({"image": engine.glibc(), "containerEnv": {"NEW": "new"}}));
    until_dev(&mut watch, &folder, "it is dirty", |one| one.dirty).await;
    assert!(saved.elapsed() < DIRTY, "{:?}", saved.elapsed());

    within(client.recreate_dev_container(dev.id)).await.unwrap();
    let again = until_dev(&mut watch, &folder, "it is rebuilt", |one| {
        one.container.as_ref().is_some_and(|it| it.running && it.id != first)
            && one.status == DevContainerStatus::Running
    });
    let again = again.await;
    assert!(!again.dirty, "{again:?}");
    assert!(!engine.docker().args(["inspect", &first]).output().unwrap().status.success());

    let ssh = within(client.ssh_client()).await.unwrap();
    let session = within(ssh.open_session()).await.unwrap();
    within(session.set_variable("WORKSPACE_CONTAINER", container_id(&again))).await.unwrap();
    within(session.exec("test $NEW = new && test -d /workspaces/shown && exit 42")).await.unwrap();
    let mut session = session;
    let exit = loop {
        match within(session.next()).await.unwrap() {
            agent_sdk::ssh::SshEvent::Exit(exit) => break exit,
            _ => continue,
        }
    };
    assert_eq!(exit, SshExit::Status(42));

    let metrics = within(client.get_metrics()).await.unwrap();
    for expected in [
        "agent_containers_listings_total{success=\"true\"} ",
        "agent_containers_listing_seconds_count ",
        "agent_dev_containers{status=\"running\"} ",
        "agent_dev_container_up_seconds_count{success=\"true\"} 2\n",
    ] {
        assert!(metrics.contains(expected), "{expected}");
    }

    let second = container_id(&again).to_owned();
    within(client.delete_dev_container(dev.id)).await.unwrap();
    let gone =
        until_list(&mut watch, "it is deleted", |list| of_folder(list, &folder).is_none()).await;
    assert!(gone.containers.iter().all(|one| one.id != second));
    assert!(!engine.docker().args(["inspect", &second]).output().unwrap().status.success());
    assert!(folder.join(".git").is_dir(), "the project itself stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_and_a_restored_configuration_are_changes_too() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let config = json!({"image": engine.glibc()});
    let folder = projects.add("dirty", &config);
    let agent = projects.agent(engine, |_| ()).await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    let rebuild = async |watch: &mut _| {
        within(client.recreate_dev_container(dev.id)).await.unwrap();
        until_dev(watch, &folder, "it runs and is clean", |one| {
            one.status == DevContainerStatus::Running && one.container.is_some() && !one.dirty
        })
        .await
    };
    type Change = fn(&std::path::Path, &serde_json::Value);
    let changes: [(&str, Change); 3] = [
        ("written in place", |folder, new| {
            fs::write(configuration(folder), new.to_string()).unwrap()
        }),
        ("renamed over", |folder, new| configure(folder, new)),
        ("removed", |folder, _| fs::remove_file(configuration(folder)).unwrap()),
    ];
    for (what, change) in changes {
        rebuild(&mut watch).await;
        change(&folder, &config);
        until_dev(&mut watch, &folder, what, |one| one.dirty).await;
    }
    // Without the file it cannot be built; with it, it can.
    configure(&folder, &config);
    rebuild(&mut watch).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configured_ones_come_up_with_the_agent_and_managed_ones_are_nobody_elses() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let config = json!({"image": engine.glibc()});
    let (first, second) = (projects.add("auto", &config), projects.add("manual", &config));
    let configured =
        |folder: &std::path::Path, agent_id: Option<u128>, autostart| ConfiguredDevContainer {
            workspace_folder: folder.to_owned(),
            id: None,
            config_path: None,
            name: Some("configured".to_owned()),
            agent_id: agent_id.map(Uuid::from_u128),
            autostart,
        };
    let agent = projects
        .agent(engine, |config| {
            config.containers.discover_projects = false;
            config.containers.dev_containers =
                vec![configured(&first, Some(9), true), configured(&second, None, false)];
        })
        .await;
    let (client, mut watch) = watching(&agent).await;
    let dev = until_dev(&mut watch, &first, "it runs", |one| {
        assert!(
            matches!(one.status, DevContainerStatus::Starting | DevContainerStatus::Running),
            "{one:?}"
        );
        one.status == DevContainerStatus::Running && one.container.is_some()
    })
    .await;
    assert_eq!(dev.subagent_id, Some(Uuid::from_u128(9)));
    assert_eq!(dev.name, "auto");
    let other = of_folder(&list(&client).await, &second).unwrap().clone();
    assert_eq!((other.status, other.container), (DevContainerStatus::Stopped, None));

    let managed = refusal(within(client.recreate_dev_container(dev.id)).await);
    assert_eq!(managed.0, ErrorCode::PermissionDenied);
    let managed = refusal(within(client.delete_dev_container(dev.id)).await);
    assert_eq!(managed.0, ErrorCode::PermissionDenied);
    assert!(!log(&client, dev.id, false).await.is_empty(), "its log is everybody's");

    let agent_id = agent.agent().info().agent_id.parse().unwrap();
    // After a stop the same agent finds the same container under the same id.
    assert_eq!(within(agent.shutdown()).await, Stopped::Clean);
    let id = container_id(&dev).to_owned();
    assert_eq!(engine.run(&["inspect", "-f", "{{.State.Running}}", &id]), "true");
    let next = projects.agent(engine, |config| config.agent_id = Some(agent_id)).await;
    let (_, mut watch) = watching(&next).await;
    let found =
        until_dev(&mut watch, &first, "it is found again", |one| one.container.is_some()).await;
    assert_eq!((found.id, container_id(&found)), (dev.id, id.as_str()));
    assert_eq!((found.status, found.subagent_id), (DevContainerStatus::Running, None));
    let client = next.client(Transport::Tcp);
    within(client.delete_dev_container(found.id)).await.unwrap();
}
