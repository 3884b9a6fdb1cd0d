//! A tmux server of the bench's own, and attaching to it as a terminal does.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::shell;

/// A server with one session; it ends with this value.
pub(super) struct Tmux {
    socket: PathBuf,
}

impl Tmux {
    /// Starts a server whose first window runs a command of the shell.
    pub(super) fn start(dir: &Path, name: &str, text: &str, lines: usize) -> Result<Self> {
        let tmux = Self { socket: dir.join(format!("tmux-{name}")) };
        let config = dir.join("tmux.conf");
        std::fs::write(&config, format!("set -g history-limit {lines}\nset -g status off\n"))?;
        let mut command = tmux.command();
        command.arg("-f").arg(&config);
        command.args(["new-session", "-d", "-s", "bench", "-x", "200", "-y", "50", text]);
        shell::run(&mut command)?;
        Ok(tmux)
    }

    /// Opens one more window.
    pub(super) fn window(&self, text: &str) -> Result<()> {
        shell::run(self.command().args(["new-window", "-d", "-t", "bench", text]))
    }

    /// Memory of the server that is in RAM now.
    pub(super) fn resident_bytes(&self) -> Result<u64> {
        let pid = shell::output(self.command().args(["display-message", "-p", "#{pid}"]))?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib * 1024)
    }

    /// Attaches in a terminal of its own, and returns how many bytes came until a text did, and
    /// how long that took.
    pub(super) fn attach(&self, text: &str) -> Result<(u64, Duration)> {
        let (ours, theirs) = terminal()?;
        let start = Instant::now();
        let mut command = self.command();
        command.args(["attach", "-t", "bench"]).env("TERM", "xterm-256color");
        command.stdin(File::from(theirs.try_clone()?)).stdout(File::from(theirs.try_clone()?));
        command.stderr(File::from(theirs));
        let mut client = shell::spawn(&mut command)?;
        drop(command);
        let (mut near, mut seen, mut buffer) = (File::from(ours), Vec::new(), vec![0; 64 * 1024]);
        while !seen.windows(text.len()).any(|window| window == text.as_bytes()) {
            let count = near.read(&mut buffer).context("tmux ends")?;
            ensure!(count > 0, "tmux ends before its screen is there");
            seen.extend_from_slice(&buffer[..count]);
        }
        let elapsed = start.elapsed();
        client.terminate(Duration::from_secs(2));
        Ok((seen.len() as u64, elapsed))
    }

    fn command(&self) -> Command {
        let mut command = shell::command("tmux");
        command.arg("-S").arg(&self.socket).env_remove("TMUX");
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        shell::succeeds(self.command().arg("kill-server"));
    }
}

/// Both ends of a pseudo terminal of 50 lines of 200 characters.
fn terminal() -> Result<(OwnedFd, OwnedFd)> {
    let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
    rustix::pty::grantpt(&ours)?;
    rustix::pty::unlockpt(&ours)?;
    let name = rustix::pty::ptsname(&ours, Vec::new())?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let theirs = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty())?;
    let size = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&theirs, size)?;
    Ok((ours, theirs))
}
