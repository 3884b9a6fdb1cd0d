//! Agent forwarding: a socket in the workspace behind which the client's agent answers.

use std::{
    ffi::OsStr,
    fs, io,
    ops::ControlFlow,
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_ssh_protocol::Connection;
use parking_lot::Mutex;
use tokio::{net::UnixListener, sync::Semaphore, task::spawn_blocking};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use uuid::Uuid;

use crate::forward::{MAX_PATH_BYTES, Relay, SocketFile, accept_all, listen_private};

/// Programs that talk to one agent at a time; further ones wait.
const MAX_CLIENTS: usize = 64;
/// Name of a socket in its directory.
const SOCKET: &str = "agent";

/// What a session lends to its agent's socket.
#[derive(Debug)]
pub(crate) struct AgentContext {
    pub(crate) connection: Connection,
    pub(crate) state_dir: PathBuf,
    pub(crate) links: Links,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// The socket of a session; dropped, it and its directory are removed.
#[derive(Debug)]
pub(crate) struct AgentForward {
    /// Value of `SSH_AUTH_SOCK`.
    pub(crate) path: PathBuf,
    // In the order in which they go.
    _link: Linked,
    _listening: DropGuard,
    _file: SocketFile,
    _directory: Directory,
}

/// The agent sockets that are alive, the newest last, for the one link that follows them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links(Arc<Mutex<Vec<PathBuf>>>);

/// Makes a session's socket and points the link at it.
///
/// # Errors
///
/// When the directory or the socket can not be made. The link is a convenience: that it can not
/// be made is only logged.
pub(crate) async fn start(context: &AgentContext) -> io::Result<AgentForward> {
    let state_dir = context.state_dir.clone();
    let make = move || {
        let directory = Directory::create(&state_dir)?;
        let (listener, file) = listen_private(&directory.0.join(SOCKET))?;
        Ok::<_, io::Error>((directory, listener, file))
    };
    let (directory, listener, file) = spawn_blocking(make).await.map_err(io::Error::other)??;
    let path = directory.0.join(SOCKET);
    let listening = serve(context, UnixListener::from_std(listener)?);
    let link = Linked::new(&context.links, &context.state_dir, &path);
    let (_link, _listening, _file, _directory) = (link, listening, file, directory);
    Ok(AgentForward { path, _link, _listening, _file, _directory })
}

fn serve(context: &AgentContext, listener: UnixListener) -> DropGuard {
    let stop = context.stop.child_token();
    let relay = Relay {
        connection: context.connection.clone(),
        kind: "auth-agent@openssh.com",
        slots: Arc::new(Semaphore::new(MAX_CLIENTS)),
        tasks: context.tasks.clone(),
        own: TaskTracker::new(),
        ended: context.stop.clone(),
    };
    let accepting = accept_all(listener, relay, |_| ControlFlow::Continue(Vec::new()));
    let until = stop.clone();
    context.tasks.spawn(async move {
        until.run_until_cancelled(accepting).await;
    });
    stop.drop_guard()
}

/// A directory of one socket.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    /// Under the state directory, or under `/tmp` when the path of the socket would be too long.
    fn create(state_dir: &Path) -> io::Result<Self> {
        let id = Uuid::new_v4().simple().to_string();
        let parent = state_dir.join("run").join("ssh-agent");
        let own = parent.join(&id[..16]);
        let mut private = fs::DirBuilder::new();
        private.mode(0o700);
        let own = if own.as_os_str().len() + 1 + SOCKET.len() <= MAX_PATH_BYTES {
            private.recursive(true).create(&parent)?;
            private.recursive(false);
            own
        } else {
            // Not created if it exists, so nobody can have prepared it.
            Path::new("/tmp").join(format!("agentd-{id}"))
        };
        private.create(&own)?;
        Ok(Self(own))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// The place of one socket among those that the link may point at.
#[derive(Debug)]
struct Linked {
    links: Links,
    link: PathBuf,
    socket: PathBuf,
}

impl Linked {
    fn new(links: &Links, state_dir: &Path, socket: &Path) -> Self {
        let link = state_dir.join("run").join("ssh-agent.sock");
        // Locked while the link is made, so that the last change of the list is that of the link.
        let mut alive = links.0.lock();
        alive.push(socket.into());
        point(&link, Some(socket));
        drop(alive);
        Self { links: links.clone(), link, socket: socket.into() }
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        let mut alive = self.links.0.lock();
        let was_newest = alive.last() == Some(&self.socket);
        alive.retain(|socket| *socket != self.socket);
        if was_newest {
            point(&self.link, alive.last().map(PathBuf::as_path));
        }
    }
}

/// Makes the link point at a socket in one step, or removes it.
fn point(link: &Path, socket: Option<&Path>) {
    let done = match socket {
        Some(socket) => replace(link, socket),
        None => fs::remove_file(link),
    };
    if let Err(error) = done {
        let error = agent_api::io_text(&error);
        tracing::warn!(path = %link.display(), error, "cannot change the link to the SSH agent");
    }
}

fn replace(link: &Path, socket: &Path) -> io::Result<()> {
    let parent = link.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let name = link.file_name().unwrap_or(OsStr::new("link")).to_string_lossy();
    let temporary = parent.join(format!(".{name}.{}", Uuid::new_v4().simple()));
    symlink(socket, &temporary)?;
    fs::rename(&temporary, link).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests;
