//! `dev_container_logs`: what bringing a dev container up printed.

use std::io;

use agent_api::{DevContainerLogEntry, DevContainerLogsRequest};
use tokio_util::sync::CancellationToken;

use super::Containers;
use crate::{Error, logs::LogReader};

/// The log of bringing a dev container up, entry after entry.
#[derive(Debug)]
pub struct LogStream {
    reader: LogReader,
    stop: CancellationToken,
}

impl Containers {
    /// Reads the log of bringing a dev container up the last time: as far as it is now, or with
    /// `follow` until that has ended. It is empty when there was none.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::check_enabled`], [`Error::InvalidId`], [`Error::ShuttingDown`],
    /// [`Error::NoDevContainer`].
    pub fn dev_container_logs(
        &self,
        id: &str,
        req: DevContainerLogsRequest,
    ) -> Result<LogStream, Error> {
        let id = self.check(id)?;
        let id = self.shared.registry.lock().find(id)?.id;
        let reader = self.shared.logs.read(id, req.follow);
        Ok(LogStream { reader, stop: self.shared.stop.clone() })
    }
}

impl LogStream {
    /// The next entry; `None` when there is none any more, or the service ends.
    ///
    /// # Errors
    ///
    /// The log cannot be read; nothing comes after that.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Result<DevContainerLogEntry, io::Error>> {
        tokio::select! {
            () = self.stop.cancelled() => None,
            entry = self.reader.next() => entry,
        }
    }
}
