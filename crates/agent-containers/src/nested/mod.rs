//! The agent inside: put into a running container, started there, reached, stopped. When that is to
//! happen is the service's business.
//!
//! It runs as the user of commands in the container, as one command of the engine, whose input this
//! agent holds open: when that ends, for whatever reason, the agent inside is told `SIGTERM`. A
//! connection to it is another such command, the helper of [`inside`].

mod archive;
mod error;
mod frames;
pub mod inside;
mod session;
mod stream;

use std::{path::PathBuf, sync::Arc, time::Duration};

use agent_api::{DevContainerAgent, Timestamp};
use bollard::{
    container::PathStatResponse,
    models::ContainerInspectResponse,
    query_parameters::{ContainerArchiveInfoOptionsBuilder, UploadToContainerOptionsBuilder},
};
use parking_lot::Mutex;
use tokio::{io::AsyncWriteExt as _, time::timeout};
use uuid::Uuid;

pub(crate) use error::NestedError;
pub use stream::NestedStream;

use self::{
    archive::Executable,
    session::{Input, Place, Printed, Session},
};
use crate::{Workspace, engine::Engine, exec};

/// Where commands of the agent inside start when the configuration does not say.
const DIRECTORY: &str = "/workspaces";
/// Longest wait until an agent listens: as much as a machine under load may need.
const START: Duration = Duration::from_secs(30);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an agent gets to end before it is told again; shorter than what capabilities get to stop.
const STOP: Duration = Duration::from_secs(8);
/// Longest wait for the helper that ends an agent, which takes up to 7 s: it runs where somebody else
/// may have put another program in its place, or stopped it.
const HELPER: Duration = Duration::from_secs(10);
/// Longest wait until the engine takes the end of its input.
const SAY: Duration = Duration::from_secs(1);
/// Words of the agent's variables, by what sessions are told.
const VARIABLES: [(&str, &str); 3] = [
    ("WORKSPACE_NAME", "AGENTD_WORKSPACE_NAME"),
    ("WORKSPACE_ID", "AGENTD_WORKSPACE_ID"),
    ("WORKSPACE_OWNER_NAME", "AGENTD_OWNER_NAME"),
];

/// What an agent in a container is made of.
#[derive(Clone, Debug)]
pub(crate) struct Injection {
    /// Id of the agent outside, the namespace of the id of the one inside.
    pub(crate) agent_id: Uuid,
    /// The executable to copy; `None` is the running one, even when its file was replaced.
    pub(crate) executable: Option<PathBuf>,
    /// Full id of the container.
    pub(crate) container_id: String,
    /// Name of the dev container, and of the agent.
    pub(crate) name: String,
    /// `workspaceFolder` of the merged configuration.
    pub(crate) directory: Option<String>,
}

/// A running agent in a container; cheap to clone. Dropping the last clone ends the agent.
#[derive(Clone)]
pub(crate) struct NestedAgent {
    inner: Arc<Inner>,
}

struct Inner {
    agent: DevContainerAgent,
    place: Place,
    /// What keeps it running; `None` when it was told to end.
    input: Mutex<Option<Input>>,
    /// Held by whoever waits for its end, across that wait; `None` behind it.
    printed: tokio::sync::Mutex<Option<Printed>>,
}

/// Copies the agent into a container, starts it, and returns when it listens.
///
/// # Errors
///
/// [`NestedError`]'s variants but the last two.
///
/// # Cancellation
///
/// What was started ends.
pub(crate) async fn inject(
    engine: &Engine,
    workspace: &dyn Workspace,
    injection: Injection,
) -> Result<NestedAgent, NestedError> {
    // On the heap, because its steps are calls of a client with large futures.
    Box::pin(inject_by_steps(engine, workspace, injection)).await
}

async fn inject_by_steps(
    engine: &Engine,
    workspace: &dyn Workspace,
    injection: Injection,
) -> Result<NestedAgent, NestedError> {
    let id = &injection.container_id;
    let container = engine.inspect(id).await.map_err(NestedError::engine("look at it"))?;
    check_architecture(engine, &container).await?;
    let runner = exec::runner(engine, id).await.map_err(NestedError::User)?;
    let no_uid = || NestedError::NoUid { user: runner.user.clone().unwrap_or_default() };
    let uid = runner.uid.ok_or_else(no_uid)?;
    upload(engine, &injection).await?;
    let place = Place { engine: engine.clone(), container_id: id.clone(), user: runner.user };
    let agent = DevContainerAgent {
        id: Uuid::new_v5(&injection.agent_id, id.as_bytes()),
        name: injection.name,
        directory: injection.directory.unwrap_or_else(|| DIRECTORY.to_owned()),
    };
    let mut variables = variables(&agent, workspace);
    variables.extend(runner.variables);
    let (folder, socket) = (inside::folder(uid), inside::socket(uid));
    let arguments = [
        "--nested",
        "--listen-unix",
        &socket.to_string_lossy(),
        "--state-dir",
        &folder.to_string_lossy(),
    ];
    let session = place.start(&arguments, variables).await;
    let mut session = session.map_err(NestedError::engine("start the agent"))?;
    listens(&place, &mut session).await?;
    let Session { input, output, .. } = session;
    let inner = Inner { agent, place, input: Some(input).into(), printed: Some(output).into() };
    Ok(NestedAgent { inner: Arc::new(inner) })
}

/// Refuses a container whose programs are not of the kind that this one is.
async fn check_architecture(
    engine: &Engine,
    container: &ContainerInspectResponse,
) -> Result<(), NestedError> {
    let Some(image) = &container.image else { return Ok(()) };
    let docker = engine.docker().await.map_err(NestedError::engine("look at its image"))?;
    // An image that was removed meanwhile says nothing, and then the start tells.
    let Ok(image) = docker.inspect_image(image).await else { return Ok(()) };
    let (Some(os), Some(architecture)) = (image.os, image.architecture) else { return Ok(()) };
    let container = format!("{os}/{architecture}");
    let host = format!("{}/{}", std::env::consts::OS, own_architecture());
    let is_unknown = architecture.is_empty() || os.is_empty();
    if is_unknown || container == host {
        return Ok(());
    }
    Err(NestedError::Architecture { container, host })
}

/// The architecture that this program was built for, in the words of images (GOARCH).
fn own_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        other => other,
    }
}

/// Copies the executable into a container, unless the very same is there already, as after an attempt
/// that failed later.
async fn upload(engine: &Engine, injection: &Injection) -> Result<(), NestedError> {
    let step = || NestedError::engine("copy the agent into it");
    let executable = Executable::open(injection.executable.as_deref()).await;
    let executable =
        executable.map_err(|(path, source)| NestedError::Executable { path, source })?;
    let docker = engine.docker().await.map_err(step())?;
    let id = &injection.container_id;
    let options = ContainerArchiveInfoOptionsBuilder::default().path(archive::EXECUTABLE).build();
    let there = docker.get_container_archive_info(id, Some(options)).await;
    if there.is_ok_and(|there| is_same(&there, &executable)) {
        return Ok(());
    }
    let options = UploadToContainerOptionsBuilder::default().path("/").build();
    let body = bollard::body_try_stream(executable.archive());
    let sent = docker.upload_to_container(id, Some(options), body).await;
    sent.map_err(|error| step()(engine.error(error)))
}

/// Whether a file in a container is this executable: another build has another size or time.
fn is_same(there: &PathStatResponse, executable: &Executable) -> bool {
    let modified = there.modification_time.as_deref().and_then(|time| time.parse().ok());
    let seconds = modified.map(|time: Timestamp| time.as_unix_ms().div_euclid(1000));
    there.file_mode == archive::MODE
        && u64::try_from(there.size) == Ok(executable.size)
        && seconds.and_then(|seconds| u64::try_from(seconds).ok()) == Some(executable.modified)
}

/// What the agent inside is told by its environment.
fn variables(agent: &DevContainerAgent, workspace: &dyn Workspace) -> Vec<String> {
    let mut variables = vec![
        format!("AGENTD_AGENT_ID={}", agent.id),
        format!("AGENTD_AGENT_NAME={}", agent.name),
        format!("AGENTD_DIRECTORY={}", agent.directory),
        "AGENTD_STOP_AT_EOF=true".to_owned(),
        // Whatever the image configures, nothing of it opens a port.
        "AGENTD_LISTEN=".to_owned(),
        "AGENTD_SSH=".to_owned(),
    ];
    for (name, value) in workspace.agent_variables() {
        let known = VARIABLES.iter().find(|(told, _)| name == *told);
        if let (Some((_, variable)), Some(value)) = (known, value.to_str()) {
            variables.push(format!("{variable}={value}"));
        }
    }
    variables
}

/// Waits for the line of JSON that an agent prints when it listens.
async fn listens(place: &Place, session: &mut Session) -> Result<(), NestedError> {
    let Session { output, id, .. } = session;
    let line = async {
        let mut is_first = true;
        while let Some(bytes) = output.next().await {
            // What an engine prints there instead is why nothing was started.
            if is_first && !bytes.starts_with(b"{") {
                output.complain(&bytes);
                continue;
            }
            is_first = false;
            if bytes.contains(&b'\n') {
                return true;
            }
        }
        false
    };
    let why = match timeout(START, line).await {
        Ok(true) => return Ok(()),
        Ok(false) => {
            let code = place.exit_code(id).await.unwrap_or_default();
            output.complaint(code)
        }
        Err(_) => NestedError::after(START),
    };
    Err(NestedError::Start { why })
}

impl NestedAgent {
    /// What the list tells of it.
    pub(crate) fn agent(&self) -> &DevContainerAgent {
        &self.inner.agent
    }

    /// The container that it runs in.
    pub(crate) fn container_id(&self) -> &str {
        &self.inner.place.container_id
    }

    /// Whether both are the same agent, not only one in the same container.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Waits until it has ended, by itself or with its container.
    ///
    /// What it logs is read by whoever waits here.
    pub(crate) async fn ended(&self) {
        let mut printed = self.inner.printed.lock().await;
        if let Some(output) = &mut *printed {
            while output.next().await.is_some() {}
        }
        *printed = None;
    }

    /// Lets it be told `SIGTERM`, and returns when it has ended; one that does not listen is killed.
    ///
    /// # Errors
    ///
    /// [`NestedError::Stop`] and [`NestedError::Engine`], when it may run still.
    pub(crate) async fn stop(&self) -> Result<(), NestedError> {
        self.stop_within(STOP, HELPER).await
    }

    async fn stop_within(&self, stop: Duration, helper: Duration) -> Result<(), NestedError> {
        // The end of its input is what it is told by. The output holds the connection open, so it is
        // said, not only dropped.
        let input = self.inner.input.lock().take();
        if let Some(mut input) = input {
            let _ = timeout(SAY, input.shutdown()).await;
        }
        if timeout(stop, self.ended()).await.is_ok() {
            return Ok(());
        }
        let result = match timeout(helper, self.inner.place.run(&["--nested-stop"])).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(why))) => NestedError::Stop { why },
            Ok(Err(source)) => NestedError::Engine { step: "stop the agent in it", source },
            Err(_) => NestedError::Stop { why: NestedError::after(helper) },
        };
        if self.is_container_running().await { Err(result) } else { Ok(()) }
    }

    async fn is_container_running(&self) -> bool {
        let container = self.inner.place.engine.inspect(self.container_id()).await;
        let state = container.ok().and_then(|container| container.state);
        state.and_then(|state| state.running).unwrap_or(false)
    }

    /// Opens a connection to it, within five seconds.
    ///
    /// # Errors
    ///
    /// [`NestedError::Silent`] and [`NestedError::Engine`].
    pub(crate) async fn connect(&self) -> Result<NestedStream, NestedError> {
        let place = &self.inner.place;
        let open = async {
            let session = place.start(&["--nested-connect=frames"], Vec::new()).await;
            let session = session.map_err(NestedError::engine("reach the agent in it"))?;
            match NestedStream::open(session).await {
                Ok(stream) => Ok(stream),
                Err(session) => {
                    let code = place.exit_code(&session.id).await.unwrap_or_default();
                    Err(NestedError::Silent { why: session.output.complaint(code) })
                }
            }
        };
        let silent = |_| Err(NestedError::Silent { why: NestedError::after(CONNECT) });
        timeout(CONNECT, open).await.unwrap_or_else(silent)
    }
}

impl std::fmt::Debug for NestedAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NestedAgent")
            .field("container_id", &self.inner.place.container_id)
            .field("agent", &self.inner.agent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
