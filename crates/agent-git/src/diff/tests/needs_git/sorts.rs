//! Files of all sorts, one of each.

use std::{fs, os::unix::fs::PermissionsExt};

use agent_api::FileStatus;

use crate::diff::tests::world::World;

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
    repository.write("binary-moved", lines(0..40).replace('\n', "\r\n\0"));
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
    repository.git(&["mv", "binary-moved", "binary-here"]);
    repository.write("binary-here", lines(5..40).replace('\n', "\n\0"));
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
