//! Messages to the service manager (sd_notify(3)): one datagram each; nobody waits for an answer.

use std::{ffi::OsStr, io, os::unix::net::UnixDatagram};

/// Sends a state such as `READY=1` to a socket: an absolute path, or `@NAME` for an abstract one.
///
/// # Errors
///
/// When the address is of another kind or nobody receives there.
pub(crate) fn send(address: &OsStr, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_encoded_bytes() {
        [b'/', ..] => socket.connect(address)?,
        [b'@', name @ ..] => connect_abstract(&socket, name)?,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    socket.send(state.as_bytes()).map(drop)
}

#[cfg(target_os = "linux")]
fn connect_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<()> {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    socket.connect_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_state_reaches_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1").unwrap();
        assert_eq!(received(&socket), "READY=1");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_state_reaches_an_abstract_name() {
        use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
        let name = format!("agentd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), "READY=1").unwrap();
        assert_eq!(received(&socket), "READY=1");
    }

    #[test]
    fn an_address_that_nobody_has_is_an_error() {
        for address in ["/does/not/exist", "@does-not-exist", "relative", "vsock:2:1234", ""] {
            assert!(send(OsStr::new(address), "READY=1").is_err(), "{address}");
        }
    }
}
