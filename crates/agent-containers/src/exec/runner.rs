//! Who commands of a container run as, for a program of ours that is no command of anybody: the agent
//! inside.

use std::ffi::OsString;

use super::{ExecError, environment::Variables, subject::Subject};
use crate::engine::Engine;

/// The user that commands in a container run as when nobody names one.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    /// As the engine takes it; `None` is its default.
    pub(crate) user: Option<String>,
    /// The user's number, when that can be told.
    pub(crate) uid: Option<u32>,
    /// The variables of a session of that user, `NAME=VALUE`, without those of the container.
    pub(crate) variables: Vec<String>,
}

/// Finds the user of a container that runs.
///
/// # Errors
///
/// [`ExecError::NoContainer`], [`ExecError::NotRunning`], [`ExecError::NoUser`],
/// [`ExecError::Engine`].
pub(crate) async fn runner(engine: &Engine, container: &str) -> Result<Runner, ExecError> {
    let Subject { variables, metadata, user, account, .. } =
        Subject::find(engine, container, None).await?;
    let mut own = Variables::default();
    for (name, value) in metadata.variables(&variables) {
        own.set(name, value.map(OsString::from));
    }
    own.log_in(&account);
    // What is not UTF-8 the engine does not take; a label and a user database have nothing else.
    let (variables, _) = own.split();
    Ok(Runner { user, uid: account.uid, variables })
}
