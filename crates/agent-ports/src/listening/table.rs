//! Listening sockets from `/proc/net/tcp` and `tcp6` (proc_pid_net(5)), where the kernel does not
//! answer over netlink; these have every connection, too.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::Socket;

/// The state LISTEN (`net/tcp_states.h`).
const LISTENING: &str = "0A";

/// Reads both tables; one that is missing, as without IPv6, is empty.
///
/// # Errors
///
/// When a table cannot be read, or neither is there.
pub(super) fn listening_sockets() -> io::Result<Vec<Socket>> {
    let ipv4 = fs::read_to_string("/proc/self/net/tcp")?;
    let ipv6 = match fs::read_to_string("/proc/self/net/tcp6") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    Ok(parse(&ipv4).chain(parse(&ipv6)).collect())
}

/// The listening sockets of a table; lines that are none, as the first, are passed over.
fn parse(table: &str) -> impl Iterator<Item = Socket> {
    table.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = fields.next()?;
        // The remote address is before the state, and five more fields are before the inode.
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        let (address, port) = local.split_once(':')?;
        (state == LISTENING).then_some(())?;
        Some(Socket {
            address: self::address(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
            inode: inode.parse().ok()?,
        })
    })
}

/// An address as the kernel prints it: words of the machine's byte order that hold network order.
fn address(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = digits.get(at..at + 8)?;
        u32::from_str_radix(word, 16).ok().map(u32::to_ne_bytes)
    };
    match digits.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_lines_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1FBB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1FBC 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000000000000000 100 0 0 10 0
   2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
   3: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4714 1 0 100 0 0 10 0
";
        let found: Vec<_> = parse(table)
            .map(|socket| (socket.address.to_string(), socket.port, socket.inode))
            .collect();
        let expected = [("127.0.0.1", 8123, 4711), ("::1", 80, 4713), ("127.0.0.1", 81, 4714)];
        assert_eq!(found, expected.map(|(a, port, inode)| (a.to_owned(), port, inode)));
    }

    #[test]
    fn a_socket_of_this_process_is_in_the_tables_as_over_netlink() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let of_port = |sockets: Vec<Socket>| {
            sockets.into_iter().find(|socket| socket.port == port).expect("it listens")
        };
        let asked = super::super::netlink::listening_sockets().unwrap();
        assert_eq!(of_port(listening_sockets().unwrap()), of_port(asked));
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "\\PC{0,200}|([0-9A-F:]{0,40} {0,2}){0,20}") {
            for socket in parse(&text) {
                prop_assert!(text.contains(LISTENING), "{:?}", socket);
            }
        }
    }
}
