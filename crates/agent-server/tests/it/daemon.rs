//! A running `agentd` of a test: its own home and state directory, ended with the value.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};
use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything; what takes longer has failed.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// How to start an agent.
pub(crate) struct Setup {
    pub(crate) dir: TempDir,
    args: Vec<String>,
    variables: Vec<(String, String)>,
}

/// A started agent.
pub(crate) struct Daemon {
    pub(crate) dir: TempDir,
    child: Running,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// The object on stdout.
    pub(crate) info: Value,
}

/// What an agent that ended by itself left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Setup {
    /// An agent with an empty home and no arguments.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), args: Vec::new(), variables: Vec::new() }
    }

    /// An agent with one free TCP port and the usual Unix socket.
    pub(crate) fn listening() -> Self {
        let setup = Self::new();
        let socket = setup.socket();
        setup.arg("--listen=127.0.0.1:0").arg(&format!("--listen-unix={}", socket.display()))
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes the configuration file of the agent's home.
    pub(crate) fn file(self, toml: &str) -> Self {
        let path = self.config_file();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, toml).unwrap();
        self
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.path().join(".config/agentd/config.toml")
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        state_dir(self.dir.path())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("a.sock")
    }

    fn command(&self) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_agentd"));
        command.args(&self.args);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// Runs an agent that is expected to end by itself.
    pub(crate) fn run(&self) -> Ended {
        let mut child = Running(self.command().spawn().unwrap());
        let stdout = read_all(child.0.stdout.take().unwrap());
        let stderr = read_all(child.0.stderr.take().unwrap());
        let code = wait(&mut child.0).code();
        let text = |received: Receiver<String>| received.recv_timeout(LONG).unwrap();
        Ended { code, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Starts an agent and waits until it listens.
    pub(crate) fn start(self) -> Daemon {
        let command = self.command();
        self.start_as(command)
    }

    /// Starts an agent through `sh -c SCRIPT`, in which `"$@"` is the agent's command line.
    pub(crate) fn start_in_shell(self, script: &str) -> Daemon {
        let mut command = program("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_agentd")]).args(&self.args);
        self.prepare(&mut command);
        self.start_as(command)
    }

    fn start_as(self, mut command: Command) -> Daemon {
        let mut child = Running(command.spawn().unwrap());
        let stdout = lines(child.0.stdout.take().unwrap());
        let stderr = lines(child.0.stderr.take().unwrap());
        let line = stdout.recv_timeout(LONG).unwrap_or_else(|_| {
            panic!("no line on stdout, but on stderr {:?}", stderr.try_iter().collect::<Vec<_>>())
        });
        let info = serde_json::from_str(&line).unwrap();
        Daemon { dir: self.dir, child, stdout, stderr, info }
    }
}

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        state_dir(self.dir.path())
    }

    pub(crate) fn tcp(&self) -> &str {
        self.info["http"][0].as_str().unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.info["http_unix"][0].as_str().unwrap().into()
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    pub(crate) fn token(&self) -> String {
        fs::read_to_string(self.state_dir().join("token")).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid_of(&self.child.0), signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child.0)
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for a line of the log that fits.
    pub(crate) fn log_line(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LONG;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.stderr.recv_timeout(left).expect("a line that fits");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if fits(&line) {
                return line;
            }
        }
    }

    /// The rest of stdout and stderr, after the end.
    pub(crate) fn rest(&self) -> (Vec<String>, Vec<String>) {
        let all = |lines: &Receiver<String>| {
            std::iter::from_fn(|| lines.recv_timeout(LONG).ok()).collect()
        };
        (all(&self.stdout), all(&self.stderr))
    }
}

/// A child that is ended with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        // Two different signals, because equal ones become one: the agent kills what it started.
        let pid = pid_of(&self.0);
        let _ = kill_process(pid, Signal::TERM);
        let _ = kill_process(pid, Signal::INT);
        if !ends_within(&self.0, LONG) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

fn state_dir(home: &Path) -> PathBuf {
    home.join(".local/state/agentd")
}

#[expect(clippy::disallowed_methods, reason = "tests start the program that they test")]
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    Command::new(name)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Waits for the end of a child, and not forever.
fn wait(child: &mut Child) -> ExitStatus {
    if let Some(status) = child.try_wait().unwrap() {
        return status;
    }
    assert!(ends_within(child, LONG), "the agent did not end");
    child.wait().unwrap()
}

fn ends_within(child: &Child, limit: Duration) -> bool {
    let pidfd = pidfd_open(pid_of(child), PidfdFlags::empty()).unwrap();
    let timeout = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: 0 };
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)).unwrap() == 1
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                return;
            }
        }
    });
    rx
}

fn read_all(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = from.read_to_string(&mut text);
        let _ = tx.send(text);
    });
    rx
}
