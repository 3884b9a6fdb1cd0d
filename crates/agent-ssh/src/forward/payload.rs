//! The payloads of forwarding channels and requests.
//!
//! RFC 4254, section 7, and PROTOCOL of OpenSSH, section 2.4.

use std::net::SocketAddr;

use agent_ssh_protocol::wire::{Malformed, Put as _, Reader};

/// A host and a port, as `direct-tcpip` and the two TCP requests have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostAndPort {
    /// Name or address as the client wrote it.
    pub(super) host: Vec<u8>,
    /// As sent, which may be more than a port can be.
    pub(super) port: u32,
}

impl HostAndPort {
    /// Reads the payload of `tcpip-forward` and of its cancellation.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let read = Self::read(&mut reader)?;
        reader.end()?;
        Ok(read)
    }

    /// Reads the payload of `direct-tcpip`; the originator, which anybody can make up, is skipped.
    pub(super) fn decode_direct(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let target = Self::read(&mut reader)?;
        let _originator = Self::read(&mut reader)?;
        reader.end()?;
        Ok(target)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { host: reader.string()?.to_vec(), port: reader.u32()? })
    }
}

/// Reads the path of `direct-streamlocal@openssh.com`; two more fields are reserved.
pub(super) fn direct_path(payload: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader::new(payload);
    let path = reader.string()?.to_vec();
    reader.string()?;
    reader.u32()?;
    reader.end()?;
    Ok(path)
}

/// Reads the path of `streamlocal-forward@openssh.com` and of its cancellation.
pub(super) fn path(payload: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader::new(payload);
    let path = reader.string()?.to_vec();
    reader.end()?;
    Ok(path)
}

/// Makes the payload of `forwarded-tcpip`.
pub(super) fn forwarded(address: &[u8], port: u16, originator: SocketAddr) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.put_string(address);
    payload.put_u32(port.into());
    payload.put_raw(&originated(originator));
    payload
}

/// Makes the payload of `forwarded-streamlocal@openssh.com`.
pub(super) fn forwarded_path(path: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.put_string(path);
    payload.put_string(b"");
    payload
}

/// Makes the payload of an `x11` channel: who connected.
pub(crate) fn originated(originator: SocketAddr) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.put_string(originator.ip().to_canonical().to_string().as_bytes());
    payload.put_u32(originator.port().into());
    payload
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_forwarded_connection_names_listener_and_originator() {
        let payload = forwarded(b"localhost", 8080, "[::ffff:127.0.0.1]:5".parse().unwrap());
        let mut reader = Reader::new(&payload);
        assert_eq!(reader.string().unwrap(), b"localhost");
        assert_eq!(reader.u32().unwrap(), 8080);
        assert_eq!(reader.string().unwrap(), b"127.0.0.1");
        assert_eq!(reader.u32().unwrap(), 5);
        reader.end().unwrap();
    }

    #[test]
    fn payloads_are_read_to_their_end() {
        let mut payload = Vec::new();
        payload.put_string(b"h");
        payload.put_u32(70_000);
        let expected = HostAndPort { host: b"h".to_vec(), port: 70_000 };
        assert_eq!(HostAndPort::decode(&payload).ok(), Some(expected.clone()));
        assert!(HostAndPort::decode_direct(&payload).is_err());
        payload.put_string(b"o");
        payload.put_u32(1);
        assert_eq!(HostAndPort::decode_direct(&payload).ok(), Some(expected));
        assert!(HostAndPort::decode(&payload).is_err());
        payload.put_u8(0);
        assert!(HostAndPort::decode_direct(&payload).is_err());
    }

    proptest! {
        #[test]
        fn no_payload_panics(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = HostAndPort::decode(&payload);
            let _ = HostAndPort::decode_direct(&payload);
            let _ = direct_path(&payload);
            let _ = path(&payload);
        }
    }
}
