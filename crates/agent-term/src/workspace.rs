//! What the service asks of the workspace around it; the answers are the server's.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

use agent_exec::Environment;

/// The workspace that programs run in.
///
/// Asked at each start of a program, from a thread that may block.
pub trait Workspace: Send + Sync + Debug {
    /// The variables of a session, without those of a terminal.
    fn environment(&self) -> Environment;

    /// Where programs start.
    fn working_directory(&self) -> PathBuf;

    /// The login shell.
    fn shell(&self) -> &Path;
}
