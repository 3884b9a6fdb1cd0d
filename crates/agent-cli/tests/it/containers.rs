//! `containers`, and the containers that other commands are told by name.

use agent_sdk::{
    ContainersWatch, Error, TerminalStream,
    api::{ErrorCode, ListContainersRequest, ListContainersResponse},
    mock::{Call, MockAgent},
};

use crate::{
    files::refusal,
    prompt::{type_line, type_words},
};

const ID: &str = "4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d";
const OTHER: &str = "4f66ad000000";

/// Two containers, one of which runs, and a dev container with the one that does.
fn list(state: &str) -> ListContainersResponse {
    let container = |id: &str, name: &str, state: &str| {
        serde_json::json!({
            "id": id, "name": name, "image": "debian:12", "labels": {"tier": name},
            "running": state != "exited", "state": state, "volumes": {}, "ports": [],
            "status": if state == "exited" { "exited with code 3" } else { "running" },
            "created_at": "1970-01-01T00:00:00.000Z",
        })
    };
    let web = container(ID, "cat", state);
    serde_json::from_value(serde_json::json!({
        "devcontainers": [{"id": "644843b5-06b1-5f62-b7eb-613019c35e4e", "name": "web",
            "workspace_folder": "/src/web", "status": "running", "dirty": false,
            "container": web}],
        "containers": [web, container(OTHER, "dog", "exited")],
        "warnings": ["port 80 is published twice"],
    }))
    .unwrap()
}

fn agent() -> MockAgent {
    let agent = MockAgent::new();
    agent.on_list_containers(|_| Ok(list("running")));
    agent
}

fn labels(labels: &[&str]) -> ListContainersRequest {
    ListContainersRequest { label: labels.iter().map(|label| (*label).to_owned()).collect() }
}

#[tokio::test]
async fn containers_are_a_table_and_warnings_are_beside_it() {
    for line in ["containers", "containers ls"] {
        let agent = agent();
        let ran = type_line(&agent, line).await;
        let mut lines = ran.stdout.lines();
        let head: Vec<_> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(head, ["ID", "NAME", "IMAGE", "STATUS", "PORTS", "AGE"]);
        let rows: Vec<_> = lines.map(|line| line.split("  ").next().unwrap()).collect();
        assert_eq!(rows, [&ID[..12], OTHER], "{}", ran.stdout);
        assert!(ran.stdout.contains("exited with code 3"), "{}", ran.stdout);
        assert_eq!(
            (ran.code, &*ran.stderr),
            (0, "agentctl: warning: port 80 is published twice\n")
        );
        assert_eq!(agent.calls(), [Call::ListContainers(labels(&[]))]);
    }
    assert_eq!(type_line(&agent(), "containers -q").await.ok().lines().count(), 3);
}

#[tokio::test]
async fn labels_are_asked_for_and_checked() {
    let agent = agent();
    type_line(&agent, "containers --json --label a=b --label tier -l c=").await.ok();
    assert_eq!(agent.calls(), [Call::ListContainers(labels(&["a=b", "tier", "c="]))]);
    for line in ["containers --label =b", "containers --label", "containers rm"] {
        type_line(&MockAgent::new(), line).await.failed(64);
    }
}

#[tokio::test]
async fn json_is_the_response() {
    let json = type_line(&agent(), "containers --json").await.ok();
    assert_eq!(serde_json::from_str::<ListContainersResponse>(&json).unwrap(), list("running"));
}

#[tokio::test]
async fn changes_are_watched_across_a_lost_connection() {
    let agent = MockAgent::new();
    let connections = std::sync::atomic::AtomicUsize::new(0);
    agent.on_watch_containers(move |_| {
        let states = match connections.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => &["running", "paused"][..],
            1 => &["paused", "exited"],
            _ => return Err(refusal("watch_containers", ErrorCode::PermissionDenied, "off")),
        };
        Ok(ContainersWatch::from_lists(states.iter().map(|state| list(state)).collect::<Vec<_>>()))
    });
    let ran = type_line(&agent, "containers --watch").await;
    let changes: Vec<_> = ran.stdout.lines().skip(3).collect();
    let id = &ID[..12];
    assert_eq!(
        changes,
        [format!("container {id} cat: paused"), format!("container {id} cat: exited with code 3")]
    );
    assert!(ran.stderr.ends_with("agentctl: watch_containers: off\n"), "{}", ran.stderr);
    assert_eq!((ran.code, agent.calls().len()), (1, 3));

    let agent = MockAgent::new();
    agent.on_watch_containers(|_| Err(Error::TooLarge { limit_bytes: 7 }));
    type_line(&agent, "containers --watch --json").await.failed(1);
}

#[tokio::test]
async fn a_terminal_is_opened_in_the_container_that_is_meant() {
    for name in [ID, "cat", "4f", "web", "/src/web", "644843b5"] {
        let agent = agent();
        agent.on_open_terminal(|_, _| Ok(TerminalStream::from_items([])));
        let words = ["terminal", "open", "-d", "--container", name, "--container-user", "me"];
        type_words(&agent, &words).await.ok();
        let [Call::ListContainers(_), Call::OpenTerminal(_, request)] = &agent.calls()[..] else {
            panic!("{:?}", agent.calls())
        };
        assert_eq!(request.container.as_deref(), Some(ID), "{name}");
        assert_eq!(request.container_user.as_deref(), Some("me"));
    }
}

#[tokio::test]
async fn a_container_that_does_not_run_is_refused_with_those_that_do() {
    for line in ["ssh --container dog work", "terminal open --container 4f66ad0"] {
        let agent = agent();
        let stderr = type_line(&agent, line).await.failed(1);
        assert!(stderr.ends_with("runs; running are cat\n"), "{stderr}");
        assert_eq!(agent.calls(), [Call::ListContainers(labels(&[]))]);
    }
    let agent = MockAgent::new();
    agent.on_list_containers(|_| Ok(Default::default()));
    let stderr = type_line(&agent, "ssh --container db work").await.failed(1);
    assert_eq!(stderr, "agentctl: ssh: no container `db` runs, and no other either\n");
    agent.on_list_containers(|_| {
        let message = "containers are not enabled";
        Err(refusal("list_containers", ErrorCode::PermissionDenied, message))
    });
    let stderr = type_line(&agent, "ssh --container db work").await.failed(1);
    assert_eq!(stderr, "agentctl: list_containers: containers are not enabled\n");
}
