//! `list_containers`.

use std::time::{Duration, Instant};

use agent_api::{Classify, DevContainerStatus, ErrorCode, ListContainersRequest};
use agent_containers::{ConfiguredDevContainer, Error};
use tokio::time::timeout;

use crate::{
    engine::fake::Answer,
    fixture::{Fixture, WAIT},
};

fn labels(labels: &[&str]) -> ListContainersRequest {
    ListContainersRequest { label: labels.iter().map(|label| (*label).to_owned()).collect() }
}

#[tokio::test]
async fn containers_and_dev_containers_are_listed() {
    let fixture = Fixture::new();
    fixture.engine.add(1);
    let id = fixture.add(2, &fixture.path("my.project"));
    let answer = fixture.list().await;
    let ids: Vec<_> = answer.containers.iter().map(|container| container.id.as_str()).collect();
    assert_eq!(ids, [id.as_str(), &crate::engine::fake::id(1)]);
    let dev = &answer.devcontainers[0];
    assert_eq!((dev.name.as_str(), dev.status), ("my-project", DevContainerStatus::Running));
    assert_eq!(dev.container.as_ref(), Some(&answer.containers[0]));
    fixture.end().await;
}

#[tokio::test]
async fn labels_select_containers_and_no_dev_containers() {
    let fixture = Fixture::new();
    fixture.engine.add(1);
    fixture.add_with(2, &fixture.path("project"), &[("team", "a=b")]);
    let list = |req| fixture.containers.list_containers(req);
    for (label, expected) in
        [(&["n=1"][..], 1), (&["n"], 2), (&["n=2", "team=a=b"], 1), (&["x"], 0)]
    {
        let answer = list(labels(label)).await.unwrap();
        assert_eq!(answer.containers.len(), expected, "{label:?}");
        assert_eq!(answer.devcontainers.len(), 1);
    }
    let error = list(labels(&["n", "=1"])).await.unwrap_err();
    assert_eq!((error.code(), error.fields().len()), (ErrorCode::InvalidArgument, 1));
    fixture.end().await;
}

#[tokio::test]
async fn a_slow_engine_holds_nothing_back_for_more_than_a_second() {
    let fixture = Fixture::with(|config, here| {
        config.dev_containers.push(ConfiguredDevContainer {
            workspace_folder: here.join("project"),
            id: None,
            config_path: None,
            name: None,
            agent_id: None,
            autostart: false,
        });
    });
    fixture.engine.add(1);
    fixture.engine.answer("GET /containers/json", Answer::Hangs);
    let began = Instant::now();
    let answer = fixture.list().await;
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert_eq!((answer.devcontainers.len(), answer.containers.len()), (1, 0));
    assert_eq!(answer.devcontainers[0].status, DevContainerStatus::Stopped);
    fixture.end().await;
}

#[tokio::test]
async fn an_engine_that_is_away_is_an_error_until_it_is_back() {
    let mut fixture = Fixture::new();
    fixture.engine.add(1);
    assert_eq!(fixture.list().await.containers.len(), 1);
    fixture.engine.kill().await;
    let list = || fixture.containers.list_containers(ListContainersRequest::default());
    let error = list().await.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (ErrorCode::Internal, "could not get containers")
    );
    assert!(!error.detail().unwrap().is_empty());
    let watched = fixture.containers.watch_containers(ListContainersRequest::default()).await;
    assert!(matches!(watched, Err(Error::List { .. })));
    fixture.engine = crate::engine::fake::FakeEngine::at(fixture.path("engine.sock"));
    assert_eq!(fixture.list().await.containers.len(), 0);
    let statistics = fixture.containers.statistics();
    assert!(statistics.listings_failed_total >= 1 && statistics.listings_succeeded_total >= 2);
    fixture.end().await;
}

#[tokio::test]
async fn containers_that_are_off_are_asked_for_nothing() {
    for (is_nested, message) in [
        (false, "containers are not enabled"),
        (true, "containers are not supported inside a dev container"),
    ] {
        let fixture = Fixture::with(|config, _| {
            config.enabled = is_nested;
            config.is_nested = is_nested;
        });
        let containers = &fixture.containers;
        let error = containers.list_containers(labels(&["=bad"])).await.unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (ErrorCode::PermissionDenied, message)
        );
        let error = containers.recreate_dev_container("bad").await.unwrap_err();
        assert_eq!(error.to_string(), message);
        let error = containers.delete_dev_container("bad").await.unwrap_err();
        assert_eq!(error.to_string(), message);
        containers.run();
        assert!(!containers.have_start() && containers.start().await);
        assert!(fixture.engine.requests("").is_empty());
        fixture.end().await;
    }
}

#[tokio::test]
async fn a_service_that_ended_answers_that_it_did() {
    let fixture = Fixture::new();
    fixture.list().await;
    timeout(WAIT, fixture.containers.shutdown()).await.unwrap();
    let error = fixture.containers.list_containers(labels(&[])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    let error = fixture.containers.delete_dev_container(&"0".repeat(32)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
}
