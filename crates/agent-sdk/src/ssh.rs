//! SSH to the agent: commands, shells and whatever else a channel is for; not the protocol itself,
//! which `agent-ssh-protocol` has.

use std::{fmt, time::Duration};

use agent_api::ErrorCode;
use agent_ssh_protocol::wire::{Put as _, Reader};
use bytes::Bytes;
use tokio::task::JoinHandle;

pub use agent_ssh_protocol::{
    Channel, ChannelClosed, ChannelInput, ChannelOutput, ChannelRequest, ChannelRequests,
    Connection, ConnectionConfig, Data, Ended, Event, GlobalRequest, Incoming, Open, OpenError,
    OpenFailure, RequestError, wire,
};

use agent_ssh_protocol::{ClientConfig, Identity};

use crate::{DialStream, Error};

const OPERATION: &str = "ssh_client";
/// A server gives a client as long to log in.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);
/// A silent link counts as lost after three times as long.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// `SSH_EXTENDED_DATA_STDERR` (RFC 4254, section 5.2).
const STDERR: u32 = 1;
/// `SSH_DISCONNECT_BY_APPLICATION` (RFC 4253, section 11.1).
const BY_APPLICATION: u32 = 11;

/// Answer of [`ssh_client`](crate::AgentConn::ssh_client): a connection to the agent's SSH server that
/// has logged in.
///
/// A task of its own moves it, until the server ends it or this is dropped. A link that is silent for
/// 45 s counts as lost.
pub struct SshClient {
    connection: Connection,
    incoming: Option<Incoming>,
    driver: JoinHandle<Ended>,
}

impl SshClient {
    /// Speaks SSH on a stream from [`ssh`](crate::AgentConn::ssh), and logs in with the method `none`. The
    /// host key is not checked: whoever let the stream through has proved to be the agent.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] when the other end is no SSH server or does not let anybody in this way,
    /// [`Error::Closed`] when the stream ends before, [`Error::Timeout`] when it is silent for 30 s.
    pub async fn from_stream(stream: DialStream) -> Result<Self, Error> {
        let config = ClientConfig {
            software: concat!("agent-sdk_", env!("CARGO_PKG_VERSION")).to_owned(),
            user: "agent-sdk".to_owned(),
            identity: Identity::None,
            connection: ConnectionConfig { keepalive: Some(KEEPALIVE), ..Default::default() },
        };
        use agent_ssh_protocol::HandshakeError as Failed;
        let login = agent_ssh_protocol::connect(stream, config, |_| true);
        let connected = tokio::time::timeout(LOGIN_TIMEOUT, login)
            .await
            .map_err(|_| Error::Timeout { operation: OPERATION, after: LOGIN_TIMEOUT })?;
        let connected = connected.map_err(|error| match error {
            Failed::Io(_) | Failed::ConnectionLost | Failed::Disconnected { .. } => {
                Error::closed(agent_api::causes(Some(&error)).unwrap_or_default())
            }
            _ => Error::protocol(OPERATION, agent_api::causes(Some(&error)).unwrap_or_default()),
        })?;
        #[expect(clippy::disallowed_methods, reason = "aborted when the client is dropped")]
        let driver = tokio::spawn(connected.driver.run());
        let incoming = Some(connected.incoming);
        Ok(Self { connection: connected.connection, incoming, driver })
    }

    /// Opens a session, in which one command, shell or subsystem can be started.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] when the server refuses it, with
    /// [`ErrorCode::ResourceExhausted`] where there are too
    /// many, and [`Error::Closed`] when the connection has ended.
    pub async fn open_session(&self) -> Result<SshSession, Error> {
        match self.connection.open("session", b"").await {
            Ok(channel) => Ok(SshSession { channel, has_input_ended: false }),
            Err(OpenError::Refused { reason, text }) => {
                let is_full = reason == OpenFailure::ResourceShortage as u32;
                let code = if is_full {
                    ErrorCode::ResourceExhausted
                } else {
                    ErrorCode::PermissionDenied
                };
                Err(refused(code, format!("no session: {text}")))
            }
            Err(error @ OpenError::Closed) => Err(closed(&error)),
        }
    }

    /// Runs a command, gives it `input`, and collects what it prints.
    ///
    /// # Errors
    ///
    /// Those of [`open_session`](Self::open_session), [`Error::TooLarge`] when it prints more than
    /// `limit_bytes` on both streams together, and [`Error::Closed`] when the connection ends before the
    /// command. A command that fails is no error.
    pub async fn run(
        &self,
        command: &str,
        input: Bytes,
        limit_bytes: u64,
    ) -> Result<SshOutcome, Error> {
        let mut session = self.open_session().await?;
        session.exec(command).await?;
        let output = session.channel.output.clone();
        let feed = async {
            // A command that ends without reading is no failure.
            let _ = output.write(input).await;
            output.eof();
            std::future::pending().await
        };
        let collect = async {
            let mut outcome = SshOutcome::default();
            let mut total = 0;
            while let Some(event) = session.next().await {
                let (bytes, to) = match &event {
                    SshEvent::Stdout(bytes) => (bytes, &mut outcome.stdout),
                    SshEvent::Stderr(bytes) => (bytes, &mut outcome.stderr),
                    SshEvent::Exit(exit) => {
                        outcome.exit = Some(exit.clone());
                        continue;
                    }
                };
                total += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                if total > limit_bytes {
                    return Err(Error::TooLarge { limit_bytes });
                }
                to.extend_from_slice(bytes);
            }
            if outcome.exit.is_none() {
                return Err(Error::closed("the connection ended before the command"));
            }
            Ok(outcome)
        };
        tokio::select! {
            outcome = collect => outcome,
            never = feed => never,
        }
    }

    /// The connection itself, for forwarding and requests of any kind.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What the server opens and asks, once. It asks only for what was requested before, such as a
    /// reverse forward, and is not answered until this is read; 64 such events wait, and then the whole
    /// connection does.
    pub fn take_incoming(&mut self) -> Option<Incoming> {
        self.incoming.take()
    }

    /// Waits until the connection has ended, and tells why. Dropping the future drops the connection.
    pub async fn ended(mut self) -> Ended {
        match (&mut self.driver).await {
            Ok(ended) => ended,
            Err(error) => Ended::Lost(std::io::Error::other(error)),
        }
    }

    /// Says goodbye: sessions end as those of a client that leaves.
    pub fn disconnect(&self) {
        self.connection.disconnect(BY_APPLICATION, "disconnected by user");
    }
}

impl Drop for SshClient {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for SshClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshClient").field("is_closed", &self.connection.is_closed()).finish()
    }
}

/// A session: what is sent before it starts, what it prints, how it ends.
///
/// Dropping it closes its channel.
#[derive(Debug)]
pub struct SshSession {
    channel: Channel,
    /// Whether all that it prints was read.
    has_input_ended: bool,
}

/// What a session tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SshEvent {
    /// Bytes of its standard output, or of its terminal.
    Stdout(Bytes),
    /// Bytes of its standard error.
    Stderr(Bytes),
    /// How it ended. What it printed before may still follow.
    Exit(SshExit),
}

/// How a command of a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SshExit {
    /// With this status.
    Status(u32),
    /// By a signal, named without `SIG`.
    Signal(String),
}

impl SshExit {
    /// What a request of a session tells of its end; `None` when it is about something else, or malformed.
    pub fn of(request: &ChannelRequest) -> Option<Self> {
        let mut payload = Reader::new(&request.payload);
        match &request.name[..] {
            b"exit-status" => payload.u32().ok().map(Self::Status),
            b"exit-signal" => payload.text().ok().map(|name| Self::Signal(name.to_owned())),
            _ => None,
        }
    }

    /// The status as shells know it: 128 + n for a signal that is n on Linux, and 255 for one without a
    /// number.
    pub fn code(&self) -> u32 {
        match self {
            Self::Status(status) => *status,
            Self::Signal(name) => signal_number(name).map_or(255, |number| 128 + number),
        }
    }
}

/// The number of a signal, behind whose name `@` and whose name it is may stand (RFC 4254, section
/// 6.10). Those for real time are counted from the first that programs may use.
fn signal_number(name: &str) -> Option<u32> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    const RTMIN: u32 = 34;
    const RTMAX: u32 = 64;
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    if name == "RTMAX" {
        return Some(RTMAX);
    }
    // One that has no name is its number.
    if let Ok(number) = name.parse() {
        return (1..=RTMAX).contains(&number).then_some(number);
    }
    if let Some(nth) = name.strip_prefix("RTMIN") {
        let above = if nth.is_empty() { 0 } else { nth.strip_prefix('+')?.parse::<u32>().ok()? };
        return RTMIN.checked_add(above).filter(|number| *number <= RTMAX);
    }
    let at = NAMES.iter().position(|known| *known == name)?;
    u32::try_from(at + 1).ok()
}

/// What a command printed, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SshOutcome {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How it ended; always known in an answer of [`SshClient::run`].
    pub exit: Option<SshExit>,
}

impl SshSession {
    /// Sets a variable of what is started next.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] with [`ErrorCode::PermissionDenied`] when
    /// the server refuses it, [`Error::Closed`] when the session has ended.
    pub async fn set_variable(&self, name: &str, value: &str) -> Result<(), Error> {
        let mut payload = Vec::new();
        payload.put_string(name.as_bytes());
        payload.put_string(value.as_bytes());
        self.ask("env", &payload).await
    }

    /// Asks for a terminal of a kind, such as `xterm-256color`, and a size in characters.
    ///
    /// # Errors
    ///
    /// As for [`set_variable`](Self::set_variable).
    pub async fn open_pty(&self, term: &str, rows: u16, cols: u16) -> Result<(), Error> {
        let mut payload = Vec::new();
        payload.put_string(term.as_bytes());
        put_size(&mut payload, rows, cols);
        // No modes: the server's own are those of a new terminal.
        payload.put_string(&[0]);
        self.ask("pty-req", &payload).await
    }

    /// Starts a command, which a shell runs.
    ///
    /// # Errors
    ///
    /// As for [`set_variable`](Self::set_variable).
    pub async fn exec(&self, command: &str) -> Result<(), Error> {
        let mut payload = Vec::new();
        payload.put_string(command.as_bytes());
        self.ask("exec", &payload).await
    }

    /// Starts a shell.
    ///
    /// # Errors
    ///
    /// As for [`set_variable`](Self::set_variable).
    pub async fn shell(&self) -> Result<(), Error> {
        self.ask("shell", b"").await
    }

    /// Starts a subsystem, such as `sftp`.
    ///
    /// # Errors
    ///
    /// As for [`set_variable`](Self::set_variable).
    pub async fn subsystem(&self, name: &str) -> Result<(), Error> {
        let mut payload = Vec::new();
        payload.put_string(name.as_bytes());
        self.ask("subsystem", &payload).await
    }

    /// Changes the size of the terminal.
    pub fn resize(&self, rows: u16, cols: u16) {
        let mut payload = Vec::new();
        put_size(&mut payload, rows, cols);
        self.channel.output.request("window-change", &payload);
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let mut payload = Vec::new();
        payload.put_string(name.as_bytes());
        self.channel.output.request("signal", &payload);
    }

    /// Gives input; waits while the program does not take it.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the session has ended.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.channel.output.write(bytes.into()).await.map_err(|error| closed(&error))
    }

    /// Ends the input behind what was written.
    pub fn end_input(&self) {
        self.channel.output.eof();
    }

    /// Waits for what the session tells next; `None` when it is closed.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<SshEvent> {
        loop {
            let Channel { input, requests, .. } = &mut self.channel;
            let heard = tokio::select! {
                biased;
                data = input.read(), if !self.has_input_ended => Heard::Data(data),
                request = requests.next() => Heard::Request(request),
            };
            let heard = match heard {
                // The channel is closed, so what came before that is there already.
                Heard::Request(None) if !self.has_input_ended => Heard::Data(input.read().await),
                heard => heard,
            };
            match heard {
                Heard::Data(Some(Data { bytes, stream: 0 })) => {
                    return Some(SshEvent::Stdout(bytes));
                }
                Heard::Data(Some(Data { bytes, stream: STDERR })) => {
                    return Some(SshEvent::Stderr(bytes));
                }
                Heard::Data(Some(_)) => {}
                Heard::Data(None) => self.has_input_ended = true,
                Heard::Request(Some(request)) => {
                    let exit = SshExit::of(&request);
                    if exit.is_some() {
                        request.succeed();
                        return exit.map(SshEvent::Exit);
                    }
                }
                Heard::Request(None) => return None,
            }
        }
    }

    /// The channel itself, for requests of any kind.
    pub fn into_channel(self) -> Channel {
        self.channel
    }

    async fn ask(&self, request: &str, payload: &[u8]) -> Result<(), Error> {
        let answer = self.channel.output.request_with_reply(request, payload).await;
        answer.map_err(|error| match error {
            RequestError::Failed => {
                refused(ErrorCode::PermissionDenied, format!("`{request}` is refused"))
            }
            error => Error::closed(format!("`{request}`: {error}")),
        })
    }
}

enum Heard {
    Data(Option<Data>),
    Request(Option<ChannelRequest>),
}

fn put_size(payload: &mut Vec<u8>, rows: u16, cols: u16) {
    for number in [cols.into(), rows.into(), 0, 0] {
        payload.put_u32(number);
    }
}

fn refused(code: ErrorCode, message: String) -> Error {
    Error::Api { operation: OPERATION, code, message, detail: None, fields: Vec::new() }
}

fn closed(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::closed(agent_api::causes(Some(error)).unwrap_or_default())
}
