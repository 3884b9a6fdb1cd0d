//! Messages of the authentication, RFC 4252.

use super::{CONNECTION, number};
use crate::wire::{Malformed, Put, Reader};

/// A request to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthRequest<'a> {
    pub(crate) user: &'a [u8],
    pub(crate) service: &'a [u8],
    pub(crate) method: Method<'a>,
}

/// How the client wants to prove who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method<'a> {
    None,
    PublicKey(PublicKeyRequest<'a>),
    /// A method that is not offered, its fields unread.
    Other,
}

/// The fields of method `publickey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKeyRequest<'a> {
    pub(crate) algorithm: &'a [u8],
    pub(crate) blob: &'a [u8],
    /// Absent: the client only asks whether the key would do.
    pub(crate) signature: Option<&'a [u8]>,
}

impl<'a> AuthRequest<'a> {
    /// Reads the payload, message number included.
    pub(crate) fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        let user = reader.string()?;
        let service = reader.string()?;
        let method = match reader.string()? {
            b"none" => Method::None,
            b"publickey" => {
                let is_signed = reader.bool()?;
                let algorithm = reader.string()?;
                let blob = reader.string()?;
                let signature = if is_signed { Some(reader.string()?) } else { None };
                reader.end()?;
                Method::PublicKey(PublicKeyRequest { algorithm, blob, signature })
            }
            _ => Method::Other,
        };
        Ok(Self { user, service, method })
    }

    /// Returns the payload, message number included.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = vec![number::USERAUTH_REQUEST];
        payload.put_string(self.user);
        payload.put_string(self.service);
        match &self.method {
            Method::None | Method::Other => payload.put_string(b"none"),
            Method::PublicKey(request) => {
                payload.put_string(b"publickey");
                payload.put_bool(request.signature.is_some());
                payload.put_string(request.algorithm);
                payload.put_string(request.blob);
                if let Some(signature) = request.signature {
                    payload.put_string(signature);
                }
            }
        }
        payload
    }
}

/// Returns what the signature of method `publickey` is over, RFC 4252 section 7.
pub(crate) fn signed_data(
    session_id: &[u8],
    user: &[u8],
    algorithm: &[u8],
    blob: &[u8],
) -> Vec<u8> {
    let mut data = Vec::with_capacity(128 + blob.len());
    data.put_string(session_id);
    data.put_u8(number::USERAUTH_REQUEST);
    data.put_string(user);
    data.put_string(CONNECTION);
    data.put_string(b"publickey");
    data.put_bool(true);
    data.put_string(algorithm);
    data.put_string(blob);
    data
}
