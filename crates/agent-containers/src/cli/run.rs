//! Runs one command to its end: reads what it prints, and ends it with all it started when it takes too
//! long. What the lines mean is not known here.

use std::{io, pin::pin, time::Duration};

use agent_exec::{Child, ExitStatus, Receiver};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    MAX_LINE_BYTES,
    lines::{Line, Lines},
    output::Stream,
    running::Running,
};

/// How long what takes too long may take to end itself.
const GRACE: Duration = Duration::from_secs(5);
/// How long the exit and the last output of what was killed are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Exited(ExitStatus),
    TimedOut,
    Stopped,
}

/// Takes what a command prints.
pub(super) trait Output {
    /// Takes a line.
    fn line(&mut self, stream: Stream, line: Line<'_>);
    /// Is called after the lines of each piece; nothing more is read before it returns.
    async fn flush(&mut self);
}

/// Waits until a command has exited and what it wrote was taken.
///
/// What its descendants hold open is not waited for. After `limit`, or at `stop`, the command and its
/// descendants are asked to end, and killed after five seconds.
///
/// # Cancellation
///
/// As for a [`Running`] that is dropped.
pub(super) async fn run(
    mut running: Running,
    output: &mut impl Output,
    limit: Duration,
    stop: &CancellationToken,
) -> End {
    let streams = Streams::of(&mut running.child);
    let child = &running.child;
    let end = {
        let mut reading = pin!(read(child, streams, output));
        let cut = tokio::select! {
            // A command that prints without end must not keep the others from being looked at.
            biased;
            () = stop.cancelled() => Ok(End::Stopped),
            () = sleep(limit) => Ok(End::TimedOut),
            exit = &mut reading => Err(exit),
        };
        match cut {
            Err(exit) => End::Exited(exit),
            Ok(end) => {
                let mut ending = pin!(child.tree.end(GRACE));
                let is_read = tokio::select! {
                    _ = &mut reading => true,
                    () = &mut ending => false,
                };
                if is_read {
                    ending.await;
                } else {
                    let _ = timeout(LAST_WORDS, reading).await;
                }
                end
            }
        }
    };
    child.tree.remove();
    end
}

/// A stream of a command, until it has ended.
#[derive(Debug)]
struct Input {
    stream: Stream,
    receiver: Option<Receiver>,
    lines: Lines,
    buffer: Vec<u8>,
    /// How much is still to be read, once the command has exited.
    left: Option<u64>,
}

#[derive(Debug)]
struct Streams {
    output: Input,
    errors: Input,
}

impl Streams {
    fn of(child: &mut Child) -> Self {
        let input = |stream, receiver| Input {
            stream,
            receiver,
            lines: Lines::new(MAX_LINE_BYTES),
            buffer: vec![0; CHUNK_BYTES],
            left: None,
        };
        Self {
            output: input(Stream::Output, child.stdout.take()),
            errors: input(Stream::Errors, child.stderr.take()),
        }
    }
}

async fn read(child: &Child, mut streams: Streams, output: &mut impl Output) -> ExitStatus {
    let Streams { output: first, errors: second } = &mut streams;
    let mut exit = None;
    loop {
        let (input, read) = tokio::select! {
            Some(read) = first.read() => (&mut *first, read),
            Some(read) = second.read() => (&mut *second, read),
            ended = child.wait(), if exit.is_none() => {
                exit = Some(ended.status);
                // All that the command itself wrote is in the pipes by now.
                first.exited();
                second.exited();
                continue;
            }
            else => break,
        };
        input.take(read, output);
        output.flush().await;
    }
    output.flush().await;
    exit.unwrap_or(ExitStatus::Lost)
}

impl Input {
    /// Reads a piece into the buffer; `None` at once when there is nothing more to read.
    async fn read(&mut self) -> Option<io::Result<usize>> {
        let most = self.left.map_or(CHUNK_BYTES, |left| {
            usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES)
        });
        let receiver = self.receiver.as_ref()?;
        if most == 0 {
            return Some(Ok(0));
        }
        Some(receiver.read(&mut self.buffer[..most]).await)
    }

    fn take(&mut self, read: io::Result<usize>, output: &mut impl Output) {
        // A pipe that cannot be read is at its end.
        let read = read.unwrap_or(0);
        let stream = self.stream;
        self.lines.push(&self.buffer[..read], |line| output.line(stream, line));
        self.left = self.left.map(|left| left.saturating_sub(read as u64));
        if read == 0 || self.left == Some(0) {
            self.receiver = None;
            self.lines.finish(|line| output.line(stream, line));
        }
    }

    /// Limits what is still read to what the pipe holds.
    fn exited(&mut self) {
        let Some(receiver) = &self.receiver else { return };
        self.left = Some(receiver.available().unwrap_or(0));
    }
}
