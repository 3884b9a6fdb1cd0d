//! Logs of bringing dev containers up, on disk.

use std::{io, path::PathBuf};

use agent_api::{DevContainerLogEntry, DevContainerLogLevel};
use uuid::Uuid;

/// The logs of all dev containers; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    directory: PathBuf,
}

impl Logs {
    /// Keeps them in this directory, which is created when something is written.
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Begins the log of another run, which is from now on the one that is read.
    ///
    /// Looks at no disk; begin before anybody is told that the run was started.
    pub(crate) fn begin(&self, id: Uuid) -> LogWriter {
        let _ = (id, &self.directory);
        todo!()
    }

    /// Reads the log of the latest run: as far as it is now, or with `follow` until that run ends.
    pub(crate) fn read(&self, id: Uuid, follow: bool) -> LogReader {
        let _ = (id, follow);
        todo!()
    }

    /// Removes every log of a dev container.
    pub(crate) async fn forget(&self, id: Uuid) {
        let _ = id;
        todo!()
    }
}

/// Writes the log of one run, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct LogWriter;

impl LogWriter {
    /// Adds an entry, which readers see after the next [`LogWriter::flush`].
    pub(crate) fn write(&mut self, level: DevContainerLogLevel, text: &str) {
        let _ = (level, text);
        todo!()
    }

    /// Puts what was added on the disk; what the disk refuses is counted and told later.
    pub(crate) async fn flush(&mut self) {
        todo!()
    }
}

/// Reads the log of one run.
#[derive(Debug)]
pub(crate) struct LogReader;

impl LogReader {
    /// The next entry; `None` at the end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Result<DevContainerLogEntry, io::Error>> {
        todo!()
    }
}
