//! The engine changes, dies and comes back while it is followed.

use std::{
    ffi::OsStr,
    time::{Duration, Instant},
};

use agent_api::{DevContainerStatus, ErrorCode, close_codes};
use agent_sdk::{AgentConn, Error};
use agent_server::Stopped;
use agent_test::Engine;
use agent_tests::{Daemon, Transport};
use futures_util::StreamExt;

use super::{
    super::{everything, labeled, list, refusal, until_list, within},
    agent_on, of_folder, sleeper,
};

/// The contract's time from a change to the watcher.
const HEARD: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_the_first_state_at_once_and_then_each_change() {
    let engine = Engine::shared();
    let agent = agent_on(engine).await;
    for (transport, name) in [(Transport::Tcp, "watch-tcp"), (Transport::Unix, "watch-unix")] {
        let label = format!("watch={name}");
        let client = agent.client(transport);
        let mut watch = within(client.watch_containers(labeled(&label))).await.unwrap();
        let first = within(watch.next()).await.unwrap().unwrap();
        assert_eq!(first.containers, [], "over {transport:?}");

        let id = sleeper(engine, name, &["--label", &label]);
        let started = Instant::now();
        let is_running = |state: &str| state == "running";
        let list = until_list(&mut watch, "it runs", |list| {
            list.containers.iter().any(|one| is_running(&one.state))
        });
        assert_eq!(list.await.containers[0].id, id);
        assert!(started.elapsed() < HEARD, "{:?}", started.elapsed());

        engine.run(&["pause", name]);
        until_list(&mut watch, "it is paused", |list| list.containers[0].state == "paused").await;
        engine.run(&["unpause", name]);
        engine.run(&["rename", name, &format!("{name}-new")]);
        let renamed = format!("{name}-new");
        until_list(&mut watch, "its name", |list| list.containers[0].name == renamed).await;
        engine.run(&["kill", &id]);
        let killed = |list: &_| status(list) == Some("exited with code 137");
        until_list(&mut watch, "it is killed", killed).await;
        let removed = Instant::now();
        engine.run(&["rm", &id]);
        until_list(&mut watch, "it is removed", |list| list.containers.is_empty()).await;
        assert!(removed.elapsed() < HEARD + HEARD, "{:?}", removed.elapsed());
    }
}

fn status(list: &agent_api::ListContainersResponse) -> Option<&str> {
    list.containers.first().map(|one| one.status.as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_never_older_than_its_request() {
    let engine = Engine::shared();
    let agent = agent_on(engine).await;
    let client = agent.client(Transport::Unix);
    for number in 0..5 {
        let name = format!("fresh-{number}");
        let id = sleeper(engine, &name, &["--label", "test=fresh"]);
        let answer = within(client.list_containers(labeled("test=fresh"))).await.unwrap();
        assert_eq!(answer.containers.first().map(|one| &one.id), Some(&id), "{answer:?}");
        engine.run(&["rm", "-f", &name]);
        let answer = within(client.list_containers(labeled("test=fresh"))).await.unwrap();
        assert_eq!(answer.containers, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_killed_is_an_error_until_it_is_back() {
    let engine = Engine::start().unwrap();
    let folder = std::path::Path::new("/x/proj");
    let dev = ["--label", "devcontainer.local_folder=/x/proj"];
    let id = sleeper(&engine, "survivor", &dev);
    let agent = agent_on(&engine).await;
    let client = agent.client(Transport::Tcp);
    let mut watch = within(client.watch_containers(everything())).await.unwrap();
    until_list(&mut watch, "it is there", |list| list.containers.len() == 1).await;

    engine.kill_engine().unwrap();
    for transport in Transport::ALL {
        let failed = refusal(within(agent.client(transport).list_containers(everything())).await);
        assert_eq!(failed, (ErrorCode::Internal, "could not get containers".to_owned()));
    }
    engine.restart_engine().unwrap();
    // The container went on, so the watch had nothing to say of all that.
    let back = list(&client).await;
    assert_eq!(back.containers.len(), 1);
    assert_eq!((back.containers[0].id.as_str(), back.containers[0].running), (id.as_str(), true));
    assert_eq!(of_folder(&back, folder).unwrap().status, DevContainerStatus::Running);

    // Events are heard again, from the engine that is new.
    sleeper(&engine, "newcomer", &[]);
    let list = until_list(&mut watch, "the newcomer", |list| list.containers.len() == 2).await;
    assert_eq!(list.containers[0].name, "newcomer");
    engine.stop_engine().unwrap();
    let failed = within(client.list_containers(everything())).await;
    assert_eq!(refusal(failed).0, ErrorCode::Internal);

    // The agent ends in order although nothing answers it, and says so.
    assert_eq!(within(agent.shutdown()).await, Stopped::Clean);
    let closed = within(watch.next()).await.unwrap().unwrap_err();
    let code = match closed {
        Error::Closed { code, .. } => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code, Some(close_codes::GOING_AWAY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_names_the_engine_and_a_flag_turns_containers_off() {
    let engine = Engine::shared();
    sleeper(engine, "environment", &["--label", "test=environment"]);
    let host = engine.host();
    let host = [("DOCKER_HOST", OsStr::new(&host))];
    let on = Daemon::start_with(&[], &host).await;
    let listed = within(on.client().list_containers(labeled("test=environment"))).await.unwrap();
    assert_eq!(listed.containers[0].name, "environment");
    let off = Daemon::start_with(&["--no-containers"], &host).await;
    let refused = refusal(within(off.client().list_containers(everything())).await);
    let expected = (ErrorCode::PermissionDenied, "containers are not enabled".to_owned());
    assert_eq!(refused, expected);
}
