//! Files with several names, followed by the system's own events.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use super::committed;

fn append(path: impl AsRef<Path>, line: &str) {
    File::options().append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
}

#[test]
fn what_is_written_through_names_outside_is_shown() {
    let mut world = committed();
    world.write("new.txt", "new\n");
    let [tracked, new] = ["tracked", "new"].map(|name| world.above().join(name));
    fs::hard_link(world.repository.path("b/c.txt"), &tracked).unwrap();
    fs::hard_link(world.repository.path("new.txt"), &new).unwrap();
    world.use_events();
    assert_eq!(world.check().repository.files.len(), 1);
    append(&new, "more\n");
    assert_eq!(world.check().repository.files[0].additions, 2);
    append(&tracked, "more\n");
    assert_eq!(world.check().repository.files.len(), 2);
    append(&new, "and more\n");
    append(&tracked, "and more\n");
    let found = world.check();
    let additions: Vec<_> = found.repository.files.iter().map(|file| file.additions).collect();
    assert_eq!(additions, [2, 3]);
}

#[test]
fn what_is_written_through_a_name_inside_is_shown_at_all_names() {
    let mut world = committed();
    world.use_events();
    world.check();
    fs::hard_link(world.repository.path("a.txt"), world.repository.path("b/same.txt")).unwrap();
    world.check();
    append(world.repository.path("b/same.txt"), "more\n");
    assert_eq!(world.check().repository.files.len(), 2);
}

#[test]
fn attributes_that_are_written_through_a_name_outside_count() {
    let mut world = committed();
    world.write(".gitattributes", "*.md binary\n");
    world.repository.commit_all("attributes");
    world.write("a.txt", "one\r\n");
    let attributes = world.above().join("attributes");
    fs::hard_link(world.repository.path(".gitattributes"), &attributes).unwrap();
    world.use_events();
    world.check();
    append(&attributes, "*.txt text\n");
    assert_eq!(world.check().repository.files.len(), 2);
}
