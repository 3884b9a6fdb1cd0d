//! What the service asks of the workspace around it; the answers are the server's.

use std::{ffi::OsString, fmt::Debug};

use agent_exec::Environment;

/// The workspace that containers belong to.
///
/// Every call may look at the disk and is made where that is allowed.
pub trait Workspace: Send + Sync + Debug {
    /// The environment of the `devcontainer` command: layers 1 and 3 to 8 of a session.
    fn cli_environment(&self) -> Environment;

    /// What every session is told of the agent: layer 4.
    fn agent_variables(&self) -> Vec<(OsString, OsString)>;
}
