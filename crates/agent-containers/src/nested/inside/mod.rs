//! The part of an agent inside that knows where it is: its folder, the helper that leads to it, and
//! the one that ends it. All of it blocks.

mod connect;
mod folder;
mod lock;

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use agent_api::AgentInfo;
use uuid::Uuid;

pub use connect::Carry;
use folder::Folder;

/// Where a running agent says in the folder who it is, and the most that is read of that.
const INFO: &str = "run/agentd.json";
const MAX_INFO_BYTES: u64 = 64 * 1024;
/// Name of the socket in the folder.
const SOCKET: &str = "agentd.sock";

/// The folder of a user's agent inside: its state directory, with its socket.
pub(super) fn folder(uid: u32) -> PathBuf {
    PathBuf::from(format!("/tmp/.agentd-{uid}"))
}

/// The socket in it.
pub(super) fn socket(uid: u32) -> PathBuf {
    folder(uid).join(SOCKET)
}

/// Prepares the state directory of an agent inside: makes it, and gets rid of an agent that nobody has
/// any more.
///
/// One with the same id was put there by the same agent outside, which has lost it, and is ended.
/// Any other is waited for, up to 5 s, in case it is about to end.
///
/// # Errors
///
/// The directory cannot be made, is a link, belongs to somebody else or is open to others; the agent
/// that is to end does not.
pub fn prepare(state_dir: &Path, id: Option<Uuid>) -> io::Result<()> {
    let folder = Folder::make(state_dir)?;
    match id.is_some() && running(&folder)? == id {
        true => lock::end(&folder),
        false => lock::wait(&folder),
    }
}

/// The id of the agent that has the folder, or had it last.
fn running(folder: &Folder) -> io::Result<Option<Uuid>> {
    let Some(file) = folder.file(INFO)? else { return Ok(None) };
    let mut text = Vec::new();
    file.take(MAX_INFO_BYTES).read_to_end(&mut text)?;
    let info: Option<AgentInfo> = serde_json::from_slice(&text).ok();
    Ok(info.and_then(|info| info.agent_id.parse().ok()))
}

/// Ends the agent in the folder of this user, and returns when it is gone; there need not be one.
///
/// # Errors
///
/// The folder is somebody else's; the agent does not end.
pub fn stop() -> io::Result<()> {
    match Folder::open(&own_folder()) {
        Ok(folder) => lock::end(&folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Carries one connection between two streams and the agent in the folder of this user, until both
/// directions have ended.
///
/// # Errors
///
/// The folder or the socket is somebody else's, nobody listens or answers, or either side breaks.
pub fn connect(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    carry: Carry,
) -> io::Result<()> {
    connect::connect(&Folder::open(&own_folder())?, input, output, carry)
}

fn own_folder() -> PathBuf {
    folder(rustix::process::geteuid().as_raw())
}
