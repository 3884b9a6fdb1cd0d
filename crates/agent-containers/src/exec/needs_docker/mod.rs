//! Commands in containers of a real engine.

mod bytes;
mod elsewhere;
mod ends;
mod signals;
mod terminal;
mod who;

use std::{
    ffi::OsString,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agent_exec::{Environment, ExitStatus, Foreign, ForeignData, ForeignOutput, Size};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout},
};

use super::{ExecCommand, ExecError, ExecRequest, ExecTerminal};
use crate::{
    Workspace,
    engine::{Engine, EngineSource},
};

/// Nothing here takes so long.
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Agent;

impl Workspace for Agent {
    fn cli_environment(&self) -> Environment {
        Environment::new()
    }

    fn agent_variables(&self) -> Vec<(OsString, OsString)> {
        vec![("WORKSPACE_AGENT".into(), "true".into()), ("WORKSPACE_NAME".into(), "one".into())]
    }
}

fn real() -> &'static agent_test::Engine {
    agent_test::Engine::shared()
}

fn engine() -> Engine {
    Engine::new(EngineSource { engine: Some(real().host()), ..EngineSource::default() })
}

/// A running container, removed when it is dropped.
#[derive(Debug)]
struct Inside {
    name: String,
}

impl Inside {
    fn busybox() -> Self {
        Self::of(&[], real().busybox(), &["sleep", "100000"])
    }

    /// With one program, `/busybox`, and nothing else.
    fn without_shell() -> Self {
        const IMAGE: &str = "local/shell-less:1";
        static MADE: OnceLock<()> = OnceLock::new();
        MADE.get_or_init(|| {
            let root = tempfile::tempdir().unwrap();
            std::fs::copy("/bin/busybox", root.path().join("busybox")).unwrap();
            real().import(root.path(), &[], IMAGE).unwrap();
        });
        Self::of(&[], IMAGE, &["/busybox", "sleep", "100000"])
    }

    fn of(options: &[&str], image: &str, command: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("exec-{}-{number}", std::process::id());
        // Nobody reaches it by a network.
        let start = ["run", "--detach", "--init", "--network", "none", "--name", &name];
        real().run(&[&start, options, &[image], command].concat());
        Self { name }
    }

    fn request(&self, text: &str) -> ExecRequest {
        ExecRequest {
            container: self.name.clone(),
            user: None,
            command: ExecCommand::Text(text.into()),
            variables: Vec::new(),
            terminal: None,
        }
    }

    async fn exec(&self, text: &str) -> Foreign {
        start(self.request(text)).await.unwrap()
    }

    async fn exec_on_terminal(&self, text: &str) -> Foreign {
        start(ExecRequest { terminal: Some(terminal(24, 80)), ..self.request(text) }).await.unwrap()
    }

    /// What the command prints to its output, and its end.
    async fn run(&self, text: &str) -> (String, i32) {
        let (output, errors, code) = finish(self.exec(text).await).await;
        assert_eq!(errors, "", "{text}");
        (output, code)
    }

    /// How many processes of the container have this text in their arguments.
    fn count(&self, text: &str) -> usize {
        let table = real().run(&["top", &self.name, "-eo", "pid,args"]);
        table.lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until no process has this text in its arguments.
    async fn until_gone(&self, text: &str) {
        let gone = async {
            while self.count(text) > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, gone).await.unwrap();
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        real().run(&["rm", "--force", "--volumes", &self.name]);
    }
}

fn terminal(rows: u16, cols: u16) -> ExecTerminal {
    ExecTerminal { size: Size { rows, cols, ..Size::default() }, term: "vt100".into() }
}

async fn start(request: ExecRequest) -> Result<Foreign, ExecError> {
    timeout(LONG, super::exec(&engine(), &Agent, request)).await.unwrap()
}

/// Reads until the output contains a text; answers what there was.
async fn read_until(output: &mut Box<dyn ForeignOutput>, text: &str) -> String {
    let mut read = String::new();
    let reading = async {
        while !read.contains(text) {
            match output.next().await {
                Some(Ok(ForeignData::Output(data))) => {
                    read.push_str(&String::from_utf8_lossy(&data));
                }
                other => panic!("{other:?} behind {read:?}"),
            }
        }
    };
    timeout(LONG, reading).await.unwrap();
    read
}

/// Ends the input, and reads everything; answers output, error output and code.
async fn finish(mut command: Foreign) -> (String, String, i32) {
    command.input.shutdown().await.unwrap();
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let reading = async {
        while let Some(data) = command.output.next().await {
            match data.unwrap() {
                ForeignData::Output(data) => output.extend_from_slice(&data),
                ForeignData::ErrorOutput(data) => errors.extend_from_slice(&data),
            }
        }
        command.handle.wait().await
    };
    let status = timeout(LONG, reading).await.unwrap();
    let ExitStatus::Exited(code) = status else { panic!("{status:?}") };
    (String::from_utf8(output).unwrap(), String::from_utf8(errors).unwrap(), code)
}

/// How long something takes.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    (timeout(LONG, work).await.unwrap(), began.elapsed())
}
