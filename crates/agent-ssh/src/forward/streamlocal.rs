//! Unix listeners that clients ask for.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, FileTypeExt as _},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{net::UnixListener, task::spawn_blocking};

use super::socket_file::{MAX_PATH_BYTES, SocketFile, listen_private};

/// The paths on which any connection of the server listens.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamlocalRegistry(Arc<Mutex<HashSet<PathBuf>>>);

/// A listener with all that goes when it goes: the file first, then the claim on its path.
#[derive(Debug)]
pub(super) struct Streamlocal {
    pub(super) listener: UnixListener,
    pub(super) hold: Hold,
}

#[derive(Debug)]
pub(super) struct Hold {
    _file: SocketFile,
    _claim: Claim,
}

#[derive(Debug)]
struct Claim {
    registry: StreamlocalRegistry,
    path: PathBuf,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.registry.0.lock().remove(&self.path);
    }
}

impl StreamlocalRegistry {
    fn claim(&self, path: &Path) -> io::Result<Claim> {
        if !self.0.lock().insert(path.into()) {
            let text = "path held by another SSH connection";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        Ok(Claim { registry: self.clone(), path: path.into() })
    }

    /// Listens on a path, whose missing parents are created for the account alone.
    ///
    /// # Errors
    ///
    /// When the path is relative, too long, claimed by another connection, or when there is
    /// anything but a socket without a listener.
    pub(super) async fn listen(&self, path: PathBuf) -> io::Result<Streamlocal> {
        if !path.is_absolute() || path.as_os_str().len() > MAX_PATH_BYTES {
            let text = "path that is relative or over 107 bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        if path.as_os_str().as_bytes().contains(&0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "path with a NUL byte"));
        }
        let claim = self.claim(&path)?;
        // The claim goes along, so that it outlives the file even when nobody waits any more.
        let listen = spawn_blocking(move || {
            make_way(&path)?;
            let (listener, file) = listen_private(&path)?;
            Ok::<_, io::Error>((listener, Hold { _file: file, _claim: claim }))
        });
        let (listener, hold) = listen.await.map_err(io::Error::other)??;
        Ok(Streamlocal { listener: UnixListener::from_std(listener)?, hold })
    }
}

/// Creates missing parents and removes a socket on which nobody listens.
fn make_way(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let in_use = io::Error::from(io::ErrorKind::AddrInUse);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(there) if !there.file_type().is_socket() => Err(in_use),
        Ok(_) => match probe(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            _ => Err(in_use),
        },
    }
}

/// Connects without waiting: a listener whose backlog is full is alive as well.
fn probe(path: &Path) -> io::Result<()> {
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(connect(&socket, &SocketAddrUnix::new(path.as_os_str().as_bytes())?)?)
}
