//! What git says, parsed: `status --porcelain=v2 -z`, `ls-tree -z` and `ls-files --stage -z`.
//!
//! Source: git-status(1), "Porcelain Format Version 2". Anything else than described is an error.

use std::collections::HashMap;

use crate::model::{Mode, ObjectId, Version};

/// The output of `git status`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// `None` before the first one.
    pub(super) commit: Option<ObjectId>,
    /// The branch, or `(detached)`.
    pub(super) branch: Option<Vec<u8>>,
    /// Name, ahead, behind; only if the upstream exists.
    pub(super) upstream: Option<(String, u64, u64)>,
    pub(super) records: Vec<Record>,
}

/// What git says of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    Ordinary {
        path: Vec<u8>,
        head: Option<Version>,
        indexed: Option<Version>,
        /// `None` when the work tree does not have it.
        work: Option<Mode>,
        /// Whether the work tree has what the index has.
        is_as_indexed: bool,
    },
    Unmerged {
        path: Vec<u8>,
        /// The second stage, that of the own side.
        ours: Option<Version>,
        work: Option<Mode>,
    },
    /// A file, or a directory that is a repository: then the path ends with `/`.
    Untracked { path: Vec<u8> },
}

impl Record {
    pub(super) fn path(&self) -> &[u8] {
        match self {
            Self::Ordinary { path, .. }
            | Self::Unmerged { path, .. }
            | Self::Untracked { path } => path,
        }
    }
}

/// What is not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("git says `{0}`, which is not understood")]
pub(super) struct NotUnderstood(String);

/// Parses the output of `git status --porcelain=v2 -z --branch`; untracked repositories are left
/// out.
pub(super) fn parse(output: &[u8]) -> Result<Status, NotUnderstood> {
    let mut status = Status::default();
    let mut upstream = None;
    let mut divergence = None;
    for line in ended_by_nul(output)? {
        if let Some(header) = line.strip_prefix(b"# ") {
            parse_header(header, &mut status, &mut upstream, &mut divergence)
        } else {
            parse_record(line).map(|record| {
                let is_repository = |record: &Record| {
                    matches!(record, Record::Untracked { path } if path.ends_with(b"/"))
                };
                status.records.extend(record.filter(|record| !is_repository(record)));
            })
        }
        .ok_or_else(|| not_understood(line))?;
    }
    status.upstream = upstream.zip(divergence).map(|(name, (ahead, behind))| (name, ahead, behind));
    Ok(status)
}

/// Parses the output of `git ls-tree -z`: files and submodules by path.
pub(super) fn parse_tree(output: &[u8]) -> Result<HashMap<Vec<u8>, Version>, NotUnderstood> {
    let mut versions = HashMap::new();
    for line in ended_by_nul(output)? {
        let (mut words, path) = words::<3>(line, b'\t').ok_or_else(|| not_understood(line))?;
        if words[1] == b"tree" {
            continue;
        }
        let version = version(words[0], std::mem::take(&mut words[2]))
            .flatten()
            .ok_or_else(|| not_understood(line))?;
        versions.insert(path.to_vec(), version);
    }
    Ok(versions)
}

/// Parses the output of `git ls-files --stage -z`: blobs of merged files by path.
pub(super) fn parse_index(output: &[u8]) -> Result<HashMap<Vec<u8>, ObjectId>, NotUnderstood> {
    let mut ids = HashMap::new();
    for line in ended_by_nul(output)? {
        let (words, path) = words::<3>(line, b'\t').ok_or_else(|| not_understood(line))?;
        let id = ObjectId::from_hex(words[1]).ok_or_else(|| not_understood(line))?;
        if words[2] == b"0" {
            ids.insert(path.to_vec(), id);
        }
    }
    Ok(ids)
}

fn not_understood(line: &[u8]) -> NotUnderstood {
    NotUnderstood(String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned())
}

/// The lines of an output, each of which ends with NUL.
fn ended_by_nul(output: &[u8]) -> Result<impl Iterator<Item = &[u8]>, NotUnderstood> {
    let lines = match output {
        [] => None,
        [lines @ .., 0] => Some(lines.split(|byte| *byte == 0)),
        _ => return Err(not_understood(output.rsplit(|byte| *byte == 0).next().unwrap_or(output))),
    };
    Ok(lines.into_iter().flatten())
}

fn parse_header(
    header: &[u8],
    status: &mut Status,
    upstream: &mut Option<String>,
    divergence: &mut Option<(u64, u64)>,
) -> Option<()> {
    if let Some(id) = header.strip_prefix(b"branch.oid ") {
        if id != b"(initial)" {
            status.commit = Some(ObjectId::from_hex(id)?);
        }
    } else if let Some(name) = header.strip_prefix(b"branch.head ") {
        status.branch = Some(name.to_vec());
    } else if let Some(name) = header.strip_prefix(b"branch.upstream ") {
        *upstream = Some(String::from_utf8_lossy(name).into_owned());
    } else if let Some(counts) = header.strip_prefix(b"branch.ab ") {
        let (ahead, behind) = str::from_utf8(counts).ok()?.split_once(' ')?;
        let ahead = ahead.strip_prefix('+')?.parse().ok()?;
        *divergence = Some((ahead, behind.strip_prefix('-')?.parse().ok()?));
    }
    // Readers are told to ignore headers that they do not know.
    Some(())
}

/// Parses a record; `Some(None)` for one that says nothing.
fn parse_record(line: &[u8]) -> Option<Option<Record>> {
    let (kind, rest) = (*line.first()?, line.strip_prefix(&[*line.first()?, b' '])?);
    Some(match kind {
        b'1' => {
            let (words, path) = words::<7>(rest, b' ')?;
            let [states, _, head_mode, index_mode, work_mode, head, index] = words;
            let &[_, work_state] = states else { return None };
            Some(Record::Ordinary {
                path: path.to_vec(),
                head: version(head_mode, head)?,
                indexed: version(index_mode, index)?,
                work: mode(work_mode)?,
                is_as_indexed: work_state == b'.',
            })
        }
        b'u' => {
            let (words, path) = words::<9>(rest, b' ')?;
            Some(Record::Unmerged {
                path: path.to_vec(),
                ours: version(words[3], words[7])?,
                work: mode(words[5])?,
            })
        }
        b'?' if !rest.is_empty() => Some(Record::Untracked { path: rest.to_vec() }),
        b'!' => None,
        _ => return None,
    })
}

/// The first `N` words, and what follows after a separator: a path, never empty.
fn words<const N: usize>(line: &[u8], separator: u8) -> Option<([&[u8]; N], &[u8])> {
    let mut words = [&[][..]; N];
    let mut rest = line;
    for (index, word) in words.iter_mut().enumerate() {
        let end = if index + 1 == N { separator } else { b' ' };
        let at = memchr::memchr(end, rest)?;
        *word = &rest[..at];
        rest = &rest[at + 1..];
    }
    (!rest.is_empty()).then_some((words, rest))
}

/// A version; `Some(None)` for none, whose mode is 0. A sparse index has directories, too; in the
/// output of git they are expanded.
fn version(bits: &[u8], id: &[u8]) -> Option<Option<Version>> {
    let id = ObjectId::from_hex(id)?;
    Some(mode(bits)?.filter(|_| !id.is_null()).map(|mode| Version { mode, id }))
}

/// A mode; `Some(None)` for none, and for a directory in the place of a file.
fn mode(bits: &[u8]) -> Option<Option<Mode>> {
    let is_octal = bits.len() == 6 && bits.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    if !is_octal {
        return None;
    }
    let bits = u32::from_str_radix(str::from_utf8(bits).ok()?, 8).ok()?;
    match Mode::from_bits(bits) {
        Some(mode) => Some(Some(mode)),
        None => matches!(bits, 0 | 0o040_000).then_some(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const NULL: &str = "0000000000000000000000000000000000000000";

    fn version_of(mode: Mode) -> Version {
        Version { mode, id: ObjectId::from_hex(ONE.as_bytes()).unwrap() }
    }

    #[test]
    fn a_whole_output_is_parsed() {
        let output = format!(
            "# branch.oid {ONE}\0# branch.head a b\0# branch.upstream o/m\0# branch.ab +1 -20\0# new x\0\
             1 .M N... 100644 100644 100755 {ONE} {ONE} a b\n\0\
             1 D. N... 120000 000000 000000 {ONE} {NULL} gone\0\
             u UU N... 100644 100644 100644 100644 {NULL} {ONE} {ONE} c\0\
             ? new\0? nested/\0! ignored\0"
        );
        let status = parse(output.as_bytes()).unwrap();
        assert_eq!(status.commit, ObjectId::from_hex(ONE.as_bytes()));
        assert_eq!(status.branch.as_deref(), Some(&b"a b"[..]));
        assert_eq!(status.upstream, Some(("o/m".to_owned(), 1, 20)));
        let expected = [
            Record::Ordinary {
                path: b"a b\n".to_vec(),
                head: Some(version_of(Mode::File)),
                indexed: Some(version_of(Mode::File)),
                work: Some(Mode::Executable),
                is_as_indexed: false,
            },
            Record::Ordinary {
                path: b"gone".to_vec(),
                head: Some(version_of(Mode::Link)),
                indexed: None,
                work: None,
                is_as_indexed: true,
            },
            Record::Unmerged {
                path: b"c".to_vec(),
                ours: Some(version_of(Mode::File)),
                work: Some(Mode::File),
            },
            Record::Untracked { path: b"new".to_vec() },
        ];
        assert_eq!(status.records, expected);
    }

    #[test]
    fn an_upstream_without_counts_is_missing() {
        let status = parse(b"# branch.oid (initial)\0# branch.upstream o/m\0").unwrap();
        assert_eq!(status, Status::default());
        assert_eq!(parse(b"").unwrap(), Status::default());
    }

    #[test]
    fn what_is_not_described_is_an_error() {
        for output in [
            "? a",
            "1 .M N... 100644 100644 100644 1 1 a\0",
            "1 .M N...\0",
            "2 R. x\0",
            "? \0",
            "# branch.ab +1\0",
            "# branch.oid x\0",
            "\0",
        ] {
            assert!(parse(output.as_bytes()).is_err(), "{output:?}");
        }
        let short = format!("1 M N... 100644 100644 100644 {ONE} {ONE} a\0");
        assert!(parse(short.as_bytes()).is_err());
        let mode = format!("1 .M N... 100644 100644 10064x {ONE} {ONE} a\0");
        assert!(parse(mode.as_bytes()).is_err());
    }

    #[test]
    fn trees_and_indexes_are_parsed() {
        let output = format!("100755 blob {ONE}\ta\tb\0040000 tree {ONE}\td\0");
        let tree = parse_tree(output.as_bytes()).unwrap();
        assert_eq!(tree, HashMap::from([(b"a\tb".to_vec(), version_of(Mode::Executable))]));
        let output = format!("100644 {ONE} 0\td/.gitattributes\0100644 {ONE} 2\t.gitattributes\0");
        let index = parse_index(output.as_bytes()).unwrap();
        assert_eq!(index.into_keys().collect::<Vec<_>>(), [b"d/.gitattributes".to_vec()]);
        assert!(parse_tree(b"x\0").is_err());
        assert!(parse_index(b"100644 x 0\ta\0").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (parse(&bytes), parse_tree(&bytes), parse_index(&bytes));
        }

        #[test]
        fn outputs_that_are_damaged_are_parsed_without_a_panic(at in 0..400_usize, byte: u8, cut in 0..400_usize) {
            let mut output = format!(
                "# branch.oid {ONE}\0# branch.ab +1 -20\0\
                 1 .M N... 100644 100644 100755 {ONE} {ONE} a b\n\0\
                 u UU N... 100644 100644 100644 100644 {NULL} {ONE} {ONE} c\0? nested/\0"
            ).into_bytes();
            let at = at % output.len();
            output[at] = byte;
            output.truncate(cut);
            let _ = (parse(&output), parse_tree(&output), parse_index(&output));
        }
    }
}
