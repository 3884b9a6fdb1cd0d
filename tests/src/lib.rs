//! The running agent, seen from outside: the harness that the system tests share.
//!
//! [`TestAgent`] is an agent in this process, reached over each [`Transport`]; [`Daemon`] is the
//! program itself, for what only a process of its own can show, and [`SshDaemon`] the same with
//! OpenSSH's programs as its clients.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod daemon;
mod ssh;

use std::path::{Path, PathBuf};

use agent_files::{Config as FilesConfig, Files};
use agent_sdk::{AgentClient, Config as ClientConfig, Target, Token};
use agent_server::{Agent, Config, Stopped};

pub use daemon::{Daemon, program};
pub use ssh::{Output, SshDaemon, client, finish, key, until};

/// A way from a client to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A stream in this process.
    Duplex,
    /// TCP on the loopback address, with the token.
    Tcp,
    /// A Unix socket.
    Unix,
}

impl Transport {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Duplex, Self::Tcp, Self::Unix];
}

/// An agent over temporary directories, gone with this value.
#[derive(Debug)]
pub struct TestAgent {
    agent: Agent,
    root: PathBuf,
    _temporary: tempfile::TempDir,
}

impl TestAgent {
    /// Starts an agent on a free port and a Unix socket.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// The same with a change of its configuration.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        for directory in ["home", "t"] {
            std::fs::create_dir(root.join(directory)).unwrap();
        }
        let mut config = Config {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            listen_unix: vec![root.join("agentd.sock")],
            ..Config::new(root.join("state"), root.join("home"))
        };
        change(&mut config);
        let agent = Agent::bind(config).await.unwrap();
        Self { agent, root, _temporary: temporary }
    }

    /// The directory for test files.
    pub fn dir(&self) -> PathBuf {
        self.root.join("t")
    }

    /// The absolute path of a name in the directory for test files.
    pub fn path(&self, name: &str) -> String {
        self.dir().join(name).to_str().unwrap().to_owned()
    }

    /// The running agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The service as a caller in this process has it, over the same directories.
    pub fn files(&self) -> Files {
        Files::new(FilesConfig::new(self.root.join("home"), self.root.join("state")))
    }

    /// A client with its own connections.
    pub fn client(&self, transport: Transport) -> AgentClient {
        self.client_with(transport, ClientConfig::default())
    }

    /// The same with settings.
    pub fn client_with(&self, transport: Transport, config: ClientConfig) -> AgentClient {
        match transport {
            Transport::Duplex => {
                let stream = self.agent.connect_in_process();
                AgentClient::from_stream_with(stream, config).unwrap()
            }
            Transport::Tcp => {
                let target: Target = format!("http://{}", self.tcp()).parse().unwrap();
                let target = target.with_token(Token::new(&self.token()).unwrap());
                AgentClient::connect(target, config).unwrap()
            }
            Transport::Unix => {
                let target = format!("unix:{}", self.socket().display()).parse().unwrap();
                AgentClient::connect(target, config).unwrap()
            }
        }
    }

    /// The TCP address.
    pub fn tcp(&self) -> String {
        self.agent.info().http[0].clone()
    }

    /// The Unix socket.
    pub fn socket(&self) -> &Path {
        Path::new(&self.agent.info().http_unix[0])
    }

    /// The token that TCP needs.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.root.join("state/token")).unwrap()
    }

    /// Stops the agent in order.
    pub async fn shutdown(&self) -> Stopped {
        self.agent.shutdown().await
    }

    /// Files that the agent made for itself beside the test files or in its state directory.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        ["t", "state"].iter().flat_map(|name| leftovers(&self.root.join(name))).collect()
    }
}

/// Temporary files of an agent below a directory.
pub fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(leftovers(&entry.path()));
        }
        if entry.file_name().to_string_lossy().starts_with(".agentd-") {
            found.push(entry.path());
        }
    }
    found
}
