//! A service over a temporary directory, and connections that are read and typed into.
//! Sleeps because only the service says what it has become: a record is asked for until it is so, not for ever.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agent_api::{
    OpenTerminalRequest, TerminalBackend, TerminalClientMessage, TerminalId, TerminalRecord,
    TerminalServerMessage,
};
use agent_exec::{Cgroups, Environment, Launcher};
use agent_term::{Attachment, Config, End, Error, Input, Outgoing, Output, Terminals, Workspace};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::{sleep, timeout};

/// Nothing here takes as long, except on a machine that is stuck.
pub(crate) const LONG: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) terminals: Terminals,
    /// Home and working directory of programs.
    pub(crate) dir: PathBuf,
    _temporary: Arc<tempfile::TempDir>,
}

#[derive(Debug)]
struct Session {
    dir: PathBuf,
}

impl Workspace for Session {
    fn environment(&self) -> Environment {
        let mut env = Environment::new();
        env.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        env.set("HOME", &self.dir);
        // Sessions of `screen` that are nobody else's.
        env.set("SCREENDIR", self.dir.join("screens"));
        env
    }

    fn working_directory(&self) -> PathBuf {
        self.dir.clone()
    }

    fn shell(&self) -> &Path {
        Path::new("/bin/sh")
    }
}

/// Runs a test against a service, and ends everything that it started, also when it fails.
pub(crate) fn with<F: Future<Output = ()>>(test: impl FnOnce(Fixture) -> F) {
    with_config(|_| (), test);
}

/// The same with another configuration.
pub(crate) fn with_config<F: Future<Output = ()>>(
    change: impl FnOnce(&mut Config),
    test: impl FnOnce(Fixture) -> F,
) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().canonicalize().unwrap();
    let profile = "PS1='prompt> '; echo from profile\n";
    std::fs::write(dir.join(".profile"), profile).unwrap();
    let mut config = Config::new(dir.join("state"));
    change(&mut config);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let terminals = service_of(config, &dir);
        let f = Fixture { terminals, dir, _temporary: Arc::new(temporary) };
        let outcome = timeout(2 * LONG, AssertUnwindSafe(test(f.clone())).catch_unwind()).await;
        timeout(LONG, f.terminals.shutdown()).await.unwrap();
        assert_eq!(f.terminals.statistics().connections, 0, "a connection is left");
        outcome
    });
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(panicked)) => resume_unwind(panicked),
        Err(late) => panic!("the test takes too long: {late}"),
    }
}

/// A service of its own with the defaults.
pub(crate) fn service(dir: &Path) -> Terminals {
    service_of(Config::new(dir.join("state")), dir)
}

/// Trees are found in `/proc`, so that no cgroup is left behind.
fn service_of(config: Config, dir: &Path) -> Terminals {
    let launcher = Launcher::new(agent_exec::Config {
        cgroups: Cgroups::Off,
        ..agent_exec::Config::default()
    });
    Terminals::new(config, launcher, Arc::new(Session { dir: dir.to_owned() }))
}

pub(crate) fn id(number: u128) -> TerminalId {
    TerminalId::from_uuid(uuid::Uuid::from_u128(number))
}

/// A request for a command.
pub(crate) fn command(command: &str) -> OpenTerminalRequest {
    OpenTerminalRequest { command: Some(command.to_owned()), ..OpenTerminalRequest::default() }
}

/// The same with messages.
pub(crate) fn with_events(command: &str) -> OpenTerminalRequest {
    OpenTerminalRequest { events: true, ..self::command(command) }
}

pub(crate) fn on_screen(command: &str) -> OpenTerminalRequest {
    OpenTerminalRequest { backend: TerminalBackend::Screen, ..with_events(command) }
}

impl Fixture {
    pub(crate) async fn try_open(
        &self,
        number: u128,
        req: OpenTerminalRequest,
    ) -> Result<Viewer, Error> {
        let opened = timeout(LONG, self.terminals.open_terminal(id(number), req)).await.unwrap();
        opened.map(Viewer::new)
    }

    pub(crate) async fn open(&self, number: u128, req: OpenTerminalRequest) -> Viewer {
        self.try_open(number, req).await.unwrap()
    }

    pub(crate) fn record(&self, number: u128) -> Option<TerminalRecord> {
        let list = self.terminals.list_terminals().terminals;
        list.into_iter().find(|record| record.id == id(number))
    }

    /// The record once it is like this.
    pub(crate) async fn record_when(
        &self,
        number: u128,
        is_so: impl Fn(&TerminalRecord) -> bool,
    ) -> TerminalRecord {
        until(async || self.record(number).filter(&is_so)).await
    }

    /// Waits until the id is free.
    pub(crate) async fn gone(&self, number: u128) {
        until(async || self.record(number).is_none().then_some(())).await;
    }
}

/// Looks again and again, not for ever, until there is something.
pub(crate) async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, looking).await.unwrap()
}

/// A connection, and what it was sent.
pub(crate) struct Viewer {
    pub(crate) input: Input,
    pub(crate) output: Output,
    pub(crate) shown: Vec<u8>,
    pub(crate) messages: Vec<TerminalServerMessage>,
}

impl Viewer {
    fn new(attachment: Attachment) -> Self {
        let Attachment { input, output } = attachment;
        Self { input, output, shown: Vec::new(), messages: Vec::new() }
    }

    pub(crate) async fn send(&mut self, message: &TerminalClientMessage) {
        self.input.begin(Bytes::from(serde_json::to_vec(message).unwrap()));
        timeout(LONG, self.input.apply()).await.unwrap().unwrap();
    }

    pub(crate) async fn type_in(&mut self, text: &str) {
        self.send(&TerminalClientMessage::input(text)).await;
    }

    pub(crate) async fn resize(&mut self, rows: u16, cols: u16) {
        self.send(&TerminalClientMessage::resize(rows, cols)).await;
    }

    /// Takes what comes next; the end, if that is it.
    pub(crate) async fn step(&mut self) -> Option<End> {
        let next = timeout(LONG, self.output.next()).await;
        match next.unwrap_or_else(|_| panic!("nothing more after {:?}", self.text())) {
            Outgoing::Output(bytes) => self.shown.extend_from_slice(&bytes),
            Outgoing::Message(message) => self.messages.push(message),
            Outgoing::End(end) => return Some(end),
            _ => {}
        }
        None
    }

    /// Reads until a text was shown since the last call of this kind.
    pub(crate) async fn sees(&mut self, text: &str) -> String {
        loop {
            let shown = self.text();
            if let Some(at) = shown.find(text) {
                let end = at + text.len();
                self.shown.drain(..self.shown.len().min(end));
                return shown[..end].to_owned();
            }
            let end = self.step().await;
            assert_eq!(end, None, "{text:?} is not in {:?}", self.text());
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// Reads until there is such a message, which is then forgotten with those before it.
    pub(crate) async fn hears(
        &mut self,
        is_it: impl Fn(&TerminalServerMessage) -> bool,
    ) -> TerminalServerMessage {
        loop {
            if let Some(at) = self.messages.iter().position(&is_it) {
                return self.messages.drain(..=at).next_back().unwrap();
            }
            let end = self.step().await;
            assert_eq!(end, None, "{:?}", self.messages);
        }
    }

    /// Reads to the end.
    pub(crate) async fn end(&mut self) -> End {
        loop {
            if let Some(end) = self.step().await {
                return end;
            }
        }
    }
}

/// Whether there is a process of this id; one that ended and was not collected is none.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// The number that a program printed behind some text.
pub(crate) fn number_after(shown: &str, text: &str) -> u32 {
    let (_, number) = shown.split_once(text).unwrap();
    number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}
