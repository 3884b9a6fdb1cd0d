//! `read_process_output`: bytes of a stream from an offset on, now or after a wait.

use std::io;

use agent_api::{
    Caller, OutputStreamName, ProcessId, ReadProcessOutputRequest,
    limits::{DEFAULT_PROCESS_READ_BYTES, DEFAULT_PROCESS_READ_WAIT_MS, MAX_PROCESS_READ_BYTES},
};
use bytes::Bytes;
use futures_core::Stream;

use crate::{
    Error, OutputError, Processes,
    journal::{Answer, Cursor, Journal, Located, Read},
    process::{Process, Status},
    wait::wait_of,
};

/// Bytes of a stream and how it stood when they were found.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReadProcessOutputResponse {
    /// Offset of the first byte; above the one asked for behind a gap.
    pub start: u64,
    /// Offset behind the last byte.
    pub end: u64,
    /// First offset from which everything up to the end is retained.
    pub journal_start: u64,
    /// Bytes ever produced.
    pub journal_end: u64,
    /// Whether the leader runs.
    pub running: bool,
    /// Whether nothing more can be printed.
    pub output_closed: bool,
    /// The bytes, `end - start` of them.
    pub body: OutputBody,
}

/// Bytes on their way out of a journal, a piece at a time.
#[derive(Debug)]
pub struct OutputBody {
    cursor: Cursor,
    end: u64,
}

impl OutputBody {
    /// The bytes in pieces of at most 32 KiB.
    ///
    /// Breaks off with an error when bytes are forgotten before their turn comes; reading again
    /// tells about them.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        futures_util::stream::try_unfold(self, |mut body| async move {
            if body.cursor.offset() >= body.end {
                return Ok(None);
            }
            match body.cursor.next(body.end).await {
                Read::Bytes { bytes, .. } => Ok(Some((bytes, body))),
                Read::Gap(_) | Read::Pending | Read::End | Read::Removed => {
                    Err(io::Error::other("the bytes were forgotten meanwhile"))
                }
            }
        })
    }
}

impl Processes {
    /// Answers bytes from an offset on, up to the next gap or the end.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a stream that the process does not have, [`OutputError`] for a
    /// range that is forgotten or beyond the end, [`Error::NoProcess`], [`Error::Forgotten`],
    /// [`Error::ShuttingDown`] when all waits end, [`Error::Store`].
    #[tracing::instrument(level = "debug", name = "proc.read_process_output", skip_all, fields(process.id = %id))]
    pub async fn read_process_output(
        &self,
        caller: &Caller,
        id: ProcessId,
        req: ReadProcessOutputRequest,
    ) -> Result<ReadProcessOutputResponse, Error> {
        check_stream(req.stream)?;
        let process = self.find(caller, id).await?;
        let journal = stream_of(&process, req.stream)?;
        let limit = match req.limit {
            0 => DEFAULT_PROCESS_READ_BYTES,
            limit => limit.min(MAX_PROCESS_READ_BYTES),
        };
        if req.wait && req.from <= journal.bounds().end {
            let time = wait_of(req.wait_ms, DEFAULT_PROCESS_READ_WAIT_MS);
            self.shared.wait(&process, time, grown(&process, journal, req.from)).await?;
        }
        // The status first, so that a closed stream has all its bytes.
        let status = process.status();
        if let Some(reason) = status.removed {
            return Err(Error::Forgotten { id, reason });
        }
        let Located { bounds, answer } = journal.locate(req.from, limit);
        let (start, end) = match answer {
            Answer::Readable { start, end } => (start, end),
            Answer::AtEnd => (req.from, req.from),
            Answer::Forgotten { next } => {
                return Err(OutputError::Forgotten { from: req.from, next }.into());
            }
            Answer::Beyond => {
                return Err(OutputError::BeyondEnd { from: req.from, end: bounds.end }.into());
            }
        };
        Ok(ReadProcessOutputResponse {
            start,
            end,
            journal_start: bounds.start,
            journal_end: bounds.end,
            running: status.is_running(),
            output_closed: status.is_output_closed(),
            body: OutputBody { cursor: journal.cursor(start), end },
        })
    }
}

/// Waits for a byte at or behind an offset, or the close.
async fn grown(process: &Process, journal: &Journal, from: u64) {
    let (mut status, mut progress) = (process.watch(), journal.watch());
    // The senders live in the process, so waiting cannot fail.
    tokio::select! {
        _ = progress.wait_for(|progress| progress.end > from) => {}
        _ = status.wait_for(Status::is_output_closed) => {}
    }
}

/// Checks the name of a stream, before anything is looked at.
pub(crate) fn check_stream(stream: OutputStreamName) -> Result<(), Error> {
    match stream {
        OutputStreamName::Output | OutputStreamName::Stderr => Ok(()),
        _ => {
            let reason = "the value must be `output` or `stderr`".to_owned();
            Err(Error::Argument { field: "stream", reason })
        }
    }
}

/// The journal of a stream.
pub(crate) fn stream_of(process: &Process, stream: OutputStreamName) -> Result<&Journal, Error> {
    let journal = match stream {
        OutputStreamName::Stderr => process.journals.stderr(),
        _ => Some(process.journals.output()),
    };
    journal.ok_or_else(|| {
        let reason = "the process was started without `separate_stderr`".to_owned();
        Error::Argument { field: "stream", reason }
    })
}
