//! What `screen` is told about a session from outside: whether it is there, who keeps it, that it
//! shall end.

use std::{
    ffi::{OsStr, OsString},
    fs::{DirBuilder, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use agent_exec::{Child, ErrorOutput, ExitStatus, Input, Launcher, Scope, Signal, Stdio};
use tokio::time::timeout;
use uuid::Uuid;

use crate::program::Program;

/// Configuration of every session (screen(1), "Customization").
const CONFIG: &str = "\
# Written by agentd at each creation of a terminal.
startup_message off
msgwait 0
msgminwait 0
deflogin off
altscreen on
defbce on
term xterm-256color
# The alternate screen is the outer terminal's, whose wheel would else scroll nothing.
termcapinfo xterm* ti@:te@
escape ^Ss
";
/// Longest time that a question to a session takes.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are looked at.
const ANSWER_BYTES: usize = 64 * 1024;

/// How a session is called by its name.
#[derive(Clone, Debug)]
pub(super) struct Controls {
    launcher: Launcher,
    screen: PathBuf,
    config: PathBuf,
    name: String,
    /// What runs in the session; its variables and directory are also those of `screen`.
    program: Program,
}

impl Controls {
    pub(super) fn new(
        launcher: Launcher,
        screen: PathBuf,
        config: PathBuf,
        program: Program,
    ) -> Self {
        let name = Uuid::new_v4().simple().to_string()[..8].to_owned();
        Self { launcher, screen, config, name, program }
    }

    pub(super) fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    /// A `screen` that shows the session, and starts it when there is none.
    pub(super) fn view(&self) -> Program {
        let mut args = self.args(["-S", &self.name, "-UxRRqc"]);
        args.push(self.config.clone().into());
        args.extend(self.program.args.iter().cloned());
        Program { args, ..self.program.clone() }
    }

    /// Whether the session answers.
    pub(super) async fn is_ready(&self) -> bool {
        let mut args = self.args(["-x", &self.name, "-c"]);
        args.push(self.config.clone().into());
        args.extend(["-X".into(), "version".into()]);
        self.ask(args).await.is_some_and(|(status, _)| status == ExitStatus::Exited(0))
    }

    /// The process that keeps the session.
    pub(super) async fn server_pid(&self) -> Option<u32> {
        let (_, answer) = self.ask(self.args(["-ls", &self.name])).await?;
        find_pid(&String::from_utf8_lossy(&answer), &self.name)
    }

    /// Ends the session; one that is gone is as good.
    pub(super) async fn quit(&self) {
        let mut args = self.args(["-S", &self.name, "-c"]);
        args.push(self.config.clone().into());
        args.extend(["-X".into(), "quit".into()]);
        self.ask(args).await;
    }

    /// Removes what a session leaves behind when it is killed.
    pub(super) async fn wipe(&self) {
        self.ask(self.args(["-wipe", &self.name])).await;
    }

    /// Gives the window the size of its views.
    pub(super) async fn fit(&self) {
        self.ask(self.args(["-S", &self.name, "-X", "fit"])).await;
    }

    fn args<const N: usize>(&self, args: [&str; N]) -> Vec<OsString> {
        let screen = self.screen.clone().into_os_string();
        std::iter::once(screen).chain(args.map(OsString::from)).collect()
    }

    /// Runs `screen` to its end, which is killed when it takes too long; `None` when there is no
    /// answer.
    async fn ask(&self, args: Vec<OsString>) -> Option<(ExitStatus, Vec<u8>)> {
        let program = Program { args, ..self.program.clone() };
        let stdio = Stdio::Pipes { stdin: Input::Null, stderr: ErrorOutput::Merged };
        let child = self.launcher.spawn(program.command(stdio)).await.ok()?;
        let Ok(answer) = timeout(ASK_TIMEOUT, answer(&child)).await else {
            let _ = child.tree.signal(Signal::KILL, Scope::Leader).await;
            child.wait().await;
            return None;
        };
        Some(answer)
    }
}

async fn answer(child: &Child) -> (ExitStatus, Vec<u8>) {
    let mut answer = Vec::new();
    if let Some(stdout) = &child.stdout {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stdout.read(&mut buffer).await {
            let room = ANSWER_BYTES.saturating_sub(answer.len());
            answer.extend_from_slice(&buffer[..length.min(room)]);
        }
    }
    (child.wait().await.status, answer)
}

/// The number in front of a session's name in a list of sessions.
fn find_pid(list: &str, name: &str) -> Option<u32> {
    list.lines().find_map(|line| {
        let (pid, of) = line.split_whitespace().next()?.split_once('.')?;
        if of == name { pid.parse().ok() } else { None }
    })
}

/// Writes the configuration, whoever may read another one meanwhile.
pub(super) fn write_config(state_dir: &Path) -> io::Result<PathBuf> {
    let directory = state_dir.join("screen");
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    std::fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
    let config = directory.join("config");
    let new = directory.join(OsStr::new(&format!("config.{}", Uuid::new_v4().simple())));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
    let written = written.and_then(|mut file| file.write_all(CONFIG.as_bytes()));
    if let Err(error) = written.and_then(|()| std::fs::rename(&new, &config)) {
        // Best effort: the failure is the one to tell of.
        let _ = std::fs::remove_file(&new);
        return Err(error);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_in_a_list() {
        let list = "There are screens on:\n\t41.0abcdef12\t(01/02/30 03:04:05)\t(Attached)\n\
                    \t42.abcdef12\t(Detached)\n2 Sockets in /run/screen/S-root.\n";
        assert_eq!(find_pid(list, "abcdef12"), Some(42));
        assert_eq!(find_pid(list, "0abcdef12"), Some(41));
        assert_eq!(find_pid(list, "abcdef1"), None);
        assert_eq!(find_pid("No Sockets found in /run/screen/S-root.\n", "abcdef12"), None);
    }

    #[test]
    fn the_configuration_is_private_and_written_anew() {
        let state_dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        for _ in 0..2 {
            let config = write_config(&state_dir.path().join("state")).unwrap();
            assert_eq!(config, state_dir.path().join("state/screen/config"));
            assert_eq!((mode(&config), mode(config.parent().unwrap())), (0o600, 0o700));
            assert_eq!(std::fs::read_to_string(&config).unwrap(), CONFIG);
            std::fs::write(&config, "old").unwrap();
        }
        let left = std::fs::read_dir(state_dir.path().join("state/screen")).unwrap().count();
        assert_eq!(left, 1);
    }
}
