//! From the bytes of an index file to an [`Index`].

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::{
    ASSUME_UNCHANGED, INTENT_TO_ADD, Index, IndexError, IndexStat, Link, MAX_INDEX_BYTES, Record,
    SKIP_WORKTREE,
};
use crate::model::{Mode, ObjectFormat, ObjectId};

/// Longest path of an entry; longer ones no system can have checked out.
const MAX_PATH_BYTES: usize = 64 * 1024;

/// The most that the names in the cache of trees may take once expanded; a larger cache counts as
/// absent.
const MAX_TREE_NAMES: usize = 64 * 1024 * 1024;

const HEADER: usize = 12;

/// Bytes of an entry before its id.
const STAT: usize = 40;

/// Mode of a whole directory in a sparse index.
const DIRECTORY: u32 = 0o040_000;

pub(super) fn parse(bytes: &[u8], format: ObjectFormat) -> Result<Index, IndexError> {
    if bytes.len() > MAX_INDEX_BYTES {
        return Err(corrupt("it is over 512 MiB"));
    }
    let end = bytes.len().checked_sub(format.id_len()).ok_or(corrupt("it is cut short"))?;
    let (body, checksum) = bytes.split_at(end);
    let mut reader = Reader { bytes: body, at: 0 };
    if reader.take(4)? != b"DIRC" {
        return Err(corrupt("it has no signature"));
    }
    let version = reader.u32()?;
    if !(2..=4).contains(&version) {
        return Err(IndexError::Version(version));
    }
    let checksum = ObjectId::from_bytes(checksum).ok_or(corrupt("it is cut short"))?;
    if !checksum.is_null() && checksum != hash(body, format) {
        return Err(corrupt("its checksum does not match"));
    }
    let count = reader.u32()? as usize;
    let mut index = Index { format, ..Index::default() };
    let smallest = STAT + format.id_len() + 2;
    if count > (body.len() - HEADER) / smallest {
        return Err(corrupt("it has fewer entries than it says"));
    }
    index.records.reserve_exact(count);
    index.ids.reserve_exact(count * format.id_len());
    // What is neither stat data nor id is path and padding, except where paths are compressed.
    index.paths.reserve(body.len().saturating_sub(count * smallest));
    let mut path = Vec::new();
    for _ in 0..count {
        entry(&mut reader, &mut index, version, &mut path)?;
    }
    index.paths.shrink_to_fit();
    extensions(&mut reader, &mut index)?;
    let has_path = index.records.first().is_none_or(|first| first.path_len > 0);
    if index.link.is_none() && !has_path {
        return Err(corrupt("an entry has no path"));
    }
    Ok(index)
}

pub(super) fn corrupt(what: &'static str) -> IndexError {
    IndexError::Corrupt { what }
}

fn hash(body: &[u8], format: ObjectFormat) -> ObjectId {
    let id = match format {
        ObjectFormat::Sha1 => ObjectId::from_bytes(&Sha1::digest(body)),
        ObjectFormat::Sha256 => ObjectId::from_bytes(&Sha256::digest(body)),
    };
    id.expect("a digest has the length of an id")
}

/// Reads one entry; `path` is that of the entry before and becomes its own.
fn entry(
    reader: &mut Reader<'_>,
    index: &mut Index,
    version: u32,
    path: &mut Vec<u8>,
) -> Result<(), IndexError> {
    let start = reader.at;
    let (stat, bits) = stat(reader.take(STAT)?);
    let id = reader.take(index.format.id_len())?;
    let flags = reader.u16()?;
    let extended = if flags & 0x4000 == 0 {
        0
    } else if version == 2 {
        return Err(corrupt("an entry of version 2 has extended flags"));
    } else {
        reader.u16()?
    };
    if extended & !0x6000 != 0 {
        return Err(corrupt("an entry has unknown flags"));
    }
    let mode = match bits {
        DIRECTORY => return Err(IndexError::Sparse),
        _ => Mode::from_bits(bits).ok_or(corrupt("an entry has no mode"))?,
    };
    if version == 4 {
        let strip = reader.varint()?;
        let keep = path.len().checked_sub(strip).ok_or(corrupt("a path is too short"))?;
        path.truncate(keep);
        path.extend_from_slice(reader.until_nul()?);
    } else {
        path.clear();
        path.extend_from_slice(reader.until_nul()?);
        // Entries are padded with NUL to a multiple of eight bytes; the first one was read.
        let len = reader.at - start;
        reader.take(len.next_multiple_of(8) - len)?;
    }
    let stage = (flags >> 12 & 0b11) as u8;
    // The first entries of a split index have no path, because the shared one has them; whether
    // it is split, an extension tells.
    let follows_named = index.records.last().is_some_and(|last| last.path_len > 0);
    if !path.is_empty() || follows_named {
        check_order(index, path, stage)?;
    }
    let mut kept = stage;
    for (there, flag) in [
        (flags & 0x8000 != 0, ASSUME_UNCHANGED),
        (extended & 0x4000 != 0, SKIP_WORKTREE),
        (extended & 0x2000 != 0, INTENT_TO_ADD),
    ] {
        kept |= if there { flag } else { 0 };
    }
    index.records.push(Record {
        path_start: u32::try_from(index.paths.len()).expect("paths are bounded"),
        path_len: u32::try_from(path.len()).expect("a path is bounded"),
        stat,
        mode,
        flags: kept,
    });
    index.paths.extend_from_slice(path);
    index.ids.extend_from_slice(id);
    Ok(())
}

/// Whether an entry may follow those there are, and its path fits.
pub(super) fn check_order(index: &Index, path: &[u8], stage: u8) -> Result<(), IndexError> {
    if path.len() > MAX_PATH_BYTES || index.paths.len() + path.len() > MAX_INDEX_BYTES {
        return Err(corrupt("its paths are too long"));
    }
    let in_order = index.records.last().is_none_or(|last| {
        let before = index.path_of(last);
        before < path || before == path && (1..stage).contains(&(last.flags & super::STAGE))
    });
    if in_order { Ok(()) } else { Err(corrupt("its entries are out of order")) }
}

fn stat(bytes: &[u8]) -> (IndexStat, u32) {
    let field = |index: usize| {
        let bytes = &bytes[index * 4..index * 4 + 4];
        u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    };
    let stat = IndexStat {
        ctime: (field(0), field(1)),
        mtime: (field(2), field(3)),
        dev: field(4),
        ino: field(5),
        uid: field(7),
        gid: field(8),
        size: field(9),
    };
    (stat, field(6))
}

fn extensions(reader: &mut Reader<'_>, index: &mut Index) -> Result<(), IndexError> {
    while reader.at < reader.bytes.len() {
        let name = reader.take(4)?;
        let len = reader.u32()? as usize;
        let data = reader.take(len)?;
        match name {
            b"link" => index.link = Link::parse(data, index.format)?,
            b"sdir" => return Err(IndexError::Sparse),
            b"TREE" => {
                if trees(&mut Reader { bytes: data, at: 0 }, index).is_err() {
                    // It saves work and decides nothing, so a bad one is as good as none.
                    index.trees.clear();
                }
            }
            _ if name[0].is_ascii_uppercase() => {}
            _ => return Err(IndexError::Extension(String::from_utf8_lossy(name).into_owned())),
        }
    }
    Ok(())
}

/// Reads the cache of trees: nodes in preorder, each with its name, the number of its entries (-1
/// where it is not valid), that of the directories below it, and the id where it is valid.
fn trees(reader: &mut Reader<'_>, index: &mut Index) -> Result<(), IndexError> {
    // Length of the path above the directories that follow, and how many are still to come.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut path: Vec<u8> = Vec::new();
    let mut names = 0;
    loop {
        let name = reader.until_nul()?;
        if name.is_empty() != open.is_empty() || name.contains(&b'/') {
            return Err(corrupt("a tree has no proper name"));
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        names += path.len() + 1;
        if names > MAX_TREE_NAMES || path.len() > MAX_PATH_BYTES {
            return Err(corrupt("its trees are too deep"));
        }
        let entries = number(reader.until(b' ')?)?;
        let below = number(reader.until(b'\n')?)?;
        if entries >= 0 {
            let id = ObjectId::from_bytes(reader.take(index.format.id_len())?);
            index.trees.insert(path.as_slice().into(), id.expect("the length of an id"));
        }
        open.push((path.len(), usize::try_from(below).map_err(|_| corrupt("a tree's count"))?));
        while let Some((len, below)) = open.last_mut() {
            if *below > 0 {
                *below -= 1;
                path.truncate(*len);
                break;
            }
            open.pop();
        }
        if open.is_empty() {
            return Ok(());
        }
    }
}

fn number(text: &[u8]) -> Result<i64, IndexError> {
    let text = str::from_utf8(text).ok().and_then(|text| text.parse::<i32>().ok());
    text.map(i64::from).ok_or(corrupt("a tree has no proper count"))
}

/// Bytes and how far they were read; nothing is read beyond their end.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], IndexError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or(corrupt("it is cut short"))?;
        self.at += len;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, IndexError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, IndexError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Bytes before the next `end`, which is passed over.
    fn until(&mut self, end: u8) -> Result<&'a [u8], IndexError> {
        let rest = &self.bytes[self.at..];
        let len = memchr::memchr(end, rest).ok_or(corrupt("it is cut short"))?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    fn until_nul(&mut self) -> Result<&'a [u8], IndexError> {
        self.until(0)
    }

    /// A number in the encoding of pack offsets: seven bits a byte, highest first, and one more
    /// for each byte that follows.
    fn varint(&mut self) -> Result<usize, IndexError> {
        let mut byte = self.take(1)?[0];
        let mut value = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            if value > MAX_INDEX_BYTES {
                return Err(corrupt("a number is too large"));
            }
            byte = self.take(1)?[0];
            value = (value + 1) << 7 | usize::from(byte & 0x7f);
        }
        Ok(value)
    }
}
