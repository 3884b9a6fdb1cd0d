//! Lists that a peer's address, or a host name, must match: wildcards, CIDR and negation.
//!
//! Nothing here looks a name up.

use std::net::{IpAddr, Ipv4Addr};

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
        // A peer's zone is not known here, so that nothing could be said about such an entry.
        if address.contains(':') && address.contains('%') {
            return Err(InvalidList);
        }
        let Some(address) = address.parse().ok().or_else(|| short(address)) else {
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

/// Reads the short forms of inet_aton(3), such as `10.0.0` or `127.1`: one to four numbers, of
/// which the last fills the bytes that are left, decimal, octal after `0` or hexadecimal after `0x`.
fn short(text: &str) -> Option<IpAddr> {
    let mut parts = text.split('.').rev();
    let last = number(parts.next()?)?;
    let firsts: Vec<u32> = parts.rev().map(number).collect::<Option<_>>()?;
    let left = u32::try_from(firsts.len()).ok().filter(|count| *count < 4)?;
    if firsts.iter().any(|byte| *byte > 0xFF) || last > u32::MAX >> (8 * left) {
        return None;
    }
    let high = firsts.iter().zip([24, 16, 8]).fold(0, |all, (byte, shift)| all | byte << shift);
    Some(Ipv4Addr::from(high | last).into())
}

fn number(text: &str) -> Option<u32> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match (hexadecimal, text.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (text, 10),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
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
