//! A released `agentd`, started for a bench over a directory of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::client::Address;
use crate::shell::{self, Owned};

/// A running agent; it ends with this value.
pub(super) struct Agent {
    process: Owned,
    /// From the start of the program to its line that says where it listens.
    pub(super) ready_after: Duration,
    pub(super) tcp: Address,
    pub(super) unix: Address,
    /// Port of the SSH server, where one was asked for.
    pub(super) ssh: Option<u16>,
}

impl Agent {
    /// Starts the program on a free port and a socket, and waits until it listens.
    ///
    /// # Errors
    ///
    /// It does not start, or prints something else than where it listens.
    pub(super) fn start(program: &Path, state: &Path) -> Result<Self> {
        Self::start_with(program, state, &[])
    }

    /// The same, with more arguments.
    ///
    /// # Errors
    ///
    /// As [`Agent::start`].
    pub(super) fn start_with(program: &Path, state: &Path, args: &[&str]) -> Result<Self> {
        let start = Instant::now();
        let mut command = shell::command(program);
        command
            .arg("--state-dir")
            .arg(state)
            .args(["--listen", "127.0.0.1:0", "--listen-unix"])
            .arg(state.join("bench.sock"))
            .args(args)
            .env("HOME", state)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = shell::spawn(&mut command)?;
        let stdout = process.child.stdout.take().context("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready_after = start.elapsed();
        let info: Value = serde_json::from_str(&line).context("the agent's first line")?;
        let tcp = info["http"][0].as_str().context("the agent has a port")?;
        let port = tcp.rsplit(':').next().context("an address has a port")?.parse()?;
        let token = std::fs::read_to_string(state.join("token"))?;
        let headers = format!("Authorization: Bearer {}\r\n", token.trim_end());
        let unix = info["http_unix"][0].as_str().context("the agent has a socket")?;
        let unix = Address::Unix(PathBuf::from(unix));
        let ssh = info["ssh"][0].as_str().and_then(|address| address.rsplit(':').next());
        let ssh = ssh.map(str::parse).transpose()?;
        Ok(Self { process, ready_after, tcp: Address::Tcp { port, headers }, unix, ssh })
    }

    /// Memory of the process in bytes that is in RAM now (`VmRSS`, proc(5)).
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub(super) fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib * 1024)
    }

    /// Time that the process has spent on processors, all of its threads together (`stat`, proc(5)).
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        cpu_time(&self.process.child.id().to_string(), 11)
    }
}

/// Processor time of all children of this process that have ended.
///
/// # Errors
///
/// There is no `/proc`.
pub(super) fn children_cpu_time() -> Result<Duration> {
    cpu_time("self", 13)
}

/// User and system time in the line that describes a process; the name before the first field
/// counted here is in parentheses and may hold anything.
fn cpu_time(process: &str, field: usize) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(field).take(2) {
        ticks += field.parse::<u64>()?;
    }
    let hertz = u32::try_from(rustix::param::clock_ticks_per_second())?;
    Ok(Duration::from_secs(ticks) / hertz)
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.terminate(Duration::from_secs(5));
    }
}
