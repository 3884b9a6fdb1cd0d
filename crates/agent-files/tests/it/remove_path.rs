//! Entries and trees removed, and what must survive it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use agent_api::{Classify, ErrorCode, RemovePathRequest};
use agent_files::Error;
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode};

use crate::fixture::{Fixture, block_on, refused};

async fn remove(fixture: &Fixture, path: &str, recursive: bool) -> Result<u64, Error> {
    let req = RemovePathRequest { path: path.to_owned(), recursive };
    Ok(fixture.files.remove_path(req).await?.removed_entries)
}

#[tokio::test]
async fn anything_but_a_directory_is_removed_itself() {
    let fixture = Fixture::new();
    let _listener = std::os::unix::net::UnixListener::bind(fixture.at("socket")).unwrap();
    rustix::fs::mknodat(CWD, fixture.at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    fixture.put("target", "content");
    fixture.dir("d/sub");
    fixture.put("f", "");
    fixture.link("target", "link");
    fixture.link("d", "to-directory");
    fixture.link("nothing", "dangling");
    for name in ["f", "fifo", "socket", "link", "to-directory", "dangling"] {
        // A link is no directory, and asking for everything below changes nothing.
        let recursive = name.len() % 2 == 0;
        assert_eq!(remove(&fixture, &fixture.path(name), recursive).await.unwrap(), 1, "{name}");
    }
    assert_eq!(fixture.names(""), ["d", "target"]);
    assert!(fixture.exists("d/sub"));
}

#[tokio::test]
async fn a_link_with_a_slash_behind_it_is_still_the_link() {
    let fixture = Fixture::new();
    fixture.dir("d/sub");
    let link = fixture.link("d", "link");
    assert_eq!(remove(&fixture, &format!("{link}/"), true).await.unwrap(), 1);
    assert!(fixture.exists("d/sub") && !fixture.exists("link"));
}

#[tokio::test]
async fn a_directory_goes_alone_or_with_everything_in_it() {
    let fixture = Fixture::new();
    assert_eq!(remove(&fixture, &fixture.dir("empty"), false).await.unwrap(), 1);
    assert_eq!(remove(&fixture, &fixture.dir("empty"), true).await.unwrap(), 1);

    let full = fixture.dir("full");
    fixture.dir("full/a/b");
    fixture.put("full/a/f", "");
    fixture.put("full/g", "");
    std::fs::write(fixture.at("full").join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
    std::fs::create_dir(fixture.at("full/a").join(OsStr::from_bytes(b"d\xff"))).unwrap();
    let refusal = remove(&fixture, &full, false).await;
    refused(refusal, ErrorCode::Conflict, "directory not empty");
    assert_eq!(remove(&fixture, &full, true).await.unwrap(), 7);
    assert!(!fixture.exists("full"));
}

#[tokio::test]
async fn links_in_a_tree_lead_nowhere() {
    let fixture = Fixture::new();
    fixture.dir("outside/sub");
    fixture.put("outside/f", "content");
    let tree = fixture.dir("tree/sub");
    fixture.link("../outside", "tree/link");
    fixture.link(fixture.at("outside"), "tree/sub/link");
    fixture.link("..", "tree/sub/up");
    let path = Path::new(&tree).parent().unwrap().to_str().unwrap();
    assert_eq!(remove(&fixture, path, true).await.unwrap(), 5);
    assert_eq!(fixture.names("outside"), ["f", "sub"]);

    // A link on the way is followed: it names the directory, not what is removed.
    fixture.link("outside", "way");
    assert_eq!(remove(&fixture, &fixture.path("way/sub"), true).await.unwrap(), 1);
    assert_eq!(fixture.names("outside"), ["f"]);
}

#[tokio::test]
async fn what_cannot_be_removed_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.put("f", "");
    let missing = "file does not exist: no such file or directory";
    let cases = [
        (fixture.path("none"), ErrorCode::NotFound, missing),
        (fixture.path("none/x"), ErrorCode::NotFound, missing),
        (format!("{file}/x"), ErrorCode::InvalidArgument, "not a directory"),
        (String::new(), ErrorCode::InvalidArgument, "\"path\" is required"),
        ("f".to_owned(), ErrorCode::InvalidArgument, "must be absolute"),
        (fixture.path(&"n".repeat(256)), ErrorCode::InvalidArgument, "name too long"),
        (fixture.link("loop", "loop") + "/x", ErrorCode::InvalidArgument, "too many levels"),
    ];
    for (path, code, fragment) in cases {
        for recursive in [false, true] {
            refused(remove(&fixture, &path, recursive).await, code, fragment);
        }
    }
    assert_eq!(fixture.names(""), ["f", "loop"]);
}

#[tokio::test]
async fn protected_directories_stay() {
    let fixture = Fixture::with(|config| config.home = config.home.join("deep/user"));
    std::fs::create_dir_all(fixture.root.join("home/deep/user/code")).unwrap();
    let root = fixture.root.to_str().unwrap().to_owned();
    fixture.link(&fixture.root, "link");
    let through_link = fixture.path("link/home");
    let protected = [
        "/",
        &root,
        "/tmp/..",
        &format!("{root}/home"),
        &format!("{root}/home/deep/user"),
        &format!("{root}/state"),
        &through_link,
    ];
    for path in protected {
        for recursive in [false, true] {
            refused(
                remove(&fixture, path, recursive).await,
                ErrorCode::PermissionDenied,
                "protected",
            );
        }
    }
    // What lies inside, and a link to one, is not protected.
    assert_eq!(remove(&fixture, &fixture.path("link"), true).await.unwrap(), 1);
    let inside = format!("{root}/home/deep/user/code");
    assert_eq!(remove(&fixture, &inside, true).await.unwrap(), 1);
    assert!(fixture.root.join("home/deep/user").is_dir());
}

#[test]
fn a_directory_that_becomes_a_link_meanwhile_leads_nowhere() {
    let fixture = Fixture::new();
    fixture.dir("outside/sub");
    fixture.put("outside/sub/f", "content");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            fixture.link(fixture.at("outside"), "link");
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                // The directory and the link change places again and again.
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                let (link, inside) = (fixture.at("link"), fixture.at("tree/sub"));
                let _ = rustix::fs::renameat_with(CWD, link, CWD, inside, exchange);
            }
        });
        for _ in 0..100 {
            for name in ["tree/sub/a/b", "tree/x", "tree/y"] {
                let _ = std::fs::create_dir_all(fixture.at(name));
            }
            // Both answers are right: it depends on who was faster.
            let _ = block_on(remove(&fixture, &fixture.path("tree"), true));
            assert_eq!(fixture.get("outside/sub/f"), "content");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_removes() {
    let fixture = Fixture::new();
    for round in 0..10 {
        let path = fixture.dir(&format!("{round}"));
        fixture.dir(&format!("{round}/a/b"));
        let all = (0..6).map(|_| remove(&fixture, &path, true));
        let answers = futures_util::future::join_all(all).await;
        let (removed, missed): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(removed.len(), 1);
        assert_eq!(*removed[0].as_ref().unwrap(), 3);
        assert!(missed.iter().all(|e| e.as_ref().unwrap_err().code() == ErrorCode::NotFound));
    }
}

/// A tree: each node is made below one that was made before, if that is a directory.
fn nodes() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((0..1000_usize, 0..4_u8), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_left_of_a_tree_and_everything_is_counted(nodes in nodes()) {
        let fixture = Fixture::new();
        let path = fixture.dir("tree");
        fixture.put("outside", "content");
        let mut directories = vec![fixture.at("tree")];
        for (number, (parent, kind)) in nodes.iter().enumerate() {
            let place = directories[parent % directories.len()].join(format!("n{number}"));
            match kind {
                0 => std::fs::write(&place, "").unwrap(),
                1 => std::os::unix::fs::symlink(fixture.at("outside"), &place).unwrap(),
                _ => {
                    std::fs::create_dir(&place).unwrap();
                    directories.push(place);
                }
            }
        }
        let removed = block_on(remove(&fixture, &path, true)).unwrap();
        prop_assert_eq!(removed, nodes.len() as u64 + 1);
        prop_assert_eq!(fixture.names(""), vec!["outside"]);
        prop_assert_eq!(fixture.get("outside"), "content");
    }
}

mod needs_root {
    use std::os::unix::fs::{PermissionsExt, chown};

    use agent_test::NOBODY;

    use super::*;
    use crate::fixture::as_nobody;

    #[test]
    fn a_failure_in_the_middle_says_how_much_is_gone() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        for name in ["tree", "tree/locked"] {
            fixture.dir(name);
        }
        for name in ["tree/a", "tree/b", "tree/c", "tree/locked/f"] {
            fixture.put(name, "");
        }
        for name in ["tree", "tree/locked"] {
            chown(fixture.at(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        std::fs::set_permissions(fixture.at("tree/locked"), PermissionsExt::from_mode(0o555))
            .unwrap();
        let answer = as_nobody(remove(&fixture, &fixture.path("tree"), true));
        let detail = answer.as_ref().unwrap_err().detail().unwrap();
        assert!(detail.contains("permission denied") && detail.contains("3 entries"), "{detail}");
        refused(answer, ErrorCode::PermissionDenied, &fixture.path("tree/locked/f"));
        assert_eq!(fixture.names("tree"), ["locked"]);
        assert_eq!(fixture.names("tree/locked"), ["f"]);
    }

    #[test]
    fn an_empty_directory_goes_although_it_may_not_be_read() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        let tree = fixture.dir("tree");
        for (name, mode) in [("tree/closed", 0o000), ("tree", 0o755)] {
            fixture.dir(name);
            chown(fixture.at(name), Some(NOBODY), Some(NOBODY)).unwrap();
            std::fs::set_permissions(fixture.at(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        assert_eq!(as_nobody(remove(&fixture, &tree, true)).unwrap(), 2);

        let tree = fixture.dir("tree");
        fixture.dir("tree/closed/full");
        for (name, mode) in [("tree/closed", 0o300), ("tree", 0o755)] {
            chown(fixture.at(name), Some(NOBODY), Some(NOBODY)).unwrap();
            std::fs::set_permissions(fixture.at(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let answer = as_nobody(remove(&fixture, &tree, true));
        refused(answer, ErrorCode::PermissionDenied, "permission denied");
        assert!(fixture.exists("tree/closed/full"));
    }

    #[test]
    fn a_file_in_a_directory_that_may_not_be_written_stays() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        fixture.dir("closed");
        let file = fixture.put("closed/f", "");
        let answer = as_nobody(remove(&fixture, &file, false));
        refused(answer, ErrorCode::PermissionDenied, "permission denied");
        assert!(fixture.exists("closed/f"));
    }
}

mod needs_tmpfs {
    use std::os::fd::OwnedFd;

    use agent_test::Mount;
    use rustix::fs::OFlags;

    use super::*;

    /// In memory, because a disk takes a minute for so many directories.
    #[tokio::test]
    async fn a_tree_of_twenty_thousand_levels_is_removed() {
        const DEPTH: u64 = 20_000;
        let fixture = Fixture::new();
        let mount = Mount::tmpfs_on(fixture.dir("mount"), 1024 * 1024).unwrap();
        let path = fixture.dir("mount/deep");
        let mut directory = OwnedFd::from(std::fs::File::open(&path).unwrap());
        for _ in 1..DEPTH {
            rustix::fs::mkdirat(&directory, c"d", Mode::RWXU).unwrap();
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
            directory = rustix::fs::openat(&directory, c"d", flags, Mode::empty()).unwrap();
        }
        drop(directory);
        assert_eq!(remove(&fixture, &path, true).await.unwrap(), DEPTH);
        assert_eq!(std::fs::read_dir(mount.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_mount_in_a_tree_stops_the_removal_when_it_is_reached() {
        let fixture = Fixture::new();
        let tree = fixture.dir("tree");
        fixture.put("tree/f", "");
        let mount = Mount::tmpfs_on(fixture.dir("tree/sub/mount"), 64 * 1024).unwrap();
        std::fs::write(mount.path().join("inside"), "").unwrap();
        let answer = remove(&fixture, &tree, true).await;
        let detail = answer.as_ref().unwrap_err().detail().unwrap();
        assert!(detail.contains("1 entry"), "{detail}");
        refused(answer, ErrorCode::Conflict, "mount point");
        assert!(fixture.exists("tree/sub/mount/inside"));
    }

    #[tokio::test]
    async fn a_second_mount_of_the_same_file_system_is_not_entered() {
        let fixture = Fixture::new();
        fixture.dir("shown");
        fixture.put("shown/f", "content");
        let tree = fixture.dir("tree");
        let mount = Mount::bind(fixture.at("shown"), fixture.dir("tree/mount")).unwrap();
        refused(remove(&fixture, &tree, true).await, ErrorCode::Conflict, "mount point");
        drop(mount);
        assert_eq!(fixture.get("shown/f"), "content");
    }

    #[tokio::test]
    async fn a_file_that_is_mounted_stops_the_removal_too() {
        let fixture = Fixture::new();
        fixture.put("shown", "content");
        let tree = fixture.dir("tree");
        fixture.put("tree/f", "");
        let _mount = Mount::bind(fixture.at("shown"), fixture.at("tree/f")).unwrap();
        refused(remove(&fixture, &tree, true).await, ErrorCode::Conflict, "busy");
        let file = fixture.path("tree/f");
        refused(remove(&fixture, &file, false).await, ErrorCode::Conflict, "busy");
    }

    #[tokio::test]
    async fn a_mount_point_itself_is_left_with_what_is_in_it() {
        let fixture = Fixture::new();
        let mount = Mount::tmpfs_on(fixture.dir("mount"), 64 * 1024).unwrap();
        std::fs::write(mount.path().join("inside"), "").unwrap();
        for recursive in [false, true] {
            let answer = remove(&fixture, &fixture.path("mount"), recursive).await;
            assert_eq!(answer.unwrap_err().code(), ErrorCode::Conflict);
        }
        assert!(fixture.exists("mount/inside"));
    }

    #[tokio::test]
    async fn protected_directories_are_known_behind_a_bind_mount() {
        let fixture = Fixture::with(|config| config.home = config.home.join("user"));
        std::fs::create_dir_all(fixture.root.join("home/user/code")).unwrap();
        let _mount = Mount::bind(fixture.root.join("home"), fixture.dir("alias")).unwrap();
        let alias = fixture.path("alias/user");
        refused(remove(&fixture, &alias, true).await, ErrorCode::PermissionDenied, "protected");
        assert!(fixture.root.join("home/user/code").is_dir());
    }
}
