//! `stream_process_output`: what is there from an offset on, then what is printed, without seam.

use std::sync::Arc;

use agent_api::{
    Caller, OutputGap, OutputStreamName, ProcessExited, ProcessId, StreamProcessOutputRequest,
    StreamStart,
};
use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    Error, OutputError, Processes,
    journal::{Cursor, Journal, Read},
    process::{Process, Status},
    read_process_output::{check_stream, stream_of},
};

/// The output of a process from an offset on, live.
///
/// Its bytes and gaps cover everything from there to the end once, in order.
#[derive(Debug)]
pub struct OutputStream {
    process: Arc<Process>,
    /// Which of the offsets of an exit is this stream's.
    index: usize,
    status: watch::Receiver<Status>,
    cursor: Cursor,
    /// Whether the exit was given.
    has_exited: bool,
    /// Whether the journal has ended; the status says so a little later.
    has_ended: bool,
}

/// One thing that a stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputItem {
    /// Output: 1 to 32 768 bytes.
    Bytes {
        /// Offset of the first byte.
        offset: u64,
        /// The bytes, not necessarily UTF-8.
        bytes: Bytes,
    },
    /// Bytes that will not come.
    Gap(OutputGap),
    /// The leader exited; once, behind every byte that was there when that was published and
    /// before later ones.
    Exited(ProcessExited),
    /// Nothing follows.
    Closed {
        /// Bytes ever produced.
        end_bytes: u64,
    },
    /// The process was forgotten; nothing follows.
    Deleted,
}

impl Processes {
    /// Follows a stream from an offset, or from its end, on.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a stream that the process does not have,
    /// [`OutputError::BeyondEnd`], [`Error::NoProcess`], [`Error::Forgotten`], [`Error::Store`].
    #[tracing::instrument(level = "debug", name = "proc.stream_process_output", skip_all, fields(process.id = %id))]
    pub async fn stream_process_output(
        &self,
        caller: &Caller,
        id: ProcessId,
        req: StreamProcessOutputRequest,
    ) -> Result<OutputStream, Error> {
        check_stream(req.stream)?;
        let process = self.find(caller, id).await?;
        let journal = stream_of(&process, req.stream)?;
        let end = journal.bounds().end;
        let from = match req.from {
            StreamStart::End => end,
            StreamStart::Offset(from) if from <= end => from,
            StreamStart::Offset(from) => return Err(OutputError::BeyondEnd { from, end }.into()),
        };
        let cursor = journal.cursor(from);
        let index = usize::from(req.stream == OutputStreamName::Stderr);
        let (has_exited, has_ended, status) = (false, false, process.watch());
        Ok(OutputStream { process, index, status, cursor, has_exited, has_ended })
    }
}

impl OutputStream {
    /// Offset to go on at after the items so far.
    pub fn offset(&self) -> u64 {
        self.cursor.offset()
    }

    /// The next item, waiting for it; after [`OutputItem::Closed`] or [`OutputItem::Deleted`] it
    /// is that again.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn next(&mut self) -> OutputItem {
        loop {
            if let Some(item) = self.try_next().await {
                return item;
            }
            self.changed().await;
        }
    }

    /// The next item, if it is there already; waits for the disk at most.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn try_next(&mut self) -> Option<OutputItem> {
        loop {
            // Before the status is looked at: if no exit is published then, its place is at or
            // behind this end.
            let end = self.journal().bounds().end;
            let status = self.status.borrow_and_update().clone();
            if status.removed.is_some() {
                return Some(OutputItem::Deleted);
            }
            let until = match &status.state.exit {
                None => end,
                Some(_) if self.has_exited => u64::MAX,
                Some(exit) if self.cursor.offset() >= exit.ends[self.index] => {
                    self.has_exited = true;
                    return Some(OutputItem::Exited(exited(&status)?));
                }
                Some(exit) => exit.ends[self.index],
            };
            match self.cursor.next(until).await {
                Read::Bytes { offset, bytes } => return Some(OutputItem::Bytes { offset, bytes }),
                Read::Gap(gap) => return Some(OutputItem::Gap(gap)),
                Read::Removed => return Some(OutputItem::Deleted),
                // The place of the exit is reached: the next round gives it.
                Read::Pending | Read::End if status.state.exit.is_some() && !self.has_exited => {}
                Read::Pending => return None,
                Read::End => {
                    self.has_ended = true;
                    let end_bytes = self.cursor.offset();
                    return status.is_closed().then_some(OutputItem::Closed { end_bytes });
                }
            }
        }
    }

    /// Waits until [`OutputStream::try_next`] may have something.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn changed(&mut self) {
        // The senders live in the process, so waiting cannot fail.
        if self.has_ended {
            let _ = self.status.changed().await;
            return;
        }
        tokio::select! {
            () = self.cursor.changed() => {}
            _ = self.status.changed() => {}
        }
    }

    fn journal(&self) -> &Journal {
        let journals = &self.process.journals;
        journals.stderr().filter(|_| self.index == 1).unwrap_or(journals.output())
    }
}

fn exited(status: &Status) -> Option<ProcessExited> {
    let state = &status.state;
    let exit = state.exit.as_ref()?;
    Some(ProcessExited {
        exit_code: exit.code,
        exited_at: exit.at,
        signal: exit.signal.clone(),
        timed_out: state.timed_out,
        oom_killed: state.oom_killed,
    })
}
