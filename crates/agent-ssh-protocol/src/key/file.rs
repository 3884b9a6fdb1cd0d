//! The files of private keys: OpenSSH's own format, read and written without a passphrase.
//!
//! Source: OpenSSH, `PROTOCOL.key`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::error::KeyError;
use crate::wire::{Put, Reader};

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Characters of base64 in a line, as `ssh-keygen` writes them.
const LINE_LEN: usize = 70;

/// The block that the private part of a file without a cipher is padded to.
const BLOCK_LEN: usize = 8;

/// Returns the public key, encoded, and the private part from the type of the key on.
///
/// The private part still has a comment and padding at its end.
///
/// # Errors
///
/// [`KeyError::Encrypted`]; [`KeyError::NotAPrivateKey`] when it is something else;
/// [`KeyError::Malformed`] when it has the marks of the format and not the form.
pub(super) fn read(pem: &str) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), KeyError> {
    let bytes = decode_armor(pem)?;
    let mut reader = Reader::new(bytes.strip_prefix(MAGIC).ok_or(KeyError::NotAPrivateKey)?);
    let (cipher, _derivation, _options) = (reader.string()?, reader.string()?, reader.string()?);
    if cipher != b"none" {
        return Err(KeyError::Encrypted);
    }
    if reader.u32()? != 1 {
        return Err(KeyError::NotAPrivateKey);
    }
    let public = reader.string()?.to_vec();
    let mut private = Reader::new(reader.string()?);
    // With a cipher the two tell whether the passphrase was right.
    if private.u32()? != private.u32()? {
        return Err(KeyError::InvalidPrivateKey);
    }
    Ok((public, Zeroizing::new(private.rest().to_vec())))
}

/// Writes a file with one key.
///
/// `private` is what follows the two check numbers: the type, the fields, and no comment.
pub(super) fn write(public: &[u8], private: &[u8]) -> Zeroizing<String> {
    let mut section = Zeroizing::new(Vec::with_capacity(private.len() + 32));
    // Any number will do, twice; `ssh-keygen` takes a random one.
    section.put_u32(0x5553_4831);
    section.put_u32(0x5553_4831);
    section.put_raw(private);
    section.put_string(b"");
    for padding in (1..).take(section.len().next_multiple_of(BLOCK_LEN) - section.len()) {
        section.put_u8(padding);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(section.len() + public.len() + 128));
    bytes.put_raw(MAGIC);
    bytes.put_string(b"none");
    bytes.put_string(b"none");
    bytes.put_string(b"");
    bytes.put_u32(1);
    bytes.put_string(public);
    bytes.put_string(&section);
    encode_armor(&bytes)
}

fn encode_armor(bytes: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(BASE64_STANDARD.encode(bytes));
    // Enough for every line ending, so that no copy is left behind by growing.
    let mut pem = Zeroizing::new(String::with_capacity(base64.len() * 2 + 128));
    pem.push_str(BEGIN);
    pem.push('\n');
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_LEN));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(END);
    pem.push('\n');
    pem
}

fn decode_armor(pem: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (_, body) = pem.split_once(BEGIN).ok_or_else(|| other_format(pem))?;
    let (body, _) = body.split_once(END).ok_or(KeyError::NotAPrivateKey)?;
    let mut base64 = Zeroizing::new(Vec::with_capacity(body.len()));
    base64.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let decoded = BASE64_STANDARD.decode(&*base64).map_err(|_| KeyError::Base64)?;
    Ok(Zeroizing::new(decoded))
}

/// Tells an encrypted key in one of the older formats from what is no key.
fn other_format(pem: &str) -> KeyError {
    let is_encrypted = pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || (pem.contains("PRIVATE KEY-----") && pem.contains("Proc-Type: 4,ENCRYPTED"));
    if is_encrypted { KeyError::Encrypted } else { KeyError::NotAPrivateKey }
}
