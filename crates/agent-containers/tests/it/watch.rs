//! `watch_containers`.

use agent_api::{DevContainerStatus, ListContainersRequest};
use tokio::time::timeout;

use crate::{
    engine::fake::Answer,
    fixture::{Fixture, WAIT, next, until},
};

#[tokio::test]
async fn the_first_answer_comes_at_once_and_each_that_differs_after_it() {
    let fixture = Fixture::new();
    let mut watch = fixture.watch().await;
    assert!(next(&mut watch).await.containers.is_empty());
    fixture.engine.listeners(1).await;
    let id = fixture.engine.add(1);
    fixture.engine.tell("start", &id);
    assert_eq!(next(&mut watch).await.containers.len(), 1);
    // A listing that tells nothing new is no message: the next one is that of the removal.
    fixture.engine.tell("start", &id);
    fixture.list().await;
    fixture.remove(&id);
    assert!(next(&mut watch).await.containers.is_empty());
    fixture.end().await;
}

#[tokio::test]
async fn a_dev_container_that_loses_its_container_is_still_listed() {
    let fixture = Fixture::new();
    let id = fixture.add(1, &fixture.path("proj"));
    let mut watch = fixture.watch().await;
    let first = next(&mut watch).await;
    assert_eq!(first.devcontainers[0].status, DevContainerStatus::Running);
    fixture.engine.listeners(1).await;
    fixture.remove(&id);
    let second = until(&mut watch, |answer| answer.containers.is_empty()).await;
    let dev = &second.devcontainers[0];
    assert_eq!((dev.status, dev.name.as_str()), (DevContainerStatus::Stopped, ""));
    assert_eq!((dev.id, &dev.container), (first.devcontainers[0].id, &None));
    fixture.end().await;
}

#[tokio::test]
async fn a_slow_reader_gets_the_latest_and_not_what_was_between() {
    let fixture = Fixture::new();
    let mut watch = fixture.watch().await;
    next(&mut watch).await;
    for number in 1..=5 {
        fixture.engine.add(number);
        assert_eq!(fixture.list().await.containers.len(), number as usize);
    }
    assert_eq!(next(&mut watch).await.containers.len(), 5);
    fixture.end().await;
}

#[tokio::test]
async fn listings_that_fail_are_passed_over() {
    let fixture = Fixture::new();
    fixture.engine.add(1);
    let mut watch = fixture.watch().await;
    next(&mut watch).await;
    fixture.engine.answer("GET /containers/json", Answer::Says(500, "{}".to_owned()));
    let failed = fixture.containers.list_containers(ListContainersRequest::default()).await;
    failed.unwrap_err();
    fixture.engine.answer_truly();
    fixture.engine.add(2);
    fixture.list().await;
    assert_eq!(next(&mut watch).await.containers.len(), 2);
    fixture.end().await;
}

#[tokio::test]
async fn a_watch_selects_containers_by_labels_too() {
    let fixture = Fixture::new();
    fixture.engine.add(1);
    let req = ListContainersRequest { label: vec!["n=2".to_owned()] };
    let mut watch = fixture.containers.watch_containers(req).await.unwrap();
    assert!(next(&mut watch).await.containers.is_empty());
    fixture.engine.add(3);
    fixture.list().await;
    fixture.engine.add(2);
    fixture.list().await;
    assert_eq!(next(&mut watch).await.containers[0].name, "c2");
    fixture.end().await;
}

#[tokio::test]
async fn a_watch_ends_with_the_service_and_is_counted_until_it_is_dropped() {
    let fixture = Fixture::new();
    let mut watch = fixture.watch().await;
    assert_eq!(fixture.containers.statistics().watches, 1);
    next(&mut watch).await;
    let (end, ()) = tokio::join!(timeout(WAIT, watch.next()), fixture.containers.shutdown());
    assert_eq!(end.unwrap(), None);
    drop(watch);
    assert_eq!(fixture.containers.statistics().watches, 0);
}

#[tokio::test]
async fn a_watch_ends_when_the_service_is_dropped() {
    let fixture = Fixture::new();
    let mut watch = fixture.watch().await;
    next(&mut watch).await;
    drop(fixture);
    assert_eq!(timeout(WAIT, watch.next()).await.unwrap(), None);
}
