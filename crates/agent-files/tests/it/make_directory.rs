//! New directories and their modes.

use agent_api::{ErrorCode, FileMode, MakeDirectoryRequest};
use agent_files::Error;

use crate::fixture::{Fixture, refused};

async fn make(fixture: &Fixture, path: &str, mode: Option<u32>) -> Result<bool, Error> {
    let mode = mode.map(FileMode::from_bits);
    let req = MakeDirectoryRequest { path: path.to_owned(), mode };
    Ok(fixture.files.make_directory(req).await?.created)
}

#[tokio::test]
async fn a_directory_is_made_with_its_parents() {
    let fixture = Fixture::new();
    let req = MakeDirectoryRequest { path: fixture.path("a//b/./c/"), mode: None };
    let answer = fixture.files.make_directory(req.clone()).await.unwrap();
    assert_eq!((answer.path, answer.created), (fixture.path("a/b/c"), true));
    assert!(fixture.at("a/b/c").is_dir());
    let again = fixture.files.make_directory(req).await.unwrap();
    assert_eq!((again.path, again.created), (fixture.path("a/b/c"), false));
}

#[tokio::test]
async fn the_mode_is_exact_for_the_last_component_alone() {
    let fixture = Fixture::with(|config| config.umask = 0o027);
    for mode in [0o755, 0o777, 0o700, 0o1777, 0o2775, 0o222, 0o5, 0] {
        let name = format!("m{mode:o}");
        make(&fixture, &fixture.path(&format!("{name}/parent/last")), Some(mode)).await.unwrap();
        assert_eq!(fixture.mode(&format!("{name}/parent/last")), mode, "{mode:o}");
        assert_eq!(fixture.mode(&format!("{name}/parent")), 0o750);
    }
    make(&fixture, &fixture.path("default"), None).await.unwrap();
    assert_eq!(fixture.mode("default"), 0o750);
}

#[tokio::test]
async fn an_inherited_group_bit_is_not_in_the_mode_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    fixture.dir("shared");
    std::fs::set_permissions(fixture.at("shared"), PermissionsExt::from_mode(0o2775)).unwrap();
    make(&fixture, &fixture.path("shared/exact"), Some(0o755)).await.unwrap();
    make(&fixture, &fixture.path("shared/default"), None).await.unwrap();
    assert_eq!((fixture.mode("shared/exact"), fixture.mode("shared/default")), (0o755, 0o2755));
}

#[tokio::test]
async fn what_is_there_is_left_alone() {
    let fixture = Fixture::new();
    let directory = fixture.dir("d");
    let mode = fixture.mode("d");
    let link = fixture.link("d", "link");
    for path in [directory.as_str(), &link, "/", &format!("{link}/../d")] {
        assert!(!make(&fixture, path, Some(0o700)).await.unwrap(), "{path}");
    }
    assert_eq!(fixture.mode("d"), mode);

    let fifo = rustix::fs::FileType::Fifo;
    let place = fixture.at("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &place, fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let in_the_way = [
        fixture.put("f", "content"),
        fixture.link("f", "to-file"),
        fixture.link("nothing", "dangling"),
        fixture.path("fifo"),
    ];
    for path in in_the_way {
        refused(make(&fixture, &path, None).await, ErrorCode::Conflict, "already exists");
    }
    assert_eq!(fixture.get("f"), "content");
    assert!(!fixture.exists("nothing"));
}

#[tokio::test]
async fn parents_are_made_where_a_link_leads() {
    let fixture = Fixture::new();
    fixture.dir("real");
    fixture.link("real", "link");
    fixture.link("elsewhere/deep", "dangling");
    assert!(make(&fixture, &fixture.path("link/a/b"), None).await.unwrap());
    assert!(fixture.at("real/a/b").is_dir());
    assert!(make(&fixture, &fixture.path("dangling/a"), None).await.unwrap());
    assert!(fixture.at("elsewhere/deep/a").is_dir());
}

#[tokio::test]
async fn a_path_that_cannot_be_one_is_refused_and_nothing_is_made() {
    let fixture = Fixture::new();
    let file = fixture.put("f", "");
    let name = "n".repeat(256);
    let cases = [
        ("", "\"path\" is required"),
        ("d", "must be absolute"),
        ("/a\0", "NUL"),
        (&format!("{file}/d"), "not a directory"),
        (&format!("{file}/d/e"), "not a directory"),
        (&fixture.path(&name), "name too long"),
        (&fixture.link("loop", "loop"), "too many levels of symbolic links"),
        (&fixture.path("loop/x"), "too many levels of symbolic links"),
    ];
    for (path, fragment) in cases {
        refused(make(&fixture, path, None).await, ErrorCode::InvalidArgument, fragment);
    }
    assert_eq!(fixture.names(""), ["f", "loop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_makes_the_directory() {
    let fixture = Fixture::new();
    for round in 0..20 {
        let path = fixture.path(&format!("{round}/a/b"));
        let all = (0..8).map(|_| make(&fixture, &path, Some(0o711)));
        let made = futures_util::future::join_all(all).await;
        let created = made.into_iter().filter(|answer| *answer.as_ref().unwrap()).count();
        assert_eq!(created, 1);
        assert_eq!(fixture.mode(&format!("{round}/a/b")), 0o711);
    }
}

#[tokio::test]
async fn nothing_is_made_after_shutdown() {
    let fixture = Fixture::new();
    fixture.files.shutdown().await;
    let answer = make(&fixture, &fixture.path("d"), None).await;
    refused(answer, ErrorCode::Unavailable, "shutting down");
    assert!(!fixture.exists("d"));
}

mod needs_root {
    use super::*;
    use crate::fixture::as_nobody;

    #[test]
    fn a_parent_that_may_not_be_written_is_refused() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        let closed = fixture.dir("closed");
        let answer = as_nobody(make(&fixture, &format!("{closed}/a/b"), None));
        refused(answer, ErrorCode::PermissionDenied, "permission denied");
        assert!(!fixture.exists("closed/a"));
    }

    #[test]
    fn a_mode_that_shuts_its_owner_out_is_exact_too() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        for mode in [0, 0o333, 0o111, 0o77] {
            let path = fixture.path(&format!("m{mode:o}"));
            assert!(as_nobody(make(&fixture, &path, Some(mode))).unwrap());
            assert_eq!(fixture.mode(&format!("m{mode:o}")), mode);
        }
    }

    #[test]
    fn a_parent_that_may_be_searched_and_written_need_not_be_readable() {
        use std::os::unix::fs::PermissionsExt;
        let fixture = Fixture::new();
        fixture.open_to_all();
        let drop = fixture.dir("drop");
        std::fs::set_permissions(&drop, PermissionsExt::from_mode(0o733)).unwrap();
        assert!(as_nobody(make(&fixture, &format!("{drop}/a/b"), Some(0o755))).unwrap());
        assert_eq!(fixture.mode("drop/a/b"), 0o755);
    }
}
