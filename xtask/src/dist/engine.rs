//! A container engine of our own: containerd and dockerd in a temporary folder, ended with this value.
//!
//! It has no bridge, no packet filter rules and no TCP port, so it leaves nothing on the host's network.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::http;
use crate::{leftovers, shell};

/// How long the daemons may take to start; half a second is usual.
const START: Duration = Duration::from_secs(30);
/// How long each may take to stop.
const STOP: Duration = Duration::from_secs(15);

/// A running engine.
#[derive(Debug)]
pub(super) struct Engine {
    /// Holds everything the daemons write, and their sockets. Emptied only when nothing is mounted in it.
    dir: Option<tempfile::TempDir>,
    containerd: Option<shell::Owned>,
    dockerd: Option<shell::Owned>,
}

impl Engine {
    /// Starts the daemons and returns when they answer.
    ///
    /// # Errors
    ///
    /// A daemon cannot be started or does not answer in time; the text ends in its log.
    pub(super) fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("agent-dist-").tempdir()?;
        let mut engine = Self { dir: Some(dir), containerd: None, dockerd: None };
        let path = engine.dir().to_owned();
        fs::write(path.join("containerd.toml"), containerd_config(&path))?;
        fs::write(path.join("daemon.json"), dockerd_config(&path).to_string())?;
        engine.containerd = Some(engine.daemon("containerd", "--config", "containerd.toml")?);
        engine.dockerd = Some(engine.daemon("dockerd", "--config-file", "daemon.json")?);
        let answers = || {
            http::request(&path.join("docker.sock"), "GET", "/_ping", b"")
                .is_ok_and(|answer| answer.status == 200)
        };
        if !shell::wait_until(START, answers) {
            bail!(
                "the engine does not answer\n{}\n{}",
                tail(&path.join("containerd.log")),
                tail(&path.join("dockerd.log"))
            );
        }
        Ok(engine)
    }

    /// Returns the folder of the engine, for files that live as long as it does.
    pub(super) fn dir(&self) -> &Path {
        self.dir.as_ref().expect("the folder is there until the engine is dropped").path()
    }

    /// Returns a command of the docker client that talks to this engine.
    pub(super) fn docker(&self) -> Command {
        let mut command = shell::command("docker");
        command.env("DOCKER_CONFIG", self.dir().join("client"));
        command.arg("--host").arg(format!("unix://{}", self.dir().join("docker.sock").display()));
        command
    }

    fn daemon(&self, program: &str, flag: &str, config: &str) -> Result<shell::Owned> {
        let file =
            shell::find_program(program).with_context(|| format!("there is no {program}"))?;
        let log = File::create(self.dir().join(format!("{program}.log")))?;
        // `setpriv` ends the daemon even when this task is killed; the group keeps a terminal's interrupt
        // away from it, so that it is stopped in order.
        let mut command = shell::command("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(file).arg(flag).arg(self.dir().join(config));
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        shell::spawn(&mut command)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.dockerd.is_some()
            && let Ok(ids) = shell::output(self.docker().args(["ps", "--all", "--quiet"]))
            && !ids.trim().is_empty()
        {
            shell::succeeds(self.docker().args(["rm", "--force"]).args(ids.split_whitespace()));
        }
        // dockerd is a client of containerd, so it goes first.
        for mut daemon in [self.dockerd.take(), self.containerd.take()].into_iter().flatten() {
            daemon.terminate(STOP);
        }
        leftovers::end();
        let Some(dir) = self.dir.take() else { return };
        for mount in mounts_below(dir.path()).iter().rev() {
            shell::succeeds(shell::command("umount").arg(mount));
        }
        // Removing a folder with something mounted in it would empty that.
        if !mounts_below(dir.path()).is_empty() {
            println!("warning: {} is kept, something is still mounted in it", dir.keep().display());
        }
    }
}

/// Returns the mount points below a folder in the order in which they were mounted.
fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(PathBuf::from)
        .filter(|point| point.starts_with(dir))
        .collect()
}

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

fn dockerd_config(dir: &Path) -> serde_json::Value {
    let path = |name: &str| dir.join(name).display().to_string();
    serde_json::json!({
        "data-root": path("data"),
        "exec-root": path("exec"),
        "pidfile": path("docker.pid"),
        "hosts": [format!("unix://{}", path("docker.sock"))],
        "containerd": path("containerd.sock"),
        "bridge": "none",
        "iptables": false,
        "ip6tables": false,
        "ip-forward": false,
        "userland-proxy": false,
        "log-level": "warn",
    })
}

/// Returns the last lines of a log, or none if there is no log.
pub(super) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
