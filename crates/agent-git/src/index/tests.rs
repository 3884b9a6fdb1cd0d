//! Tests of the parser: indexes written here, any bytes at all, and in `needs_git` git's own.

use proptest::{collection::vec, prelude::*, sample::Index as Pick};
use sha1::{Digest as _, Sha1};

use super::*;

/// An entry to write: path, stage, mode and flags.
#[derive(Clone, Debug)]
struct Written {
    path: Vec<u8>,
    stage: u8,
    mode: u32,
    assume_unchanged: bool,
    skip_worktree: bool,
    intent_to_add: bool,
}

/// Writes an index as gitformat-index(5) says.
fn write(version: u32, format: ObjectFormat, entries: &[Written], extensions: &[u8]) -> Vec<u8> {
    let mut bytes = b"DIRC".to_vec();
    bytes.extend(version.to_be_bytes());
    bytes.extend((entries.len() as u32).to_be_bytes());
    let mut before: &[u8] = b"";
    for (number, entry) in (1..).zip(entries) {
        let start = bytes.len();
        for field in [number, 1, number + 1, 2, 3, 4, entry.mode, 5, 6, number * 10_u32] {
            bytes.extend(field.to_be_bytes());
        }
        bytes.extend(vec![number as u8; format.id_len()]);
        let extended = version > 2 && (entry.skip_worktree || entry.intent_to_add);
        let flags = u16::from(entry.assume_unchanged) << 15
            | u16::from(extended) << 14
            | u16::from(entry.stage) << 12
            | entry.path.len().min(0xfff) as u16;
        bytes.extend(flags.to_be_bytes());
        if extended {
            let more = u16::from(entry.skip_worktree) << 14 | u16::from(entry.intent_to_add) << 13;
            bytes.extend(more.to_be_bytes());
        }
        if version == 4 {
            let same = before.iter().zip(&entry.path).take_while(|(a, b)| a == b).count();
            bytes.extend(varint(before.len() - same));
            bytes.extend(&entry.path[same..]);
            bytes.push(0);
        } else {
            bytes.extend(&entry.path);
            let len = bytes.len() - start;
            bytes.extend(vec![0; 8 - len % 8]);
        }
        before = &entry.path;
    }
    bytes.extend(extensions);
    bytes.extend(vec![0; format.id_len()]);
    bytes
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut digits = vec![(value & 0x7f) as u8];
    while value > 0x7f {
        value = (value >> 7) - 1;
        digits.insert(0, 0x80 | (value & 0x7f) as u8);
    }
    digits
}

fn file(path: impl Into<Vec<u8>>) -> Written {
    Written {
        path: path.into(),
        stage: 0,
        mode: 0o100_644,
        assume_unchanged: false,
        skip_worktree: false,
        intent_to_add: false,
    }
}

fn extension(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [name, (data.len() as u32).to_be_bytes().as_slice(), data].concat()
}

fn parse(bytes: &[u8]) -> Result<Index, IndexError> {
    Index::parse(bytes, ObjectFormat::Sha1)
}

#[track_caller]
fn check_refused(bytes: &[u8], expected: &str) {
    assert_eq!(parse(bytes).unwrap_err().to_string(), expected);
}

#[test]
fn an_index_without_entries_is_read() {
    assert_eq!(parse(&write(2, ObjectFormat::Sha1, &[], b"")).unwrap().len(), 0);
}

#[test]
fn what_git_would_not_read_is_refused() {
    let good = write(2, ObjectFormat::Sha1, &[file("a"), file("b")], b"");
    check_refused(b"", "the index is damaged: it is cut short");
    let cut = [&good[..30], &[0; 20]].concat();
    check_refused(&cut, "the index is damaged: it has fewer entries than it says");
    check_refused(&[b"DIRX", &good[4..]].concat(), "the index is damaged: it has no signature");
    check_refused(&write(5, ObjectFormat::Sha1, &[], b""), "the index has the unknown version 5");
    let twice = write(2, ObjectFormat::Sha1, &[file("a"), file("a")], b"");
    check_refused(&twice, "the index is damaged: its entries are out of order");
    let nameless = write(4, ObjectFormat::Sha1, &[file("")], b"");
    check_refused(&nameless, "the index is damaged: an entry has no path");
}

#[test]
fn what_another_reader_must_read_is_said() {
    let with = |name, data: &[u8]| write(2, ObjectFormat::Sha1, &[], &extension(name, data));
    check_refused(&with(b"sdir", b""), "the index is sparse");
    check_refused(&with(b"ours", b""), "the index has the unknown extension `ours`");
    let directory = Written { mode: 0o040_000, ..file("a/") };
    check_refused(&write(3, ObjectFormat::Sha1, &[directory], b""), "the index is sparse");
    assert!(parse(&with(b"OURS", b"anything")).is_ok());
}

#[test]
fn a_split_index_says_where_the_rest_is() {
    let mut alone =
        parse(&write(2, ObjectFormat::Sha1, &[file("a")], &extension(b"link", &[0; 20])));
    assert!(alone.as_mut().unwrap().take_link().is_none(), "it is shared with no other");
    let own = [file(""), file("b")];
    // Nothing is deleted, and the second entry replaced.
    let replaced = [&2_u32.to_be_bytes()[..], &2_u32.to_be_bytes(), &(1_u64 << 33).to_be_bytes()];
    let data = [&[7; 20][..], &[0; 12], &replaced.concat(), &2_u64.to_be_bytes(), &[0; 4]].concat();
    let own = || parse(&write(2, ObjectFormat::Sha1, &own, &extension(b"link", &data))).unwrap();
    let mut index = own();
    let link = index.take_link().unwrap();
    assert_eq!(link.shared.as_bytes(), [7; 20]);
    let shared = parse(&write(2, ObjectFormat::Sha1, &[file("a"), file("c")], b"")).unwrap();
    let joined = index.join(&link, &shared).unwrap();
    let paths: Vec<_> = joined.entries().map(|entry| entry.path.to_vec()).collect();
    assert_eq!(paths, [b"a", b"b", b"c"]);
    let refused = own().join(&link, &Index::empty()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the index is damaged: a bitmap is about entries that are not there"
    );
}

#[test]
fn a_checksum_counts_unless_it_is_zero() {
    let mut bytes = write(2, ObjectFormat::Sha1, &[file("a")], b"");
    let end = bytes.len() - 20;
    assert!(parse(&bytes).is_ok());
    let digest = Sha1::digest(&bytes[..end]);
    bytes[end..].copy_from_slice(&digest);
    assert!(parse(&bytes).is_ok());
    bytes[end] ^= 1;
    check_refused(&bytes, "the index is damaged: its checksum does not match");
}

#[test]
fn directories_are_ranges_of_entries() {
    let paths = ["a", "a-b", "a/b", "a/c/d", "a/c/e", "a0", "b"];
    let entries: Vec<_> = paths.iter().map(|path| file(*path)).collect();
    let index = parse(&write(4, ObjectFormat::Sha1, &entries, b"")).unwrap();
    let check = |directory: &str, expected: &[&str]| {
        let positions = index.positions(directory.as_bytes());
        let found = positions.map(|position| index.path_at(position).to_vec());
        let expected = expected.iter().map(|path| path.as_bytes().to_vec());
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{directory}");
    };
    check("", &paths);
    check("a", &["a/b", "a/c/d", "a/c/e"]);
    check("a/c", &["a/c/d", "a/c/e"]);
    check("a-b", &[]);
    check("c", &[]);
    assert_eq!(Index::empty().positions(b""), 0..0);
}

#[test]
fn a_path_in_a_merge_has_stages() {
    let stage = |path: &str, stage| Written { stage, ..file(path) };
    let entries = [file("a"), stage("b", 1), stage("b", 3), stage("c", 2), file("d")];
    let index = parse(&write(2, ObjectFormat::Sha1, &entries, b"")).unwrap();
    let conflicted: Vec<_> =
        ["a", "b", "c", "d", "e"].map(|path| index.conflicted(path.as_bytes())).into();
    assert_eq!(conflicted, [false, true, true, false, false]);
    assert!(index.get(b"a").is_some() && index.get(b"b").is_none() && index.get(b"e").is_none());
    assert_eq!(index.stages(b"b").map(|entry| entry.stage).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn a_cache_of_trees_is_read_and_a_bad_one_ignored() {
    let id = |byte| ObjectId::from_bytes(&[byte; 20]).unwrap();
    let node = |name: &str, entries: i32, below: u32, byte: u8| {
        let mut node = format!("{name}\0{entries} {below}\n").into_bytes();
        node.extend(if entries >= 0 { vec![byte; 20] } else { Vec::new() });
        node
    };
    let nodes = [node("", -1, 2, 0), node("a", 2, 1, 1), node("b", 1, 0, 2), node("c", 1, 0, 3)];
    let with =
        |data: &[u8]| parse(&write(2, ObjectFormat::Sha1, &[], &extension(b"TREE", data))).unwrap();
    let index = with(&nodes.concat());
    assert_eq!(index.tree_id(b""), None);
    assert_eq!(index.tree_id(b"a"), Some(id(1)));
    assert_eq!(index.tree_id(b"a/b"), Some(id(2)));
    assert_eq!(index.tree_id(b"c"), Some(id(3)));
    assert_eq!(index.tree_id(b"b"), None);
    assert_eq!(with(&nodes[..3].concat()).tree_id(b"a"), None);
}

#[test]
fn fifty_thousand_entries_take_less_than_eight_mebibytes() {
    let entries: Vec<_> = (0..50_000)
        .map(|n| file(format!("crates/some-crate-{:03}/src/some_module/file_{n:05}.rs", n / 200)))
        .collect();
    let index = parse(&write(2, ObjectFormat::Sha1, &entries, b"")).unwrap();
    let bytes = index.paths.capacity()
        + index.ids.capacity()
        + index.records.capacity() * size_of::<Record>();
    assert_eq!(index.len(), 50_000);
    assert!(bytes <= 8 * 1024 * 1024, "{bytes}");
}

fn any_entries() -> impl Strategy<Value = Vec<Written>> {
    let entry = ("[a-c]{1,3}(/[a-c.]{1,3}){0,3}", 0..3_u8, any::<[bool; 3]>(), 0..4_usize);
    vec(entry, 0..20).prop_map(|entries| {
        let mut entries: Vec<_> = entries
            .into_iter()
            .map(|(path, stage, [assume_unchanged, skip_worktree, intent_to_add], mode)| Written {
                path: path.into(),
                stage,
                mode: [0o100_644, 0o100_755, 0o120_000, 0o160_000][mode],
                assume_unchanged,
                skip_worktree,
                intent_to_add,
            })
            .collect();
        entries.sort_by(|a, b| (&a.path, a.stage).cmp(&(&b.path, b.stage)));
        // A merged path has no stages, and each stage occurs once.
        entries.dedup_by(|b, a| a.path == b.path && (a.stage == 0 || a.stage == b.stage));
        entries
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        entries in any_entries(),
        version in 2..=4_u32,
        long in any::<bool>(),
    ) {
        let format = if long { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
        let index = Index::parse(&write(version, format, &entries, b""), format).unwrap();
        prop_assert_eq!(index.len(), entries.len());
        for ((number, written), read) in (1..).zip(&entries).zip(index.entries()) {
            prop_assert_eq!(read.path, &written.path);
            prop_assert_eq!(read.stage, written.stage);
            prop_assert_eq!(Some(read.version.mode), Mode::from_bits(written.mode));
            prop_assert_eq!(read.version.id.as_bytes(), vec![number as u8; format.id_len()]);
            prop_assert_eq!(read.assume_unchanged, written.assume_unchanged);
            prop_assert_eq!(read.skip_worktree, written.skip_worktree && version > 2);
            prop_assert_eq!(read.intent_to_add, written.intent_to_add && version > 2);
            let stat = IndexStat {
                ctime: (number, 1), mtime: (number + 1, 2),
                dev: 3, ino: 4, uid: 5, gid: 6, size: number * 10,
            };
            prop_assert_eq!(read.stat, stat);
            prop_assert_eq!(index.stages(read.path).filter(|entry| *entry == read).count(), 1);
        }
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..400), long in any::<bool>()) {
        let format = if long { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
        let _ = Index::parse(&bytes, format);
        let mut index = [b"DIRC\0\0\0\x04\0\0\0\x02", bytes.as_slice()].concat();
        index.extend([0; 32]);
        let _ = Index::parse(&index, format);
    }

    #[test]
    fn a_changed_index_is_refused_or_in_order(
        entries in any_entries(),
        version in 2..=4_u32,
        changes in vec((any::<Pick>(), any::<u8>()), 1..4),
        cut in any::<Option<Pick>>(),
    ) {
        let tree = extension(b"TREE", b"\x002 1\n12345678901234567890a\x00-1 0\n");
        let mut bytes = write(version, ObjectFormat::Sha1, &entries, &tree);
        let end = bytes.len() - 20;
        for (at, byte) in changes {
            bytes[at.index(end)] = byte;
        }
        if let Some(cut) = cut {
            bytes.drain(cut.index(end)..end);
        }
        if let Ok(index) = parse(&bytes) {
            let keys: Vec<_> = index.entries().map(|entry| (entry.path, entry.stage)).collect();
            prop_assert!(keys.is_sorted_by(|a, b| a < b));
            prop_assert!(index.positions(b"a").all(|at| index.path_at(at).starts_with(b"a/")));
        }
    }
}
