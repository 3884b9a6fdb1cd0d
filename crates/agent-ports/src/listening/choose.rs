//! Which socket stands for a port that several listen on; pure.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::Socket;

/// How widely an address is reached, the widest first; the addresses of one rank by their value.
fn rank(address: IpAddr) -> (u8, IpAddr) {
    const ANY: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    const LOCALHOST: [IpAddr; 2] =
        [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let named = ANY.iter().chain(&LOCALHOST).zip(0..).find(|(named, _)| **named == address);
    let rank = named.map_or(if address.is_loopback() { 4 } else { 5 }, |(_, rank)| rank);
    (rank, address)
}

/// One socket per port, by port, with the process that holds it: at the first address in rank, of
/// several there the one whose holder has the smallest id, and one without a holder last.
pub(super) fn by_port(
    sockets: impl IntoIterator<Item = (Socket, Option<u32>)>,
) -> BTreeMap<u16, (Socket, Option<u32>)> {
    let mut chosen = BTreeMap::new();
    for (socket, pid) in sockets {
        let order =
            |(socket, pid): &(Socket, Option<u32>)| (rank(socket.address), pid.unwrap_or(u32::MAX));
        let found = (socket, pid);
        let best = chosen.entry(socket.port).or_insert(found);
        if order(&found) < order(best) {
            *best = found;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(address: &str, inode: u64) -> Socket {
        Socket { address: address.parse().unwrap(), port: 8123, inode }
    }

    #[test]
    fn the_widest_address_stands_for_a_port() {
        let ranked = [
            "0.0.0.0",
            "::",
            "127.0.0.1",
            "::1",
            "127.0.0.2",
            "127.0.1.1",
            "9.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "2001:db8::1",
            "fe80::1",
        ];
        for (first, address) in ranked.iter().enumerate() {
            let later = ranked[first..].iter().rev().map(|address| (socket(address, 1), None));
            let chosen = by_port(later);
            assert_eq!(chosen[&8123].0.address.to_string(), *address);
        }
    }

    #[test]
    fn of_sockets_at_one_address_the_smallest_holder_counts() {
        let pids = [None, Some(30), Some(4), None, Some(700)];
        let sockets = pids.map(|pid| (socket("0.0.0.0", 1), pid));
        let other = (socket("127.0.0.1", 2), Some(1));
        let chosen = by_port(sockets.into_iter().chain([other]));
        assert_eq!(chosen[&8123].1, Some(4));
    }

    #[test]
    fn ports_are_in_order() {
        let sockets = [9000, 80, 65535, 443]
            .map(|port| (Socket { port, ..socket("::", u64::from(port)) }, None));
        let ports: Vec<u16> = by_port(sockets).into_keys().collect();
        assert_eq!(ports, [80, 443, 9000, 65535]);
    }
}
