//! A server with a workspace of its own, and a client that keeps everything it hears.
//!
//! Sleeps because what commands do to files and processes is seen only by looking again.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agent_exec::{Cgroups, Environment, Launcher};
use agent_ssh::{Config, Containers, Peer, Ssh, TransportKind, Workspace};
use agent_ssh_protocol::{
    Channel, ClientConfig, Connected, Connection, ConnectionConfig, HandshakeError, Identity,
    RequestError, connect, wire::Put,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite, duplex},
    select,
    task::JoinSet,
    time::timeout,
};

/// What no step of a test takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Waits for a future, and not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.expect("it takes too long")
}

/// Waits until something is so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    soon(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A server and the directories it works in.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) ssh: Ssh,
}

#[derive(Debug)]
struct Place {
    home: PathBuf,
    shell: PathBuf,
    directory: Option<PathBuf>,
}

impl Workspace for Place {
    fn environment(&self, client: &[(OsString, OsString)]) -> Environment {
        let mut env = Environment::new();
        env.set("LANG", "C");
        env.extend(client.to_vec());
        env.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        env.set("HOME", &self.home);
        env.set("USER", self.account());
        env
    }

    fn working_directory(&self) -> PathBuf {
        let configured = self.directory.as_ref().into_iter().chain([&self.home]);
        configured.into_iter().find(|path| path.is_dir()).cloned().unwrap_or("/".into())
    }

    fn shell(&self) -> &Path {
        &self.shell
    }

    fn home(&self) -> &Path {
        &self.home
    }

    fn account(&self) -> &str {
        "tester"
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A server whose configuration was changed.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (home, state) = (dir.path().join("home"), dir.path().join("state"));
        std::fs::create_dir(&home).unwrap();
        std::fs::create_dir(&state).unwrap();
        let mut config = Config::new(&state, &home);
        change(&mut config);
        let exec = agent_exec::Config { cgroups: Cgroups::Off, ..agent_exec::Config::default() };
        let directory = Some(dir.path().join("work"));
        let workspace = Place { home, shell: "/bin/sh".into(), directory };
        let ssh = Ssh::new(config, Launcher::new(exec), Arc::new(workspace));
        Self { dir, ssh }
    }

    /// The same server, with containers.
    pub(crate) fn with_containers(self, containers: Arc<dyn Containers>) -> Self {
        Self { ssh: self.ssh.with_containers(containers), ..self }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A client by a stream in memory, whose peer is not known.
    pub(crate) async fn client(&self) -> Client {
        self.client_with(ConnectionConfig::default()).await
    }

    /// The same with other windows.
    pub(crate) async fn client_with(&self, config: ConnectionConfig) -> Client {
        let (near, far) = duplex(256 * 1024);
        let admission = self.ssh.admit().unwrap();
        self.ssh.serve(admission, far, Peer::default(), TransportKind::Upgrade);
        Client::new(near, Identity::None, config).await.unwrap()
    }

    /// Runs a command to its end.
    pub(crate) async fn exec(&self, text: &str) -> Heard {
        self.client().await.exec(text).await
    }
}

/// A client of a server.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) connection: Connection,
    /// Dropped with the last session, the socket is closed without a word.
    driving: Arc<tokio::sync::Mutex<JoinSet<()>>>,
}

impl Client {
    pub(crate) async fn new<S>(
        stream: S,
        identity: Identity,
        connection: ConnectionConfig,
    ) -> Result<Self, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (software, user) = ("test_1".to_owned(), "somebody".to_owned());
        let config = ClientConfig { software, user, identity, connection };
        let connected = soon(connect(stream, config, |_| true)).await?;
        let Connected { connection, mut incoming, driver, .. } = connected;
        let mut driving = JoinSet::new();
        driving.spawn(async move {
            let refuse = async { while incoming.next().await.is_some() {} };
            tokio::join!(driver.run(), refuse);
        });
        Ok(Self { connection, driving: Arc::new(driving.into()) })
    }

    pub(crate) async fn session(&self) -> Talk {
        let channel = soon(self.connection.open("session", &[])).await.unwrap();
        Talk(channel, Arc::clone(&self.driving))
    }

    /// Runs a command without a terminal to its end.
    pub(crate) async fn exec(&self, text: &str) -> Heard {
        let session = self.session().await;
        assert!(session.ask("exec", |payload| payload.put_string(text.as_bytes())).await);
        session.heard().await
    }

    /// Runs a command on a terminal to its end.
    pub(crate) async fn exec_on_terminal(&self, text: &str) -> Heard {
        let session = self.session().await;
        assert!(session.terminal("xterm").await);
        assert!(session.ask("exec", |payload| payload.put_string(text.as_bytes())).await);
        session.heard().await
    }

    /// Closes the socket without a word, and waits until that is done.
    pub(crate) async fn vanish(self) {
        self.driving.lock().await.shutdown().await;
    }
}

/// A session of a client, which keeps the connection.
#[derive(Debug)]
pub(crate) struct Talk(
    pub(crate) Channel,
    #[expect(dead_code, reason = "it only has to live")] Arc<tokio::sync::Mutex<JoinSet<()>>>,
);

/// Everything that a client heard until its channel closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) output: String,
    pub(crate) errors: String,
    /// Bytes of output and errors that came before the end was told.
    pub(crate) before: usize,
    pub(crate) status: Option<u32>,
    /// Name of the signal, and whether there was a core dump.
    pub(crate) signal: Option<(String, bool)>,
}

impl Heard {
    #[track_caller]
    pub(crate) fn check(&self, output: &str, status: u32) {
        let heard = (self.output.as_str(), self.status, &self.signal);
        assert_eq!(heard, (output, Some(status), &None), "{}", self.errors);
        assert_eq!(self.errors, "");
    }

    #[track_caller]
    pub(crate) fn check_failure(&self, status: u32, error: &str) {
        assert_eq!((self.status, &self.signal), (Some(status), &None), "{self:?}");
        assert_eq!(self.errors.lines().count(), 1, "{self:?}");
        assert!(self.errors.starts_with("agentd: ") && self.errors.ends_with('\n'), "{self:?}");
        assert!(self.errors.contains(error), "{self:?}");
    }
}

impl Talk {
    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(&self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut payload = Vec::new();
        write(&mut payload);
        match soon(self.0.output.request_with_reply(name, &payload)).await {
            Ok(()) => true,
            Err(RequestError::Failed) => false,
            Err(error) => panic!("{name}: {error}"),
        }
    }

    /// Sends a request that needs no answer.
    pub(crate) fn send(&self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut payload = Vec::new();
        write(&mut payload);
        self.0.output.request(name, &payload);
    }

    pub(crate) async fn terminal(&self, term: &str) -> bool {
        self.terminal_of(term, [80, 24, 0, 0], &[]).await
    }

    /// Asks for a terminal of so many columns, rows, and pixels across and down.
    pub(crate) async fn terminal_of(&self, term: &str, size: [u32; 4], modes: &[u8]) -> bool {
        let write = |payload: &mut Vec<u8>| {
            payload.put_string(term.as_bytes());
            size.iter().for_each(|number| payload.put_u32(*number));
            payload.put_string(modes);
        };
        self.ask("pty-req", write).await
    }

    pub(crate) async fn exec(&self, text: &str) -> bool {
        self.ask("exec", |payload| payload.put_string(text.as_bytes())).await
    }

    pub(crate) async fn variable(&self, name: &str, value: &str) -> bool {
        let write = |payload: &mut Vec<u8>| {
            payload.put_string(name.as_bytes());
            payload.put_string(value.as_bytes());
        };
        self.ask("env", write).await
    }

    pub(crate) fn signal(&self, name: &str) {
        self.send("signal", |payload| payload.put_string(name.as_bytes()));
    }

    pub(crate) async fn write(&self, text: &str) {
        soon(self.0.output.write(text.to_owned().into())).await.unwrap();
    }

    /// Reads until the output ends with this.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            let data = soon(self.0.input.read()).await;
            let data = data.unwrap_or_else(|| panic!("it ended after {text:?}"));
            text.push_str(std::str::from_utf8(&data.bytes).unwrap());
        }
        text
    }

    /// Hears everything until the channel closes.
    pub(crate) async fn heard(mut self) -> Heard {
        let mut heard = Heard::default();
        soon(self.listen(&mut heard, false)).await;
        heard
    }

    /// Hears everything until the end is told; the channel stays open.
    pub(crate) async fn heard_of_end(&mut self) -> Heard {
        let mut heard = Heard::default();
        soon(self.listen(&mut heard, true)).await;
        heard
    }

    async fn listen(&mut self, heard: &mut Heard, until_told: bool) {
        let Channel { input, requests, .. } = &mut self.0;
        let mut is_open = true;
        loop {
            let request = select! {
                data = input.read(), if is_open => {
                    match data {
                        Some(data) => heard.take(&data),
                        None => is_open = false,
                    }
                    continue;
                }
                request = requests.next() => request,
            };
            // What came before the request is there by now.
            while let Some(data) = input.try_read() {
                heard.take(&data);
            }
            let Some(request) = request else { return };
            heard.note(&request.name, &request.payload);
            if until_told {
                return;
            }
        }
    }
}

impl Heard {
    fn take(&mut self, data: &agent_ssh_protocol::Data) {
        let text = String::from_utf8_lossy(&data.bytes);
        match data.stream {
            0 => self.output.push_str(&text),
            1 => self.errors.push_str(&text),
            other => panic!("extended data of type {other}"),
        }
    }

    fn note(&mut self, name: &[u8], payload: &[u8]) {
        assert!(self.status.is_none() && self.signal.is_none(), "two ends");
        let mut fields = agent_ssh_protocol::wire::Reader::new(payload);
        self.before = self.output.len() + self.errors.len();
        match name {
            b"exit-status" => self.status = Some(fields.u32().unwrap()),
            b"exit-signal" => {
                let signal = (fields.text().unwrap().to_owned(), fields.bool().unwrap());
                assert_eq!((fields.text(), fields.text()), (Ok(""), Ok("")));
                self.signal = Some(signal);
            }
            other => panic!("request {}", other.escape_ascii()),
        }
    }
}

/// A stream to a TCP listener of the server, with its own address.
pub(crate) async fn tcp(address: SocketAddr) -> (tokio::net::TcpStream, SocketAddr) {
    let stream = soon(tokio::net::TcpStream::connect(address)).await.unwrap();
    let own = stream.local_addr().unwrap();
    (stream, own)
}

/// Whether a process is there and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z'))
}

/// Kills a process that a test left on purpose, and waits until it is gone.
pub(crate) async fn kill(pid: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    until(|| !is_alive(pid)).await;
}

/// Makes a named pipe, at which a script can wait.
pub(crate) fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, mknodat};
    mknodat(CWD, path, FileType::Fifo, 0o600.into(), 0).unwrap();
}

/// The process ids in the lines of a text.
pub(crate) fn pids(text: &str) -> Vec<u32> {
    text.lines().map(|line| line.trim().parse().unwrap()).collect()
}
