//! What a session asks the workspace; the server of the agent answers.

use std::{
    ffi::OsString,
    fmt::Debug,
    path::{Path, PathBuf},
};

use agent_exec::Environment;

/// What every session of a workspace starts with.
///
/// Every call may look at the disk and is made where that is allowed.
pub trait Workspace: Send + Sync + Debug {
    /// The environment of a session without what is the connection's own: layers 1 to 8 of the
    /// protocol.
    ///
    /// `client` are the variables of the client, layer 2, in the order of their arrival; of a name
    /// that occurs twice the last one counts.
    fn environment(&self, client: &[(OsString, OsString)]) -> Environment;

    /// Where a session starts: the configured directory, the home directory or the root, the first
    /// of them that exists now.
    fn working_directory(&self) -> PathBuf;

    /// The login shell, an absolute path.
    fn shell(&self) -> &Path;

    /// The home directory of the account; it may be missing.
    fn home(&self) -> &Path;

    /// Login name of the account that everything runs as.
    fn account(&self) -> &str;
}
