//! A service over a temporary directory, real children, and short ways to ask it.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use agent_api::{
    Caller, Classify, CloseProcessInputResponse, DeleteProcessResponse, ErrorCode,
    GetProcessOutputRequest, GetProcessOutputResponse, ProcessId, ProcessRecord,
    StartProcessRequest, StartProcessResponse, WaitFor, WriteProcessInputRequest,
    WriteProcessInputResponse,
};
use agent_exec::{Account, Cgroups, Environment, Launcher};
use agent_proc::{Config, Error, OutputItem, OutputStream, Processes, SessionEnvironment};
use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::timeout;

/// Nothing here takes as long, except on a machine that is stuck.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const CHAT: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const OTHER_CHAT: &str = "22222222-2222-2222-2222-222222222222";

/// A service whose home, state and working directory lie in one temporary directory.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) processes: Processes,
    pub(crate) config: Config,
    pub(crate) root: PathBuf,
    pub(crate) _temporary: Arc<tempfile::TempDir>,
}

/// The environment of an agent that was started by nobody.
#[derive(Debug)]
struct Session {
    home: PathBuf,
}

impl SessionEnvironment for Session {
    fn session(&self, account: Option<&Account>) -> Environment {
        let mut env = Environment::new();
        env.set("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        env.set("HOME", account.map_or(&self.home, |account| &account.home));
        env.set("FROM_SESSION", "session");
        env.set("WORKSPACE_CHAT_ID", "of another chat");
        env
    }
}

/// Runs a test against a service, and ends everything that it started, also when it fails.
pub(crate) fn with<F: Future<Output = ()>>(test: impl FnOnce(Fixture) -> F) {
    with_config(|_| (), test);
}

/// The same with another configuration.
pub(crate) fn with_config<F: Future<Output = ()>>(
    change: impl FnOnce(&mut Config),
    test: impl FnOnce(Fixture) -> F,
) {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().canonicalize().unwrap();
    for directory in ["home", "state", "work"] {
        std::fs::create_dir(root.join(directory)).unwrap();
    }
    let mut config = Config::new(root.join("state"), root.join("home"));
    config.directory = Some(root.join("work"));
    config.kill_grace = Duration::from_secs(2);
    change(&mut config);
    let runtime = runtime();
    let outcome = runtime.block_on(async {
        let processes = service(&config);
        let fixture = Fixture { processes, config, root, _temporary: Arc::new(temporary) };
        let test = AssertUnwindSafe(test(fixture.clone())).catch_unwind();
        let outcome = timeout(LONG * 2, test).await;
        fixture.processes.shutdown().await;
        outcome
    });
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(panicked)) => resume_unwind(panicked),
        Err(late) => panic!("the test takes too long: {late}"),
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A service of its own; trees are found in `/proc`, so that no cgroup is left behind.
pub(crate) fn service(config: &Config) -> Processes {
    let launcher = Launcher::new(agent_exec::Config {
        cgroups: Cgroups::Off,
        ..agent_exec::Config::default()
    });
    let session = Arc::new(Session { home: config.home.clone() });
    Processes::new(config.clone(), launcher, session)
}

/// Whoever asks for a chat.
pub(crate) fn chat(id: &str) -> Caller {
    Caller::new(Some(id.parse().unwrap()), &[]).unwrap()
}

pub(crate) fn nobody() -> Caller {
    Caller::anonymous()
}

pub(crate) fn request(json: Value) -> StartProcessRequest {
    serde_json::from_value(json).unwrap()
}

impl Fixture {
    pub(crate) async fn try_start(&self, json: Value) -> Result<StartProcessResponse, Error> {
        self.processes.start_process(&nobody(), request(json)).await
    }

    pub(crate) async fn start(&self, json: Value) -> ProcessId {
        self.try_start(json).await.unwrap().id
    }

    pub(crate) async fn get(&self, id: ProcessId) -> ProcessRecord {
        self.processes.get_process(&nobody(), id).await.unwrap()
    }

    pub(crate) async fn output(
        &self,
        id: ProcessId,
        req: GetProcessOutputRequest,
    ) -> Result<GetProcessOutputResponse, Error> {
        timeout(LONG, self.processes.get_process_output(&nobody(), id, req)).await.unwrap()
    }

    /// The output at the exit.
    pub(crate) async fn at_exit(&self, id: ProcessId) -> GetProcessOutputResponse {
        self.output(id, wait_for(WaitFor::Exit)).await.unwrap()
    }

    /// The output at the close.
    pub(crate) async fn at_close(&self, id: ProcessId) -> GetProcessOutputResponse {
        self.output(id, wait_for(WaitFor::Closed)).await.unwrap()
    }

    /// Starts a process and answers everything it prints.
    pub(crate) async fn run(&self, json: Value) -> String {
        let id = self.start(json).await;
        self.at_close(id).await.output
    }

    /// Waits until the output has this text.
    pub(crate) async fn printed(&self, id: ProcessId, text: &str) {
        let mut from = 0;
        loop {
            let req = GetProcessOutputRequest { from: Some(from), ..wait_for(WaitFor::Output) };
            let output = self.output(id, req).await.unwrap();
            if output.output.contains(text) {
                return;
            }
            assert!(!output.output_closed, "never printed {text:?}: {output:?}");
            from = output.output_end_bytes;
        }
    }

    pub(crate) async fn write(
        &self,
        id: ProcessId,
        body: impl Into<Bytes>,
        wait_ms: u64,
    ) -> Result<WriteProcessInputResponse, Error> {
        let req = WriteProcessInputRequest { wait_ms };
        self.processes.write_process_input(&nobody(), id, req, body.into()).await
    }

    pub(crate) async fn close_input(
        &self,
        id: ProcessId,
    ) -> Result<CloseProcessInputResponse, Error> {
        self.processes.close_process_input(&nobody(), id).await
    }

    pub(crate) async fn delete(&self, id: ProcessId) -> Result<DeleteProcessResponse, Error> {
        self.processes.delete_process(&nobody(), id).await
    }

    pub(crate) async fn signal(&self, id: ProcessId, json: Value) -> Result<String, Error> {
        let req = serde_json::from_value(json).unwrap();
        let signaled = self.processes.signal_process(&nobody(), id, req).await;
        signaled.map(|answer| answer.message)
    }
}

pub(crate) fn wait_for(wait_for: WaitFor) -> GetProcessOutputRequest {
    GetProcessOutputRequest { wait: true, wait_for, ..GetProcessOutputRequest::default() }
}

/// The next item of a stream, which must come.
pub(crate) async fn next(stream: &mut OutputStream) -> OutputItem {
    timeout(LONG, stream.next()).await.unwrap()
}

/// Checks a refusal: its code and a fragment of what the client sees of it.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    answer: Result<T, Error>,
    code: ErrorCode,
    fragment: &str,
) {
    let error = answer.unwrap_err();
    let seen = serde_json::to_string(&agent_api::ErrorBody::of(&error)).unwrap();
    assert_eq!(error.code(), code, "{seen}");
    assert!(seen.contains(fragment), "{fragment:?} in {seen}");
}

/// Whether a process runs: it is there and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Waits until something of another process is so, which nobody tells.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut interval = tokio::time::interval(Duration::from_millis(5));
    let found = async {
        while !is_so() {
            interval.tick().await;
        }
    };
    timeout(LONG, found).await.unwrap_or_else(|_| panic!("{what}"));
}
