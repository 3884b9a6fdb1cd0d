//! Situations, each scanned as it comes about.

#[cfg(target_os = "linux")]
mod links;
mod random;
mod repositories;

use std::os::unix::fs::{PermissionsExt, symlink};

use super::world::World;

fn lines(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("line {n}\n")).collect()
}

/// A repository with a few committed files.
fn committed() -> World {
    let world = World::new();
    world.write("a.txt", lines(0..30));
    world.write("b/c.txt", lines(30..60));
    world.write("b/d/e.txt", lines(60..90));
    world.write("script.sh", "#!/bin/sh\n");
    world.repository.commit_all("first");
    world
}

#[test]
fn a_repository_before_its_first_commit_has_only_additions() {
    let mut world = World::new();
    assert_eq!(world.check().repository.branch.as_deref(), Some("main"));
    world.write("a.txt", "a\n");
    world.check();
    world.git(&["add", "a.txt"]);
    world.check();
    world.write("a.txt", "b\n");
    world.check();
    world.git(&["commit", "-qm", "first"]);
    world.check();
    world.git(&["commit", "-qam", "second"]);
    assert_eq!(world.check().repository.files, []);
}

#[test]
fn staged_unstaged_and_untracked_are_in_one_diff() {
    let mut world = committed();
    assert_eq!(world.check().repository.files, []);
    world.write("a.txt", lines(1..31));
    world.check();
    world.write("new.txt", "new\n");
    world.git(&["add", "new.txt"]);
    world.check();
    world.write("b/untracked.txt", "untracked\n");
    let found = world.check();
    let status: Vec<_> = found.repository.files.iter().map(|file| file.status.as_str()).collect();
    assert_eq!(status, ["modified", "untracked", "added"]);
    world.write("a.txt", lines(2..32));
    world.check();
    world.repository.remove("b/untracked.txt");
    assert_eq!(world.check().repository.files.len(), 2);
}

#[test]
fn what_is_staged_and_reverted_in_the_work_tree_is_no_change() {
    let mut world = committed();
    world.check();
    world.write("a.txt", "other\n");
    world.git(&["add", "a.txt"]);
    assert_eq!(world.check().repository.files.len(), 1);
    world.write("a.txt", lines(0..30));
    assert_eq!(world.check().repository.files, []);
    world.write("new.txt", "new\n");
    world.git(&["add", "new.txt"]);
    assert_eq!(world.check().repository.files.len(), 1);
    world.repository.remove("new.txt");
    assert_eq!(world.check().repository.files, []);
}

#[test]
fn a_path_that_left_the_index_alone_is_deleted_and_untracked() {
    let mut world = committed();
    world.check();
    world.git(&["rm", "-q", "--cached", "a.txt", "b/c.txt"]);
    let found = world.check();
    let files = found.repository.files.iter();
    let files: Vec<_> = files.map(|file| (file.path.as_str(), file.status.as_str())).collect();
    let expected = ["a.txt", "b/c.txt"].map(|path| [(path, "deleted"), (path, "untracked")]);
    assert_eq!(files, expected.concat());
    world.write("a.txt", "other\n");
    world.check();
    world.write(".gitignore", "a.txt\n");
    assert_eq!(world.check().repository.files.len(), 4);
    world.repository.remove("a.txt");
    world.check();
}

#[test]
fn a_changed_file_that_leaves_the_index_is_no_longer_a_change() {
    let mut world = committed();
    world.write("a.txt", "changed\n");
    assert_eq!(world.check().repository.files.len(), 1);
    world.git(&["rm", "-q", "--cached", "a.txt"]);
    let statuses = |world: &mut World| {
        let files = world.check().repository.files.into_iter();
        files.filter(|file| file.path == "a.txt").map(|file| file.status.as_str()).collect()
    };
    let statuses: [Vec<_>; 2] = [statuses(&mut world), {
        world.git(&["read-tree", "--empty"]);
        statuses(&mut world)
    }];
    assert_eq!(statuses, [["deleted", "untracked"]; 2]);
}

#[test]
fn renames_are_found_among_tracked_files() {
    let mut world = committed();
    world.check();
    world.git(&["mv", "a.txt", "b/moved.txt"]);
    world.check();
    world.write("b/moved.txt", lines(0..27));
    let found = world.check();
    assert_eq!(found.repository.files[0].old_path.as_deref(), Some("a.txt"));
    world.git(&["mv", "b", "z"]);
    assert_eq!(world.check().repository.files.len(), 3);
    world.write("a.txt", lines(0..30));
    world.check();
    world.git(&["add", "--all"]);
    world.check();
}

#[test]
fn modes_and_kinds_of_files_change() {
    let mut world = committed();
    world.check();
    let path = world.repository.path("script.sh");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    world.check();
    world.write("script.sh", "#!/bin/bash\n");
    world.check();
    world.git(&["add", "script.sh"]);
    world.check();
    world.git(&["config", "core.fileMode", "false"]);
    world.check();
    world.repository.remove("a.txt");
    symlink("script.sh", world.repository.path("a.txt")).unwrap();
    let found = world.check();
    assert_eq!(found.repository.files[0].status.as_str(), "type_changed");
    world.git(&["add", "a.txt"]);
    world.check();
    world.repository.remove("a.txt");
    world.write("a.txt/below", "a directory in its place\n");
    world.check();
    world.git(&["add", "--all"]);
    world.check();
    world.repository.remove("b");
    symlink(".", world.repository.path("b")).unwrap();
    world.check();
}

#[test]
fn deleted_files_and_directories_are_deleted_until_they_return() {
    let mut world = committed();
    world.check();
    let moved = world.above().join("moved");
    std::fs::rename(world.repository.path("b"), &moved).unwrap();
    assert_eq!(world.check().repository.files.len(), 2);
    std::fs::rename(&moved, world.repository.path("b")).unwrap();
    assert_eq!(world.check().repository.files, []);
    world.git(&["rm", "-q", "-r", "b"]);
    assert_eq!(world.check().repository.files.len(), 2);
    world.git(&["reset", "-q", "--hard"]);
    assert_eq!(world.check().repository.files, []);
}

#[test]
fn a_detached_head_has_no_branch() {
    let mut world = committed();
    world.check();
    world.git(&["checkout", "-q", "--detach"]);
    let found = world.check().repository;
    assert!(found.detached && found.branch.is_none() && found.head.is_some());
    world.write("a.txt", "other\n");
    world.git(&["commit", "-qam", "second"]);
    world.check();
    world.git(&["checkout", "-q", "main"]);
    assert_eq!(world.check().repository.branch.as_deref(), Some("main"));
}

#[test]
fn commits_and_checkouts_move_what_is_compared_with() {
    let mut world = committed();
    world.git(&["checkout", "-q", "-b", "other"]);
    world.write("a.txt", lines(5..35));
    world.repository.remove("b/c.txt");
    world.write("f/g.txt", "g\n");
    world.repository.commit_all("second");
    world.check();
    world.git(&["checkout", "-q", "main"]);
    assert_eq!(world.check().repository.files, []);
    world.git(&["symbolic-ref", "HEAD", "refs/heads/other"]);
    assert_eq!(world.check().repository.files.len(), 3);
    world.git(&["reset", "-q", "--hard"]);
    world.check();
    world.git(&["reset", "-q", "--soft", "main"]);
    world.check();
    world.git(&["reset", "-q"]);
    world.check();
    world.git(&["stash", "-q", "-u"]);
    assert_eq!(world.check().repository.files, []);
    world.git(&["stash", "pop", "-q"]);
    world.check();
}

#[test]
fn conflicts_of_every_kind_are_conflicted() {
    let mut world = committed();
    world.write("deleted-here.txt", "base\n");
    world.write("deleted-there.txt", "base\n");
    world.repository.commit_all("base");
    world.git(&["checkout", "-q", "-b", "other"]);
    world.write("a.txt", lines(0..29) + "theirs\n");
    world.write("both-added.txt", "theirs\n");
    world.write("deleted-here.txt", "theirs\n");
    world.git(&["rm", "-q", "deleted-there.txt"]);
    world.repository.commit_all("theirs");
    world.git(&["checkout", "-q", "main"]);
    world.write("a.txt", lines(0..29) + "ours\n");
    world.write("both-added.txt", "ours\n");
    world.write("deleted-there.txt", "ours\n");
    world.git(&["rm", "-q", "deleted-here.txt"]);
    world.repository.commit_all("ours");
    world.check();
    assert!(!world.repository.try_git(&["merge", "-q", "other"]).status.success());
    let found = world.check();
    let conflicted = found.repository.files.iter();
    let conflicted = conflicted.filter(|file| file.status.as_str() == "conflicted");
    let conflicted: Vec<_> = conflicted.map(|file| file.path.as_str()).collect();
    assert_eq!(conflicted, ["a.txt", "both-added.txt", "deleted-here.txt"]);
    world.write("a.txt", lines(0..29) + "both\n");
    world.check();
    world.repository.remove("both-added.txt");
    world.check();
    world.git(&["checkout", "-q", "--ours", "both-added.txt"]);
    world.check();
    world.git(&["add", "a.txt"]);
    world.check();
    world.git(&["merge", "--abort"]);
    assert_eq!(world.check().repository.files, []);
}

#[test]
fn a_file_that_is_only_intended_to_be_added_is_added() {
    let mut world = committed();
    world.check();
    world.write("new.txt", "new\n");
    world.write("empty.txt", "");
    world.git(&["add", "--intent-to-add", "new.txt", "empty.txt"]);
    let found = world.check();
    assert!(found.repository.files.iter().all(|file| file.status.as_str() == "added"));
    world.write("new.txt", "newer\n");
    world.check();
    world.git(&["rm", "-q", "--cached", "a.txt"]);
    world.git(&["add", "--intent-to-add", "a.txt"]);
    world.check();
    world.repository.remove("new.txt");
    world.check();
}

#[test]
fn a_file_that_is_assumed_unchanged_is_as_the_index_has_it() {
    let mut world = committed();
    world.check();
    world.git(&["update-index", "--assume-unchanged", "a.txt"]);
    world.write("a.txt", "not seen\n");
    assert_eq!(world.check().repository.files, []);
    world.repository.remove("a.txt");
    assert_eq!(world.check().repository.files, []);
    world.git(&["update-index", "--no-assume-unchanged", "a.txt"]);
    assert_eq!(world.check().repository.files.len(), 1);
    world.write("b/c.txt", "staged\n");
    world.git(&["add", "b/c.txt"]);
    world.git(&["update-index", "--assume-unchanged", "b/c.txt"]);
    world.write("b/c.txt", "not seen\n");
    world.check();
}

#[test]
fn files_outside_of_a_sparse_checkout_are_no_deletions() {
    let mut world = committed();
    world.check();
    world.git(&["sparse-checkout", "set", "--no-cone", "/*", "!/b/"]);
    assert_eq!(world.check().repository.files, []);
    world.write("a.txt", "other\n");
    assert_eq!(world.check().repository.files.len(), 1);
    world.git(&["sparse-checkout", "set", "--no-cone", "/*"]);
    world.check();
    world.git(&["update-index", "--skip-worktree", "b/c.txt"]);
    world.repository.remove("b/c.txt");
    world.check();
    world.git(&["sparse-checkout", "disable"]);
    world.check();
    let id = world.repository.text(&["rev-parse", "HEAD:a.txt"]);
    world.git(&["update-index", "--cacheinfo", "100644", &id, "b/c.txt"]);
    world.git(&["update-index", "--skip-worktree", "b/c.txt"]);
    world.repository.remove("b/c.txt");
    world.check();
}

#[test]
fn ignored_files_are_left_out_and_tracked_ones_never_are() {
    let mut world = committed();
    world.write(".gitignore", "*.log\n/target/\n");
    world.check();
    world.write("x.log", "ignored\n");
    world.write("y.txt", "seen\n");
    world.write("target/debug/out.txt", "ignored\n");
    assert_eq!(world.check().repository.files.len(), 2);
    world.git(&["add", "--force", "x.log", "target/debug/out.txt"]);
    assert_eq!(world.check().repository.files.len(), 4);
    world.write("target/debug/out.txt", "still tracked\n");
    world.check();
    world.write(".gitignore", "*.txt\n!y.txt\n");
    world.check();
    world.write("b/.gitignore", "!new.txt\n");
    world.write("b/new.txt", "kept\n");
    world.check();
    std::fs::write(world.repository.path(".git/info/exclude"), "y.txt\nb/.gitignore\n").unwrap();
    world.check();
    let home = world.above().join("home/.config/git");
    std::fs::create_dir_all(&home).unwrap();
    world.repository.remove(".gitignore");
    world.check();
}

#[test]
fn attributes_change_what_contents_mean() {
    let mut world = committed();
    world.write("crlf.txt", "one\r\ntwo\r\n");
    world.check();
    world.write(".gitattributes", "*.txt text\n");
    world.check();
    world.git(&["add", "crlf.txt"]);
    world.check();
    world.write(".gitattributes", "*.txt text\n# and more\n");
    world.check();
    world.git(&["commit", "-qm", "line ends"]);
    world.write("crlf.txt", "one\r\nthree\r\n");
    world.check();
    world.repository.remove(".gitattributes");
    world.check();
    world.git(&["config", "core.autocrlf", "true"]);
    world.write("a.txt", lines(0..30).replace('\n', "\r\n"));
    world.check();
    world.git(&["config", "core.autocrlf", "false"]);
    world.check();
}

#[test]
fn names_of_all_sorts_are_shown_as_git_shows_them() {
    let mut world = committed();
    world.check();
    for name in
        ["with space", "tab\there", "quote\"", "back\\slash", "ünïcode", "-dash", "a\nb", "*.c"]
    {
        world.write(name, "contents\n");
    }
    world.check();
    world.git(&["add", "--all"]);
    world.check();
    world.git(&["commit", "-qm", "names"]);
    world.git(&["mv", "with space", "other space"]);
    world.repository.remove("ünïcode");
    world.check();
}
