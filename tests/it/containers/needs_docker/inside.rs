//! The agent inside a dev container, through the SDK and at a prompt.

use std::process::Stdio;

use agent_sdk::{
    AgentConn, ExecConfig, TerminalItem,
    api::{
        DevContainer, ErrorCode, GetGitStatusRequest, ListDirectoryRequest, OpenTerminalRequest,
        ReadFileRequest, StartProcessRequest, TerminalId, WriteFileRequest,
    },
    exec,
};
use agent_test::Engine;
use agent_tests::{Daemon, program};
use futures_util::StreamExt;
use tokio::process::Command;
use uuid::Uuid;

use super::super::{everything, refusal, until_list, within};

/// A dev container, removed when it is dropped, and an agent that puts another one into it.
struct World<'e> {
    engine: &'e Engine,
    name: String,
    daemon: Daemon,
}

impl World<'static> {
    async fn start(name: &str) -> Self {
        Self::start_on(Engine::shared(), name).await
    }
}

impl<'e> World<'e> {
    async fn start_on(engine: &'e Engine, name: &str) -> Self {
        let name = format!("inside-{name}");
        let label = format!("devcontainer.local_folder=/x/{name}");
        let metadata =
            "devcontainer.metadata={\"remoteUser\": \"dev\", \"remoteEnv\": {\"SEEN\": \"yes\"}}";
        let run = ["run", "-d", "--init", "--network", "none", "--name", &name, "--label", &label];
        let image = [engine.glibc(), "sleep", "600"];
        engine.run(&[&run[..], &["--label", metadata], &image].concat());
        let host = format!("--containers-engine={}", engine.host());
        let only = format!("--containers-include-labels=devcontainer.local_folder=/x/{name}");
        let daemon = Daemon::start(&[&host, &only, "--containers-inject-agent"]).await;
        Self { engine, name, daemon }
    }

    /// The dev container, as soon as there is an agent in it.
    async fn dev(&self) -> DevContainer {
        let mut watch = self.daemon.client().watch_containers(everything()).await.unwrap();
        let has_agent = |list: &agent_sdk::api::ListContainersResponse| {
            list.devcontainers.first().is_some_and(|dev| dev.agent.is_some())
        };
        until_list(&mut watch, "an agent inside", has_agent).await.devcontainers.remove(0)
    }

    fn processes(&self) -> String {
        self.engine.run(&["exec", &self.name, "ps", "-eo", "args="])
    }

    /// Runs `agentctl` against the agent outside; its output, its errors and its exit code.
    async fn agentctl(&self, arguments: &[&str]) -> (String, String, Option<i32>) {
        #[expect(clippy::disallowed_methods, reason = "the program is started as a person does it")]
        let mut command = Command::new(program("agentctl"));
        command.arg("--target").arg(format!("unix:{}", self.daemon.info().http_unix[0]));
        command.args(arguments).env("HOME", self.daemon.dir()).stdin(Stdio::null());
        let output = within(command.kill_on_drop(true).output()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        let _ = self.engine.docker().args(["rm", "-fv", &self.name]).output();
    }
}

async fn run(inner: &dyn AgentConn, command: &str) -> (String, i32) {
    let request =
        StartProcessRequest { command: Some(command.to_owned()), ..StartProcessRequest::default() };
    let outcome = within(exec(inner, request, None, ExecConfig::default())).await;
    let outcome = outcome.unwrap();
    (String::from_utf8(outcome.output.head.to_vec()).unwrap(), outcome.exit_code)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_processes_git_and_terminals_inside_are_reached_through_the_agent_outside() {
    let world = World::start("all").await;
    let dev = world.dev().await;
    let client = world.daemon.client();
    let inner = within(client.connect_dev_container(dev.id)).await.unwrap();
    let by_name = within(client.dev_container(&dev.name)).await.unwrap();
    assert_eq!(by_name.get_greeting().await.unwrap(), inner.get_greeting().await.unwrap());

    let root = within(inner.list_directory(ListDirectoryRequest::all("/"))).await.unwrap();
    assert!(root.contents.iter().any(|entry| entry.name == ".agentd"));
    let content: Vec<u8> = (0..16 << 20_u32).map(|at| (at % 251) as u8).collect();
    let write = WriteFileRequest { path: "/home/dev/large".into(), ..Default::default() };
    within(inner.write_file(write, content.clone().into())).await.unwrap();
    let read = ReadFileRequest { path: "/home/dev/large".into(), ..Default::default() };
    let read = within(inner.read_file(read)).await.unwrap();
    assert!(within(read.body.collect(u64::MAX)).await.unwrap() == content, "byte by byte");

    let (who, code) = run(&*inner, "id -un; hostname; echo $SEEN $HOME; exit 3").await;
    let short = &dev.container.as_ref().unwrap().id[..12];
    assert_eq!((who, code), (format!("dev\n{short}\nyes /home/dev\n"), 3));
    let make = "cd; git init -q repo && cd repo && touch new";
    assert_eq!(run(&*inner, make).await.1, 0);
    let status = within(inner.get_git_status(GetGitStatusRequest::new("/home/dev/repo"))).await;
    assert_eq!(status.unwrap().repository.files[0].path, "new");

    let request =
        OpenTerminalRequest { command: Some("echo $((6*7)); id -u".into()), ..Default::default() };
    let id = TerminalId::from_uuid(Uuid::from_u128(7));
    let mut terminal = within(inner.open_terminal(id, request)).await.unwrap();
    let mut shown = Vec::new();
    while let Some(item) = within(terminal.next()).await {
        match item.unwrap() {
            TerminalItem::Output(bytes) => shown.extend_from_slice(&bytes),
            TerminalItem::Closed { .. } => break,
            _ => {}
        }
    }
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(shown.contains("42") && shown.contains("1000"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_agent_inside_end_with_their_client() {
    let world = World::start("ends").await;
    let dev = world.dev().await;
    let client = world.daemon.client();
    let inner = within(client.connect_dev_container(dev.id)).await.unwrap();
    let held = within(inner.ssh()).await.unwrap();
    let watch = within(inner.get_debug_logs(None)).await.unwrap();
    let all = futures_util::future::join_all((0..8).map(|_| inner.get_greeting()));
    assert!(within(all).await.iter().all(Result::is_ok));
    assert!(world.processes().contains("--nested-connect=frames"));
    drop((held, watch));
    client.close();
    assert!(inner.is_closed());
    let gone = async {
        while world.processes().contains("--nested-connect") {
            tokio::task::yield_now().await;
        }
    };
    within(gone).await;
    assert!(world.processes().contains("/.agentd/agentd --nested "), "the agent itself stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_stops_takes_its_agent_along_and_gets_it_back() {
    let world = World::start("stops").await;
    let dev = world.dev().await;
    let client = world.daemon.client();
    let inner = within(client.connect_dev_container(dev.id)).await.unwrap();
    let mut watch = client.watch_containers(everything()).await.unwrap();
    world.engine.run(&["stop", "-t", "1", &world.name]);
    let has_none = |list: &agent_sdk::api::ListContainersResponse| {
        list.devcontainers.first().is_some_and(|dev| dev.agent.is_none())
    };
    until_list(&mut watch, "no agent", has_none).await;
    let (code, _) = refusal(within(inner.get_greeting()).await);
    assert_eq!(code, ErrorCode::Conflict);
    world.engine.run(&["start", &world.name]);
    assert_eq!(world.dev().await.agent, dev.agent, "it is the same container");
    // The client inside is still of use.
    within(inner.get_greeting()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_dies_and_comes_back_leaves_nobody_without_an_agent() {
    let engine = Engine::start().unwrap();
    let world = World::start_on(&engine, "engine").await;
    let dev = world.dev().await;
    let client = world.daemon.client();
    let inner = within(client.connect_dev_container(dev.id)).await.unwrap();
    let process = || {
        let table = engine.run(&["top", &world.name, "-eo", "pid,args"]);
        let line = table.lines().find(|line| line.contains("/.agentd/agentd --nested ")).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    let first = process();
    let mut watch = client.watch_containers(everything()).await.unwrap();
    engine.kill_engine().unwrap();
    let has_none = |list: &agent_sdk::api::ListContainersResponse| {
        list.devcontainers.first().is_some_and(|dev| dev.agent.is_none())
    };
    until_list(&mut watch, "no agent", has_none).await;
    engine.restart_engine().unwrap();
    let again = world.dev().await;
    assert_eq!(again.agent, dev.agent, "it is the same container");
    assert_ne!(process(), first, "it is another agent");
    within(inner.get_greeting()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lists_enters_and_removes_a_dev_container() {
    let world = World::start("prompt").await;
    let dev = world.dev().await;
    let name = dev.name.as_str();
    let (listed, _, code) = world.agentctl(&["devcontainer", "ls"]).await;
    let row = listed.lines().find(|line| line.starts_with(name)).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[1..], ["running", "-", &world.name, "yes", &format!("/x/{}", world.name)]);
    assert_eq!(code, Some(0));
    let (listed, _, _) = world.agentctl(&["containers", "-q"]).await;
    assert!(listed.contains(&format!("  {}  ", world.name)), "{listed}");

    let host_name = format!("{}\n", &dev.container.as_ref().unwrap().id[..12]);
    let exec =
        ["devcontainer", "exec", name, "--", "sh", "-c", "hostname; exit \"$1\"", "x y", "7"];
    assert_eq!(world.agentctl(&exec).await, (host_name.clone(), String::new(), Some(7)));
    let exec = ["devcontainer", "exec", "--user", "root", name, "--", "id", "-un"];
    assert_eq!(world.agentctl(&exec).await.0, "root\n");
    let open = ["terminal", "open", "-d", "-c", "true", "--container"];
    let (_, stderr, code) = world.agentctl(&[&open[..], &["nobody"]].concat()).await;
    assert!(code == Some(1) && stderr.contains(&world.name), "those that run are named: {stderr}");
    let (id, stderr, code) = world.agentctl(&[&open[..], &[name]].concat()).await;
    assert!(code == Some(0) && id.trim().parse::<Uuid>().is_ok(), "{id}{stderr}");

    let inside = ["--dev-container", name, "exec", "--", "hostname"];
    assert_eq!(world.agentctl(&inside).await, (host_name, String::new(), Some(0)));
    let inside = ["--dev-container", &dev.workspace_folder, "ls", "/home"];
    assert_eq!(world.agentctl(&inside).await.0, "dev\n");

    let removed = world.agentctl(&["devcontainer", "rm", name]).await;
    assert_eq!(removed, (format!("removed {name}\n"), String::new(), Some(0)));
    let (_, stderr, code) = world.agentctl(&["devcontainer", "logs", name]).await;
    assert!(code == Some(1) && stderr.contains("no dev container"), "{stderr}");
}
