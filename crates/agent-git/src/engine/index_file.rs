//! The file of the index: whether it is still the one that was read, and reading it.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    time::SystemTime,
};

use super::ScanError;
use crate::{
    index::{Index, IndexError, MAX_INDEX_BYTES},
    model::{ObjectFormat, ObjectId, Stat},
};

/// By what a file of an index is known again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// `None` when there is no file.
    file: Option<(Stat, ObjectId)>,
    read_at: SystemTime,
}

impl Stamp {
    /// Looks at the file as it is now.
    pub(super) fn of(path: &Path, format: ObjectFormat) -> Result<Self, ScanError> {
        let read_at = SystemTime::now();
        let look = || match open(path)? {
            Some((file, stat)) => Ok(Some((stat, checksum(&file, &stat, format)?))),
            None => Ok(None),
        };
        Ok(Self { file: look().map_err(failed)?, read_at })
    }

    /// Whether the file that was seen now is surely the one that this one was.
    ///
    /// Without a checksum it may have been written twice within a tick of the clock.
    pub(super) fn is_still(&self, now: &Self) -> bool {
        match (&self.file, &now.file) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                one == other && (!one.1.is_null() || one.0.is_settled_at(self.read_at))
            }
            _ => false,
        }
    }
}

/// Reads the file; a missing one is an index without entries.
pub(super) fn read(
    path: &Path,
    format: ObjectFormat,
) -> Result<(Stamp, Result<Index, IndexError>), ScanError> {
    read_file(path, format).map_err(failed)
}

fn read_file(path: &Path, format: ObjectFormat) -> io::Result<(Stamp, Result<Index, IndexError>)> {
    let read_at = SystemTime::now();
    let Some((mut file, stat)) = open(path)? else {
        return Ok((Stamp { file: None, read_at }, Ok(Index::empty())));
    };
    let file_and_checksum = Some((stat, checksum(&file, &stat, format)?));
    let bytes = read_whole(&mut file, &stat)?;
    let index = match Index::parse(&bytes, format) {
        Ok(index) => put_together(index, path, format)?,
        Err(error) => Err(error),
    };
    let index = index.map(|index| index.with_modified(stat.mtime));
    Ok((Stamp { file: file_and_checksum, read_at }, index))
}

/// Adds the entries of the shared index, if this one is split.
///
/// Git would touch the file of the shared index to say that it is in use.
fn put_together(
    mut index: Index,
    path: &Path,
    format: ObjectFormat,
) -> io::Result<Result<Index, IndexError>> {
    let Some(link) = index.take_link() else { return Ok(Ok(index)) };
    let shared = path.with_file_name(format!("sharedindex.{}", link.shared));
    let missing = IndexError::Corrupt { what: "the shared index is missing" };
    let Some((mut file, stat)) = open(&shared)? else { return Ok(Err(missing)) };
    if checksum(&file, &stat, format)? != link.shared {
        return Ok(Err(IndexError::Corrupt { what: "the shared index is another one" }));
    }
    let shared = Index::parse(&read_whole(&mut file, &stat)?, format);
    Ok(shared.and_then(|shared| index.join(&link, &shared)))
}

fn read_whole(file: &mut File, stat: &Stat) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(stat.size.min(MAX_INDEX_BYTES as u64) as usize + 1);
    file.take(MAX_INDEX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn failed(error: io::Error) -> ScanError {
    ScanError::failed("read the index", error)
}

fn open(path: &Path) -> io::Result<Option<(File, Stat)>> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    match File::options().read(true).custom_flags(nonblocking).open(path) {
        Ok(file) => {
            let stat = Stat::of(&rustix::fs::fstat(&file)?);
            if !stat.is_regular() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            Ok(Some((file, stat)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The end of the file; null where it is too short for a checksum, or has none.
fn checksum(file: &File, stat: &Stat, format: ObjectFormat) -> io::Result<ObjectId> {
    let mut id = vec![0; format.id_len()];
    if let Some(start) = stat.size.checked_sub(id.len() as u64) {
        match file.read_exact_at(&mut id, start) {
            // It is being written in place; the next scan sees another one.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => id.fill(0),
            other => other?,
        }
    }
    Ok(ObjectId::from_bytes(&id).expect("the length of an id"))
}
