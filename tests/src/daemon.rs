//! The program `agentd` as a process of its own.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use agent_sdk::{AgentClient, Config, Target, api::AgentInfo};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long a step of the program may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A running `agentd` over a temporary state directory; killed with this value.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    info: AgentInfo,
    temporary: tempfile::TempDir,
}

/// The file of a program of this workspace, built beside the test that runs.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(path.is_file(), "{} is not built; `cargo build --workspace`", path.display());
    path
}

impl Daemon {
    /// Starts the program on a free port and a Unix socket; returns when it listens.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[]).await
    }

    /// The same with more variables in its environment.
    pub async fn start_with(arguments: &[&str], variables: &[(&str, &OsStr)]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let state = temporary.path().join("state");
        Self::start_in(temporary, &state, arguments, variables).await
    }

    /// The same over a state directory that outlives the program.
    pub async fn start_on(state: &Path, arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), state, arguments, &[]).await
    }

    async fn start_in(
        temporary: tempfile::TempDir,
        state: &Path,
        arguments: &[&str],
        variables: &[(&str, &OsStr)],
    ) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the program under test is started as an operator starts it"
        )]
        let mut command = Command::new(program("agentd"));
        command
            .args(["--listen", "127.0.0.1:0", "--state-dir"])
            .arg(state)
            .arg("--listen-unix")
            .arg(temporary.path().join("agentd.sock"))
            .args(arguments)
            .env("HOME", temporary.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(temporary.path().join("log")).unwrap())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
        let info = serde_json::from_str(&line).unwrap();
        Self { child, info, temporary }
    }

    /// What the program said of itself.
    pub fn info(&self) -> &AgentInfo {
        &self.info
    }

    /// A directory that is gone with the program.
    pub fn dir(&self) -> &Path {
        self.temporary.path()
    }

    /// The lines of its log, each as JSON.
    pub fn log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.dir().join("log")).unwrap();
        // The last line may not be complete yet.
        text.split_inclusive('\n').filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// A client over the Unix socket.
    pub fn client(&self) -> AgentClient {
        let target: Target = format!("unix:{}", self.info.http_unix[0]).parse().unwrap();
        AgentClient::connect(target, Config::default()).unwrap()
    }

    /// Memory of the process in bytes that is in RAM now (`VmRSS`, proc(5)).
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Waits for the process to end.
    pub async fn wait(&mut self) -> ExitStatus {
        timeout(LIMIT, self.child.wait()).await.unwrap().unwrap()
    }
}
