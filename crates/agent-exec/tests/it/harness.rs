//! Runs commands for tests, in each way a process can be made.

use std::path::Path;
use std::time::Duration;

use agent_exec::{
    Cgroups, Child, Command, Config, Environment, ErrorOutput, Exit, ExitStatus, Input, Launcher,
    Limits, Receiver, SpawnError, Stdio,
};
use tokio::time::timeout;
use uuid::Uuid;

/// What no step of a test takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How processes are made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Clone3,
    Fork,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Clone3, Self::Fork];

    pub(crate) fn launcher(self, config: Config) -> Launcher {
        let launcher = Launcher::new(config);
        if matches!(self, Self::Fork) {
            launcher.refuse_clone3();
        }
        launcher
    }

    /// A launcher without cgroups.
    pub(crate) fn plain(self) -> Launcher {
        self.launcher(without_cgroups())
    }

    /// Runs a command to its end.
    pub(crate) async fn run(self, command: Command) -> Ran {
        run(&self.plain(), command).await
    }
}

pub(crate) fn without_cgroups() -> Config {
    Config { cgroups: Cgroups::Off, ..Config::default() }
}

/// A command with both outputs in one pipe and no input.
pub(crate) fn command<A: AsRef<str>>(args: &[A]) -> Command {
    let env: Environment = [("PATH", PATH)].into_iter().collect();
    Command {
        args: args.iter().map(|arg| arg.as_ref().into()).collect(),
        workdir: "/".into(),
        env,
        stdio: Stdio::Pipes { stdin: Input::Null, stderr: ErrorOutput::Merged },
        account: None,
        limits: Limits::default(),
        id: Uuid::new_v4(),
    }
}

pub(crate) fn sh(script: &str) -> Command {
    command(&["sh", "-c", script])
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) output: String,
}

impl Ran {
    /// The output of a command that must have succeeded.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        assert_eq!(self.exit.status, ExitStatus::Exited(0), "{}", self.output);
        &self.output
    }

    /// The value of a line `name: value` of the output.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        field(self.text(), name)
    }
}

/// The value of a line `name: value`.
#[track_caller]
pub(crate) fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).trim()
}

pub(crate) async fn run(launcher: &Launcher, command: Command) -> Ran {
    let child = timeout(LONG, launcher.spawn(command)).await.unwrap().unwrap();
    finish(child).await
}

pub(crate) async fn finish(mut child: Child) -> Ran {
    let stdout = child.stdout.take().unwrap();
    let output = read_all(&stdout).await;
    let exit = timeout(LONG, child.wait()).await.unwrap();
    Ran { exit, output: String::from_utf8(output).unwrap() }
}

pub(crate) async fn read_all(receiver: &Receiver) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match timeout(LONG, receiver.read(&mut buffer)).await.unwrap().unwrap() {
            0 => return bytes,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// The error of a spawn as a person reads it, with its causes.
pub(crate) async fn refusal(launcher: &Launcher, command: Command) -> (SpawnError, String) {
    let error = launcher.spawn(command).await.unwrap_err();
    let text = agent_api::causes(Some(&error)).unwrap();
    (error, text)
}

/// An executable file with this text.
pub(crate) fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
