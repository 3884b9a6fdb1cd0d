//! Commands in containers, through the engine alone: for whom, where and with which variables they
//! run, how their bytes go in and out, how they end.
//!
//! The engine is asked for the container, its user database and the home, then to create and to
//! start the command, then for its code; whatever it answers is checked before it is used.

mod account;
mod arguments;
mod environment;
mod files;
mod frames;
mod handle;
mod helper;
mod host;
mod input;
mod metadata;
#[cfg(test)]
mod needs_docker;
mod output;
mod refusal;
mod request;
mod runner;
mod size;
mod start;
mod subject;
mod tar;

use agent_exec::Foreign;
use bollard::models::ContainerInspectResponse;

pub(crate) use files::FileCache;
pub use request::{ExecCommand, ExecError, ExecRequest, ExecTerminal};
pub(crate) use runner::runner;
use start::Start;
use subject::Subject;

use crate::{Workspace, engine::Engine};

/// Starts a command in a container.
///
/// # Errors
///
/// All of [`ExecError`] but [`ExecError::Disabled`]. That a program is missing or cannot be executed
/// is no error: the engine says so in the command's output, and its code is 127 or 126.
///
/// # Cancellation
///
/// While the engine is told to start the command it may do so, and nobody listens.
pub(crate) async fn exec(
    engine: &Engine,
    workspace: &dyn Workspace,
    req: ExecRequest,
) -> Result<Foreign, ExecError> {
    let subject = Subject::find(engine, &req.container, req.user.as_deref()).await?;
    Start { engine, subject: &subject, agent: workspace.agent_variables() }.run(req).await
}

/// Who commands in a container run as if nobody is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inmate {
    /// As the engine takes it; empty: the engine's default.
    pub(crate) user: String,
    /// `None` for a name in a container without a user database.
    pub(crate) uid: Option<u32>,
    /// As it is written in the user database; may be missing.
    pub(crate) home: String,
}

/// Finds the user of a container that the engine told of: that of the dev container, else its own.
///
/// # Errors
///
/// [`ExecError::NotRunning`], [`ExecError::NoUser`], [`ExecError::Engine`].
pub(crate) async fn account(
    engine: &Engine,
    container: &ContainerInspectResponse,
) -> Result<Inmate, ExecError> {
    let name = container.id.clone().unwrap_or_default();
    let Subject { user, account, .. } = Subject::of(engine, &name, container.clone(), None).await?;
    Ok(Inmate { user: user.unwrap_or_default(), uid: account.uid, home: account.home })
}
