//! `write_process_input`, `close_process_input` and `resize_process`: what goes to a process.

use std::sync::Arc;

use agent_api::{
    Caller, CloseProcessInputResponse, ProcessId, Stdin, TerminalSize, WriteProcessInputRequest,
    WriteProcessInputResponse,
    limits::{DEFAULT_PROCESS_INPUT_WAIT_MS, MAX_PROCESS_INPUT_BYTES},
};
use agent_exec::Size;
use bytes::Bytes;

use crate::{
    Error, InputError, Processes, process::Process, request::bad_sides, service::blocking,
    wait::wait_of,
};

impl Processes {
    /// Writes bytes into the input of a process, behind those that came before and in one piece.
    ///
    /// Answers when the pipe or terminal took them, or with how many it took until the wait was
    /// over, which is also when waiting ends for everybody. At most [`MAX_PROCESS_INPUT_BYTES`].
    ///
    /// # Errors
    ///
    /// [`InputError`], [`Error::NoProcess`], [`Error::Forgotten`], [`Error::ShuttingDown`],
    /// [`Error::Store`].
    ///
    /// # Cancellation
    ///
    /// Bytes that have their place in the queue are written. Only when sixteen others wait for the
    /// same process they have none yet, and are dropped.
    #[tracing::instrument(level = "debug", name = "proc.write_process_input", skip_all, fields(process.id = %id))]
    pub async fn write_process_input(
        &self,
        caller: &Caller,
        id: ProcessId,
        req: WriteProcessInputRequest,
        body: Bytes,
    ) -> Result<WriteProcessInputResponse, Error> {
        if body.len() > MAX_PROCESS_INPUT_BYTES {
            return Err(InputError::TooLarge { max: MAX_PROCESS_INPUT_BYTES }.into());
        }
        let process = self.find(caller, id).await?;
        let wait = wait_of(req.wait_ms, DEFAULT_PROCESS_INPUT_WAIT_MS);
        let waits = self.shared.waits.clone();
        let queued = waits.run_until_cancelled(process.input.queue(body, wait)).await;
        let Some(queued) = queued.transpose()?.flatten() else {
            return Ok(WriteProcessInputResponse::default());
        };
        let cut = self.shared.cut.clone();
        let work = async move {
            let written = cut.run_until_cancelled(queued.write(process.watch(), waits)).await;
            let written = written.ok_or(Error::ShuttingDown)?;
            if written.found_closed {
                note_closed(process).await?;
            }
            Ok(written.answer?)
        };
        self.shared.run(work).await
    }

    /// Ends the input of a process behind the bytes that were accepted before.
    ///
    /// # Errors
    ///
    /// [`InputError::NeverOpen`], [`InputError::Terminal`], [`Error::NoProcess`],
    /// [`Error::Forgotten`], [`Error::ShuttingDown`], [`Error::Store`]; an input that is closed
    /// already is none.
    ///
    /// # Cancellation
    ///
    /// A close that has begun runs to its end.
    #[tracing::instrument(level = "debug", name = "proc.close_process_input", skip_all, fields(process.id = %id))]
    pub async fn close_process_input(
        &self,
        caller: &Caller,
        id: ProcessId,
    ) -> Result<CloseProcessInputResponse, Error> {
        let process = self.find(caller, id).await?;
        process.input.check_closable()?;
        let work = async move {
            let message = if process.input.close().await {
                note_closed(process).await?;
                "The input is closed."
            } else {
                "The input was closed already."
            };
            Ok(CloseProcessInputResponse { message: message.to_owned() })
        };
        self.shared.change(work).await
    }

    /// Changes the size of the terminal of a process.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a size out of range, [`InputError::NoTerminal`],
    /// [`InputError::NoTerminalLeft`], [`InputError::Io`], [`Error::NoProcess`],
    /// [`Error::Forgotten`], [`Error::ShuttingDown`], [`Error::Store`].
    ///
    /// # Cancellation
    ///
    /// A change that has begun runs to its end.
    #[tracing::instrument(level = "debug", name = "proc.resize_process", skip_all, fields(process.id = %id))]
    pub async fn resize_process(
        &self,
        caller: &Caller,
        id: ProcessId,
        size: TerminalSize,
    ) -> Result<TerminalSize, Error> {
        if let Some((field, reason)) = bad_sides(size).next() {
            return Err(Error::Argument { field, reason });
        }
        let process = self.find(caller, id).await?;
        let work = blocking(move || resize(&process, size));
        self.shared.change(async move { Ok(work.await??) }).await
    }
}

fn resize(process: &Process, size: TerminalSize) -> Result<TerminalSize, InputError> {
    let (has_terminal, is_running) =
        process.look(|status| (status.state.terminal.is_some(), status.is_running()));
    if !has_terminal {
        return Err(InputError::NoTerminal);
    }
    let terminal = process.terminal.upgrade().filter(|_| is_running);
    let terminal = terminal.ok_or(InputError::NoTerminalLeft)?;
    terminal.resize(Size::new(size.rows, size.cols)).map_err(InputError::Io)?;
    process.update(|state| state.terminal = Some(size));
    Ok(size)
}

/// Writes down that the input is closed.
async fn note_closed(process: Arc<Process>) -> Result<(), Error> {
    blocking(move || {
        process.update(|state| {
            if state.stdin == Stdin::Open {
                state.stdin = Stdin::Closed;
            }
        });
    })
    .await
}
