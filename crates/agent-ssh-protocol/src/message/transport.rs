//! Messages of the transport layer other than those of the key exchange, RFC 4253 and RFC 8308.

use super::number;
use crate::wire::{Malformed, Put, Reader};

/// The name of the extension that lists the signature algorithms a server takes.
const SERVER_SIG_ALGS: &[u8] = b"server-sig-algs";

/// The message that ends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disconnect {
    pub(crate) reason: u32,
    /// Characters that are not UTF-8 are replaced.
    pub(crate) text: String,
}

impl Disconnect {
    /// Reads the payload, message number included.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        let reason = reader.u32()?;
        let text = String::from_utf8_lossy(reader.string()?).into_owned();
        // The language tag is left out by some, and says nothing that is used.
        Ok(Self { reason, text })
    }

    /// Returns the payload, message number included.
    pub(crate) fn encode(reason: u32, text: &str) -> Vec<u8> {
        let mut payload = vec![number::DISCONNECT];
        payload.put_u32(reason);
        payload.put_string(text.as_bytes());
        payload.put_string(b"");
        payload
    }
}

/// Returns the message that says a message was not understood.
pub(crate) fn unimplemented(sequence: u32) -> [u8; 5] {
    let [a, b, c, d] = sequence.to_be_bytes();
    [number::UNIMPLEMENTED, a, b, c, d]
}

/// Returns the message that lists the signature algorithms a server takes.
pub(crate) fn ext_info(algorithms: &[&str]) -> Vec<u8> {
    let mut payload = vec![number::EXT_INFO];
    payload.put_u32(1);
    payload.put_string(SERVER_SIG_ALGS);
    payload.put_name_list(algorithms);
    payload
}

/// Returns the signature algorithms that the message lists, if it does.
pub(crate) fn name_list_of_ext_info(payload: &[u8]) -> Result<Option<Vec<String>>, Malformed> {
    let mut reader = Reader::new(payload);
    reader.u8()?;
    let count = reader.u32()?;
    let mut found = None;
    for _ in 0..count {
        let name = reader.string()?;
        let value = reader.string()?;
        if name == SERVER_SIG_ALGS {
            let list = String::from_utf8_lossy(value);
            found = Some(list.split(',').map(str::to_owned).collect());
        }
    }
    Ok(found)
}
