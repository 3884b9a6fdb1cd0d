//! Ids of blobs.

use std::io::{self, Read};

use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::model::{ObjectFormat, ObjectId};

/// Either hash of git's.
enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    fn blob(format: ObjectFormat, len: u64) -> Self {
        let mut hasher = match format {
            ObjectFormat::Sha1 => Self::Sha1(Sha1::new()),
            ObjectFormat::Sha256 => Self::Sha256(Sha256::new()),
        };
        hasher.update(format!("blob {len}\0").as_bytes());
        hasher
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> ObjectId {
        let id = match self {
            Self::Sha1(hasher) => ObjectId::from_bytes(&hasher.finalize()),
            Self::Sha256(hasher) => ObjectId::from_bytes(&hasher.finalize()),
        };
        id.expect("both hashes have the length of an id")
    }
}

/// Names the blob that has these contents.
pub(crate) fn blob_id(format: ObjectFormat, contents: &[u8]) -> ObjectId {
    let mut hasher = Hasher::blob(format, contents.len() as u64);
    hasher.update(contents);
    hasher.finish()
}

/// Names the blob whose `len` bytes a reader gives, 64 KiB at a time.
///
/// # Errors
///
/// What the reader fails with; [`io::ErrorKind::UnexpectedEof`] and
/// [`io::ErrorKind::InvalidData`] when it has fewer or more bytes than `len`, because the file
/// changed.
pub(crate) fn blob_id_of_reader(
    format: ObjectFormat,
    len: u64,
    mut reader: impl Read,
) -> io::Result<ObjectId> {
    let mut hasher = Hasher::blob(format, len);
    let mut buffer = vec![0; 64 * 1024];
    let mut rest = len;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) if rest > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => {
                rest = rest.checked_sub(read as u64).ok_or(io::ErrorKind::InvalidData)?;
                hasher.update(&buffer[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
