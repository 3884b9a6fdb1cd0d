//! Binding the listeners: all of them or none, Unix sockets private from their first moment; what
//! is served on them is not known here.

use std::{
    fs,
    io::{self, ErrorKind},
    net::SocketAddr,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
        net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream},
    },
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::{Config, StartError};

/// Connections that wait to be accepted; the kernel's own limit may be lower (listen(2)).
const BACKLOG: u32 = 1024;
/// Longest path of a Unix socket in bytes, which needs a byte for its end (unix(7)).
const MAX_SOCKET_PATH: usize = 107;
/// Name of the socket when none is configured.
const SOCKET_NAME: &str = "agentd.sock";

/// Every listener of an agent.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) tcp: Vec<TcpListener>,
    pub(crate) unix: Vec<(UnixListener, SocketFile)>,
    pub(crate) ssh: Vec<TcpListener>,
    pub(crate) ssh_unix: Vec<(UnixListener, SocketFile)>,
}

/// The file of a Unix socket; dropping removes it if it is still the same.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Listeners {
    /// Binds what is configured, or the defaults when nothing is; on failure none stays.
    pub(crate) fn bind(config: &Config, run_dir: &Path) -> Result<Self, StartError> {
        let (tcp, unix) = if config.listen.is_empty() && config.listen_unix.is_empty() {
            let path = default_socket(run_dir, config.runtime_dir.as_deref());
            (vec![bind_default()?], vec![bind_unix(&path)?])
        } else {
            (bind_all(&config.listen)?, bind_all_unix(&config.listen_unix)?)
        };
        let (ssh, ssh_unix) = (bind_all(&config.ssh_listen)?, bind_all_unix(&config.ssh_unix)?);
        Ok(Self { tcp, unix, ssh, ssh_unix })
    }
}

/// Binds the usual address, or a free port when that is taken.
fn bind_default() -> Result<TcpListener, StartError> {
    let address = Config::DEFAULT_ADDRESS;
    let tcp = bind_tcp(address).or_else(|error| {
        let free = SocketAddr::new(address.ip(), 0);
        if error.kind() == ErrorKind::AddrInUse { bind_tcp(free) } else { Err(error) }
    });
    tcp.map_err(|source| StartError::Listen { address, source })
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let bind = |address: &SocketAddr| {
        bind_tcp(*address).map_err(|source| StartError::Listen { address: *address, source })
    };
    addresses.iter().map(bind).collect()
}

fn bind_all_unix(paths: &[PathBuf]) -> Result<Vec<(UnixListener, SocketFile)>, StartError> {
    paths.iter().map(|path| bind_unix(path)).collect()
}

fn default_socket(run_dir: &Path, runtime_dir: Option<&Path>) -> PathBuf {
    let usual = run_dir.join(SOCKET_NAME);
    match runtime_dir {
        Some(dir) if is_too_long(&usual) => dir.join(SOCKET_NAME),
        _ => usual,
    }
}

fn is_too_long(path: &Path) -> bool {
    path.as_os_str().as_bytes().len() > MAX_SOCKET_PATH
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Lets an agent take the port again while connections of its predecessor fade away.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn bind_unix(path: &Path) -> Result<(UnixListener, SocketFile), StartError> {
    let fail = |source| StartError::ListenUnix { path: path.to_owned(), source };
    if is_too_long(path) {
        let reason = format!("the path is longer than {MAX_SOCKET_PATH} bytes");
        return Err(fail(io::Error::other(reason)));
    }
    remove_dead_socket(path)?;
    let listener = listen_privately(path).map_err(fail)?;
    let file = SocketFile::of(path).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    Ok((UnixListener::from_std(listener).map_err(fail)?, file))
}

/// Makes way where a socket is that nobody listens on; anything else stays and is an error.
fn remove_dead_socket(path: &Path) -> Result<(), StartError> {
    let occupied = |what| StartError::Occupied { path: path.to_owned(), what };
    let fail = |source| StartError::ListenUnix { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(occupied("something that is not a socket is there"));
        }
        Ok(_) => {}
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(fail)
        }
        Ok(_) => Err(occupied("somebody listens there already")),
        Err(error) => Err(fail(error)),
    }
}

/// Binds with mode 0600 from the first moment on.
///
/// Linux gives the new file the mode of the socket's own inode (unix(7)), so nothing has to be
/// changed afterwards, and no umask of the whole process meanwhile.
#[cfg(target_os = "linux")]
fn listen_privately(path: &Path) -> io::Result<StdUnixListener> {
    use rustix::{
        fs::{Mode, fchmod},
        net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
    };
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    if let Err(errno) = listen(&socket, BACKLOG.cast_signed()) {
        let _ = fs::remove_file(path);
        return Err(errno.into());
    }
    Ok(StdUnixListener::from(socket))
}

/// Binds, then restricts; a peer of another user that is quicker is refused by its credentials.
#[cfg(not(target_os = "linux"))]
fn listen_privately(path: &Path) -> io::Result<StdUnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let listener = StdUnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id(path)? })
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another agent may have the path by now.
        if id(&self.path).is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn config(listen: &[&str], listen_unix: &[PathBuf]) -> Config {
        Config {
            listen: listen.iter().map(|address| address.parse().unwrap()).collect(),
            listen_unix: listen_unix.to_vec(),
            ..Config::new("/state", "/home/me")
        }
    }

    #[tokio::test]
    async fn a_socket_is_private_whatever_the_umask_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let bound = bind_unix(&path).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_makes_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        drop(StdUnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves it");
        bind_unix(&path).unwrap();
    }

    #[tokio::test]
    async fn anything_else_at_the_path_stays() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let _live = StdUnixListener::bind(at("live")).unwrap();
        fs::write(at("file"), "content").unwrap();
        fs::create_dir(at("directory")).unwrap();
        drop(StdUnixListener::bind(at("dead")).unwrap());
        symlink(at("dead"), at("link")).unwrap();
        for name in ["live", "file", "directory", "link"] {
            let refused = bind_unix(&at(name));
            assert!(matches!(refused, Err(StartError::Occupied { .. })), "{name}");
            assert!(at(name).symlink_metadata().is_ok(), "{name}");
        }
    }

    #[tokio::test]
    async fn if_one_cannot_be_bound_none_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a.sock"), dir.path().join("missing/b.sock"));
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let refused = Listeners::bind(&config(&[], &[first.clone(), second]), dir.path());
        assert!(matches!(refused, Err(StartError::ListenUnix { .. })));
        assert!(!first.exists());
        let refused = Listeners::bind(&config(&["127.0.0.1:0", &address], &[]), dir.path());
        assert!(matches!(refused, Err(StartError::Listen { .. })));
    }

    #[tokio::test]
    async fn without_configuration_there_are_two_listeners() {
        let dir = tempfile::tempdir().unwrap();
        // Whether or not something has the usual port, the second agent finds a free one.
        let first = Listeners::bind(&config(&[], &[]), dir.path()).unwrap();
        let other = tempfile::tempdir().unwrap();
        let second = Listeners::bind(&config(&[], &[]), other.path()).unwrap();
        for bound in [&first, &second] {
            assert_eq!((bound.tcp.len(), bound.unix.len()), (1, 1));
            assert!(bound.tcp[0].local_addr().unwrap().ip().is_loopback());
        }
        assert_eq!(first.unix[0].1.path(), dir.path().join("agentd.sock"));
        assert_ne!(second.tcp[0].local_addr().unwrap(), Config::DEFAULT_ADDRESS);
    }

    #[test]
    fn a_long_state_directory_leaves_the_socket_to_the_runtime_directory() {
        let run = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
        let runtime = Path::new("/run/me");
        let fits = MAX_SOCKET_PATH - "/agentd.sock".len();
        let cases = [
            (run(fits), Some(runtime), run(fits).join("agentd.sock")),
            (run(fits + 1), Some(runtime), runtime.join("agentd.sock")),
            (run(fits + 1), None, run(fits + 1).join("agentd.sock")),
        ];
        for (run, runtime, expected) in cases {
            assert_eq!(default_socket(&run, runtime), expected);
        }
        assert!(is_too_long(&run(MAX_SOCKET_PATH + 1)) && !is_too_long(&run(MAX_SOCKET_PATH)));
    }
}
