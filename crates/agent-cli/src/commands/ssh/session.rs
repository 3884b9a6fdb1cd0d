//! A shell or a command while it runs: its output comes here, keys, sizes and the end of the input
//! go there; not how the connection came about.

use std::{collections::VecDeque, fmt, time::Duration};

use agent_sdk::ssh::{
    Channel, ChannelInput, ChannelOutput, ChannelRequests, Connection, SshExit, wire::Put as _,
};
use bytes::{Bytes, BytesMut};
use futures_util::future::join4;
use tokio::{io::AsyncWriteExt as _, sync::mpsc, time::timeout};

use super::{
    escapes::{self, Escape, Escapes},
    modes,
    remarks::{Remark, Remarks},
};
use crate::{
    Error, LocalSignal, Terminal,
    body::take_stdin,
    commands::{feed::read_piece, terminal::restore::Screens},
    io::Input,
    output::Output,
    terminal::{RawMode, USUAL_SIZE},
};

/// Bytes that wait for the agent; then stdin is not read.
const MAX_QUEUED: usize = 1024 * 1024;
/// The same for keys, among which an escape must be found also where the agent takes nothing; more
/// than anybody pastes.
const MAX_TYPED: usize = 16 * MAX_QUEUED;
/// How long the terminal here may take for its reset.
const RESET: Duration = Duration::from_secs(1);
/// Ends the input of a program on a terminal.
const END_OF_TRANSMISSION: &[u8] = b"\x04";
/// The terminal that is assumed where `TERM` does not say.
const USUAL_TERM: &str = "xterm-256color";
/// The stream of a program's errors, RFC 4254 section 5.2.
const STDERR: u32 = 1;

/// What is asked of the agent.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// The text for the shell; `None` is a login shell.
    pub(super) command: Option<Vec<u8>>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) terminal: bool,
    /// Whether keys are forwarded.
    pub(super) keys: bool,
    /// The payload that asks for the forwarding of a display.
    pub(super) display: Option<Vec<u8>>,
}

/// How a session ended.
#[derive(Debug)]
pub(super) enum End {
    /// The program ended, and the agent told how.
    Told(SshExit),
    /// The channel was closed, and nobody knows why.
    Closed,
    /// A person asked for the end.
    Escaped,
    /// A signal of this machine did.
    Signaled(LocalSignal),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(SshExit::Signal(name)) => write!(f, "killed by signal {name}"),
            Self::Told(exit) => write!(f, "exit status {}", exit.code()),
            Self::Closed => f.write_str("closed without a status"),
            Self::Escaped => f.write_str("left by ~."),
            Self::Signaled(signal) => f.write_str(signal.ending().unwrap_or("signal")),
        }
    }
}

/// A program that was started.
pub(super) struct Session {
    channel: Channel,
    /// Whether it runs on a terminal.
    on_terminal: bool,
    /// Where the size comes from.
    screen: Option<Terminal>,
}

impl Session {
    /// Starts the program, all questions being on their way at once.
    ///
    /// # Errors
    ///
    /// When the agent opens no session or starts nothing.
    pub(super) async fn start(
        connection: &Connection,
        wishes: &Wishes,
        out: &mut Output<'_>,
    ) -> Result<Self, Error> {
        let channel = connection.open("session", b"").await.map_err(refused)?;
        let screen = out.io.screen.clone().or_else(|| out.io.terminal.clone());
        for (name, value) in &wishes.environment {
            let mut payload = Vec::new();
            payload.put_string(name.as_bytes());
            payload.put_string(value.as_bytes());
            // A name that the agent does not take is left out, as with other servers.
            channel.output.request("env", &payload);
        }
        let pty = wishes.terminal.then(|| pty_request(out, screen.as_ref()));
        let (start, command) = match &wishes.command {
            Some(command) => ("exec", Some(command)),
            None => ("shell", None),
        };
        let command = command.map_or_else(Vec::new, |command| {
            let mut payload = Vec::new();
            payload.put_string(command);
            payload
        });
        let ask = async |name, payload: Option<&[u8]>| match payload {
            Some(payload) => {
                channel.output.request_with_reply(name, payload).await.map_err(refused)
            }
            None => Ok(()),
        };
        let (keys, display, terminal, started) = join4(
            ask("auth-agent-req@openssh.com", wishes.keys.then_some(b"")),
            ask("x11-req", wishes.display.as_deref()),
            ask("pty-req", pty.as_deref()),
            ask(start, Some(&command)),
        )
        .await;
        // Why nothing runs is all there is to say then.
        started?;
        for (what, answer) in [("keys", &keys), ("displays", &display), ("terminals", &terminal)] {
            if answer.is_err() {
                out.problem(format_args!("the agent refuses {what}"));
            }
        }
        Ok(Self { channel, on_terminal: wishes.terminal && terminal.is_ok(), screen })
    }

    /// Shows the program and feeds it until one of the two ends. Raw mode ends with the future.
    pub(super) async fn run(
        self,
        mut signals: mpsc::Receiver<LocalSignal>,
        remarks: &mut Remarks,
        out: &mut Output<'_>,
    ) -> Result<End, Error> {
        let input = take_stdin(out.io)?;
        let Self { channel, on_terminal, screen } = self;
        let keyboard = out.io.terminal.clone().filter(|_| on_terminal);
        let raw = keyboard.as_ref().map(Terminal::raw).transpose().map_err(Error::Stdin)?;
        out.io.is_raw = raw.is_some();
        let mut screens = Screens::default();
        let Channel { input: from, output: to, requests } = channel;
        let typist = Typist { to: &to, on_terminal, is_keyboard: raw.is_some() };
        let shown = Shown { from, requests, screens: on_terminal.then_some(&mut screens) };
        let help = remarks.sender();
        let end = tokio::select! {
            end = shown.until_end(remarks, out) => end,
            end = typist.feed(input, &help) => end,
            signal = follow(&mut signals, raw.as_ref(), screen.as_ref().filter(|_| on_terminal), &to) => {
                Ok(End::Signaled(signal))
            }
        };
        drop(raw);
        out.io.is_raw = false;
        let is_cut = matches!(end, Ok(End::Closed | End::Escaped | End::Signaled(_)));
        if is_cut && on_terminal && out.io.screen.is_some() {
            // A terminal that takes nothing cannot be helped.
            let text = screens.reset() + "\r\n";
            let reset = async { out.bytes(text.as_bytes()).await.and(out.flush().await) };
            let _ = timeout(RESET, reset).await;
        }
        end
    }
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Refused { operation: "ssh", message: error.to_string() }
}

/// The payload of `pty-req` (RFC 4254 section 6.2).
fn pty_request(out: &Output<'_>, screen: Option<&Terminal>) -> Vec<u8> {
    let mut payload = Vec::new();
    let term = out.io.surroundings.term.as_deref().unwrap_or(USUAL_TERM);
    payload.put_string(term.as_bytes());
    payload.put_raw(&size(screen));
    let keyboard = out.io.terminal.as_ref().and_then(Terminal::modes);
    payload.put_string(&modes::encode(keyboard.as_ref()));
    payload
}

/// Columns, rows, and the same in pixels, as requests have them.
fn size(screen: Option<&Terminal>) -> Vec<u8> {
    let usual = [USUAL_SIZE.cols, USUAL_SIZE.rows, 0, 0];
    let size = screen.and_then(Terminal::true_size).unwrap_or(usual);
    size.into_iter().flat_map(|side| u32::from(side).to_be_bytes()).collect()
}

/// Passes sizes on; ends with a signal that asks for that.
async fn follow(
    signals: &mut mpsc::Receiver<LocalSignal>,
    raw: Option<&RawMode>,
    screen: Option<&Terminal>,
    to: &ChannelOutput,
) -> LocalSignal {
    loop {
        match signals.recv().await {
            Some(signal) if signal.ending().is_some() => return signal,
            Some(signal) => {
                if signal == LocalSignal::Continued {
                    // A terminal that is gone is noticed by whoever reads or writes it.
                    let _ = raw.map(RawMode::enter);
                }
                if screen.is_some() {
                    to.request("window-change", &size(screen));
                }
            }
            None => std::future::pending().await,
        }
    }
}

/// What the agent sends of a session.
struct Shown<'a> {
    from: ChannelInput,
    requests: ChannelRequests,
    /// `None` where there is no terminal whose screen a program could change.
    screens: Option<&'a mut Screens>,
}

impl Shown<'_> {
    async fn until_end(
        mut self,
        remarks: &mut Remarks,
        out: &mut Output<'_>,
    ) -> Result<End, Error> {
        let (mut end, mut has_output, mut is_open) = (None, true, true);
        while has_output || is_open {
            tokio::select! {
                data = self.from.read(), if has_output => {
                    let mut next = data;
                    has_output = next.is_some();
                    while let Some(data) = next {
                        self.show(data.stream, &data.bytes, out).await?;
                        next = self.from.try_read();
                    }
                    out.flush().await?;
                }
                request = self.requests.next(), if is_open => match request {
                    Some(request) => end = SshExit::of(&request).map(End::Told).or(end),
                    None => is_open = false,
                },
                remark = remarks.next() => show_remark(&remark, out),
            }
        }
        Ok(end.unwrap_or(End::Closed))
    }

    async fn show(&mut self, stream: u32, bytes: &[u8], out: &mut Output<'_>) -> Result<(), Error> {
        if stream == STDERR {
            out.flush().await?;
            let written = match &mut out.io.program_stderr {
                Some(stderr) => stderr.write_all(bytes).await.and(stderr.flush().await),
                None => out.io.stderr.write_all(bytes),
            };
            // Errors that nobody reads do not end the program, whose results somebody may.
            let _ = written;
            return Ok(());
        }
        if let Some(screens) = &mut self.screens {
            screens.see(bytes);
        }
        out.bytes(bytes).await
    }
}

/// Shows what is not of the session.
pub(super) fn show_remark(remark: &Remark, out: &mut Output<'_>) {
    match remark {
        Remark::Say(text) => out.note(text),
        // Whoever asked for it and cannot see it hears nothing.
        Remark::Help => drop(out.io.stderr.write_all(escapes::HELP.as_bytes())),
    }
}

/// Gives the program its input.
struct Typist<'a> {
    to: &'a ChannelOutput,
    on_terminal: bool,
    /// Whether every key comes as it is typed.
    is_keyboard: bool,
}

impl Typist<'_> {
    /// Sends what stdin brings, and its end; ends only when that fails or somebody asks for it.
    async fn feed(&self, mut input: Input, help: &mpsc::Sender<Remark>) -> Result<End, Error> {
        let (mut escapes, mut buffer) = (Escapes::new(), BytesMut::new());
        let (mut queue, mut queued) = (VecDeque::<Bytes>::new(), 0);
        let (mut is_open, mut ends_line) = (true, true);
        let most = if self.on_terminal { MAX_TYPED } else { MAX_QUEUED };
        loop {
            let first = queue.front().cloned().unwrap_or_default();
            tokio::select! {
                read = read_piece(&mut input, &mut buffer), if is_open && queued < most => {
                    let piece = match read {
                        Ok(piece) => piece,
                        // The keyboard is gone, and with it whoever looked.
                        Err(_) if self.is_keyboard => Bytes::new(),
                        Err(error) => return Err(Error::Stdin(error)),
                    };
                    is_open = !piece.is_empty();
                    let piece = match self.to_send(piece, &mut escapes, ends_line, help) {
                        Ok(piece) => piece,
                        Err(end) => return Ok(end),
                    };
                    if !piece.is_empty() {
                        ends_line = piece.ends_with(b"\n");
                        queued += piece.len();
                        queue.push_back(piece);
                    }
                }
                written = self.to.write(first.clone()), if !first.is_empty() => {
                    if written.is_err() {
                        // A program that takes no more may still print.
                        queue.clear();
                        is_open = is_open && self.is_keyboard;
                    }
                    queue.pop_front();
                    queued = queue.iter().map(Bytes::len).sum();
                }
                else => break,
            }
        }
        if !self.on_terminal {
            self.to.eof();
        }
        std::future::pending().await
    }

    /// What is to be sent of a piece, of which an empty one is the end; or the end that was typed.
    fn to_send(
        &self,
        piece: Bytes,
        escapes: &mut Escapes,
        ends_line: bool,
        help: &mpsc::Sender<Remark>,
    ) -> Result<Bytes, End> {
        if !self.on_terminal {
            return Ok(piece);
        }
        if piece.is_empty() {
            // In the middle of a line the first mark only hands over what there is of it.
            let marks = END_OF_TRANSMISSION.repeat(if ends_line { 1 } else { 2 });
            let gone = End::Signaled(LocalSignal::Hangup);
            return if self.is_keyboard { Err(gone) } else { Ok(marks.into()) };
        }
        let mut send = Vec::new();
        for escape in escapes.scan(&piece, &mut send) {
            match escape {
                Escape::End => return Err(End::Escaped),
                Escape::Help => drop(help.try_send(Remark::Help)),
            }
        }
        Ok(send.into())
    }
}
