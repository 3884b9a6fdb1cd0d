//! A terminal while it is shown: its screen comes here, keys and sizes go there, until it ends or is
//! left; not which terminal.
//!
//! ```text
//!             open           items                exited, closed, taken over
//!   (connect) ------> shown --------> shown  ------------------------------> end
//!       ^                               |
//!       |   pause, while it exists      | connection lost
//!       +-------------------------------+      detach keys and signals end it anywhere
//! ```

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use agent_sdk::{
    AgentConn, Error as SdkError, Reconnect, TerminalItem, TerminalSender, TerminalStream,
    api::{
        ErrorCode, OpenTerminalRequest, TerminalExited, TerminalId, TerminalServerMessage,
        close_codes,
    },
};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    keys::{Decoder, DetachKeys, KeyScanner},
    restore::Screens,
};
use crate::{
    Error, LocalSignal, Terminal,
    body::take_stdin,
    commands::{feed, within},
    io::Input,
    output::Output,
    signals::ending,
    terminal::RawMode,
};

/// Typed bytes that wait for the agent; then the keyboard is not read.
const MAX_TYPED: usize = 1024 * 1024;
/// Most of them in one message, which is then below 4 MiB however it is escaped.
const MAX_PIECE: usize = 256 * 1024;
/// How long an attempt to make a lost connection anew may take.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How long the terminal here may take for its reset.
const RESET: Duration = Duration::from_secs(1);
/// Ends the input of a program on a terminal.
const END_OF_TRANSMISSION: char = '\x04';

/// How showing a terminal ended.
enum End {
    /// The program ended.
    Exited(TerminalExited),
    /// Somebody closed the terminal.
    Closed,
    /// It was left, by keys or because the keyboard went away.
    Detached,
    /// It was left because of a signal.
    Signaled(LocalSignal),
}

/// A terminal and the connection it has.
struct Session<'a> {
    id: TerminalId,
    request: OpenTerminalRequest,
    conn: &'a dyn AgentConn,
    /// Where the size comes from.
    screen: Option<Terminal>,
    /// The way to type; `None` while there is no connection.
    sender: Mutex<Option<TerminalSender>>,
}

/// Shows a terminal and types into it until one of them ends.
pub(super) async fn run(
    id: TerminalId,
    request: OpenTerminalRequest,
    keys: &DetachKeys,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let input = take_stdin(out.io)?;
    let screen = out.io.screen.clone().or_else(|| out.io.terminal.clone());
    let session = Session { id, request, conn, screen, sender: Mutex::new(None) };
    // From here on no signal is lost.
    let signals = out.io.signals.listen();
    let mut screens = Screens::default();
    let end = Box::pin(session.until_end(input, keys, signals, &mut screens, out)).await;
    out.io.is_raw = false;
    if out.io.screen.is_some() {
        // A terminal that takes nothing cannot be helped.
        let mut text = screens.reset();
        if !matches!(end, Ok(End::Exited(_))) {
            // What is said next begins a line of its own.
            text.push_str("\r\n");
        }
        let reset = async { out.bytes(text.as_bytes()).await.and(out.flush().await) };
        let _ = timeout(RESET, reset).await;
    }
    session.conclude(end?, out)
}

impl Session<'_> {
    /// Opens the terminal, and does everything at once until one of it says that it is over. Raw
    /// mode ends with the future.
    async fn until_end(
        &self,
        input: Input,
        keys: &DetachKeys,
        signals: mpsc::Receiver<LocalSignal>,
        screens: &mut Screens,
        out: &mut Output<'_>,
    ) -> Result<End, Error> {
        let mut signals = signals;
        let first = tokio::select! {
            first = self.open(self.request.takeover) => first?,
            signal = ending(&mut signals) => return Ok(End::Signaled(signal)),
        };
        let keyboard = out.io.terminal.clone();
        let raw = keyboard.as_ref().map(Terminal::raw).transpose().map_err(Error::Stdin)?;
        out.io.is_raw = raw.is_some();
        tokio::select! {
            end = self.show(first, screens, out) => end,
            end = self.feed(input, keys, raw.is_some()) => end,
            end = self.follow(signals, raw.as_ref()) => Ok(end),
        }
    }

    async fn open(&self, takeover: bool) -> Result<TerminalStream, SdkError> {
        let size = self.screen.as_ref().map(Terminal::size);
        let (rows, cols) = size.map_or((0, 0), |size| (size.rows.into(), size.cols.into()));
        let request =
            OpenTerminalRequest { rows, cols, takeover, events: true, ..self.request.clone() };
        let terminal = self.conn.open_terminal(self.id, request).await?;
        *self.sender() = Some(terminal.sender());
        Ok(terminal)
    }

    fn sender(&self) -> std::sync::MutexGuard<'_, Option<TerminalSender>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what comes, over as many connections as that takes.
    async fn show(
        &self,
        mut terminal: TerminalStream,
        screens: &mut Screens,
        out: &mut Output<'_>,
    ) -> Result<End, Error> {
        let mut exited = None;
        loop {
            let lost = match terminal.next().await {
                Some(Ok(TerminalItem::Output(bytes))) => {
                    screens.see(&bytes);
                    out.bytes(&bytes).await?;
                    out.flush().await?;
                    continue;
                }
                Some(Ok(TerminalItem::Event(TerminalServerMessage::Exited(how)))) => {
                    exited = Some(how);
                    continue;
                }
                Some(Ok(TerminalItem::Closed { reason })) => {
                    return Ok(match exited {
                        Some(how) => End::Exited(how),
                        None if reason == "exited" => End::Exited(TerminalExited::default()),
                        None => End::Closed,
                    });
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => error,
                None => SdkError::Closed { code: None, reason: "the stream ended".to_owned() },
            };
            match exited.take() {
                // All it printed came before.
                Some(how) => return Ok(End::Exited(how)),
                None => terminal = self.reopen(lost, out).await?,
            }
        }
    }

    /// Makes a lost connection anew, to the same terminal only: its id would start a new program.
    async fn reopen(&self, lost: SdkError, out: &mut Output<'_>) -> Result<TerminalStream, Error> {
        *self.sender() = None;
        let Reconnect { first_pause, longest_pause, give_up_after, .. } = Reconnect::default();
        let (begin, mut pause) = (Instant::now(), first_pause);
        let mut error = lost;
        if is_transient(&error) {
            out.note("connection lost, reconnecting");
        }
        while is_transient(&error) && begin.elapsed() < give_up_after {
            error = match within(ATTEMPT, "open_terminal", self.attempt()).await {
                Ok(Some(terminal)) => return Ok(terminal),
                Ok(None) => {
                    let message = format!("terminal {} is gone", self.id);
                    return Err(Error::Refused { operation: "terminal", message });
                }
                Err(error) => error,
            };
            sleep(pause).await;
            pause = (pause * 2).min(longest_pause);
        }
        match error {
            SdkError::Closed { code: Some(close_codes::TAKEN_OVER), .. } => {
                let message = "another connection took the terminal over".to_owned();
                Err(Error::Refused { operation: "terminal", message })
            }
            error => Err(error.into()),
        }
    }

    /// Opens the terminal if it is still there.
    async fn attempt(&self) -> Result<Option<TerminalStream>, SdkError> {
        let list = self.conn.list_terminals().await?;
        if !list.terminals.iter().any(|record| record.id == self.id) {
            return Ok(None);
        }
        self.open(false).await.map(Some)
    }

    /// Types what stdin brings; ends when it asks to leave.
    async fn feed(
        &self,
        mut input: Input,
        keys: &DetachKeys,
        is_keyboard: bool,
    ) -> Result<End, Error> {
        let (mut scanner, mut decoder) = (KeyScanner::new(keys), Decoder::default());
        let (mut buffer, mut typed) = (BytesMut::new(), String::new());
        let mut is_open = true;
        loop {
            let piece = &typed[..typed.floor_char_boundary(MAX_PIECE)];
            tokio::select! {
                read = feed::read_piece(&mut input, &mut buffer),
                    if is_open && typed.len() < MAX_TYPED =>
                {
                    match read {
                        Ok(bytes) if !bytes.is_empty() => {
                            let mut send = Vec::new();
                            if scanner.scan(&bytes, &mut send) {
                                return Ok(End::Detached);
                            }
                            decoder.decode(&send, &mut typed);
                        }
                        // The keyboard is gone, and with it whoever looked.
                        _ if is_keyboard => return Ok(End::Detached),
                        Ok(_) => {
                            is_open = false;
                            typed.push(END_OF_TRANSMISSION);
                        }
                        Err(error) => return Err(Error::Stdin(error)),
                    }
                }
                () = self.send(piece), if !typed.is_empty() => {
                    let sent = piece.len();
                    typed.drain(..sent);
                }
                else => std::future::pending().await,
            }
        }
    }

    /// Types a text, all of it or nothing when it is dropped. What is typed while there is no
    /// connection is given up: the person sees what happened.
    async fn send(&self, text: &str) {
        let sender = self.sender().clone();
        if let Some(sender) = sender {
            // Whoever reads hears why a connection takes nothing.
            let _ = sender.input(text).await;
        }
    }

    /// Passes sizes on; ends with a signal that asks for that.
    async fn follow(&self, mut signals: mpsc::Receiver<LocalSignal>, raw: Option<&RawMode>) -> End {
        while let Some(signal) = signals.recv().await {
            if signal.ending().is_some() {
                return End::Signaled(signal);
            }
            if signal == LocalSignal::Continued {
                // A terminal that is gone is noticed by whoever reads or writes it.
                let _ = raw.map(RawMode::enter);
            }
            let sender = self.sender().clone();
            if let (Some(sender), Some(screen)) = (sender, &self.screen) {
                let size = screen.size();
                // The next connection begins with the size.
                let _ = timeout(RESET, sender.resize(size.rows, size.cols)).await;
            }
        }
        std::future::pending().await
    }

    /// Says how it ended, and passes the exit code on.
    fn conclude(&self, end: End, out: &mut Output<'_>) -> Result<(), Error> {
        let left =
            format!("terminal left running; attach with: agentctl terminal attach {}", self.id);
        match end {
            End::Exited(exited) => match exited.exit_code.map(u8::try_from) {
                None | Some(Ok(0)) => Ok(()),
                Some(Ok(code)) => Err(Error::Status(code)),
                Some(Err(_)) => Err(Error::Status(u8::MAX)),
            },
            End::Closed => {
                out.note("the terminal was closed");
                Ok(())
            }
            End::Detached => {
                out.note(left);
                Ok(())
            }
            End::Signaled(signal) => {
                out.note(left);
                Err(Error::Abandoned(signal.exit_code()))
            }
        }
    }
}

/// Whether the terminal may be there when a connection is not.
fn is_transient(error: &SdkError) -> bool {
    match error {
        SdkError::Closed { code, .. } => code.is_none_or(|code| code == close_codes::GOING_AWAY),
        SdkError::Connect { .. } | SdkError::Timeout { .. } => true,
        SdkError::Api { code, .. } => {
            matches!(code, ErrorCode::Unavailable | ErrorCode::ResourceExhausted)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Io, commands::tests::silent_agent, palette::Palette};

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_never_answers_is_tried_for_five_minutes() {
        let (agent, _listener, _dir) = silent_agent();
        let (id, request) =
            (TerminalId::from_uuid(uuid::Uuid::nil()), OpenTerminalRequest::default());
        let session = Session { id, request, conn: &agent, screen: None, sender: Mutex::new(None) };
        let mut io = Io::new(tokio::io::sink(), std::io::sink());
        let mut out =
            Output { io: &mut io, json: false, quiet: true, palette: Palette::new(false) };
        let begin = Instant::now();
        let lost = SdkError::Closed { code: None, reason: String::new() };
        let error = session.reopen(lost, &mut out).await.unwrap_err();
        assert_eq!(error.to_string(), "open_terminal: no answer within 30s");
        assert!((300..=340).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    }
}
