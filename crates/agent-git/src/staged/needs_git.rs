//! What is staged, and what git says of it.

use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use agent_test::GitRepository;
use proptest::{collection::vec, prelude::*, sample::Index as Pick, test_runner::TestRunner};
use tempfile::TempDir;

use super::{Staged, staged};
use crate::{
    index::Index,
    model::{Mode, ObjectFormat, ObjectId, Version},
    repository::{Discovery, Native, SourceError, User, discover},
};

struct World {
    directory: TempDir,
    repository: GitRepository,
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let repository = GitRepository::init(directory.path().join("work"));
        Self { directory, repository }
    }

    fn staged(&self, stop: &AtomicBool) -> Result<Staged, SourceError> {
        let Ok(Discovery::Repository(location)) = discover(self.repository.root()) else {
            panic!("no repository")
        };
        let user = User::read(self.directory.path(), None, &location);
        let mut source = Native::open(&location, &user)?;
        let tree = source.head_tree()?;
        let bytes = fs::read(location.git_dir.join("index"));
        let index = bytes.map_or_else(
            |_| Index::empty(),
            |bytes| Index::parse(&bytes, ObjectFormat::Sha1).unwrap(),
        );
        staged(&mut source, tree, &index, stop)
    }

    /// What git says, and HEAD's versions of the paths that have no contents in the index.
    fn expected(&self) -> Staged {
        let head = self.repository.try_git(&["ls-tree", "-r", "-z", "HEAD"]);
        let head: BTreeMap<_, _> = records(&head.stdout)
            .map(|record| {
                let tab = memchr::memchr(b'\t', record).unwrap();
                let words: Vec<_> = record[..tab].split(|byte| *byte == b' ').collect();
                (record[tab + 1..].to_vec(), version(words[0], words[2]))
            })
            .collect();
        let index = self.repository.git(&["ls-files", "--stage", "-z"]);
        let index: BTreeMap<_, _> = records(&index)
            .map(|record| {
                let tab = memchr::memchr(b'\t', record).unwrap();
                let words: Vec<_> = record[..tab].split(|byte| *byte == b' ').collect();
                let merged = (words[2] == b"0").then(|| version(words[0], words[1]));
                (record[tab + 1..].to_vec(), merged)
            })
            .collect();
        let intended = self.repository.git(&["diff", "--name-only", "--diff-filter=A", "-z"]);
        let mut index = index;
        for path in records(&intended) {
            index.insert(path.to_vec(), None);
        }
        let paths = head.keys().chain(index.keys());
        paths
            .filter(|path| {
                index.get(*path) != Some(&head.get(*path).copied()) || {
                    index.get(*path) == Some(&None)
                }
            })
            .map(|path| (path.clone(), head.get(path).copied()))
            .collect()
    }

    #[track_caller]
    fn check(&self) -> Staged {
        let found = self.staged(&AtomicBool::new(false)).unwrap();
        assert_eq!(found, self.expected());
        if self.repository.try_git(&["rev-parse", "-q", "--verify", "HEAD"]).status.success() {
            let args = ["diff-index", "--cached", "--raw", "-z", "--no-abbrev", "HEAD"];
            let raw = self.repository.git(&args);
            let raw: Vec<_> = records(&raw).collect();
            for pair in raw.chunks(2) {
                let words: Vec<_> = pair[0][1..].split(|byte| *byte == b' ').collect();
                let head = (words[0] != b"000000").then(|| version(words[0], words[2]));
                // A conflict has records without versions beside the others.
                assert!(words[4] == b"U" || found.get(pair[1]) == Some(&head), "{pair:?}");
            }
        }
        found
    }
}

fn version(bits: &[u8], id: &[u8]) -> Version {
    let bits = u32::from_str_radix(str::from_utf8(bits).unwrap(), 8).unwrap();
    Version { mode: Mode::from_bits(bits).unwrap(), id: ObjectId::from_hex(id).unwrap() }
}

fn records(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split(|byte| *byte == 0).filter(|record| !record.is_empty())
}

#[test]
fn an_empty_repository_has_nothing_staged_until_something_is() {
    let world = World::new();
    assert_eq!(world.check().len(), 0);
    world.repository.write("a/b", "b\n");
    world.repository.git(&["add", "a"]);
    assert_eq!(world.check().len(), 1);
}

#[test]
fn conflicts_submodules_and_intentions_are_staged() {
    let world = World::new();
    let repository = &world.repository;
    for path in ["a", "b/c", "b/d", "e.x", "e/f", "e0"] {
        repository.write(path, path);
    }
    repository.commit_all("first");
    assert_eq!(world.check().len(), 0);
    repository.git(&["checkout", "-q", "-b", "other"]);
    repository.write("b/c", "theirs");
    repository.write("new", "theirs");
    repository.commit_all("theirs");
    repository.git(&["checkout", "-q", "main"]);
    repository.write("b/c", "ours");
    repository.write("new", "ours");
    repository.commit_all("ours");
    assert!(!repository.try_git(&["merge", "-q", "other"]).status.success());
    assert_eq!(world.check().len(), 2);
    let commit = repository.text(&["rev-parse", "HEAD"]);
    repository.git(&["update-index", "--add", "--cacheinfo", "160000", &commit, "module"]);
    repository.write("intended", "intended");
    repository.git(&["add", "--intent-to-add", "intended"]);
    repository.git(&["rm", "-q", "--cached", "e/f"]);
    repository.git(&["add", "--intent-to-add", "e/f"]);
    assert_eq!(world.check().len(), 5);
}

#[test]
fn a_file_in_place_of_a_directory_and_the_reverse_are_staged() {
    let world = World::new();
    let repository = &world.repository;
    for path in ["a/b", "a/c/d", "e", "a.x", "a0"] {
        repository.write(path, path);
    }
    repository.commit_all("first");
    repository.remove("a");
    repository.remove("e");
    repository.write("a", "a file");
    repository.write("e/f", "a directory");
    repository.git(&["add", "--all"]);
    assert_eq!(world.check().len(), 5);
    repository.git(&["read-tree", "--empty"]);
    assert_eq!(world.check().len(), 5);
}

#[test]
fn a_raised_flag_stops_the_comparison() {
    let world = World::new();
    world.repository.write("a", "a");
    world.repository.commit_all("first");
    world.repository.git(&["read-tree", "--empty"]);
    let stop = AtomicBool::new(false);
    assert_eq!(world.staged(&stop).unwrap().len(), 1);
    stop.store(true, Ordering::Relaxed);
    assert!(matches!(world.staged(&stop), Err(SourceError::Stopped)));
}

#[test]
fn trees_of_very_long_names_do_not_fill_the_memory() {
    let world = World::new();
    let repository = &world.repository;
    let tree = |entries: Vec<(String, String)>| {
        let name = |(name, id): (String, String)| {
            let bits = if name.starts_with('d') { "40000" } else { "100644" };
            let id = ObjectId::from_hex(id.as_bytes()).unwrap();
            [format!("{bits} {name}\0").as_bytes(), id.as_bytes()].concat()
        };
        let contents: Vec<u8> = entries.into_iter().flat_map(name).collect();
        let args = ["hash-object", "-w", "-t", "tree", "--literally", "--stdin"];
        String::from_utf8(repository.git_with_input(&args, &contents)).unwrap().trim().to_owned()
    };
    let long = "n".repeat(1 << 20);
    let mut id = tree((0..9).map(|n| (format!("{long}{n}"), "12".repeat(20))).collect());
    for _ in 0..3 {
        id = tree((0..9).map(|n| (format!("d{n}"), id.clone())).collect());
    }
    let commit = repository.text(&["commit-tree", &id, "-m", "m"]);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
    let error = world.staged(&AtomicBool::new(false)).unwrap_err();
    let SourceError::Failed { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "too many paths differ");
}

#[test]
fn random_steps_stage_what_git_says() {
    let paths = ["a", "a.b", "a/b", "a/c/d", "a/c/e", "a0", "b", "b/a", "b/b"];
    let step = (0..7_usize, any::<Pick>(), any::<u8>());
    let mut runner = TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
    let checked = runner.run(&vec(step, 1..25), |steps| {
        let world = World::new();
        let repository = &world.repository;
        for (kind, path, contents) in steps {
            let path = path.get(&paths);
            let blob = || {
                repository.write("blob", [contents % 3]);
                repository.text(&["hash-object", "-w", "blob"])
            };
            let add = |mode: &str, id: &str| {
                let args = ["update-index", "--add", "--replace", "--cacheinfo", mode, id, path];
                repository.git(&args);
            };
            match kind {
                0 | 1 => add("100644", &blob()),
                2 => add("100755", &blob()),
                3 => drop(repository.try_git(&["rm", "-rq", "--cached", path])),
                4 => drop(repository.git(&["commit", "-q", "--allow-empty", "-m", "more"])),
                5 => drop(repository.try_git(&["reset", "-q", "HEAD~1"])),
                _ => drop(repository.git(&["write-tree"])),
            }
            world.check();
        }
        Ok(())
    });
    checked.unwrap();
}
