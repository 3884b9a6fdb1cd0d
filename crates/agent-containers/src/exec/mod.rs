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
#[cfg(test)]
mod tests;

use agent_exec::Foreign;

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
