//! Unix listeners for the account alone, and the removal of their files.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, fchmod},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
};

/// Longest path of a Unix socket in bytes, without its NUL.
pub(crate) const MAX_PATH_BYTES: usize = 107;

const BACKLOG: i32 = 128;

/// The file of a Unix listener; dropped, it is removed, unless another has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode));
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            let error = agent_api::io_text(&error);
            tracing::warn!(path = %self.path.display(), error, "cannot remove a socket");
        }
    }
}

/// Listens on a path where nothing is; the file has mode 0600 from its first moment.
pub(crate) fn listen_private(
    path: &Path,
) -> io::Result<(std::os::unix::net::UnixListener, SocketFile)> {
    let address = SocketAddrUnix::new(path.as_os_str().as_bytes())?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Linux gives the file of a socket the mode of the socket.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &address)?;
    let made = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.into(), device: made.dev(), inode: made.ino() };
    listen(&socket, BACKLOG)?;
    Ok((socket.into(), file))
}
