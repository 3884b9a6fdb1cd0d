//! The text of a cursor: a place in the order of results, bound to the request it belongs to.
//!
//! A cursor holds all that is needed to go on, so it never expires; agentd keeps nothing of it.
//!
//! ```text
//! CHECK-ROOT-PATH                     after the path
//! CHECK-ROOT-PATH-LINE-OFFSET-ETAG    in the file, after that many lines; ETAG may be empty
//! ```
//!
//! `PATH` is hex. `CHECK` is a digest of the request and of the rest, which tells a cursor of
//! another request or a damaged one. It is no signature: whoever may search may search anywhere.

use std::{fmt::Write, str::Split};

use crate::walk::{Position, Resume};

/// Longest cursor; one that was given out is shorter.
const MAX_CURSOR_BYTES: usize = 64 * 1024;

/// A digest of the fields of a request that a cursor must find unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u128);

impl Identity {
    /// Digests the fields, each of which counts with its length.
    pub(super) fn of<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Self {
        fields.into_iter().fold(Self(OFFSET), |identity, field| {
            identity.with(&(field.len() as u64).to_le_bytes()).with(field)
        })
    }

    fn with(self, bytes: &[u8]) -> Self {
        let step = |digest: u128, byte: &u8| (digest ^ u128::from(*byte)).wrapping_mul(PRIME);
        Self(bytes.iter().fold(self.0, step))
    }
}

// FNV-1a, 128 bits wide. It must not change between versions, as that of the standard library may.
const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// Writes a cursor.
pub(super) fn write(identity: Identity, position: &Position) -> String {
    let mut rest = format!("{}-", position.root);
    for byte in &position.path {
        let _ = write!(rest, "{byte:02x}");
    }
    if let Some(resume) = position.resume {
        let _ = write!(rest, "-{}-{}-", resume.line, resume.offset);
        if let Some(version) = resume.version {
            let _ = write!(rest, "{version}");
        }
    }
    signed(identity, &rest)
}

/// Puts the digest before the rest.
pub(crate) fn signed(identity: Identity, rest: &str) -> String {
    format!("{:032x}-{rest}", identity.with(rest.as_bytes()).0)
}

/// Reads a cursor of the same request; `None` when it is of another one, or none at all.
pub(crate) fn read(identity: Identity, cursor: &str) -> Option<Position> {
    if cursor.len() > MAX_CURSOR_BYTES {
        return None;
    }
    let (_, rest) = cursor.split_once('-')?;
    if cursor != signed(identity, rest) {
        return None;
    }
    let mut parts = rest.split('-');
    let root = parts.next()?.parse().ok()?;
    let path = read_hex(parts.next()?)?;
    let resume = match parts.next() {
        Some(line) => Some(read_resume(line, &mut parts)?),
        None => None,
    };
    parts.next().is_none().then_some(Position { root, path, resume })
}

fn read_resume(line: &str, parts: &mut Split<'_, char>) -> Option<Resume> {
    let line = line.parse().ok()?;
    let offset = parts.next()?.parse().ok()?;
    let version = match parts.next()? {
        "" => None,
        version => Some(version.parse().ok()?),
    };
    Some(Resume { line, offset, version })
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use agent_api::ETag;
    use proptest::prelude::*;

    use super::*;

    fn identity(fields: &[&str]) -> Identity {
        Identity::of(fields.iter().map(|field| field.as_bytes()))
    }

    #[test]
    fn a_cursor_belongs_to_its_request() {
        let position = Position { root: 3, path: b"a/b".to_vec(), resume: None };
        let cursor = write(identity(&["x", "yz"]), &position);
        assert_eq!(read(identity(&["x", "yz"]), &cursor), Some(position));
        assert_eq!(read(identity(&["xy", "z"]), &cursor), None);
        assert_eq!(read(identity(&["x", "yz", ""]), &cursor), None);
    }

    #[test]
    fn a_text_that_is_no_cursor_is_refused() {
        let request = identity(&[]);
        let signed = |rest: &str| signed(request, rest);
        assert!(read(request, &signed("0-")).is_some());
        assert!(read(request, &signed("0-61-1-2-")).is_some());
        for rest in ["", "0", "x-", "0-6", "0-zz", "0--1", "0--1-2", "0--1-2-x", "0--1-2--", "-1-"]
        {
            assert_eq!(read(request, &signed(rest)), None, "{rest}");
        }
        for text in ["", "-", "é-0-", &"0".repeat(100_000)] {
            assert_eq!(read(request, text), None);
        }
    }

    #[test]
    fn a_cursor_of_an_earlier_version_of_agentd_is_still_one() {
        let position = Position { root: 0, path: b"src/a.rs".to_vec(), resume: None };
        let cursor = "caed8709e122650654c1d38ddea2a430-0-7372632f612e7273";
        assert_eq!(write(identity(&["needle"]), &position), cursor);
    }

    proptest! {
        #[test]
        fn a_cursor_reads_as_it_was_written(
            root in 0usize..64,
            path in proptest::collection::vec(any::<u8>(), 0..50),
            resume in proptest::option::of((any::<u64>(), any::<u64>(), any::<Option<i128>>())),
        ) {
            let resume = resume.map(|(line, offset, version)| Resume {
                line,
                offset,
                version: version.map(|version| ETag::of(1, 2, 3, version)),
            });
            let position = Position { root, path, resume };
            let request = identity(&["a"]);
            let cursor = write(request, &position);
            prop_assert_eq!(read(request, &cursor), Some(position));
        }

        #[test]
        fn a_damaged_cursor_is_refused(at in 0usize..40, byte in 0u8..128) {
            let position = Position { root: 0, path: b"abc".to_vec(), resume: None };
            let request = identity(&["a"]);
            let cursor = write(request, &position);
            let mut damaged = cursor.clone().into_bytes();
            damaged[at] = byte;
            let damaged = String::from_utf8(damaged).unwrap();
            prop_assume!(damaged != cursor);
            prop_assert_eq!(read(request, &damaged), None);
        }
    }
}
