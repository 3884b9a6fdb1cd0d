//! The part of an agent inside that knows where it is: its folder, the helper that leads to it, and
//! the one that ends it. All of it blocks.

mod connect;
mod folder;
mod lock;

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

pub use connect::Carry;

use folder::Folder;

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

/// Prepares the state directory of an agent inside: makes it, and waits up to 5 s for an agent that
/// has it and is about to end.
///
/// # Errors
///
/// The directory cannot be made, is a link, belongs to somebody else or is open to others.
pub fn prepare(state_dir: &Path) -> io::Result<()> {
    lock::wait(&Folder::make(state_dir)?)
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
