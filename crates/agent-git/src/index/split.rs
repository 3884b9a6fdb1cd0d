//! Putting a split index together: the shared index, what the other one says about its entries,
//! and the entries that only that one has.
//!
//! Source: `gitformat-index(5)`, "Split index", and `Documentation/technical/bitmap-format.txt` of
//! git for the compression of its bitmaps (EWAH).

use super::{
    Index, IndexError, Record, STAGE,
    parse::{Reader, corrupt},
};
use crate::model::{ObjectFormat, ObjectId};

/// What a split index says of the shared one.
#[derive(Debug)]
pub(crate) struct Link {
    /// The checksum of the shared index, which is also in its name.
    pub(crate) shared: ObjectId,
    deleted: Vec<u64>,
    replaced: Vec<u64>,
}

impl Link {
    /// Reads the extension `link`; `None` when there is no shared index after all.
    pub(super) fn parse(data: &[u8], format: ObjectFormat) -> Result<Option<Self>, IndexError> {
        let mut reader = Reader { bytes: data, at: 0 };
        let shared = ObjectId::from_bytes(reader.take(format.id_len())?);
        let shared = shared.expect("the length of an id");
        let mut bitmap = || match reader.at == data.len() {
            true => Ok(Vec::new()),
            false => bitmap(&mut reader),
        };
        let (deleted, replaced) = (bitmap()?, bitmap()?);
        Ok((!shared.is_null()).then_some(Self { shared, deleted, replaced }))
    }
}

/// Reads a compressed bitmap: words of 64 bits, the lowest bit first.
fn bitmap(reader: &mut Reader<'_>) -> Result<Vec<u64>, IndexError> {
    let broken = || corrupt("a bitmap is broken");
    let bits = reader.u32()? as usize;
    let count = reader.u32()? as usize;
    let len = count.checked_mul(8).ok_or(broken())?;
    let mut words = reader
        .take(len)?
        .chunks_exact(8)
        .map(|bytes| u64::from_be_bytes(bytes.try_into().expect("pieces of eight bytes")));
    // Where the last marker is, which only writers need.
    reader.u32()?;
    let most = bits.div_ceil(64);
    let mut found = Vec::new();
    while let Some(marker) = words.next() {
        let run = usize::try_from(marker >> 1 & 0xffff_ffff).unwrap_or(usize::MAX);
        let literal = usize::try_from(marker >> 33).unwrap_or(usize::MAX);
        if run > most - found.len() || literal > most - found.len() - run {
            return Err(broken());
        }
        let filled = if marker & 1 == 1 { u64::MAX } else { 0 };
        found.resize(found.len() + run, filled);
        for _ in 0..literal {
            found.push(words.next().ok_or(broken())?);
        }
    }
    Ok(found)
}

fn has(bitmap: &[u64], position: usize) -> bool {
    bitmap.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
}

/// How many bits are set; none of them may be for a position that there is not.
fn count(bitmap: &[u64], positions: usize) -> Result<usize, IndexError> {
    let beyond = bitmap.iter().enumerate().any(|(index, word)| {
        let first = index * 64;
        *word != 0 && first + 63 - word.leading_zeros() as usize >= positions
    });
    if beyond {
        return Err(corrupt("a bitmap is about entries that are not there"));
    }
    Ok(bitmap.iter().map(|word| word.count_ones() as usize).sum())
}

/// Puts the entries of both together.
///
/// Those of `own` that replace one of `shared` come first, without a path, in the order of what
/// they replace.
pub(super) fn join(own: Index, link: &Link, shared: &Index) -> Result<Index, IndexError> {
    let replacing = count(&link.replaced, shared.len())?;
    count(&link.deleted, shared.len())?;
    let is_nameless = |record: &Record| record.path_len == 0;
    if own.records.iter().take_while(|record| is_nameless(record)).count() != replacing {
        return Err(corrupt("it replaces other entries than it says"));
    }
    let mut joined = Joined::default();
    let mut replacements = 0..replacing;
    let mut added = replacing..own.records.len();
    for position in 0..shared.len() {
        let named = &shared.records[position];
        let (from, source) = match has(&link.replaced, position) {
            true => (&own, replacements.next().expect("as many as bits are set")),
            false => (shared, position),
        };
        if has(&link.deleted, position) {
            continue;
        }
        let key = (shared.path_of(named), from.records[source].flags & STAGE);
        while let Some(next) = added.clone().next() {
            let other = (own.path_of(&own.records[next]), own.records[next].flags & STAGE);
            if other > key {
                break;
            }
            joined.push(other.0, &own, next)?;
            added.next();
        }
        // An added entry has already taken the place of one that has the same path and stage.
        if !joined.ends_with(key) {
            joined.push(key.0, from, source)?;
        }
    }
    for next in added {
        joined.push(own.path_of(&own.records[next]), &own, next)?;
    }
    let mut index = joined.index;
    index.format = own.format;
    index.trees = own.trees;
    Ok(index)
}

#[derive(Default)]
struct Joined {
    index: Index,
}

impl Joined {
    fn ends_with(&self, (path, stage): (&[u8], u8)) -> bool {
        self.index
            .records
            .last()
            .is_some_and(|last| last.flags & STAGE == stage && self.index.path_of(last) == path)
    }

    fn push(&mut self, path: &[u8], from: &Index, position: usize) -> Result<(), IndexError> {
        let record = &from.records[position];
        super::parse::check_order(&self.index, path, record.flags & STAGE)?;
        let len = from.format.id_len();
        self.index.ids.extend_from_slice(&from.ids[position * len..][..len]);
        self.index.records.push(Record {
            path_start: u32::try_from(self.index.paths.len()).expect("paths are bounded"),
            path_len: u32::try_from(path.len()).expect("a path is bounded"),
            ..*record
        });
        self.index.paths.extend_from_slice(path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[u64], bits: u32, expected: Option<&[u64]>) {
        let mut bytes = bits.to_be_bytes().to_vec();
        bytes.extend((words.len() as u32).to_be_bytes());
        words.iter().for_each(|word| bytes.extend(word.to_be_bytes()));
        bytes.extend([0; 4]);
        let read = bitmap(&mut Reader { bytes: &bytes, at: 0 }).ok();
        assert_eq!(read.as_deref(), expected, "{words:x?}");
    }

    #[test]
    fn a_bitmap_has_runs_and_words_as_they_are() {
        let marker = |bit: u64, run: u64, literal: u64| bit | run << 1 | literal << 33;
        check(&[], 0, Some(&[]));
        check(&[marker(0, 0, 1), 0b101], 3, Some(&[0b101]));
        check(&[marker(1, 2, 1), 7, marker(0, 1, 0)], 256, Some(&[u64::MAX, u64::MAX, 7, 0]));
        check(&[marker(1, u64::from(u32::MAX), 0)], 64, None);
        check(&[marker(0, 0, 2), 1], 128, None);
        check(&[marker(0, 0, 2), 1, 1], 64, None);
    }

    #[test]
    fn bits_are_counted_and_must_have_an_entry() {
        assert_eq!(count(&[0b1011, 1], 65), Ok(4));
        assert!(count(&[0b1011, 1], 64).is_err());
        assert_eq!(count(&[], 0), Ok(0));
        assert!(has(&[0, 2], 65) && !has(&[0, 2], 64) && !has(&[0, 2], 1000));
    }
}
