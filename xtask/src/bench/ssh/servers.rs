//! The two servers that are compared, agentd's and OpenSSH's, and the one client of both.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::bench::agent::Agent;
use crate::shell::{self, Owned};

/// Longest wait for a server to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A key, known to both servers, in a directory that holds everything else of the bench too.
pub(in crate::bench) struct Keys {
    pub(super) dir: tempfile::TempDir,
}

/// An SSH server on a port of 127.0.0.1.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Server {
    pub(super) port: u16,
    key: PathBuf,
    user: String,
}

/// OpenSSH's server; it ends with this value.
pub(super) struct Sshd {
    process: Owned,
    pub(super) server: Server,
}

impl Keys {
    /// Makes a key and lets it in.
    pub(in crate::bench) fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let keys = Self { dir };
        keys.generate("key")?;
        std::fs::copy(keys.path("key.pub"), keys.path("authorized_keys"))?;
        Ok(keys)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn generate(&self, name: &str) -> Result<()> {
        let mut command = shell::command("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.path(name));
        shell::run(&mut command)
    }

    /// Starts agentd with an SSH server of its own.
    pub(super) fn agent(&self, program: &Path, state: &Path) -> Result<(Agent, Server)> {
        self.agent_with(program, state, &[])
    }

    /// The same, with more arguments.
    pub(in crate::bench) fn agent_with(
        &self,
        program: &Path,
        state: &Path,
        args: &[&str],
    ) -> Result<(Agent, Server)> {
        let authorized = self.path("authorized_keys");
        let authorized = authorized.to_str().context("a plain path")?;
        let ours = ["--ssh", "127.0.0.1:0", "--authorized-keys", authorized];
        let agent = Agent::start_with(program, state, &[&ours, args].concat())?;
        let port = agent.ssh.context("the agent has a port for SSH")?;
        Ok((agent, self.server(port)?))
    }

    /// Starts OpenSSH's server, as plain as it can be: no PAM, no look-ups of names.
    pub(super) fn sshd(&self) -> Result<Sshd> {
        self.generate("host_key")?;
        // The directory that it wants to be empty and its own (sshd(8)).
        std::fs::create_dir_all("/run/sshd")?;
        let port = free_port()?;
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\n\
             StrictModes no\nUsePAM no\nUseDNS no\nPidFile none\nPermitRootLogin yes\n\
             MaxStartups 100\nMaxSessions 100\nLogLevel QUIET\n\
             Subsystem sftp /usr/lib/openssh/sftp-server\n",
            self.path("host_key").display(),
            self.path("authorized_keys").display(),
        );
        let file = self.path("sshd_config");
        std::fs::write(&file, config)?;
        let program = shell::find_program("sshd").context("no `sshd`")?;
        let mut command = shell::command(program);
        command.args(["-D", "-f"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let process = shell::spawn(&mut command)?;
        let connects = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        ensure!(shell::wait_until(START_TIMEOUT, connects), "sshd does not listen");
        Ok(Sshd { process, server: self.server(port)? })
    }

    fn server(&self, port: u16) -> Result<Server> {
        let user = shell::output(shell::command("id").arg("-un"))?.trim_end().to_owned();
        Ok(Server { port, key: self.path("key"), user })
    }
}

impl Sshd {
    /// Processes that serve sessions: the children of the listening one, and theirs.
    pub(super) fn session_processes(&self) -> Result<Vec<u32>> {
        descendants(self.process.child.id())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.process.terminate(Duration::from_secs(5));
    }
}

impl Server {
    /// The same server behind another port.
    pub(super) fn behind(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    /// A command of OpenSSH's client, still without what the server shall run.
    pub(in crate::bench) fn ssh(&self, options: &[&str]) -> Command {
        let mut command = shell::command("ssh");
        self.arguments(&mut command, "-p");
        command.args(options).arg("127.0.0.1");
        command
    }

    /// Runs a batch of `sftp` commands.
    pub(super) fn sftp(&self, batch: &str) -> Result<()> {
        use std::io::Write as _;
        let mut command = shell::command("sftp");
        self.arguments(&mut command, "-P");
        command.args(["-q", "-b", "-", "127.0.0.1"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = shell::spawn(&mut command)?;
        let mut stdin = process.child.stdin.take().context("stdin is piped")?;
        stdin.write_all(batch.as_bytes())?;
        drop(stdin);
        ensure!(process.child.wait()?.success(), "sftp ends well: {batch}");
        Ok(())
    }

    fn arguments(&self, command: &mut Command, port: &str) {
        let key = self.key.display();
        command.args(["-F", "none", port, &self.port.to_string()]);
        let options = [
            format!("IdentityFile={key}"),
            format!("User={}", self.user),
            "IdentitiesOnly=yes".into(),
            "StrictHostKeyChecking=no".into(),
            "UserKnownHostsFile=/dev/null".into(),
            "LogLevel=ERROR".into(),
            "BatchMode=yes".into(),
        ];
        for option in options {
            command.arg("-o").arg(option);
        }
    }
}

/// A port that nobody listens on now.
pub(in crate::bench) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Every process below another one (`stat`, proc(5)).
fn descendants(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // It may have ended meanwhile.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        parents.push((pid, parent.and_then(|parent| parent.parse().ok()).unwrap_or(0)));
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    Ok(found)
}
