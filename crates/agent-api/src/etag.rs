//! The version of a file as clients see it; not how it is found on a disk.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An opaque version of a regular file: 16 lower-case hex digits.
///
/// JSON carries the digits alone, HTTP headers put them in double quotes ([`ETag::quoted`]). Both
/// forms, and the weak form `W/"…"`, are read. Two equal etags mean the same device, inode, size
/// and modification time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ETag(u64);

/// The text is not an etag of this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseETagError;

impl ETag {
    /// Computes the version from a file's identity, size in bytes and modification time in
    /// nanoseconds since the epoch.
    ///
    /// FNV-1a with 64 bits: stable over releases and machines, which `std`'s hashers are not.
    pub fn of(device: u64, inode: u64, size: u64, modified_ns: i128) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let parts = [
            &device.to_le_bytes()[..],
            &inode.to_le_bytes(),
            &size.to_le_bytes(),
            &modified_ns.to_le_bytes(),
        ];
        let bytes = parts.into_iter().flatten();
        Self(bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME)))
    }

    /// The form of HTTP headers: the digits in double quotes (RFC 9110 section 8.8.3).
    pub fn quoted(self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ETag {
    type Err = ParseETagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix("W/").unwrap_or(text);
        let digits = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let is_hex = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != 16 || !is_hex {
            return Err(ParseETagError);
        }
        u64::from_str_radix(digits, 16).map(Self).map_err(|_| ParseETagError)
    }
}

impl fmt::Display for ParseETagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an etag of this agent")
    }
}

impl std::error::Error for ParseETagError {}

impl Serialize for ETag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ETag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_etag_is_read() {
        let tag = ETag::of(1, 2, 3, 4);
        for text in [tag.to_string(), tag.quoted(), format!("W/{}", tag.quoted())] {
            assert_eq!(text.parse(), Ok(tag), "{text}");
        }
        for text in ["", "*", "\"", "8f3a", "8F3A00AA118F3A00", "\"8f3a00aa118f3a0\""] {
            assert_eq!(text.parse::<ETag>(), Err(ParseETagError), "{text}");
        }
    }

    #[test]
    fn each_part_changes_the_etag() {
        let tag = ETag::of(1, 2, 3, 4);
        let others = [
            ETag::of(0, 2, 3, 4),
            ETag::of(1, 0, 3, 4),
            ETag::of(1, 2, 0, 4),
            ETag::of(1, 2, 3, 5),
        ];
        assert!(others.iter().all(|other| *other != tag));
    }
}
