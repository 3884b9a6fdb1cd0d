//! What is answered where containers are off, and where there is no engine.

use agent_api::ErrorCode;
use agent_containers::ConfiguredDevContainer;
use agent_sdk::AgentConn;
use agent_tests::{TestAgent, Transport};
use uuid::Uuid;

use super::{everything, refusal, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_that_are_off_are_refused_on_every_path() {
    let agent = TestAgent::start_with(|config| config.containers.enabled = false).await;
    let off = (ErrorCode::PermissionDenied, "containers are not enabled".to_owned());
    for transport in Transport::ALL {
        let client = agent.client(transport);
        assert_eq!(refusal(within(client.list_containers(everything())).await), off);
        let id = Uuid::nil();
        assert_eq!(refusal(within(client.recreate_dev_container(id)).await), off);
        assert_eq!(refusal(within(client.delete_dev_container(id)).await), off);
        assert_eq!(refusal(within(client.dev_container_logs(id, false)).await), off);
    }
    let client = agent.client(Transport::Unix);
    assert_eq!(refusal(within(client.watch_containers(everything())).await), off);
    assert_eq!(refusal(within(client.connect_dev_container(Uuid::nil())).await), off);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_not_there_is_an_error_and_its_dev_containers_are_known() {
    let nowhere = tempfile::tempdir().unwrap();
    let folder = nowhere.path().join("project");
    let id = Uuid::from_u128(7);
    let agent = TestAgent::start_with(|config| {
        let socket = nowhere.path().join("docker.sock");
        config.containers.engine = Some(format!("unix://{}", socket.display()));
        config.containers.dev_containers.push(ConfiguredDevContainer {
            workspace_folder: folder.clone(),
            id: Some(id),
            config_path: None,
            name: None,
            agent_id: None,
            autostart: false,
        });
    })
    .await;
    for transport in Transport::ALL {
        let client = agent.client(transport);
        let failed = refusal(within(client.list_containers(everything())).await);
        assert_eq!(failed, (ErrorCode::Internal, "could not get containers".to_owned()));
        let unknown = refusal(within(client.recreate_dev_container(Uuid::nil())).await);
        assert_eq!(unknown.0, ErrorCode::NotFound);
        // It is known although nothing was listed; without the command it cannot be brought up.
        let known = refusal(within(client.recreate_dev_container(id)).await);
        assert_eq!(known.0, ErrorCode::Unsupported, "{}", known.1);
    }
    let client = agent.client(Transport::Unix);
    let failed = refusal(within(client.watch_containers(everything())).await);
    assert_eq!(failed.0, ErrorCode::Internal);
    // Without a container there is nothing to stop and remove.
    within(client.delete_dev_container(id)).await.unwrap();
    let gone = refusal(within(client.delete_dev_container(id)).await);
    assert_eq!(gone.0, ErrorCode::NotFound);
}
