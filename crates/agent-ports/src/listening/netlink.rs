//! Listening sockets, asked of the kernel by NETLINK_SOCK_DIAG (sock_diag(7), netlink(7)): only
//! those that listen are answered, however many connections there are.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt,
};

use super::Socket;

/// Address families, as `linux/socket.h` numbers them.
const FAMILIES: [u8; 2] = [AF_INET, AF_INET6];
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// The bit of the state LISTEN (`net/tcp_states.h`).
const LISTENING: u32 = 1 << 10;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// Bytes of `nlmsghdr`, and of it with `inet_diag_req_v2`.
const HEAD_BYTES: usize = 16;
const REQUEST_BYTES: u32 = 72;
/// Bytes of `inet_diag_msg`.
const SOCKET_BYTES: usize = 72;
/// The kernel answers in parts of at most 32 KiB.
const BUFFER_BYTES: usize = 64 * 1024;
/// The kernel answers at once; this only ends a wait for one that never would.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers the sockets of both families.
///
/// # Errors
///
/// When the kernel does not answer such questions, or not to this process.
pub(super) fn listening_sockets() -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for family in FAMILIES {
        match dump(family, &mut sockets) {
            // A kernel without IPv6 has no such sockets.
            Err(error) if family == AF_INET6 && error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
    }
    Ok(sockets)
}

fn dump(family: u8, sockets: &mut Vec<Socket>) -> io::Result<()> {
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    sockopt::set_socket_timeout(&kernel, sockopt::Timeout::Recv, Some(ANSWER_TIMEOUT))?;
    send(&kernel, &request(family), SendFlags::empty())?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (length, _) = recv(&kernel, &mut buffer[..], RecvFlags::empty())?;
        if length == 0 {
            return Err(malformed());
        }
        if parse(&buffer[..length], sockets)? == Part::Last {
            return Ok(());
        }
    }
}

/// A dump of the listening TCP sockets of a family.
fn request(family: u8) -> Vec<u8> {
    let mut request = Vec::with_capacity(HEAD_BYTES + SOCKET_BYTES);
    request.extend(REQUEST_BYTES.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // Sequence number and port: nobody else asks on this socket.
    request.extend([0; 8]);
    request.extend([family, IPPROTO_TCP, 0, 0]);
    request.extend(LISTENING.to_ne_bytes());
    request.resize(REQUEST_BYTES as usize, 0);
    request
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    More,
    Last,
}

/// Reads the messages of one datagram.
fn parse(mut bytes: &[u8], sockets: &mut Vec<Socket>) -> io::Result<Part> {
    while !bytes.is_empty() {
        let length = u32_at(bytes, 0)? as usize;
        let kind = u16_at(bytes, 4)?;
        let body = bytes.get(HEAD_BYTES..length).ok_or_else(malformed)?;
        match kind {
            NLMSG_DONE => return Ok(Part::Last),
            NLMSG_ERROR => {
                let errno = u32_at(body, 0)?.cast_signed();
                return Err(io::Error::from_raw_os_error(errno.saturating_neg()));
            }
            SOCK_DIAG_BY_FAMILY => sockets.extend(socket(body)?),
            _ => {}
        }
        // Messages begin at multiples of four bytes.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Part::More)
}

/// Reads an `inet_diag_msg`; the ports and addresses of it are in network order. `None` for another
/// family.
fn socket(body: &[u8]) -> io::Result<Option<Socket>> {
    let body = body.first_chunk::<SOCKET_BYTES>().ok_or_else(malformed)?;
    let port = u16::from_be_bytes([body[4], body[5]]);
    let source: [u8; 16] = body[8..24].try_into().expect("16 bytes");
    let address = match body[0] {
        AF_INET => IpAddr::V4(Ipv4Addr::new(source[0], source[1], source[2], source[3])),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(source)).to_canonical(),
        _ => return Ok(None),
    };
    let inode = u64::from(u32_at(body, 68)?);
    Ok(Some(Socket { address, port, inode }))
}

fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    let bytes = bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u16::from_ne_bytes).ok_or_else(malformed)
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_ne_bytes).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is malformed")
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEAD_BYTES + body.len()).unwrap();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    fn written(socket: &Socket) -> Vec<u8> {
        let mut body = [0; SOCKET_BYTES];
        body[1] = 10;
        body[4..6].copy_from_slice(&socket.port.to_be_bytes());
        match socket.address {
            IpAddr::V4(address) => {
                body[0] = AF_INET;
                body[8..12].copy_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                body[0] = AF_INET6;
                body[8..24].copy_from_slice(&address.octets());
            }
        }
        let inode = u32::try_from(socket.inode).unwrap();
        body[68..72].copy_from_slice(&inode.to_ne_bytes());
        message(SOCK_DIAG_BY_FAMILY, &body)
    }

    fn any_socket() -> impl Strategy<Value = Socket> {
        (any::<IpAddr>(), any::<u16>(), any::<u32>()).prop_map(|(address, port, inode)| Socket {
            address: address.to_canonical(),
            port,
            inode: inode.into(),
        })
    }

    proptest! {
        #[test]
        fn sockets_are_read_as_they_are_written(sockets in vec(any_socket(), 0..30)) {
            let mut bytes: Vec<u8> = sockets.iter().flat_map(written).collect();
            let mut found = Vec::new();
            prop_assert_eq!(parse(&bytes, &mut found).unwrap(), Part::More);
            bytes.extend(message(NLMSG_DONE, &[0; 4]));
            let mut again = Vec::new();
            prop_assert_eq!(parse(&bytes, &mut again).unwrap(), Part::Last);
            prop_assert_eq!((&found, &again), (&sockets, &sockets));
        }

        #[test]
        fn any_bytes_end(bytes in vec(any::<u8>(), 0..500)) {
            let mut found = Vec::new();
            let _ = parse(&bytes, &mut found);
            prop_assert!(found.len() * SOCKET_BYTES <= bytes.len());
        }

        #[test]
        fn a_damaged_answer_ends(
            sockets in vec(any_socket(), 1..5),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            length in any::<prop::sample::Index>(),
        ) {
            let mut bytes: Vec<u8> = sockets.iter().flat_map(written).collect();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(length.index(bytes.len() + 1));
            let _ = parse(&bytes, &mut Vec::new());
        }
    }

    #[test]
    fn an_error_is_the_kernels() {
        let refused = message(NLMSG_ERROR, &(-2_i32).to_ne_bytes());
        let error = parse(&refused, &mut Vec::new()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(2));
    }

    #[test]
    fn a_socket_of_this_process_is_answered() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else {
                assert!(address.starts_with('['), "only IPv6 may be off");
                continue;
            };
            let address = listener.local_addr().unwrap();
            let sockets = listening_sockets().unwrap();
            let is_it =
                |socket: &&Socket| (socket.address, socket.port) == (address.ip(), address.port());
            assert_eq!(sockets.iter().filter(is_it).count(), 1);
        }
    }
}
