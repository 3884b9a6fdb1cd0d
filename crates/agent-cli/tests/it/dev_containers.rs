//! `devcontainer`: listed, brought up, followed, entered, removed; and the agent inside one.

use std::sync::Arc;

use agent_sdk::{
    ContainersWatch, DevContainerLogs, Error,
    api::{
        DevContainerLogEntry, DevContainerLogLevel, ErrorCode, ListContainersRequest,
        ListContainersResponse, RecreateDevContainerResponse,
    },
    mock::{Call, MockAgent},
};
use futures_util::stream;
use uuid::Uuid;

use crate::{
    files::refusal,
    prompt::{type_line, type_words},
};

const ID: &str = "644843b5-06b1-5f62-b7eb-613019c35e4e";
const CONTAINER: &str = "4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d";

fn id() -> Uuid {
    ID.parse().unwrap()
}

/// A dev container `web` in some status, and another one that is stopped.
fn list(status: &str, error: Option<&str>) -> ListContainersResponse {
    let container = serde_json::json!({
        "id": CONTAINER, "name": "cat", "image": "i", "labels": {}, "running": true, "ports": [],
        "status": "running", "state": "running", "volumes": {},
        "created_at": "1970-01-01T00:00:00.000Z",
    });
    let has_container = status == "running";
    serde_json::from_value(serde_json::json!({
        "devcontainers": [
            {"id": ID, "name": "web", "workspace_folder": "/src/web", "status": status,
                "dirty": has_container, "container": has_container.then_some(container),
                "error": error},
            {"id": "aaaaaaaa-06b1-5f62-b7eb-613019c35e4e", "name": "",
                "workspace_folder": "/src/db", "status": "stopped", "dirty": false},
        ],
        "containers": [],
    }))
    .unwrap()
}

fn everything() -> Call {
    Call::ListContainers(ListContainersRequest::default())
}

fn entry(level: DevContainerLogLevel, text: &str) -> DevContainerLogEntry {
    DevContainerLogEntry { level, text: text.to_owned(), ..Default::default() }
}

/// An agent whose dev container is in `before`, and when it was recreated in one status after the
/// other.
fn agent(before: &'static str, after: &'static [(&str, Option<&str>)]) -> MockAgent {
    let agent = MockAgent::new();
    agent.on_list_containers(move |_| Ok(list(before, None)));
    agent.on_recreate_dev_container(|_| {
        let message = "dev container recreation initiated".to_owned();
        let detail = "recreating dev container \"web\"".to_owned();
        Ok(RecreateDevContainerResponse { message, detail })
    });
    agent.on_dev_container_logs(|_, _| {
        Ok(DevContainerLogs::from_entries([
            entry(DevContainerLogLevel::Info, "building"),
            entry(DevContainerLogLevel::Error, "sh: mkae: not found"),
        ]))
    });
    agent.on_watch_containers(move |_| {
        let lists: Vec<_> = after.iter().map(|(status, error)| list(status, *error)).collect();
        Ok(ContainersWatch::from_lists(lists))
    });
    agent
}

const COMES_UP: &[(&str, Option<&str>)] = &[("starting", None), ("running", None)];

#[tokio::test]
async fn dev_containers_are_a_table_or_objects() {
    let agent = MockAgent::new();
    agent.on_list_containers(|_| Ok(list("running", Some("hook failed"))));
    let ran = type_line(&agent, "devcontainer ls").await;
    assert_eq!(
        ran.stdout,
        "NAME  STATUS   DIRTY  CONTAINER  AGENT  FOLDER\n\
         web   running  yes    cat        -      /src/web\n\
         -     stopped  -      -          -      /src/db\n"
    );
    assert_eq!((ran.code, &*ran.stderr), (0, "agentctl: web: hook failed\n"));
    let json = type_line(&agent, "devcontainer ls --json").await.ok();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((json.lines().count(), &first["id"]), (2, &serde_json::json!(ID)));
}

#[tokio::test]
async fn up_does_nothing_for_one_that_runs() {
    for name in ["web", ID, "6448", "/src/web", "/src/web/", "cat", "4f66"] {
        let agent = agent("running", &[]);
        let ran = type_words(&agent, &["devcontainer", "up", name]).await;
        assert_eq!((ran.code, &*ran.stderr), (0, "agentctl: web is running\n"), "{name}");
        assert_eq!(agent.calls(), [everything()]);
    }
}

#[tokio::test]
async fn up_recreates_one_that_does_not_run_and_shows_the_log() {
    for before in ["stopped", "error"] {
        let agent = agent(before, COMES_UP);
        let ran = type_line(&agent, "devcontainer up web").await;
        assert_eq!((ran.code, &*ran.stdout), (0, "building\n"));
        assert_eq!(ran.stderr, "sh: mkae: not found\nagentctl: web is running\n");
        assert_eq!(
            agent.calls(),
            [
                everything(),
                Call::RecreateDevContainer(id()),
                Call::DevContainerLogs(id(), true),
                Call::WatchContainers(ListContainersRequest::default()),
            ]
        );
    }
}

#[tokio::test]
async fn up_of_one_that_is_being_brought_up_follows_it() {
    let agent = agent("starting", COMES_UP);
    assert_eq!(type_line(&agent, "devcontainer up web").await.code, 0);
    assert!(!agent.calls().contains(&Call::RecreateDevContainer(id())));

    // Somebody else was faster.
    let agent = self::agent("stopped", COMES_UP);
    agent.on_recreate_dev_container(|_| {
        Err(refusal("recreate_dev_container", ErrorCode::Conflict, "starting"))
    });
    assert_eq!(type_line(&agent, "devcontainer up web").await.code, 0);
}

#[tokio::test]
async fn one_that_does_not_come_up_is_a_failure_with_its_text() {
    for command in ["up", "recreate"] {
        let agent = agent("stopped", &[("error", Some("no such image"))]);
        let ran = type_line(&agent, &format!("devcontainer {command} web")).await;
        let expected = format!("agentctl: devcontainer {command}: no such image\n");
        assert!(ran.code == 1 && ran.stderr.ends_with(&expected), "{ran:?}");

        let agent = self::agent("stopped", &[("running", Some("hook failed"))]);
        let ran = type_line(&agent, &format!("devcontainer {command} web")).await;
        assert_eq!(ran.code, 0, "it runs");
        assert!(ran.stderr.ends_with("agentctl: web is running, but: hook failed\n"), "{ran:?}");
    }
    let agent = agent("running", &[]);
    agent.on_recreate_dev_container(|_| {
        Err(refusal("recreate_dev_container", ErrorCode::Conflict, "is stopping"))
    });
    let stderr = type_line(&agent, "devcontainer recreate web").await.failed(1);
    assert_eq!(stderr, "agentctl: recreate_dev_container: is stopping\n");
}

#[tokio::test]
async fn recreate_can_leave_the_agent_to_it() {
    let agent = agent("running", &[]);
    let expected =
        "dev container recreation initiated: recreating dev container \"web\"\n".to_owned();
    assert_eq!(type_line(&agent, "devcontainer recreate --detach web").await.ok(), expected);
    assert_eq!(agent.calls(), [everything(), Call::RecreateDevContainer(id())]);
    let json = type_line(&agent, "devcontainer recreate -d --json web").await.ok();
    assert!(json.starts_with(r#"{"message":"#), "{json}");
}

#[tokio::test]
async fn a_log_that_is_cut_off_does_not_hide_how_it_ended() {
    let agent = agent("stopped", COMES_UP);
    agent.on_dev_container_logs(|_, _| {
        let lost = Error::Closed { code: None, reason: "lost".to_owned() };
        Ok(DevContainerLogs::from_stream(stream::iter([Err(lost)])))
    });
    let ran = type_line(&agent, "devcontainer up web").await;
    assert!(ran.code == 0 && ran.stderr.ends_with("web is running\n"), "{ran:?}");
}

#[tokio::test]
async fn a_log_is_printed_with_its_errors_on_stderr() {
    for (line, follow) in [("devcontainer logs web", false), ("devcontainer logs -f web", true)] {
        let agent = agent("running", &[]);
        let ran = type_line(&agent, line).await;
        assert_eq!(
            (ran.code, &*ran.stdout, &*ran.stderr),
            (0, "building\n", "sh: mkae: not found\n")
        );
        assert_eq!(agent.calls()[1], Call::DevContainerLogs(id(), follow));
    }
    let json = type_line(&agent("running", &[]), "devcontainer logs --json web").await.ok();
    let last: DevContainerLogEntry = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(last.level, DevContainerLogLevel::Error);
}

#[tokio::test]
async fn several_are_removed_and_those_that_cannot_be_are_named() {
    let agent = agent("running", &[]);
    agent.on_delete_dev_container(|_| Ok(()));
    let ran = type_line(&agent, "devcontainer rm web nobody aaaa").await;
    assert_eq!((ran.code, &*ran.stdout), (1, "removed web\nremoved /src/db\n"));
    let expected = "agentctl: devcontainer: no dev container `nobody`; there are web, /src/db\n";
    assert_eq!(ran.stderr, expected);
}

#[tokio::test]
async fn exec_is_a_session_of_ssh_in_the_container() {
    let agent = agent("running", &[]);
    agent.on_dial(|_| Err(refusal("dial", ErrorCode::PermissionDenied, "no")));
    let stderr = type_line(&agent, "devcontainer exec web -- make test").await.failed(255);
    assert_eq!(stderr, "agentctl: dial: no\n");
    assert_eq!(agent.calls(), [everything(), Call::Dial(22)]);
    for line in [
        "devcontainer exec -t web -- top",
        "devcontainer exec --user root -t web",
        "devcontainer exec web --target x",
        "-t work devcontainer exec web make -j 4",
    ] {
        type_line(&agent, line).await.failed(255);
    }
    let stopped = self::agent("stopped", &[]);
    let stderr = type_line(&stopped, "devcontainer exec web -- true").await.failed(1);
    assert!(stderr.contains("`agentctl devcontainer up web` brings it up"), "{stderr}");
}

/// An agent with a dev container whose agent is another mock.
fn nested() -> (MockAgent, MockAgent) {
    let (agent, inner) = (agent("running", &[]), MockAgent::new());
    let inside = inner.clone();
    agent.on_connect_dev_container(move |_| Ok(Arc::new(inside.clone())));
    (agent, inner)
}

#[tokio::test]
async fn every_command_can_mean_the_agent_inside() {
    let (agent, inner) = nested();
    inner.on_check_health(|| Ok(true));
    for line in ["--dev-container web health", "health --dev-container=/src/web"] {
        assert_eq!(type_line(&agent, line).await.code, 0);
    }
    assert_eq!(inner.calls(), [Call::CheckHealth, Call::CheckHealth]);
    assert_eq!(agent.calls()[..2], [everything(), Call::ConnectDevContainer(id())]);

    let stderr = type_line(&agent, "--dev-container nobody health").await.failed(1);
    assert!(stderr.contains("there are web, /src/db"), "{stderr}");
    agent.on_connect_dev_container(|_| {
        let message = "dev container \"web\" has no agent";
        Err(refusal("connect_dev_container", ErrorCode::Conflict, message))
    });
    let stderr = type_line(&agent, "--dev-container web health").await.failed(1);
    assert!(stderr.ends_with("dev container \"web\" has no agent\n"), "{stderr}");
}

#[tokio::test]
async fn ssh_and_its_configuration_can_lead_to_the_agent_inside() {
    let (agent, inner) = nested();
    inner.on_dial(|_| Err(refusal("dial", ErrorCode::PermissionDenied, "inside")));
    let stderr = type_line(&agent, "--dev-container web ssh work true").await.failed(255);
    assert_eq!(stderr, "agentctl: dial: inside\n");
    assert_eq!(inner.calls(), [Call::Dial(22)]);

    let block = type_line(&agent, "--dev-container web ssh-config mock").await.ok();
    assert!(block.starts_with("Host web.mock.agent\n"), "{block}");
    let command = "ProxyCommand agentctl ssh --stdio --dev-container=web mock\n";
    assert!(block.ends_with(command), "{block}");
}
