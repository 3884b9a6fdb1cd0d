//! Indexes that git wrote, and what git says is in them.

use std::{fs, ops::RangeInclusive};

use agent_test::GitRepository;
use proptest::{prelude::*, sample::Index as Pick, test_runner::TestRunner};
use tempfile::TempDir;

use super::{Entry, Index};
use crate::model::ObjectFormat;

fn bytes(repository: &GitRepository) -> Vec<u8> {
    fs::read(repository.path(".git/index")).unwrap()
}

/// A repository with entries of every kind.
fn repository(format: &str) -> (TempDir, GitRepository) {
    let directory = TempDir::new().unwrap();
    let option = format!("--object-format={format}");
    let repository = GitRepository::init_with(directory.path().join("work"), &[&option]);
    for number in 0..40 {
        repository.write(format!("d{}/e/file-{number}.txt", number % 7), format!("{number}\n"));
    }
    repository.write(format!("deep/{}/f", "x/".repeat(300)), "deep\n");
    repository.write_bytes(b"name-\xff", "odd\n");
    repository.commit_all("first");
    repository.git(&["checkout", "-q", "-b", "other"]);
    repository.write("d1/e/file-1.txt", "theirs\n");
    repository.commit_all("theirs");
    repository.git(&["checkout", "-q", "main"]);
    repository.write("d1/e/file-1.txt", "ours\n");
    repository.commit_all("ours");
    assert!(!repository.try_git(&["merge", "-q", "other"]).status.success());
    repository.write("intended", "intended\n");
    repository.git(&["add", "--intent-to-add", "intended"]);
    repository.git(&["update-index", "--assume-unchanged", "d0/e/file-0.txt"]);
    repository.git(&["update-index", "--skip-worktree", "d2/e/file-2.txt"]);
    (directory, repository)
}

/// An entry in the words of `git ls-files --stage --debug`.
fn described(entry: &Entry<'_>) -> String {
    let stat = entry.stat;
    let flags = u32::from(entry.assume_unchanged) << 15
        | u32::from(entry.stage) << 12
        | u32::from(entry.intent_to_add) << 29
        | u32::from(entry.skip_worktree) << 30;
    format!(
        "{} {} {}\t{}\0  ctime: {}:{}\n  mtime: {}:{}\n  dev: {}\tino: {}\n  uid: {}\tgid: {}\n  \
         size: {}\tflags: {flags:x}\n",
        entry.version.mode.as_str(),
        entry.version.id,
        entry.stage,
        String::from_utf8_lossy(entry.path),
        stat.ctime.0,
        stat.ctime.1,
        stat.mtime.0,
        stat.mtime.1,
        stat.dev,
        stat.ino,
        stat.uid,
        stat.gid,
        stat.size,
    )
}

/// Reads the index, and the shared one where it is split.
fn read(format: ObjectFormat, repository: &GitRepository) -> (Index, bool) {
    let mut index = Index::parse(&bytes(repository), format).unwrap();
    let Some(link) = index.take_link() else { return (index, false) };
    let shared = fs::read(repository.path(format!(".git/sharedindex.{}", link.shared))).unwrap();
    let shared = Index::parse(&shared, format).unwrap();
    (index.join(&link, &shared).unwrap(), true)
}

#[track_caller]
fn check(format: ObjectFormat, repository: &GitRepository) -> Index {
    let (index, _) = read(format, repository);
    let found: String = index.entries().map(|entry| described(&entry)).collect();
    let expected = repository.git(&["ls-files", "--stage", "--debug", "-z"]);
    let expected = plain(&String::from_utf8_lossy(&expected));
    for (found, expected) in plain(&found).lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
    index
}

/// Without the bits of the flags that say only that more flags follow, and that the entry replaces
/// one of the shared index.
fn plain(listing: &str) -> String {
    let line = |line: &str| match line.split_once("flags: ") {
        Some((before, flags)) => {
            let flags = u32::from_str_radix(flags, 16).unwrap_or(0) & !0x0800_4000;
            format!("{before}flags: {flags:x}\n")
        }
        None => format!("{line}\n"),
    };
    listing.lines().map(line).collect()
}

#[test]
fn every_version_of_either_format_is_read_as_git_reads_it() {
    for (format, name) in [(ObjectFormat::Sha1, "sha1"), (ObjectFormat::Sha256, "sha256")] {
        let (_directory, repository) = repository(name);
        for version in ["4", "3", "2"] {
            repository.git(&["update-index", "--index-version", version]);
            check(format, &repository);
        }
        repository.git(&["reset", "-q", "--hard"]);
        let index = check(format, &repository);
        let tree = repository.text(&["rev-parse", "HEAD^{tree}"]);
        assert_eq!(index.tree_id(b"").map(|id| id.to_string()), Some(tree));
        let tree = repository.text(&["rev-parse", "HEAD:d3/e"]);
        assert_eq!(index.tree_id(b"d3/e").map(|id| id.to_string()), Some(tree));
    }
}

#[test]
fn a_split_index_is_read_as_git_reads_it() {
    for (format, name) in [(ObjectFormat::Sha1, "sha1"), (ObjectFormat::Sha256, "sha256")] {
        let (_directory, repository) = repository(name);
        repository.git(&["config", "core.splitIndex", "true"]);
        // Few changes stay apart from the shared index whatever their number.
        repository.git(&["config", "splitIndex.maxPercentChange", "100"]);
        repository.git(&["update-index", "--split-index"]);
        let path = |number: u32| format!("d{}/e/file-{number}.txt", number % 7);
        for round in 0..12_u32 {
            repository.write(path(round * 3), format!("round {round}\n"));
            repository.write(format!("new/{round}"), "new\n");
            repository.git(&["add", &path(round * 3), "new"]);
            repository.git(&["rm", "-q", "-f", "--cached", &path(round * 3 + 1)]);
            if round % 4 == 3 {
                repository.git(&["add", &path(round * 3 - 2)]);
                repository.git(&["rm", "-q", "-f", "--cached", &format!("new/{}", round - 1)]);
            }
            check(format, &repository);
            assert!(read(format, &repository).1, "it is still split");
        }
        repository.git(&["update-index", "--no-split-index"]);
        check(format, &repository);
    }
}

#[test]
fn a_listing_has_the_entries_of_the_index() {
    for (format, name) in [(ObjectFormat::Sha1, "sha1"), (ObjectFormat::Sha256, "sha256")] {
        let (_directory, repository) = repository(name);
        let index = Index::parse(&bytes(&repository), format).unwrap();
        let listing = repository.git(&["ls-files", "--stage", "-z"]);
        let listed = Index::of_listing(&listing, format).unwrap();
        let key = |entry: Entry<'_>| (entry.path.to_vec(), entry.stage, entry.version);
        assert!(index.entries().map(key).eq(listed.entries().map(key)));
        assert!(Index::of_listing(&listing[1..], format).is_err());
        assert!(listed.entries().all(|entry| entry.assume_unchanged));
    }
}

#[test]
fn an_index_with_further_extensions_is_read() {
    let (_directory, repository) = repository("sha1");
    repository.git(&["config", "index.threads", "4"]);
    repository.git(&["config", "feature.manyFiles", "true"]);
    repository.git(&["update-index", "--untracked-cache", "--force-untracked-cache"]);
    repository.git(&["status"]);
    check(ObjectFormat::Sha1, &repository);
}

#[test]
fn damage_to_an_index_of_git_does_no_harm() {
    let (_directory, repository) = repository("sha1");
    let mut indexes = Vec::new();
    for version in ["2", "3", "4"] {
        repository.git(&["update-index", "--index-version", version]);
        let mut index = bytes(&repository);
        let end = index.len() - 20;
        index[end..].fill(0);
        indexes.push(index);
    }
    let change = (0..3_usize, any::<Pick>(), any::<u8>(), 0..=2_usize);
    let kinds: RangeInclusive<usize> = 1..=8;
    let changes = proptest::collection::vec(change, kinds);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(500));
    let harmless = runner.run(&(0..3_usize, changes), |(which, changes)| {
        let mut index = indexes[which].clone();
        for (kind, at, byte, len) in changes {
            let end = index.len() - 20;
            let at = at.index(end);
            match kind {
                0 => index[at] = byte,
                1 => drop(index.drain(at..(at + len).min(end))),
                _ => drop(index.splice(at..at, vec![byte; len])),
            }
        }
        if let Ok(index) = Index::parse(&index, ObjectFormat::Sha1) {
            prop_assert_eq!(index.entries().count(), index.len());
        }
        Ok(())
    });
    harmless.unwrap();
}
