//! All of them: the other file system is a tmpfs.

use std::{
    ffi::OsStr,
    fs::{FileTimes, Permissions},
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, MetadataExt, PermissionsExt, chown, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use agent_api::ErrorCode;
use agent_files::Error;
use agent_test::{Mount, NOBODY};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};

use super::super::move_as;
use crate::fixture::{Fixture, as_nobody, block_on, refused};

const MIB: u64 = 1024 * 1024;

/// A service, and another file system to move to and from.
struct Two {
    fixture: Fixture,
    other: Mount,
}

impl Two {
    fn new() -> Self {
        let other = Mount::tmpfs(8 * MIB).unwrap();
        Self { fixture: Fixture::new(), other }
    }

    fn other(&self, name: &str) -> PathBuf {
        self.other.path().join(name)
    }

    /// Moves a name of the fixture to a name on the other file system.
    async fn move_out(&self, from: &str, to: &str, overwrite: bool) -> Result<(), Error> {
        let to = self.other(to);
        let (from, to) = (self.fixture.path(from), to.to_str().unwrap());
        move_as(&self.fixture, &from, to, overwrite).await.map(drop)
    }

    /// Checks that a failed move left nothing where it was to.
    fn other_holds(&self, expected: &[&str]) {
        let entries = std::fs::read_dir(self.other.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, expected);
    }
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::new(seconds, 123_456_789)
}

fn set_times(path: &Path, accessed: u64, modified: u64) {
    let times = FileTimes::new().set_accessed(time(accessed)).set_modified(time(modified));
    std::fs::File::open(path).unwrap().set_times(times).unwrap();
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 64];
    let length = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    Some(value[..length].to_vec())
}

#[tokio::test]
async fn a_file_arrives_with_its_mode_times_owner_and_attributes() {
    let two = Two::new();
    let from = two.fixture.at("f");
    std::fs::write(&from, "content").unwrap();
    rustix::fs::setxattr(&from, "user.note", b"kept", XattrFlags::empty()).unwrap();
    chown(&from, Some(NOBODY), Some(NOBODY)).unwrap();
    std::fs::set_permissions(&from, Permissions::from_mode(0o6751)).unwrap();
    set_times(&from, 1_000_000_000, 1_500_000_000);

    two.move_out("f", "new/g", false).await.unwrap();
    assert!(!two.fixture.exists("f"));
    let to = two.other("new/g");
    let arrived = to.metadata().unwrap();
    assert_eq!(arrived.mode() & 0o7777, 0o6751);
    assert_eq!((arrived.uid(), arrived.gid()), (NOBODY, NOBODY));
    assert_eq!(arrived.accessed().unwrap(), time(1_000_000_000));
    assert_eq!(arrived.modified().unwrap(), time(1_500_000_000));
    assert_eq!(attribute(&to, "user.note").as_deref(), Some(&b"kept"[..]));
    assert_eq!(std::fs::read(to).unwrap(), b"content");
}

#[tokio::test]
async fn a_tree_arrives_as_it_was() {
    let two = Two::new();
    let tree = two.fixture.at("tree");
    two.fixture.dir("tree/sub/deep");
    two.fixture.put("tree/sub/deep/f", "content");
    std::fs::hard_link(tree.join("sub/deep/f"), tree.join("again")).unwrap();
    symlink("nowhere\u{e9}", tree.join("link")).unwrap();
    std::fs::hard_link(tree.join("link"), tree.join("sub/link")).unwrap();
    std::fs::write(tree.join(OsStr::from_bytes(b"raw\xff")), "raw").unwrap();
    rustix::fs::setxattr(tree.join("sub"), "user.note", b"kept", XattrFlags::empty()).unwrap();
    std::fs::set_permissions(tree.join("sub"), Permissions::from_mode(0o2570)).unwrap();
    std::fs::set_permissions(tree.join("sub/deep"), Permissions::from_mode(0o311)).unwrap();
    let link_times = rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: 7, tv_nsec: 1 },
        last_modification: rustix::fs::Timespec { tv_sec: 8, tv_nsec: 2 },
    };
    let nofollow = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(CWD, tree.join("link"), &link_times, nofollow).unwrap();
    for (name, seconds) in
        [("sub/deep", 1_100_000_000), ("sub", 1_200_000_000), ("", 1_300_000_000)]
    {
        set_times(&tree.join(name), seconds, seconds + 1);
    }

    two.move_out("tree", "moved", false).await.unwrap();
    assert!(!two.fixture.exists("tree"));
    two.other_holds(&["moved"]);
    let moved = two.other("moved");
    let stat = |name: &str| moved.join(name).symlink_metadata().unwrap();
    assert_eq!(std::fs::read(moved.join("sub/deep/f")).unwrap(), b"content");
    assert_eq!(stat("sub/deep/f").ino(), stat("again").ino());
    assert_eq!(stat("link").ino(), stat("sub/link").ino());
    assert_eq!(std::fs::read_link(moved.join("link")).unwrap(), Path::new("nowhere\u{e9}"));
    assert_eq!((stat("link").mtime(), stat("link").mtime_nsec()), (8, 2));
    assert_eq!(std::fs::read(moved.join(OsStr::from_bytes(b"raw\xff"))).unwrap(), b"raw");
    assert_eq!(attribute(&moved.join("sub"), "user.note").as_deref(), Some(&b"kept"[..]));
    assert_eq!((stat("sub").mode() & 0o7777, stat("sub/deep").mode() & 0o7777), (0o2570, 0o311));
    for (name, seconds) in
        [("sub/deep", 1_100_000_000), ("sub", 1_200_000_000), ("", 1_300_000_000)]
    {
        assert_eq!(stat(name).accessed().unwrap(), time(seconds), "{name}");
        assert_eq!(stat(name).modified().unwrap(), time(seconds + 1), "{name}");
    }
}

#[tokio::test]
async fn a_link_is_moved_itself() {
    let two = Two::new();
    two.fixture.dir("d");
    two.fixture.link("d", "link");
    two.move_out("link", "link", false).await.unwrap();
    assert_eq!(std::fs::read_link(two.other("link")).unwrap(), Path::new("d"));
    assert!(two.fixture.exists("d") && !two.fixture.exists("link"));
}

#[tokio::test]
async fn holes_of_a_file_stay_holes() {
    let two = Two::new();
    let file = std::fs::File::create(two.fixture.at("sparse")).unwrap();
    file.write_all_at(b"head", 0).unwrap();
    file.write_all_at(b"middle", 512 * MIB).unwrap();
    file.set_len(1024 * MIB).unwrap();
    if file.metadata().unwrap().blocks() * 512 > MIB {
        return; // This temporary directory's file system keeps no holes.
    }
    // More than the other file system could hold without them.
    two.move_out("sparse", "sparse", false).await.unwrap();
    let moved = std::fs::File::open(two.other("sparse")).unwrap();
    let mut text = [0; 6];
    moved.read_exact_at(&mut text, 512 * MIB).unwrap();
    assert_eq!(&text, b"middle");
    let stat = moved.metadata().unwrap();
    assert_eq!(stat.len(), 1024 * MIB);
    assert!(stat.blocks() * 512 <= MIB, "{} blocks", stat.blocks());
}

#[tokio::test]
async fn a_tree_of_a_thousand_levels_arrives() {
    const DEPTH: usize = 1000;
    let two = Two::new();
    let mut deepest = two.fixture.at("deep");
    std::fs::create_dir(&deepest).unwrap();
    for _ in 0..DEPTH {
        deepest.push("d");
        std::fs::create_dir(&deepest).unwrap();
    }
    std::fs::write(deepest.join("f"), "content").unwrap();
    std::fs::hard_link(deepest.join("f"), deepest.join("g")).unwrap();
    two.move_out("deep", "moved", false).await.unwrap();
    let moved = two.other("moved").join("d/".repeat(DEPTH));
    assert_eq!(std::fs::read(moved.join("f")).unwrap(), b"content");
    assert_eq!(moved.join("g").metadata().unwrap().nlink(), 2);
    assert!(!two.fixture.exists("deep"));
}

#[tokio::test]
async fn special_files_are_refused_before_anything_is_copied() {
    let two = Two::new();
    two.fixture.dir("tree/sub");
    two.fixture.put("tree/f", "content");
    let fifo = two.fixture.at("tree/sub/fifo");
    rustix::fs::mknodat(CWD, fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    for from in ["tree", "tree/sub/fifo"] {
        let answer = two.move_out(from, "x", false).await;
        refused(answer, ErrorCode::InvalidArgument, "tree/sub/fifo");
    }
    two.other_holds(&[]);
    assert_eq!(two.fixture.get("tree/f"), "content");
    assert!(two.fixture.exists("tree/sub/fifo"));
}

#[tokio::test]
async fn a_full_disk_leaves_everything_as_it_was() {
    let two = Two::new();
    std::fs::write(two.other("small"), vec![1; 4096]).unwrap();
    two.fixture.dir("tree/sub");
    two.fixture.put("tree/a", vec![b'a'; 6 * 1024 * 1024]);
    two.fixture.put("tree/sub/b", vec![b'b'; 6 * 1024 * 1024]);
    refused(two.move_out("tree", "x", false).await, ErrorCode::Internal, "no space left");
    two.fixture.put("big", vec![b'c'; 12 * 1024 * 1024]);
    refused(two.move_out("big", "small", true).await, ErrorCode::Internal, "no space left");
    two.other_holds(&["small"]);
    assert_eq!(std::fs::read(two.other("small")).unwrap().len(), 4096);
    assert_eq!(two.fixture.get("tree/sub/b").len(), 6 * 1024 * 1024);
    assert_eq!(two.fixture.get("big").len(), 12 * 1024 * 1024);
    assert_eq!(two.fixture.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn what_is_changed_meanwhile_stays_and_has_no_copy() {
    let two = Two::new();
    two.fixture.dir("tree");
    two.fixture.put("tree/log", vec![b'x'; 1024 * 1024]);
    let done = std::sync::atomic::AtomicBool::new(false);
    let log = two.fixture.at("tree/log");
    let refusal = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                // Missing while it is moved.
                if let Ok(mut log) = std::fs::File::options().append(true).open(&log) {
                    log.write_all(b"x").unwrap();
                }
            }
        });
        // A move that no write fell into succeeds, and is taken back.
        let refusal = (0..1000).find_map(|_| {
            let answer = block_on(two.move_out("tree", "x", false));
            if answer.is_ok() {
                let (from, to) = (two.other("x"), two.fixture.path("tree"));
                let back = move_as(&two.fixture, from.to_str().unwrap(), &to, false);
                block_on(back).unwrap();
            }
            answer.err()
        });
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        refusal
    });
    let refusal = refusal.expect("a write falls into one of many moves");
    refused::<()>(Err(refusal), ErrorCode::Conflict, "was changed");
    two.other_holds(&[]);
    assert_eq!(two.fixture.names("tree"), ["log"]);
}

#[tokio::test]
async fn replacing_follows_the_kinds() {
    let kinds = ["file", "empty", "full"];
    let make = |kind: &str, place: &Path| match kind {
        "file" => std::fs::write(place, place.to_str().unwrap()).unwrap(),
        "empty" => std::fs::create_dir(place).unwrap(),
        _ => std::fs::create_dir_all(place.join("sub")).unwrap(),
    };
    for from in kinds {
        for to in kinds {
            let two = Two::new();
            make(from, &two.fixture.at("from"));
            make(to, &two.other("to"));
            let inode = |path: PathBuf| path.metadata().unwrap().ino();
            let before = (inode(two.fixture.at("from")), inode(two.other("to")));
            let answer = two.move_out("from", "to", false).await;
            refused(answer, ErrorCode::Conflict, "already exists");

            let answer = two.move_out("from", "to", true).await;
            two.other_holds(&["to"]);
            if (from == "file") == (to == "file") && to != "full" {
                answer.unwrap();
                assert!(!two.fixture.exists("from"), "{from} to {to}");
                assert_eq!(two.other("to").join("sub").exists(), from == "full");
                assert_ne!(inode(two.other("to")), before.1);
            } else {
                let fragment = if from == "file" || to == "file" { "" } else { "not empty" };
                refused(answer, ErrorCode::Conflict, fragment);
                assert_eq!((inode(two.fixture.at("from")), inode(two.other("to"))), before);
            }
        }
    }
}

#[tokio::test]
async fn a_tree_with_a_mount_in_it_stays() {
    let two = Two::new();
    two.fixture.put("f", "");
    let inner = Mount::tmpfs_on(two.fixture.dir("tree/sub"), 64 * 1024).unwrap();
    std::fs::write(inner.path().join("inside"), "").unwrap();
    for from in ["tree", "tree/sub"] {
        refused(two.move_out(from, "x", false).await, ErrorCode::Conflict, "mount point");
    }
    two.other_holds(&[]);
    assert!(two.fixture.exists("tree/sub/inside"));
}

#[tokio::test]
async fn a_bind_mount_does_not_hide_that_the_new_place_is_inside() {
    let two = Two::new();
    let fixture = &two.fixture;
    fixture.dir("d/sub/deeper");
    fixture.dir("alias");
    let _alias = Mount::bind(fixture.at("d/sub"), fixture.at("alias")).unwrap();
    for to in ["alias/x", "alias/deeper/x"] {
        let (from, to) = (fixture.path("d"), fixture.path(to));
        let answer = move_as(fixture, &from, &to, false).await;
        refused(answer, ErrorCode::InvalidArgument, "inside");
    }
    assert_eq!(fixture.names("d"), ["sub"]);
    assert_eq!(fixture.names("d/sub"), ["deeper"]);
}

#[tokio::test]
async fn one_entry_under_two_mounts_is_one_entry() {
    let two = Two::new();
    let fixture = &two.fixture;
    fixture.dir("d");
    fixture.put("d/f", "content");
    std::fs::hard_link(fixture.at("d/f"), fixture.at("d/g")).unwrap();
    fixture.dir("alias");
    let _alias = Mount::bind(fixture.at("d"), fixture.at("alias")).unwrap();
    let (from, same) = (fixture.path("d/f"), fixture.path("alias/f"));
    for overwrite in [false, true] {
        move_as(fixture, &from, &same, overwrite).await.unwrap();
        assert_eq!(fixture.get("d/f"), "content");
    }
    let other_name = fixture.path("alias/g");
    move_as(fixture, &from, &other_name, true).await.unwrap();
    assert_eq!(fixture.names("d"), ["g"]);
    // A copy, because the system does not rename between mounts.
    move_as(fixture, &fixture.path("d/g"), &fixture.path("alias/h"), false).await.unwrap();
    assert_eq!((fixture.names("d"), fixture.get("d/h")), (vec!["h".to_owned()], "content".into()));
}

#[test]
fn what_could_not_be_removed_afterwards_is_not_copied() {
    let two = Two::new();
    two.fixture.open_to_all();
    std::fs::set_permissions(two.other.path(), Permissions::from_mode(0o777)).unwrap();
    two.fixture.dir("tree/locked");
    two.fixture.put("tree/locked/f", "content");
    for (name, mode) in [("tree/locked", 0o555), ("tree", 0o755)] {
        chown(two.fixture.at(name), Some(NOBODY), Some(NOBODY)).unwrap();
        std::fs::set_permissions(two.fixture.at(name), Permissions::from_mode(mode)).unwrap();
    }
    let answer = as_nobody(two.move_out("tree", "x", false));
    refused(answer, ErrorCode::PermissionDenied, "permission denied");
    two.other_holds(&[]);
    assert_eq!(two.fixture.get("tree/locked/f"), "content");

    let mode = Permissions::from_mode(0o755);
    std::fs::set_permissions(two.fixture.at("tree/locked"), mode).unwrap();
    as_nobody(two.move_out("tree", "x", false)).unwrap();
    assert_eq!(std::fs::read(two.other("x/locked/f")).unwrap(), b"content");
}

#[test]
fn an_original_that_stays_takes_its_copy_back() {
    let two = Two::new();
    two.fixture.open_to_all();
    std::fs::set_permissions(two.other.path(), Permissions::from_mode(0o777)).unwrap();
    // In a sticky directory only owners may remove, which nobody can see beforehand.
    two.fixture.dir("sticky");
    std::fs::set_permissions(two.fixture.at("sticky"), Permissions::from_mode(0o1777)).unwrap();
    two.fixture.put("sticky/f", "content");
    let answer = as_nobody(two.move_out("sticky/f", "x", false));
    refused(answer, ErrorCode::PermissionDenied, "permission denied");
    two.other_holds(&[]);
    assert_eq!(two.fixture.get("sticky/f"), "content");

    // What was replaced cannot come back, so the copy stays and the answer says so.
    std::fs::write(two.other("x"), "old").unwrap();
    chown(two.other("x"), Some(NOBODY), Some(NOBODY)).unwrap();
    let answer = as_nobody(two.move_out("sticky/f", "x", true));
    refused(answer, ErrorCode::PermissionDenied, "could not be removed");
    assert_eq!(std::fs::read(two.other("x")).unwrap(), b"content");
    assert_eq!(two.fixture.get("sticky/f"), "content");
}

#[test]
fn a_program_of_another_owner_loses_the_right_to_run_as_that_owner() {
    let two = Two::new();
    two.fixture.open_to_all();
    std::fs::set_permissions(two.other.path(), Permissions::from_mode(0o777)).unwrap();
    two.fixture.dir("d");
    std::fs::set_permissions(two.fixture.at("d"), Permissions::from_mode(0o777)).unwrap();
    two.fixture.put("d/program", "content");
    std::fs::set_permissions(two.fixture.at("d/program"), Permissions::from_mode(0o6755)).unwrap();
    as_nobody(two.move_out("d/program", "program", false)).unwrap();
    let arrived = two.other("program").metadata().unwrap();
    assert_eq!((arrived.uid(), arrived.mode() & 0o7777), (NOBODY, 0o755));
}
