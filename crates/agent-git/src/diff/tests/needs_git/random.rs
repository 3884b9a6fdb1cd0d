//! Random changes of random files.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
};

use proptest::prelude::*;

use crate::diff::tests::world::World;

/// A line of a file: like code, prose, or neither.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[abc]{1,2}",
        3 => "(    |\t)[xyz]=[0-9];",
        2 => "(fn|int) [a-c]\\(\\) \\{ ?",
        2 => "",
        1 => "\\}",
        1 => "[a-z ]{60,140}",
    ]
    .prop_map(String::into_bytes)
}

/// The end of a line.
fn end() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![12 => Just(&b"\n"[..]), 1 => Just(&b"\r\n"[..]), 1 => Just(&b"\xff\n"[..]), 1 => Just(&b"\xc3\xa4\n"[..])]
}

fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let whole = (line(), end()).prop_map(|(line, end)| [line.as_slice(), end].concat());
    prop::collection::vec(whole, 0..40)
}

/// An edit of a file: at which line, how many go, and what comes.
type Edit = (prop::sample::Index, usize, Vec<Vec<u8>>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let few = lines().prop_map(|lines| lines.into_iter().take(4).collect());
    prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, few), 0..5)
}

fn edited(lines: &[Vec<u8>], edits: &[Edit]) -> Vec<Vec<u8>> {
    let mut lines = lines.to_vec();
    for (at, gone, new) in edits {
        let at = at.index(lines.len() + 1);
        let end = (at + gone).min(lines.len());
        lines.splice(at..end, new.iter().cloned());
    }
    lines
}

/// What becomes of a file of HEAD.
#[derive(Clone, Debug)]
enum Fate {
    Edited,
    Moved(String),
    Deleted,
    Linked,
    Unstaged,
    Executable,
    Cut,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Edited),
        5 => name().prop_map(Fate::Moved),
        2 => Just(Fate::Deleted),
        1 => Just(Fate::Linked),
        1 => Just(Fate::Unstaged),
        1 => Just(Fate::Executable),
        1 => Just(Fate::Cut),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["(d/|e/|)[a-f]", "(d/|)[a-c] [a-c]", "[a-c]\u{e4}", "[a-c][\t\"\\\\\u{7f}\u{1b}]",]
}

/// A path in few directories and with few names, so that many share one.
fn path() -> impl Strategy<Value = String> {
    "(d/|e/|f/|g/|)[a-f]"
}

#[derive(Clone, Debug)]
struct File {
    name: String,
    lines: Vec<Vec<u8>>,
    fate: Fate,
    edits: Vec<Edit>,
}

fn file() -> impl Strategy<Value = File> {
    (name(), lines(), fate(), edits()).prop_map(|(name, lines, fate, edits)| File {
        name,
        lines,
        fate,
        edits,
    })
}

/// Makes a repository of files and lets their fates happen; `new` files come, tracked or not.
fn play(files: &[File], new: &[(String, Vec<Vec<u8>>, bool)]) -> World {
    let world = World::new();
    let repository = &world.repository;
    let is_free = |name: &str| {
        fs::symlink_metadata(repository.path(name)).is_err()
            && name.split_once('/').is_none_or(|(parent, _)| {
                fs::symlink_metadata(repository.path(parent)).is_err()
                    || repository.path(parent).is_dir()
            })
    };
    let mut placed = Vec::new();
    for file in files {
        if is_free(&file.name) {
            repository.write(&file.name, file.lines.concat());
            placed.push(file);
        }
    }
    repository.commit_all("one");
    for file in placed {
        let contents = edited(&file.lines, &file.edits).concat();
        match &file.fate {
            Fate::Edited => repository.write(&file.name, contents),
            Fate::Moved(name) => {
                repository.remove(&file.name);
                if is_free(name) {
                    repository.write(name, contents);
                    repository.git(&["add", "--", name]);
                }
            }
            Fate::Deleted => repository.remove(&file.name),
            Fate::Linked => {
                repository.remove(&file.name);
                let target = contents.iter().copied().filter(|byte| *byte != b'\n').take(20);
                let target: Vec<u8> = [b"t".to_vec(), target.collect()].concat();
                let path = repository.path(&file.name);
                std::os::unix::fs::symlink(OsStr::from_bytes(&target), path).unwrap();
            }
            Fate::Unstaged => {
                repository.git(&["rm", "-q", "--cached", "--", &file.name]);
            }
            Fate::Executable => {
                repository.write(&file.name, contents);
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(repository.path(&file.name), mode).unwrap();
            }
            Fate::Cut => repository.write(&file.name, contents.trim_ascii_end()),
        }
    }
    for (name, lines, is_tracked) in new {
        if is_free(name) {
            repository.write(name, lines.concat());
            if *is_tracked {
                repository.git(&["add", "--", name]);
            }
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn random_changes_are_shown_as_git_shows_them(
        files in prop::collection::vec(file(), 1..10),
        new in prop::collection::vec((name(), lines(), any::<bool>()), 0..4),
    ) {
        play(&files, &new).check();
    }

    #[test]
    fn random_renames_are_found_as_git_finds_them(
        bases in prop::collection::vec(lines(), 1..4),
        files in prop::collection::vec((any::<prop::sample::Index>(), edits(), path(), edits(), path()), 1..24),
    ) {
        let files: Vec<_> = files
            .into_iter()
            .map(|(base, first, name, then, to)| File {
                name,
                lines: edited(&bases[base.index(bases.len())], &first),
                fate: Fate::Moved(to),
                edits: then,
            })
            .collect();
        play(&files, &[]).check();
    }
}
