//! An agent with SSH on a port, and OpenSSH's programs as its clients.
//!
//! Sleeps because what other programs do to files, sockets and processes is seen only by looking again.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::timeout,
};

use crate::Daemon;

/// How long a client may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A running `agentd` that lets one key in over SSH; both are gone with this value.
#[derive(Debug)]
pub struct SshDaemon {
    daemon: Daemon,
    dir: tempfile::TempDir,
}

/// What a client left.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; -1 after a signal.
    pub code: i32,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: String,
}

impl Output {
    /// What it printed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl SshDaemon {
    /// Starts the program with more arguments.
    pub async fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        key(&dir.path().join("key"));
        std::fs::copy(dir.path().join("key.pub"), dir.path().join("authorized_keys")).unwrap();
        let authorized = dir.path().join("authorized_keys").to_str().unwrap().to_owned();
        let ssh = ["--ssh", "127.0.0.1:0", "--authorized-keys", &authorized];
        let arguments: Vec<&str> = ssh.iter().chain(arguments).copied().collect();
        Self { daemon: Daemon::start(&arguments).await, dir }
    }

    /// The program.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// The program, to be waited for.
    pub fn daemon_mut(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// The port of its SSH server.
    pub fn port(&self) -> u16 {
        let address = &self.daemon.info().ssh[0];
        address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// A path in a directory that is gone with this value.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The options with which OpenSSH's programs reach it, without the port.
    pub fn options(&self) -> Vec<String> {
        let key = format!("IdentityFile={}", self.path("key").display());
        let options = [
            key.as_str(),
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
        ];
        let pairs = options.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()]);
        ["-F".to_owned(), "none".to_owned()].into_iter().chain(pairs).collect()
    }

    /// `ssh OPTIONS me@127.0.0.1`, to which a command can be added.
    pub fn ssh(&self, options: &[&str]) -> Command {
        let mut command = client("ssh");
        // Of an option that occurs twice the first counts.
        command.args(options).args(self.options()).args(["-p", &self.port().to_string()]);
        command.arg("me@127.0.0.1");
        command
    }

    /// Runs a command through `ssh` with nothing on its input.
    pub async fn run(&self, command: &str) -> Output {
        self.run_with(&[], command, b"").await
    }

    /// The same with options and an input.
    pub async fn run_with(&self, options: &[&str], command: &str, input: &[u8]) -> Output {
        let mut ssh = self.ssh(options);
        ssh.arg(command);
        finish(ssh, input).await
    }
}

/// A program that is a client, killed with its value.
pub fn client(program: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the real client is what is tested with")]
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    command.env_remove("SSH_AUTH_SOCK").env_remove("DISPLAY");
    command
}

/// Runs a client to its end with an input.
pub async fn finish(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child: Child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = async {
        // A client may end before it has read everything.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let both = async { tokio::join!(feed, child.wait_with_output()).1.unwrap() };
    let output = timeout(LIMIT, both).await.expect("the client ends");
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Makes a key pair without a passphrase.
pub fn key(path: &Path) {
    #[expect(clippy::disallowed_methods, reason = "the real program makes the keys")]
    let mut command = std::process::Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path);
    assert!(command.status().unwrap().success(), "ssh-keygen makes a key");
}

/// Looks at a condition again and again until it holds; panics with `what` when it never does.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    /// Pause between two looks.
    const GLANCE: Duration = Duration::from_millis(10);
    let wait = async {
        while !holds() {
            tokio::time::sleep(GLANCE).await;
        }
    };
    timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
