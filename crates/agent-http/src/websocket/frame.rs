//! Frames that a server sends: whole messages and pings, unmasked (RFC 6455 section 5.2).

use bytes::{BufMut, BytesMut};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
    Ping,
}

/// Appends one final frame whose payload is the parts, in order.
pub(super) fn encode(out: &mut BytesMut, kind: Kind, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(10 + length);
    out.put_u8(match kind {
        Kind::Text => 0x81,
        Kind::Binary => 0x82,
        Kind::Ping => 0x89,
    });
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => out.put_u8(short),
        (_, Ok(medium)) => {
            out.put_u8(126);
            out.put_u16(medium);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, parts: &[&[u8]], header: &[u8]) {
        let mut out = BytesMut::new();
        encode(&mut out, kind, parts);
        assert_eq!(out, [header, &parts.concat()].concat(), "{header:?}");
    }

    #[test]
    fn the_length_takes_as_many_bytes_as_it_needs() {
        check(Kind::Ping, &[], &[0x89, 0]);
        check(Kind::Text, &[b"a", b"bc"], &[0x81, 3]);
        check(Kind::Binary, &[&[7; 125]], &[0x82, 125]);
        check(Kind::Binary, &[&[7; 126]], &[0x82, 126, 0, 126]);
        check(Kind::Binary, &[&[7; 8], &[8; 65_527]], &[0x82, 126, 0xff, 0xff]);
        check(Kind::Binary, &[&[7; 65_536]], &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
