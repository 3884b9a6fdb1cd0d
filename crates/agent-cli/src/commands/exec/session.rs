//! A program while it runs: its output comes here, input, signals and sizes go there, all at the
//! same time; not how it is started.

use std::{pin::pin, time::Duration};

use agent_sdk::{
    AgentConn, Error as SdkError, Exec,
    api::{ErrorCode, ProcessId, SignalProcessRequest, SignalScope},
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::{Notify, mpsc};

use super::{
    Manner,
    printer::{Ended, Printer},
};
use crate::{
    Error, LocalSignal, Terminal, body::take_stdin, commands::feed, io::Input, output::Output,
    terminal::RawMode,
};

/// Remarks that wait to be printed; more are dropped, as nobody reads them.
const REMARKS: usize = 16;

/// How long a last signal may take when this program ends anyway.
const LAST_CALL: Duration = Duration::from_secs(2);

/// A line of a terminal ends here, and so does its input if the line is empty.
const END_OF_TRANSMISSION: &[u8] = b"\x04";

/// A running program and how it is shown.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) conn: &'a dyn AgentConn,
    pub(super) exec: &'a Exec<'a>,
    pub(super) manner: Manner,
    /// Where the size of the program's terminal comes from.
    pub(super) screen: Option<Terminal>,
}

impl Session<'_> {
    /// Shows the program until it exits. Raw mode, where it is wanted, ends with the future.
    pub(super) async fn run(
        &self,
        has_stderr: bool,
        signals: mpsc::Receiver<LocalSignal>,
        out: &mut Output<'_>,
    ) -> Result<Ended, Error> {
        let input = if self.manner.sends_input { Some(take_stdin(out.io)?) } else { None };
        let raw = match (&out.io.terminal, self.manner.is_raw) {
            (Some(terminal), true) => Some(terminal.raw().map_err(Error::Stdin)?),
            _ => None,
        };
        out.io.is_raw = raw.is_some();
        let (remarks, heard) = mpsc::channel(REMARKS);
        let is_keyboard = out.io.terminal.is_some();
        let result = tokio::select! {
            ended = Printer::new(self.exec, has_stderr, heard).run(out) => ended,
            error = self.feed(input, is_keyboard) => Err(error),
            error = self.pass_on(signals, raw.as_ref(), &remarks) => Err(error),
        };
        out.io.is_raw = false;
        result
    }

    /// Sends what stdin brings, and its end; ends only when that fails.
    async fn feed(&self, input: Option<Input>, is_keyboard: bool) -> Error {
        let result = match input {
            Some(input) => self.try_feed(input, is_keyboard).await,
            None => Ok(()),
        };
        match result {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    }

    async fn try_feed(&self, mut input: Input, is_keyboard: bool) -> Result<(), Error> {
        let mut buffer = BytesMut::new();
        let mut ends_line = true;
        loop {
            let piece = match feed::read_piece(&mut input, &mut buffer).await {
                Ok(piece) if !piece.is_empty() => piece,
                // The keyboard is gone; a signal says so, where that matters.
                Err(_) if is_keyboard => return Ok(()),
                Err(error) => return Err(Error::Stdin(error)),
                Ok(_) => break,
            };
            ends_line = piece.ends_with(b"\n");
            match feed::write(self.conn, self.exec.id(), piece, |_| {}).await {
                Ok(()) => {}
                Err(error) if feed::has_ended(&error) => return Ok(()),
                // A key that may have arrived is not pressed again: the person sees what happened.
                Err(SdkError::Closed { .. }) if is_keyboard => {}
                Err(error) => return Err(error.into()),
            }
        }
        let ended = match (self.manner.on_terminal, self.manner.is_raw) {
            (true, true) => Ok(()),
            (true, false) => {
                // In the middle of a line the first one only hands over what there is of it.
                let marks = if ends_line { 1 } else { 2 };
                let end = Bytes::from(END_OF_TRANSMISSION.repeat(marks));
                feed::write(self.conn, self.exec.id(), end, |_| {}).await
            }
            (false, _) => self.exec.close_input().await,
        };
        match ended {
            Err(error) if !feed::has_ended(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Sends signals on, and the size of the terminal when it changes; ends when a person asks for
    /// the end a third time.
    async fn pass_on(
        &self,
        mut signals: mpsc::Receiver<LocalSignal>,
        raw: Option<&RawMode>,
        remarks: &mpsc::Sender<String>,
    ) -> Error {
        let resized = Notify::new();
        let mut sizes = pin!(self.follow_size(&resized));
        let mut calls = FuturesUnordered::new();
        let mut asked = 0;
        loop {
            tokio::select! {
                Some(signal) = signals.recv() => match signal.ending() {
                    Some(name) => {
                        asked += 1;
                        match asked {
                            1 => calls.push(self.send(name, remarks)),
                            2 => calls.push(self.send("SIGKILL", remarks)),
                            _ => return Error::Abandoned(signal.exit_code()),
                        }
                    }
                    None => {
                        if signal == LocalSignal::Continued {
                            // A terminal that is gone is noticed by whoever reads or writes it.
                            let _ = raw.map(RawMode::enter);
                        }
                        resized.notify_one();
                    }
                },
                Some(()) = calls.next() => {}
                () = &mut sizes => {}
            }
        }
    }

    async fn send(&self, name: &'static str, remarks: &mpsc::Sender<String>) {
        match send(self.conn, self.exec.id(), name).await {
            Err(error) if !feed::has_ended(&error) => {
                let _ = remarks.try_send(format!("{name} was not sent on: {error}"));
            }
            _ => {}
        }
    }

    async fn follow_size(&self, resized: &Notify) {
        loop {
            resized.notified().await;
            if let (Some(screen), true) = (&self.screen, self.manner.on_terminal) {
                // Of a program that has just exited there is nothing to resize.
                let _ = self.conn.resize_process(self.exec.id(), screen.size()).await;
            }
        }
    }

    /// Ends a program that nobody watches any more, as a pipe or a terminal that goes away would,
    /// or says that it goes on.
    pub(super) async fn leave(&self, error: &Error, out: &mut Output<'_>) {
        match error {
            Error::Stdout(source) if source.kind() == std::io::ErrorKind::BrokenPipe => {
                send_in_time(self.conn, self.exec.id(), "SIGPIPE").await;
            }
            Error::Stdout(_) | Error::Stdin(_) => {
                send_in_time(self.conn, self.exec.id(), "SIGHUP").await;
            }
            Error::Agent(error)
                if matches!(error.code(), ErrorCode::NotFound | ErrorCode::Gone) => {}
            _ => {
                let id = self.exec.id();
                out.note(format_args!("process {id} may still run: see agentctl ps {id}"));
            }
        }
    }
}

async fn send(conn: &dyn AgentConn, id: ProcessId, name: &str) -> Result<(), SdkError> {
    let request = SignalProcessRequest { signal: name.to_owned(), scope: SignalScope::Tree };
    conn.signal_process(id, request).await.map(|_| ())
}

/// Sends a signal if that works soon.
pub(super) async fn send_in_time(conn: &dyn AgentConn, id: ProcessId, name: &str) {
    // Nobody is left who could do anything about a failure.
    let _ = tokio::time::timeout(LAST_CALL, send(conn, id, name)).await;
}
