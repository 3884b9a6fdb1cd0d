//! The agent in a dev container, reached through the agent outside.

use std::ffi::OsStr;

use agent_api::{
    DevContainerStatus, ErrorCode, ListContainersRequest, ReadFileRequest, StartProcessRequest,
    WriteFileRequest,
};
use agent_sdk::{AgentConn, ByteStream, ExecConfig, exec};
use agent_test::Engine;
use agent_tests::{Daemon, until};
use serde_json::json;
use uuid::Uuid;

use super::super::super::{everything, refusal, within};
use super::{Projects, container_id, path, until_dev};

/// Whether an agent runs in a container.
fn has_agent(engine: &Engine, container: &str) -> bool {
    engine.run(&["top", container, "-eo", "pid,args"]).contains("/.agentd/agentd --nested ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_inside_is_reached_under_the_dev_containers_id() {
    let engine = Engine::shared();
    let projects = Projects::new();
    let folder = projects.add(
        "nested",
        &json!({"image": engine.glibc(), "remoteUser": "dev", "updateRemoteUserUID": false}),
    );
    let config = projects.path().join("config.toml");
    let text = format!("[containers]\nengine = {:?}\ninject_agent = true\n", engine.host());
    std::fs::write(&config, text).unwrap();
    let directory = projects.path();
    let arguments =
        ["--config", config.to_str().unwrap(), "--directory", directory.to_str().unwrap()];
    let search = path();
    let agent = Daemon::start_with(&arguments, &[("PATH", OsStr::new(&search))]).await;
    let client = agent.client();
    let agent_id = agent.info().agent_id.parse().unwrap();
    let mut watch = within(client.watch_containers(everything())).await.unwrap();
    let dev = until_dev(&mut watch, &folder, "it is found", |_| true).await;
    let refused = within(client.connect_dev_container(dev.id)).await;
    assert_eq!(refusal(refused).0, ErrorCode::Conflict);

    within(client.recreate_dev_container(dev.id)).await.unwrap();
    let up = until_dev(&mut watch, &folder, "it has an agent", |one| one.agent.is_some()).await;
    assert_eq!((up.status, &up.error), (DevContainerStatus::Running, &None));
    let (container, inner_agent) = (container_id(&up).to_owned(), up.agent.clone().unwrap());
    let expected = Uuid::new_v5(&agent_id, container.as_bytes());
    assert_eq!((inner_agent.id, inner_agent.name.as_str()), (expected, "nested"));
    assert_eq!(inner_agent.directory, "/workspaces/nested");

    let inner = within(client.dev_container("nested")).await.unwrap();
    let content = "written inside\n";
    let request = WriteFileRequest { path: "/home/dev/note".into(), ..Default::default() };
    within(inner.write_file(request, ByteStream::from(content))).await.unwrap();
    assert_eq!(engine.run(&["exec", &container, "cat", "/home/dev/note"]), content.trim_end());
    assert_eq!(engine.run(&["exec", &container, "stat", "-c", "%U", "/home/dev/note"]), "dev");
    let outside = ReadFileRequest { path: "/home/dev/note".into(), ..Default::default() };
    let inside = within(inner.read_file(outside.clone())).await.unwrap();
    assert_eq!(within(inside.body.collect(64)).await.unwrap(), content);
    let _ = within(client.read_file(outside)).await.unwrap_err();

    let request = StartProcessRequest {
        command: Some("id -un; pwd; hostname".to_owned()),
        ..StartProcessRequest::default()
    };
    let outcome = within(exec(&*inner, request, None, ExecConfig::default())).await.unwrap();
    let hostname = engine.run(&["exec", &container, "hostname"]);
    let expected = format!("dev\n/workspaces/nested\n{hostname}\n");
    assert_eq!(outcome.output.to_bytes(), expected);
    let none = within(inner.list_containers(ListContainersRequest::default())).await;
    let (code, message) = refusal(none);
    assert_eq!(code, ErrorCode::PermissionDenied);
    assert_eq!(message, "containers are not supported inside a dev container");
    // No port and no secret: the process list of the container shows a socket alone.
    let words = engine.run(&["top", &container, "-eo", "pid,args"]);
    assert!(words.contains("--listen-unix /tmp/.agentd-1000/agentd.sock"), "{words}");

    // Another container has another agent, and the way to the old one is closed.
    within(client.recreate_dev_container(dev.id)).await.unwrap();
    let again = until_dev(&mut watch, &folder, "it has another agent", |one| {
        one.agent.as_ref().is_some_and(|it| it.id != inner_agent.id)
    })
    .await;
    let inner = within(client.dev_container("nested")).await.unwrap();
    within(inner.ping()).await.unwrap();
    // A tunnel that is open may finish, for which the agent would wait.
    drop((inner, client, watch));

    // The agent inside goes with the one outside, and the container stays.
    let container = container_id(&again).to_owned();
    assert!(has_agent(engine, &container));
    let pid = rustix::process::Pid::from_raw(agent.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut agent = agent;
    let status = agent.wait().await;
    assert!(status.success(), "{status}: {:#?}", agent.log());
    until("it has ended, too", || !has_agent(engine, &container)).await;
    assert_eq!(engine.run(&["inspect", "-f", "{{.State.Running}}", &container]), "true");
    engine.run(&["rm", "-f", &container]);
}
