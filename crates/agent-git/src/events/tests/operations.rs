//! What each kind of operation makes dirty.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
};

use super::World;
use crate::model::Watching;

/// In a tree of `a.txt`, `d/b.txt`, `d/e/c.txt`, the operation makes exactly these dirty.
fn check(operation: impl FnOnce(&World), expected: &[&str]) {
    let world = World::new();
    for name in ["a.txt", "d/b.txt", "d/e/c.txt"] {
        world.write(name, "1");
    }
    let registration = world.registration();
    world.check(&registration, &[]);
    operation(&world);
    world.check(&registration, expected);
    world.check(&registration, &[]);
}

#[tokio::test]
async fn a_file_that_is_made_written_or_deleted_is_dirty() {
    check(|world| world.write("new.txt", "1"), &["new.txt"]);
    check(|world| world.write("a.txt", "2"), &["a.txt"]);
    check(|world| world.write("d/e/c.txt", "2"), &["d/e/c.txt"]);
    check(|world| fs::remove_file(world.path("d/b.txt")).unwrap(), &["d/b.txt"]);
    let append = |world: &World| {
        let mut file = OpenOptions::new().append(true).open(world.path("a.txt")).unwrap();
        file.write_all(b"2").unwrap();
    };
    check(append, &["a.txt"]);
    let truncate = |world: &World| {
        OpenOptions::new().write(true).open(world.path("a.txt")).unwrap().set_len(0).unwrap();
    };
    check(truncate, &["a.txt"]);
}

#[tokio::test]
async fn the_end_of_a_writable_mapping_is_seen_by_its_close() {
    // A store into a mapping tells nothing; only the close of its descriptor does.
    let close = |world: &World| {
        drop(OpenOptions::new().read(true).write(true).open(world.path("a.txt")).unwrap());
    };
    check(close, &["a.txt"]);
}

#[tokio::test]
async fn renames_make_both_names_dirty() {
    let within = |world: &World| fs::rename(world.path("a.txt"), world.path("d/z.txt")).unwrap();
    check(within, &["a.txt", "d/z.txt"]);
    let over = |world: &World| fs::rename(world.path("a.txt"), world.path("d/b.txt")).unwrap();
    check(over, &["a.txt", "d/b.txt"]);
    let outside =
        |world: &World| fs::rename(world.path("a.txt"), world.dir.path().join("a")).unwrap();
    check(outside, &["a.txt"]);
    let editor = |world: &World| {
        world.write("a.txt~", "2");
        File::open(world.path("a.txt~")).unwrap().sync_all().unwrap();
        fs::rename(world.path("a.txt~"), world.path("a.txt")).unwrap();
    };
    check(editor, &["a.txt", "a.txt~"]);
    let backup = |world: &World| {
        fs::rename(world.path("a.txt"), world.path("a.bak")).unwrap();
        world.write("a.txt", "2");
        fs::remove_file(world.path("a.bak")).unwrap();
    };
    check(backup, &["a.txt", "a.bak"]);
}

#[tokio::test]
async fn modes_and_links_are_seen() {
    let executable = |world: &World| {
        fs::set_permissions(world.path("a.txt"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    check(executable, &["a.txt"]);
    let swap = |world: &World| {
        symlink("a.txt", world.path("link.new")).unwrap();
        fs::rename(world.path("link.new"), world.path("a.txt")).unwrap();
    };
    check(swap, &["a.txt", "link.new"]);
    let hard = |world: &World| fs::hard_link(world.path("a.txt"), world.path("d/h")).unwrap();
    check(hard, &["d/h"]);
}

#[tokio::test]
async fn a_new_directory_is_dirty_itself_and_whatever_is_in_it() {
    check(|world| world.write("n/m/o/f.txt", "1"), &["n"]);
    check(|world| fs::create_dir(world.path("d/n")).unwrap(), &["d/n"]);
}

#[tokio::test]
async fn removing_a_tree_makes_all_of_it_dirty() {
    let gone = ["d", "d/b.txt", "d/e", "d/e/c.txt"];
    check(|world| fs::remove_dir_all(world.path("d")).unwrap(), &gone);
}

#[tokio::test]
async fn a_moved_directory_is_watched_under_its_new_name_only() {
    let world = World::new();
    world.write("d/e/c.txt", "1");
    let registration = world.registration();
    let watched = world.hub.statistics().watches;
    fs::rename(world.path("d"), world.path("n")).unwrap();
    world.check(&registration, &["d", "n"]);
    assert_eq!(world.hub.statistics().watches, watched - 2);
    world.write("n/e/c.txt", "2");
    world.check(&registration, &[]);
    registration.watch(b"n");
    registration.watch(b"n/e");
    world.write("n/e/c.txt", "3");
    world.check(&registration, &["n/e/c.txt"]);
}

#[tokio::test]
async fn a_directory_that_was_watched_again_before_its_move_was_told_stays_watched() {
    let world = World::new();
    world.write("d/c.txt", "1");
    let registration = world.registration();
    fs::rename(world.path("d"), world.path("n")).unwrap();
    registration.watch(b"n");
    world.check(&registration, &["d", "n"]);
    // What the new name had may be dropped, because the new name is dirty and is walked again.
    registration.watch(b"n");
    world.write("n/c.txt", "2");
    world.check(&registration, &["n/c.txt"]);
}

#[tokio::test]
async fn a_directory_in_place_of_an_empty_one_is_watched() {
    let world = World::new();
    world.write("d/c.txt", "1");
    fs::create_dir(world.path("n")).unwrap();
    let registration = world.registration();
    fs::rename(world.path("d"), world.path("n")).unwrap();
    world.check(&registration, &["d", "n"]);
    registration.watch(b"n");
    world.write("n/c.txt", "2");
    world.check(&registration, &["n/c.txt"]);
}

#[tokio::test]
async fn a_directory_that_moves_in_is_dirty() {
    let world = World::new();
    let outside = world.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("f"), "1").unwrap();
    let registration = world.registration();
    fs::rename(&outside, world.path("in")).unwrap();
    world.check(&registration, &["in"]);
    fs::rename(world.path("in"), &outside).unwrap();
    world.check(&registration, &["in"]);
}

#[tokio::test]
async fn reading_makes_no_event() {
    let world = World::new();
    world.write("d/b.txt", "1");
    let registration = world.registration();
    world.hub.drain();
    let before = world.hub.statistics().events;
    super::walk(&registration, &world.root, b"", &mut |_| {});
    for _ in 0..3 {
        assert_eq!(fs::read(world.path("d/b.txt")).unwrap(), b"1");
        assert_eq!(fs::read_dir(world.path("d")).unwrap().count(), 1);
    }
    world.hub.drain();
    assert_eq!(world.hub.statistics().events, before);
}
