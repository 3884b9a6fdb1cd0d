//! What the SSH server must be told about the world; it reads no environment itself.

use std::{path::PathBuf, time::Duration};

/// Where the server keeps its things, who may come in, and how much of everything there may be.
#[derive(Clone, Debug)]
pub struct Config {
    /// The agent's own directory, which must exist; `ssh`, `run/ssh-agent` and `run/ssh-agent.sock`
    /// inside belong to the service.
    pub state_dir: PathBuf,
    /// Version of the agent, as the identification string shows it.
    pub version: String,
    /// Files of further host keys; a supplied Ed25519 key replaces the generated one.
    pub host_keys: Vec<PathBuf>,
    /// File of the keys that may come in by TCP, read at each attempt.
    pub authorized_keys: PathBuf,
    /// File of the keys that sign user certificates, one a line.
    pub trusted_user_ca: Option<PathBuf>,
    /// Names of which a certificate must carry one; empty stands for the account's name.
    pub principals: Vec<String>,
    /// How long a silent client is kept: after each third of it the client is asked for a sign of
    /// life. 72 h by default; `None` never asks.
    pub client_timeout: Option<Duration>,
    /// Most connections at a time, authenticated or not, of all doors together; 100 by default.
    pub max_connections: usize,
    /// Most channels that the client of a connection has open at a time; 64 by default.
    pub max_channels: usize,
    /// Time from the start of a connection to its authentication; 30 s by default.
    pub login_grace: Duration,
    /// Most failed attempts of a connection to authenticate; 6 by default.
    pub max_auth_tries: u32,
    /// Whether clients may open connections into the workspace (`direct-tcpip`,
    /// `direct-streamlocal@openssh.com`).
    pub allow_local_forward: bool,
    /// Whether clients may have listeners in the workspace (`tcpip-forward`,
    /// `streamlocal-forward@openssh.com`).
    pub allow_remote_forward: bool,
    /// Whether SFTP and the usual programs for transfers may run. It advises and does not confine.
    pub allow_file_transfer: bool,
    /// Files whose contents greet a login shell on a terminal, in this order.
    pub banner_files: Vec<PathBuf>,
    /// File that greets a login shell on a terminal after the banners, unless `~/.hushlogin` exists.
    pub motd_file: Option<PathBuf>,
}

impl Config {
    /// The production configuration for a state directory and a home.
    pub fn new(state_dir: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host_keys: Vec::new(),
            authorized_keys: home.into().join(".ssh/authorized_keys"),
            trusted_user_ca: None,
            principals: Vec::new(),
            client_timeout: Some(Duration::from_secs(72 * 60 * 60)),
            max_connections: 100,
            max_channels: 64,
            login_grace: Duration::from_secs(30),
            max_auth_tries: 6,
            allow_local_forward: true,
            allow_remote_forward: true,
            allow_file_transfer: true,
            banner_files: Vec::new(),
            motd_file: None,
        }
    }
}
