//! Diagnostics for people who look after an agent: logs, configuration, mesh; metrics are a service
//! of their own.

pub(crate) mod http;
mod tail;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use agent_api::{Classify, ErrorCode, GetDebugLogsRequest};
use bytes::Bytes;
use futures_util::Stream;
use serde_json::Value;

use crate::{Config, logs::Logs};

/// Longest wait for lines that are still on their way to the log.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The diagnostics of one agent; cheap to clone.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    logs: Logs,
    log_dir: PathBuf,
    config: Value,
}

/// Why there is no diagnosis.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The active log cannot be opened.
    #[error("cannot open the log `{}`", path.display())]
    OpenLog {
        /// The log.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The agent has no mesh.
    #[error("this agent has no mesh")]
    NoMesh,
    /// A word is no state that something can be switched to.
    #[error("`{}` is neither on nor off, use `true` or `false`", state.escape_debug())]
    NoSwitchState {
        /// The word.
        state: String,
    },
    /// A task of ours ended early.
    #[error("reading the log was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Words for on and off that `set_mesh_debug_logging` takes.
const SWITCH_STATES: [&str; 12] =
    ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];

impl Diagnostics {
    /// Diagnoses an agent by its configuration and its log; reads nothing yet.
    pub fn new(config: &Config, logs: Logs) -> Self {
        let (log_dir, config) = (config.log_dir(), config.describe());
        Self { shared: Arc::new(Shared { logs, log_dir, config }) }
    }

    /// The end of the active log, at most 10 MiB from the start of a line; then, if asked for, the
    /// rotated logs, newest first, each after a line `== NAME MODIFIED ==`; at most 100 MiB in all.
    ///
    /// Memory stays flat however much is read. Links are never followed.
    ///
    /// # Errors
    ///
    /// [`Error::OpenLog`] when the active log cannot be opened; a rotated one is skipped then.
    pub async fn get_debug_logs(
        &self,
        req: GetDebugLogsRequest,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, Error> {
        let shared = Arc::clone(&self.shared);
        let collect = move || {
            shared.logs.flush(FLUSH_TIMEOUT);
            tail::collect(&shared.log_dir, req.after).map_err(|source| {
                let path = shared.log_dir.join(crate::logs::ACTIVE_NAME);
                Error::OpenLog { path, source }
            })
        };
        let parts = tokio::task::spawn_blocking(collect).await.map_err(Error::Interrupted)??;
        Ok(tail::stream(parts))
    }

    /// The configuration in effect, without secrets.
    pub fn get_debug_config(&self) -> Value {
        self.shared.config.clone()
    }

    /// The state of the mesh, for people.
    ///
    /// # Errors
    ///
    /// [`Error::NoMesh`], always: this agent has none.
    pub fn get_debug_mesh(&self) -> Result<String, Error> {
        Err(Error::NoMesh)
    }

    /// Switches verbose logging of the mesh.
    ///
    /// # Errors
    ///
    /// [`Error::NoSwitchState`] for a word that means neither on nor off, else [`Error::NoMesh`].
    pub fn set_mesh_debug_logging(&self, state: &str) -> Result<String, Error> {
        if !SWITCH_STATES.contains(&state) {
            return Err(Error::NoSwitchState { state: state.to_owned() });
        }
        Err(Error::NoMesh)
    }
}

impl Classify for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::OpenLog { .. } | Self::Interrupted(_) => ErrorCode::Internal,
            Self::NoMesh => ErrorCode::Unsupported,
            Self::NoSwitchState { .. } => ErrorCode::InvalidArgument,
        }
    }
}
