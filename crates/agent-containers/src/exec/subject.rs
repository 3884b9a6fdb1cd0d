//! The container that a command is for, and whom and where it finds there.

use std::collections::HashMap;

use super::{
    ExecError,
    account::{Account, User},
    files::Files,
    metadata::{LABEL, Metadata},
    refusal::Step,
};
use crate::engine::{Engine, EngineError};

/// A running container, and a user of it.
#[derive(Debug)]
pub(super) struct Subject {
    /// Full id.
    pub(super) id: String,
    /// The first process in the engine's table; 0 when that is not told.
    pub(super) pid: u32,
    /// The container's own variables, `NAME=VALUE`.
    pub(super) variables: Vec<String>,
    pub(super) metadata: Metadata,
    /// As the engine takes it: `NAME` or `UID`, with `:GROUP` if wanted; absent: its default.
    pub(super) user: Option<String>,
    pub(super) account: Account,
    /// The account's home if it is there, else `/`.
    pub(super) directory: String,
}

impl Subject {
    /// Finds the container of an id, unique beginning of an id, or name, and in it a user: the one
    /// that is given, else that of the dev container, else the container's own.
    ///
    /// # Errors
    ///
    /// [`ExecError::NoContainer`], [`ExecError::NotRunning`], [`ExecError::NoUser`],
    /// [`ExecError::Engine`].
    pub(super) async fn find(
        engine: &Engine,
        container: &str,
        user: Option<&str>,
    ) -> Result<Self, ExecError> {
        let step = Step { container, step: "tell of the container" };
        let answer = engine.inspect(container).await.map_err(|error| step.failed(error))?;
        let state = answer.state.unwrap_or_default();
        if let Some(state) = stands_still(&state) {
            return Err(step.not_running(&state));
        }
        let id = answer.id.filter(|id| is_id(id)).ok_or_else(|| {
            step.failed(EngineError::BadAnswer { reason: "a container without an id".to_owned() })
        })?;
        let config = answer.config.unwrap_or_default();
        let label = config.labels.as_ref().and_then(|labels: &HashMap<_, _>| labels.get(LABEL));
        let metadata = label.map(|label| Metadata::parse(label)).unwrap_or_default();
        let user = user.filter(|user| !user.is_empty()).map(str::to_owned);
        let user = user.or_else(|| metadata.remote_user.clone()).or(config.user);
        let user = user.filter(|user| !user.is_empty());
        let docker = engine.docker().await.map_err(|error| step.failed(error))?;
        let files = Files { docker: &docker, container: &id, cache: engine.files() };
        let (account, directory) =
            find_account(engine, &files, container, user.as_deref().unwrap_or_default()).await?;
        Ok(Self {
            pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            variables: config.env.unwrap_or_default(),
            id,
            metadata,
            user,
            account,
            directory,
        })
    }
}

/// The user's account and the directory to begin in.
async fn find_account(
    engine: &Engine,
    files: &Files<'_>,
    container: &str,
    user: &str,
) -> Result<(Account, String), ExecError> {
    let step = Step { container, step: "show the users of the container" };
    let refused = |error| step.failed(engine.error(error));
    let parsed = User::parse(user);
    let no_user = || ExecError::NoUser { container: container.to_owned(), user: user.to_owned() };
    let passwd = files.read("/etc/passwd").await.map_err(refused)?;
    let account = parsed.account(passwd.as_deref()).ok_or_else(no_user)?;
    if parsed.names_group() {
        let groups = files.read("/etc/group").await.map_err(refused)?;
        if !parsed.has_group(groups.as_deref()) {
            return Err(no_user());
        }
    }
    let home = &account.home;
    let is_there = home.starts_with('/') && files.is_directory(home).await.map_err(refused)?;
    let directory = if is_there { home.clone() } else { "/".to_owned() };
    Ok((account, directory))
}

/// The engine's word for a state in which nothing can be started.
fn stands_still(state: &bollard::models::ContainerState) -> Option<String> {
    let is = |flag: Option<bool>| flag == Some(true);
    let word = state.status.as_ref().map(ToString::to_string).filter(|word| !word.is_empty());
    match () {
        () if is(state.paused) => Some("paused".to_owned()),
        () if is(state.restarting) => Some("restarting".to_owned()),
        () if is(state.running) => None,
        () => Some(word.unwrap_or_else(|| "exited".to_owned())),
    }
}

/// Whether a text is an id of the engine's, which becomes a part of paths.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
