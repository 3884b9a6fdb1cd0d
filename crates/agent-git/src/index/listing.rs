//! From the output of `git ls-files --stage -z` to an [`Index`], where git alone can read the file.

use super::{ASSUME_UNCHANGED, Index, IndexError, IndexStat, MAX_INDEX_BYTES, Record, parse};
use crate::model::{Mode, ObjectFormat, ObjectId};

/// Each line is `MODE ID STAGE`, a tab, the path and NUL.
pub(super) fn parse(bytes: &[u8], format: ObjectFormat) -> Result<Index, IndexError> {
    if bytes.len() > MAX_INDEX_BYTES {
        return Err(parse::corrupt("its listing is over 512 MiB"));
    }
    let mut index = Index { format, ..Index::default() };
    for line in bytes.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let (mode, id, stage, path) =
            entry(line, format).ok_or(parse::corrupt("its listing has an unknown form"))?;
        parse::check_order(&index, path, stage)?;
        index.records.push(Record {
            path_start: u32::try_from(index.paths.len()).expect("paths are bounded"),
            path_len: u32::try_from(path.len()).expect("a path is bounded"),
            stat: IndexStat::default(),
            mode,
            flags: stage | ASSUME_UNCHANGED,
        });
        index.paths.extend_from_slice(path);
        index.ids.extend_from_slice(id.as_bytes());
    }
    Ok(index)
}

fn entry(line: &[u8], format: ObjectFormat) -> Option<(Mode, ObjectId, u8, &[u8])> {
    let (head, path) = line.split_at_checked(memchr::memchr(b'\t', line)?)?;
    let mut fields = head.split(|byte| *byte == b' ');
    let bits = u32::from_str_radix(str::from_utf8(fields.next()?).ok()?, 8).ok()?;
    let id = ObjectId::from_hex(fields.next()?)?;
    let stage = match fields.next()? {
        [digit @ b'0'..=b'3'] => digit - b'0',
        _ => return None,
    };
    let is_fit = fields.next().is_none() && id.as_bytes().len() == format.id_len();
    (is_fit && path.len() > 1).then_some((Mode::from_bits(bits)?, id, stage, &path[1..]))
}
