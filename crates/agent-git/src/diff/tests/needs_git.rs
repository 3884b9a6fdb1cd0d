//! Compared with `git diff HEAD` and its `--numstat`.

use std::os::unix::{ffi::OsStrExt, fs::PermissionsExt};
use std::{ffi::OsStr, fs};

use agent_api::FileStatus;
use proptest::prelude::*;

use super::world::World;

#[test]
fn files_of_all_sorts_are_shown_as_git_shows_them() {
    let world = World::new();
    let repository = &world.repository;
    let lines =
        |range: std::ops::Range<u32>| range.map(|n| format!("line {n}\n")).collect::<String>();
    repository.write("edited", lines(0..40));
    repository.write("mode", "x\n");
    repository.write("gone", "a\nb\n");
    repository.write("binary", b"a\0b\n");
    repository.write("empty", "");
    repository.write("to-link", "target");
    repository.write("link-to-other", "x\n");
    repository.write("crlf", "a\r\nb\r\n");
    repository.write("with space", "a\n");
    repository.write("tab\there", "a\n");
    repository.write("\u{e4}\u{20ac}", "a\n");
    std::os::unix::fs::symlink("one", repository.path("link")).unwrap();
    repository.commit_all("one");

    repository.write("edited", lines(0..40).replace("line 7\n", "").replace("line 30", "line"));
    fs::set_permissions(repository.path("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    repository.remove("gone");
    repository.write("binary", b"a\0c\n");
    repository.write("new-binary", b"\0");
    repository.remove("empty");
    repository.remove("to-link");
    std::os::unix::fs::symlink("target", repository.path("to-link")).unwrap();
    repository.remove("link");
    std::os::unix::fs::symlink("two", repository.path("link")).unwrap();
    repository.write("crlf", "a\nb\r\n");
    repository.write("with space", "b\n");
    repository.write("tab\there", "b");
    repository.write("\u{e4}\u{20ac}", "\u{e4}\n");
    repository.write("staged new", "1\n2\n");
    repository.git(&["add", "staged new"]);
    repository.git(&["rm", "--cached", "-q", "link-to-other"]);
    repository.write("untracked", "u");
    repository.write("untracked-empty", "");
    repository.write("del\u{7f}\"", "x");
    let rendered = world.check();
    let status = |path: &str| rendered.files.iter().find(|file| file.path == path).unwrap().status;
    assert_eq!(status("staged new"), FileStatus::Added);
    assert_eq!(status("to-link"), FileStatus::TypeChanged);
    assert_eq!(status("untracked"), FileStatus::Untracked);
}

#[test]
fn before_the_first_commit_everything_is_new() {
    let world = World::new();
    world.repository.write("staged", "a\n");
    world.repository.git(&["add", "staged"]);
    world.repository.write("other", "b\n");
    world.check();
}

#[test]
fn a_submodule_is_one_entry() {
    let world = World::new();
    let inner = agent_test::GitRepository::init(world.repository.path("../inner"));
    inner.write("f", "1");
    inner.commit_all("one");
    let url = inner.root().to_str().unwrap().to_owned();
    for name in ["sub", "moved", "gone"] {
        world.repository.git(&["submodule", "add", "-q", &url, name]);
    }
    world.repository.commit_all("one");
    inner.write("f", "2");
    inner.commit_all("two");
    agent_test::GitRepository::at(world.repository.path("sub")).git(&["pull", "-q"]);
    world.repository.git(&["mv", "moved", "here"]);
    world.repository.git(&["rm", "-q", "--cached", "gone"]);
    world.repository.remove("gone");
    world.repository.git(&["submodule", "add", "-q", &url, "new"]);
    let rendered = world.check();
    let status = |path: &str| rendered.files.iter().find(|file| file.path == path).unwrap().status;
    assert_eq!(status("sub"), FileStatus::Submodule);
    assert_eq!(status("here"), FileStatus::Renamed);
}

#[test]
fn a_conflicted_file_is_compared_with_head() {
    let world = World::new();
    let repository = &world.repository;
    repository.write("both", "1\n2\n3\n");
    repository.write("theirs-gone", "a\n");
    repository.write("ours-gone", "b\n");
    repository.commit_all("base");
    repository.git(&["checkout", "-q", "-b", "other"]);
    repository.write("both", "1\nother\n3\n");
    repository.write("ours-gone", "b\nother\n");
    repository.remove("theirs-gone");
    repository.commit_all("other");
    repository.git(&["checkout", "-q", "main"]);
    repository.write("both", "1\nmain\n3\n");
    repository.write("theirs-gone", "a\nmain\n");
    repository.remove("ours-gone");
    repository.commit_all("main");
    assert!(!repository.try_git(&["merge", "other"]).status.success());
    let rendered = world.check();
    let found: Vec<_> =
        rendered.files.iter().map(|file| (file.path.as_str(), file.status)).collect();
    assert_eq!(found, [("both", FileStatus::Conflicted), ("ours-gone", FileStatus::Conflicted)]);
}

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
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_changes_are_shown_as_git_shows_them(
        files in prop::collection::vec(file(), 1..10),
        new in prop::collection::vec((name(), lines(), any::<bool>()), 0..4),
    ) {
        play(&files, &new).check();
    }
}
