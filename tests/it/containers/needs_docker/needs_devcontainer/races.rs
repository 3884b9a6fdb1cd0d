//! Operations that meet: each dev container does one thing at a time.

use std::fs;

use agent_api::{DevContainerStatus, ErrorCode};
use agent_sdk::AgentConn;
use agent_test::Engine;
use agent_tests::Transport;
use serde_json::json;

use super::super::super::{list, refusal, within};
use super::super::of_folder;
use super::{Projects, found, has_text, log, until_dev, watching};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_recreations_one_is_refused_and_so_is_a_deletion_meanwhile() {
    let engine = Engine::shared();
    let projects = Projects::new();
    // It starts until the test lets it go on.
    let hook = "while ! test -e go; do sleep 0.05; done; echo went";
    let folder =
        projects.add("raced", &json!({"image": engine.glibc(), "initializeCommand": hook}));
    let agent = projects.agent(engine, |_| ()).await;
    let (client, mut watch) = watching(&agent).await;
    let dev = found(&mut watch, &folder).await;
    let other = agent.client(Transport::Tcp);
    let both = within(async {
        tokio::join!(client.recreate_dev_container(dev.id), other.recreate_dev_container(dev.id))
    });
    let (one, two) = both.await;
    let (accepted, refused) = if one.is_ok() { (one, two) } else { (two, one) };
    // It has no name yet, so it is told by its folder.
    let detail = accepted.unwrap().detail;
    assert_eq!(detail, format!("recreating dev container \"{}\"", folder.display()));
    let (code, message) = refusal(refused);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(message.contains("starting"), "{message}");

    for transport in Transport::ALL {
        let client = agent.client(transport);
        let (code, message) = refusal(within(client.delete_dev_container(dev.id)).await);
        assert_eq!((code, message.contains("starting")), (ErrorCode::Conflict, true), "{message}");
        let now = list(&client).await;
        let now = of_folder(&now, &folder).unwrap();
        assert_eq!((now.status, &now.container), (DevContainerStatus::Starting, &None));
    }
    // Whoever asked may leave; it goes on.
    drop((client, other));
    fs::write(folder.join("go"), "").unwrap();
    let up = until_dev(&mut watch, &folder, "it runs", |one| one.container.is_some()).await;
    assert_eq!(up.status, DevContainerStatus::Running);
    let client = agent.client(Transport::Tcp);
    assert!(has_text(&log(&client, dev.id, false).await, "went"));

    // Two at once delete it, and it is deleted once.
    let other = agent.client(Transport::Unix);
    let both = within(async {
        tokio::join!(client.delete_dev_container(dev.id), other.delete_dev_container(dev.id))
    });
    let (one, two) = both.await;
    let refused = if one.is_ok() { two } else { one };
    let code = refusal(refused).0;
    assert!(matches!(code, ErrorCode::Conflict | ErrorCode::NotFound), "{code:?}");
    assert_eq!(of_folder(&list(&client).await, &folder), None);
}
