//! A real container engine for tests: containerd and dockerd of its own in a temporary folder.
//!
//! It shares nothing with an engine of the machine. Its mounts and its network are in namespaces that
//! end with it, so it leaves no mount, bridge, packet filter rule or port on the host; a port that a
//! container publishes is therefore seen in what the engine says, but not reached from the test.
//! Its processes and control groups are the host's. What takes it down is in `supervisor`.

mod images;
mod supervisor;

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use rustix::thread::{CapabilitySet, capability_is_in_bounding_set};
use supervisor::{Order, Supervisor};

/// How long a daemon may take to answer; a fifth of a second is usual.
const START: Duration = Duration::from_secs(60);
/// Pause between two looks at a daemon that starts or ends.
const GLANCE: Duration = Duration::from_millis(10);

/// The runtime for `docker run --runtime` with which privileged containers start where this process
/// lacks a capability that they would get.
pub const PRIVILEGED_RUNTIME: &str = "privileged";

/// A running engine; everything of it is gone when this is dropped or its process ends in any way.
///
/// Its methods block. Those that answer no `Result` panic when a step fails, because they are part of
/// a test.
#[derive(Debug)]
pub struct Engine {
    supervisor: Supervisor,
    busybox: OnceLock<()>,
    glibc: OnceLock<()>,
}

impl Engine {
    /// Starts an engine without containers and images, and returns when it answers.
    ///
    /// # Errors
    ///
    /// A daemon cannot be started or does not answer in time; the text ends in its log.
    pub fn start() -> io::Result<Self> {
        let supervisor = Supervisor::start(|dir| {
            fs::write(dir.join("containerd.toml"), containerd_config(dir))?;
            fs::write(dir.join("daemon.json"), dockerd_config(dir))?;
            fs::write(dir.join("runc"), RUNC)?;
            fs::set_permissions(dir.join("runc"), PermissionsExt::from_mode(0o755))
        })?;
        let engine = Self { supervisor, busybox: OnceLock::new(), glibc: OnceLock::new() };
        engine.restart_engine()?;
        Ok(engine)
    }

    /// Returns the engine that the tests of one process share, started when it is first asked for.
    ///
    /// Each test takes names of its own for its containers, expects those of others beside them, and
    /// neither kills nor stops the engine.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Engine> = OnceLock::new();
        // A static value is never dropped; its supervisor takes the engine down with the process.
        SHARED.get_or_init(|| Self::start().expect("a container engine can be started"))
    }

    /// The folder of the engine, for files that live as long as it does.
    pub fn dir(&self) -> &Path {
        self.supervisor.dir()
    }

    /// The Unix socket at which the engine answers.
    pub fn socket(&self) -> PathBuf {
        self.dir().join("docker.sock")
    }

    /// The same as a `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Returns a command of the docker client that talks to this engine, without configuration of
    /// whoever runs the test.
    pub fn docker(&self) -> Command {
        let mut command = command("docker");
        for name in ["DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
            command.env_remove(name);
        }
        command.env("DOCKER_HOST", self.host()).env("DOCKER_CONFIG", self.dir().join("client"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs the docker client, which must succeed; answers what it printed without the last line end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.docker().args(args).output().expect("docker is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {args:?}: {errors}");
        let text = String::from_utf8(output.stdout).expect("output of docker is UTF-8 here");
        text.trim_end_matches('\n').to_owned()
    }

    /// Returns the name of an image with busybox as its only program, under all of its names, and the
    /// users `root` and `dev` (1000), whose shell is `/bin/sh`.
    pub fn busybox(&self) -> &'static str {
        self.busybox.get_or_init(|| images::busybox(self).expect("the image can be made"));
        images::BUSYBOX
    }

    /// Returns the name of an image with glibc, bash, coreutils, git and others from this machine's own
    /// files, and the users `root` and `dev` (1000), whose shell is `/bin/bash`.
    pub fn glibc(&self) -> &'static str {
        self.glibc.get_or_init(|| images::glibc(self).expect("the image can be made"));
        images::GLIBC
    }

    /// Makes an image of a folder with options of `docker import`, such as `--change`.
    ///
    /// # Errors
    ///
    /// The folder cannot be packed or imported.
    pub fn import(&self, root: &Path, options: &[&str], name: &str) -> io::Result<()> {
        images::import(self, root, options, name)
    }

    /// Ends the engine with SIGKILL and returns when it is gone; containers go on.
    ///
    /// # Errors
    ///
    /// The supervisor is gone.
    pub fn kill_engine(&self) -> io::Result<()> {
        self.supervisor.order(Order::Kill)
    }

    /// Ends the engine with SIGTERM and returns when it is gone; containers go on.
    ///
    /// # Errors
    ///
    /// The supervisor is gone.
    pub fn stop_engine(&self) -> io::Result<()> {
        self.supervisor.order(Order::Stop)
    }

    /// Starts an engine that was killed or stopped, and returns when it answers.
    ///
    /// # Errors
    ///
    /// As [`Engine::start`].
    pub fn restart_engine(&self) -> io::Result<()> {
        self.supervisor.order(Order::Start)?;
        let socket = self.socket();
        if wait_until(START, || answers(&socket).unwrap_or(false)) {
            return Ok(());
        }
        let logs = ["supervisor.log", "containerd.log", "dockerd.log"];
        let logs = logs.map(|name| tail(&self.dir().join(name))).join("\n");
        Err(io::Error::other(format!("the engine does not answer\n{logs}")))
    }
}

/// Tells whether an engine can be started here: as root, with the programs it needs, in namespaces.
pub fn can_start_engine() -> bool {
    let programs = ["docker", "dockerd", "containerd", "runc", "busybox", "iptables"];
    let has = |name: &str| find_program(name).is_some();
    rustix::process::geteuid().is_root()
        && programs.into_iter().all(has)
        && quiet(command("unshare").args(["--mount", "--net", "true"]))
}

/// The folder with the `devcontainer` program that `cargo xtask setup` installed, for `PATH`.
pub fn devcontainer_bin() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let workspace = workspace.expect("this crate is in a folder of the workspace");
    workspace.join("target/devcontainer/node_modules/.bin")
}

/// The folders of programs, also those of the administrator's that `PATH` may lack.
fn search_path() -> String {
    #[expect(clippy::disallowed_methods, reason = "a test finds programs as its caller does")]
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")
}

fn find_program(name: &str) -> Option<PathBuf> {
    let dirs = search_path();
    let mut files =
        dirs.split(':').filter(|dir| !dir.is_empty()).map(|dir| Path::new(dir).join(name));
    files.find(|file| file.is_file())
}

/// A program in those folders.
fn command(program: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a test is no capability of the agent")]
    let mut command = Command::new(find_program(program).unwrap_or_else(|| program.into()));
    command.env("PATH", search_path());
    command
}

fn quiet(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Asks the engine whether it is there.
fn answers(socket: &Path) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(START))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split(' ').nth(1) == Some("200"))
}

/// Looks at a condition until it holds, at most `limit`; returns whether it held.
fn wait_until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(GLANCE);
    }
}

/// The last lines of a log, or none if there is no log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// A runtime that takes a capability out of a container's description which this process cannot give.
const RUNC: &str = r#"#!/bin/sh
before=
for word in "$@"; do
  case $before in
    --bundle|-b) file=$word/config.json ;;
    --process|-p) file=$word ;;
  esac
  before=$word
done
[ -z "$file" ] || sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g' "$file"
exec runc "$@"
"#;

fn containerd_config(dir: &Path) -> String {
    let dir = dir.display();
    // The plugins left out look for devices and file systems that are not there, and complain.
    format!(
        "version = 2\nroot = \"{dir}/containerd/root\"\nstate = \"{dir}/containerd/state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.snapshotter.v1.aufs\", \
         \"io.containerd.snapshotter.v1.btrfs\", \"io.containerd.snapshotter.v1.devmapper\", \
         \"io.containerd.snapshotter.v1.zfs\"]\n\
         [grpc]\naddress = \"{dir}/containerd.sock\"\n"
    )
}

fn dockerd_config(dir: &Path) -> String {
    let is_capable = capability_is_in_bounding_set(CapabilitySet::SYS_RESOURCE).unwrap_or(false);
    let privileged = if is_capable { "runc".to_owned() } else { format!("{}/runc", dir.display()) };
    let cgroup = dir.file_name().expect("the folder has a name").display();
    let dir = dir.display();
    format!(
        r#"{{
  "data-root": "{dir}/data",
  "exec-root": "{dir}/exec",
  "pidfile": "{dir}/docker.pid",
  "hosts": ["unix://{dir}/docker.sock"],
  "containerd": "{dir}/containerd.sock",
  "cgroup-parent": "/{cgroup}",
  "exec-opts": ["native.cgroupdriver=cgroupfs"],
  "runtimes": {{"{PRIVILEGED_RUNTIME}": {{"path": "{privileged}"}}}},
  "live-restore": true,
  "log-level": "warn"
}}
"#
    )
}

#[cfg(test)]
mod tests;
