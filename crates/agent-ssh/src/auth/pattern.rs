//! Lists that a peer's address, or a host name, must match: wildcards, CIDR and negation.
//!
//! Nothing here looks a name up.

use std::net::IpAddr;

/// An entry that no address can be compared with, so that its whole list refuses everybody.
///
/// An empty entry, or a network whose host bits are set or whose prefix is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("address list with an invalid entry")]
pub(crate) struct InvalidList;

/// Tells whether `text` matches `pattern`, where `*` stands for any bytes and `?` for one.
pub(crate) fn matches(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    // Where to go on when a match fails: after the last star, with one more byte given to it.
    let mut retry = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                in_pattern += 1;
                retry = Some((at, in_pattern));
            }
            Some(&byte) if byte == b'?' || byte == text[at] => {
                at += 1;
                in_pattern += 1;
            }
            _ => match retry {
                Some((from, star)) => {
                    at = from + 1;
                    in_pattern = star;
                    retry = Some((at, star));
                }
                None => return false,
            },
        }
    }
    pattern[in_pattern..].iter().all(|&byte| byte == b'*')
}

/// Tells whether `peer` is in the comma-separated `list` of the option `from`.
///
/// Entries are addresses, networks (`10.0.0.0/8`) and wildcards over the address as text, in any
/// case. An entry after `!` excludes what it matches, wherever it stands; alone it admits nobody.
///
/// # Errors
///
/// [`InvalidList`], as OpenSSH: the entry after it count for nothing then, and nobody is admitted.
pub(crate) fn admits(list: &[u8], peer: IpAddr) -> Result<bool, InvalidList> {
    let peer = peer.to_canonical();
    let text = peer.to_string().into_bytes();
    let mut admitted = false;
    let mut excluded = false;
    for entry in list.split(|&byte| byte == b',') {
        let (negated, entry) = match entry {
            [b'!', rest @ ..] => (true, rest),
            _ => (false, entry),
        };
        if entry.is_empty() {
            return Err(InvalidList);
        }
        let hit = match Network::parse(entry)? {
            Some(network) => network.contains(peer),
            None => matches(&text, &entry.to_ascii_lowercase()),
        };
        admitted |= hit && !negated;
        excluded |= hit && negated;
    }
    Ok(admitted && !excluded)
}

/// Tells whether `peer` is in `list`, the value of a certificate's `source-address`.
///
/// Entries are addresses and networks only; there are no wildcards and no negation.
///
/// # Errors
///
/// [`InvalidList`] when any entry is something else.
pub(crate) fn contains(list: &[u8], peer: IpAddr) -> Result<bool, InvalidList> {
    let peer = peer.to_canonical();
    let mut found = false;
    for entry in list.split(|&byte| byte == b',') {
        let network = Network::parse(entry)?.ok_or(InvalidList)?;
        found |= network.contains(peer);
    }
    Ok(found)
}

#[derive(Debug, Clone, Copy)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Returns `None` for what is neither an address nor a network, and may be a wildcard.
    fn parse(entry: &[u8]) -> Result<Option<Self>, InvalidList> {
        let Ok(entry) = std::str::from_utf8(entry) else {
            return Ok(None);
        };
        let (address, prefix) = match entry.split_once('/') {
            Some((address, prefix)) => match decimal(prefix) {
                Some(prefix) => (address, Some(prefix)),
                None => return Ok(None),
            },
            None => (entry, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Ok(None);
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let network = Self { address, prefix: prefix.unwrap_or(bits) };
        if network.prefix > bits || network.host_bits(address) != 0 {
            return Err(InvalidList);
        }
        Ok(Some(network))
    }

    fn contains(&self, peer: IpAddr) -> bool {
        peer.is_ipv4() == self.address.is_ipv4() && {
            let difference = bits(peer) ^ bits(self.address);
            difference == self.host_bits_of(difference)
        }
    }

    fn host_bits(&self, address: IpAddr) -> u128 {
        self.host_bits_of(bits(address))
    }

    fn host_bits_of(&self, value: u128) -> u128 {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        let mask = match width - self.prefix {
            128 => u128::MAX,
            host => (1 << host) - 1,
        };
        value & mask
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// Reads a prefix length; `None` for what OpenSSH does not take as one (more than 128 included).
fn decimal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|&prefix| prefix <= 128)
}

#[cfg(test)]
mod tests;
