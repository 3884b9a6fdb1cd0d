//! `recreate_dev_container`, `delete_dev_container` and the log of the first.

use std::fs;

use agent_api::{Classify, DevContainerLogsRequest, DevContainerStatus as Status, ErrorCode};
use agent_containers::{ConfiguredDevContainer, Containers};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    engine::fake::Answer,
    fixture::{Fixture, WAIT, next, success, until},
};

async fn log(containers: &Containers, id: &str, follow: bool) -> Vec<String> {
    let mut log = containers.dev_container_logs(id, DevContainerLogsRequest { follow }).unwrap();
    let mut texts = Vec::new();
    while let Some(entry) = timeout(WAIT, log.next()).await.unwrap() {
        texts.push(entry.unwrap().text);
    }
    texts
}

#[tokio::test]
async fn a_recreated_dev_container_gets_another_container() {
    let fixture = Fixture::new();
    let folder = fixture.path("project");
    fixture.write("project/devcontainer.json", "{}");
    let config = folder.join("devcontainer.json");
    let label = [("devcontainer.config_file", config.to_str().unwrap())];
    let old = fixture.add_with(1, &folder, &label);
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    assert!(log(&fixture.containers, &id, true).await.is_empty());
    let answer = fixture.containers.recreate_dev_container(&id).await.unwrap();
    assert_eq!(answer.message, "dev container recreation initiated");
    assert_eq!(answer.detail, "recreating dev container \"project\"");
    let mut watch = fixture.watch().await;
    let dev = next(&mut watch).await.devcontainers.remove(0);
    assert_eq!((dev.status, &dev.container, &dev.error), (Status::Starting, &None, &None));
    fixture.remove(&old);
    let new = fixture.add_with(2, &folder, &label);
    let texts = {
        let following = log(&fixture.containers, &id, true);
        let line = r#"{"type":"text","level":3,"timestamp":1,"text":"building"}"#;
        let result = format!("{line}\n{}", success(&new));
        tokio::join!(following, fixture.end_up(&result)).0
    };
    assert_eq!((texts[0].as_str(), texts.len()), ("building", 2));
    let answer = until(&mut watch, |answer| answer.devcontainers[0].status != Status::Starting);
    let dev = answer.await.devcontainers.remove(0);
    assert_eq!((dev.status, dev.dirty, &dev.error), (Status::Running, false, &None));
    assert_eq!(dev.container.unwrap().id, new);
    let expected = format!(
        "up --log-format json --workspace-folder {} --config {} --remove-existing-container",
        folder.display(),
        config.display()
    );
    assert!(fixture.args().contains(&expected), "{:?}", fixture.args());
    assert_eq!(fixture.containers.statistics().ups_succeeded.count, 1);
    fixture.end().await;
}

#[tokio::test]
async fn one_that_does_not_come_up_says_why() {
    let fixture = Fixture::new();
    let old = fixture.add(1, &fixture.path("project"));
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    fixture.containers.recreate_dev_container(&id).await.unwrap();
    fixture.remove(&old);
    fixture.end_up(r#"{"outcome":"error","message":"no such image","description":"build"}"#).await;
    let dev = fixture.dev_of(Status::Error).await;
    assert!(dev.error.unwrap().contains("no such image"));
    assert_eq!(dev.container, None);
    // The error stays, however often the engine is asked.
    fixture.list().await;
    assert_eq!(fixture.list().await.devcontainers[0].status, Status::Error);
    assert_eq!(fixture.containers.statistics().ups_failed.count, 1);
    fixture.containers.recreate_dev_container(&id).await.unwrap();
    assert_eq!(fixture.dev_of(Status::Starting).await.error, None);
    fixture.end().await;
}

#[tokio::test]
async fn one_whose_hook_fails_runs_and_says_why() {
    let fixture = Fixture::new();
    let folder = fixture.path("project");
    let old = fixture.add(1, &folder);
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    fixture.containers.recreate_dev_container(&id).await.unwrap();
    fixture.remove(&old);
    let new = fixture.add(2, &folder);
    let result = format!(r#"{{"outcome":"error","message":"hook failed","containerId":"{new}"}}"#);
    fixture.end_up(&result).await;
    let dev = fixture.dev_of(Status::Running).await;
    assert!(dev.error.unwrap().contains("hook failed"));
    assert_eq!(dev.container.unwrap().id, new);
    assert!(fixture.list().await.devcontainers[0].error.is_some());
    fixture.end().await;
}

#[tokio::test]
async fn what_takes_too_long_is_ended() {
    let fixture =
        Fixture::with(|config, _| config.up_timeout = std::time::Duration::from_millis(300));
    fixture.add(1, &fixture.path("project"));
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    fixture.containers.recreate_dev_container(&id).await.unwrap();
    let dev = fixture.dev_of(Status::Error).await;
    assert_eq!(dev.error.as_deref(), Some("timed out after 300ms"));
    fixture.end().await;
}

#[tokio::test]
async fn two_recreations_at_once_are_one() {
    let fixture = Fixture::new();
    fixture.add(1, &fixture.path("project"));
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    let recreate = || fixture.containers.recreate_dev_container(&id);
    let (one, other) = tokio::join!(recreate(), recreate());
    let error = [one, other].into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.to_string().contains("starting"));
    let error = fixture.containers.delete_dev_container(&id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    fixture.end().await;
    // Nothing waits for the pipe any more: the command was ended with the service.
}

#[tokio::test]
async fn requests_are_checked_in_order() {
    let managed = Uuid::from_u128(5);
    let fixture = Fixture::with(|config, here| {
        config.dev_containers.push(ConfiguredDevContainer {
            workspace_folder: here.join("managed"),
            id: Some(managed),
            config_path: None,
            name: None,
            agent_id: Some(Uuid::from_u128(6)),
            autostart: false,
        });
    });
    fs::remove_file(fixture.path("bin/devcontainer")).unwrap();
    let containers = &fixture.containers;
    let (nobody, managed) = (Uuid::from_u128(1).to_string(), managed.to_string());
    for (id, expected) in [
        ("", ErrorCode::InvalidArgument),
        ("not-a-uuid", ErrorCode::InvalidArgument),
        (nobody.as_str(), ErrorCode::NotFound),
        (managed.as_str(), ErrorCode::PermissionDenied),
    ] {
        let error = containers.recreate_dev_container(id).await.unwrap_err();
        assert_eq!(error.code(), expected, "recreate {id:?}");
        let error = containers.delete_dev_container(id).await.unwrap_err();
        assert_eq!(error.code(), expected, "delete {id:?}");
    }
    let req = DevContainerLogsRequest::default();
    assert_eq!(
        containers.dev_container_logs("x", req).unwrap_err().code(),
        ErrorCode::InvalidArgument
    );
    assert_eq!(
        containers.dev_container_logs(&nobody, req).unwrap_err().code(),
        ErrorCode::NotFound
    );
    assert!(log(containers, &managed, false).await.is_empty());
    fixture.add(1, &fixture.path("project"));
    let dev = fixture.list().await.devcontainers.remove(1);
    let error = containers.recreate_dev_container(&dev.id.to_string()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    let install = "install it with: npm install -g @devcontainers/cli";
    assert_eq!(error.detail().as_deref(), Some(install));
    assert_eq!(fixture.list().await.devcontainers[1].status, Status::Running);
    let error = containers.connect_dev_container(&dev.id.to_string()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    fixture.end().await;
}

#[tokio::test]
async fn a_deleted_dev_container_is_gone_with_its_container() {
    let fixture = Fixture::new();
    let container = fixture.add(1, &fixture.path("project"));
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    fixture.containers.delete_dev_container(&id).await.unwrap();
    let steps: Vec<_> = fixture
        .engine
        .requests(&container)
        .into_iter()
        .filter(|request| !request.starts_with("GET"))
        .map(|request| request.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(steps, ["POST", "DELETE"]);
    // The engine still tells the container, as in a listing that began before.
    let answer = fixture.list().await;
    assert_eq!((answer.devcontainers.len(), answer.containers.len()), (0, 0));
    let error = fixture.containers.delete_dev_container(&id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    fixture.end().await;
}

#[tokio::test]
async fn a_deletion_that_began_ends_without_its_caller() {
    let fixture = Fixture::new();
    fixture.add(1, &fixture.path("project"));
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    tokio::select! {
        biased;
        result = fixture.containers.delete_dev_container(&id) => panic!("{result:?}"),
        () = std::future::ready(()) => {}
    }
    let mut watch = fixture.watch().await;
    until(&mut watch, |answer| answer.devcontainers.is_empty()).await;
    assert_eq!(fixture.engine.requests("DELETE").len(), 1);
    fixture.end().await;
}

#[tokio::test]
async fn a_deletion_keeps_others_away_while_the_engine_is_slow() {
    let fixture = Fixture::new();
    let container = fixture.add(1, &fixture.path("project"));
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    let mut watch = fixture.watch().await;
    next(&mut watch).await;
    let stop = format!("POST /containers/{container}/stop");
    fixture.engine.answer(&stop, Answer::Hangs);
    {
        let delete = fixture.containers.delete_dev_container(&id);
        let asked = fixture.engine.requested("/stop", 1);
        tokio::select! {
            result = delete => panic!("{result:?}"),
            () = asked => {}
        }
    }
    let dev = next(&mut watch).await.devcontainers.remove(0);
    assert_eq!(dev.status, Status::Stopping);
    // Another deletion is refused, and says what the first one does.
    let error = fixture.containers.delete_dev_container(&id).await.unwrap_err();
    assert!(error.to_string().contains("stopping"), "{error}");
    drop(fixture);
}

#[tokio::test]
async fn a_step_that_fails_is_the_error_of_the_dev_container() {
    let fixture = Fixture::new();
    let container = fixture.add(1, &fixture.path("project"));
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    let refusal = || Answer::Says(500, r#"{"message":"device busy"}"#.to_owned());
    let stop = format!("POST /containers/{container}/stop");
    let remove = format!("DELETE /containers/{container}");
    for (step, message) in
        [(stop, "stopping container failed"), (remove, "removing container failed")]
    {
        fixture.engine.answer(&step, refusal());
        let error = fixture.containers.delete_dev_container(&id).await.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::Internal, message));
        assert!(error.detail().unwrap().contains("device busy"));
        let dev = fixture.dev_of(Status::Error).await;
        assert!(dev.error.unwrap().contains("device busy"));
        fixture.engine.answer_truly();
    }
    fixture.containers.delete_dev_container(&id).await.unwrap();
    assert!(fixture.list().await.devcontainers.is_empty());
    fixture.end().await;
}

#[tokio::test]
async fn a_container_that_is_gone_already_is_deleted() {
    let fixture = Fixture::new();
    let container = fixture.add(1, &fixture.path("project"));
    let id = fixture.dev_of(Status::Running).await.id.to_string();
    fixture.engine.remove(&container);
    fixture.containers.delete_dev_container(&id).await.unwrap();
    fixture.add(2, &fixture.path("other"));
    let other = fixture.dev_of(Status::Running).await;
    fixture.remove(&crate::engine::fake::id(2));
    fixture.dev_of(Status::Stopped).await;
    fixture.containers.delete_dev_container(&other.id.to_string()).await.unwrap();
    assert!(fixture.list().await.devcontainers.is_empty());
    fixture.end().await;
}
