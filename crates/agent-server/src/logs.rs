//! The agent's log: events become lines, lines go to `agentd.log` and to stderr by threads of their
//! own, so that a full disk or a stalled terminal costs lines and nothing else.
//!
//! ```text
//!  tracing ──▶ LogLayer ──▶ queue ──▶ thread ──▶ agentd.log   (rolls over)
//!                      └──▶ queue ──▶ thread ──▶ stderr       (when asked for)
//! ```

mod file;
mod filter;
mod layer;
mod line;
mod writer;

use std::{
    io,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

pub use filter::LogFilter;
pub use layer::LogLayer;

pub(crate) use file::{ACTIVE_NAME, is_rotated_name};
use file::{LogFile, Loss};
use writer::Writer;

/// How lines look on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StderrFormat {
    /// Text for people.
    Text,
    /// The lines of the file.
    Json,
}

/// The log of one agent; the clones are one log.
///
/// Up to 1000 lines wait until [`Logs::open`] says where the file is, and up to 4 MiB of lines for
/// a slow disk; more are lost and counted. The threads end when the last clone and the last layer
/// are dropped.
#[derive(Clone, Debug)]
pub struct Logs {
    file: Writer<LogFile>,
    stderr: Option<(StderrFormat, Writer<io::Stderr>)>,
    loss: Arc<Loss>,
}

impl Logs {
    /// Starts the threads that write; `stderr` is the form of lines there, none for no lines.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started.
    pub fn start(stderr: Option<StderrFormat>) -> io::Result<Self> {
        let loss = Arc::new(Loss::default());
        let file = Writer::start("agentd-log", LogFile::new(Arc::clone(&loss)))?;
        let stderr = match stderr {
            Some(format) => Some((format, Writer::start("agentd-stderr", io::stderr())?)),
            None => None,
        };
        Ok(Self { file, stderr, loss })
    }

    /// The layer that turns the events of a filter into lines of this log.
    pub fn layer(&self, filter: LogFilter) -> LogLayer {
        LogLayer::new(self.clone(), filter)
    }

    /// Opens `agentd.log` in a directory, which is made when it is missing; earlier lines follow.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened. It is tried again from time to time; the lines in between
    /// are lost and counted.
    pub fn open(&self, dir: &Path) -> io::Result<()> {
        let opened = file::open(dir);
        let result = opened.as_ref().map(drop).map_err(|error| {
            let kind = error.kind();
            error.raw_os_error().map_or_else(|| kind.into(), io::Error::from_raw_os_error)
        });
        let dir = dir.to_owned();
        self.file.run(move |file| file.attach(dir, opened.ok()));
        result
    }

    /// Closes `agentd.log` and opens the file that has its name now.
    pub fn reopen(&self) {
        self.file.run(LogFile::reopen);
    }

    /// Waits until everything logged so far is written; `false` after `timeout`.
    ///
    /// Blocks the thread.
    pub fn flush(&self, timeout: Duration) -> bool {
        let stderr = self.stderr.as_ref().is_none_or(|(_, writer)| writer.flush(timeout));
        self.file.flush(timeout) && stderr
    }

    /// Lines that the file lacks, since the start.
    pub fn lines_lost(&self) -> u64 {
        self.loss.total.load(Ordering::Relaxed)
    }

    fn write(&self, record: &line::Record<'_>) {
        let json: Arc<str> = record.to_json().into();
        if !self.file.push(Arc::clone(&json)) {
            self.loss.count();
        }
        match &self.stderr {
            Some((StderrFormat::Json, writer)) => writer.push(json),
            Some((StderrFormat::Text, writer)) => writer.push(record.to_text().into()),
            None => true,
        };
    }
}
