//! Entries moved by renaming; those that change the file system are in a module of their own.

#[cfg(target_os = "linux")]
mod between_file_systems;
mod model;

use std::os::unix::fs::MetadataExt;

use agent_api::{Classify, ErrorCode, MovePathRequest, MovePathResponse};
use agent_files::Error;

use crate::fixture::{Fixture, refused};

async fn move_as(
    fixture: &Fixture,
    from: &str,
    to: &str,
    overwrite: bool,
) -> Result<MovePathResponse, Error> {
    let (from, to) = (from.to_owned(), to.to_owned());
    fixture.files.move_path(MovePathRequest { from, to, overwrite }).await
}

/// Moves a name to another below the directory for test files.
async fn rename(fixture: &Fixture, from: &str, to: &str, overwrite: bool) -> Result<(), Error> {
    move_as(fixture, &fixture.path(from), &fixture.path(to), overwrite).await.map(drop)
}

#[tokio::test]
async fn an_entry_is_renamed_and_missing_parents_are_made() {
    let fixture = Fixture::with(|config| config.umask = 0o027);
    fixture.put("f", "content");
    let from = format!("{}/.//", fixture.path("f"));
    let to = fixture.path("a/x/../b/g");
    let answer = move_as(&fixture, &from, &to, false).await.unwrap();
    assert_eq!((answer.from, answer.to), (fixture.path("f"), fixture.path("a/b/g")));
    assert_eq!(fixture.get("a/b/g"), "content");
    assert!(!fixture.exists("f") && !fixture.exists("a/x"));
    assert_eq!(fixture.mode("a/b"), 0o750);

    rename(&fixture, "a", "c", false).await.unwrap();
    assert_eq!(fixture.get("c/b/g"), "content");
}

#[tokio::test]
async fn a_link_is_moved_itself() {
    let fixture = Fixture::new();
    fixture.dir("d/sub");
    fixture.link("d", "link");
    fixture.link("nothing", "dangling");
    // Not into the directory that it leads to, although the path reads so.
    rename(&fixture, "link", "link/moved", false).await.unwrap();
    rename(&fixture, "dangling", "d/dangling", false).await.unwrap();
    assert_eq!(fixture.names("d"), ["dangling", "moved", "sub"]);
    assert_eq!(std::fs::read_link(fixture.at("d/moved")).unwrap().to_str(), Some("d"));
}

#[tokio::test]
async fn the_new_place_is_the_link_and_not_where_it_leads() {
    let fixture = Fixture::new();
    fixture.put("target", "target");
    fixture.link("target", "link");
    fixture.link("nothing", "dangling");
    fixture.put("f", "f");
    for name in ["link", "dangling"] {
        refused(rename(&fixture, "f", name, false).await, ErrorCode::Conflict, "already exists");
    }
    rename(&fixture, "f", "link", true).await.unwrap();
    assert_eq!((fixture.get("link"), fixture.get("target")), ("f".into(), "target".into()));
    assert!(!fixture.at("link").is_symlink());
}

#[tokio::test]
async fn replacing_follows_the_kinds() {
    let kinds = ["file", "link", "empty", "full"];
    let make = |fixture: &Fixture, kind: &str, name: &str| match kind {
        "file" => drop(fixture.put(name, name)),
        "link" => drop(fixture.link(name, name)),
        "empty" => drop(fixture.dir(name)),
        _ => drop(fixture.dir(&format!("{name}/{name}"))),
    };
    for from in kinds {
        for to in kinds {
            let fixture = Fixture::new();
            make(&fixture, from, "from");
            make(&fixture, to, "to");
            let inode = |name: &str| fixture.at(name).symlink_metadata().unwrap().ino();
            let before = (inode("from"), inode("to"));
            let answer = rename(&fixture, "from", "to", false).await;
            refused(answer, ErrorCode::Conflict, "already exists");
            assert_eq!((inode("from"), inode("to")), before, "{from} to {to}");

            let is_dir = |kind| matches!(kind, "empty" | "full");
            let answer = rename(&fixture, "from", "to", true).await;
            if is_dir(from) == is_dir(to) && to != "full" {
                answer.unwrap();
                assert_eq!(inode("to"), before.0, "{from} to {to}");
                assert!(!fixture.exists("from"));
            } else {
                assert_eq!(answer.unwrap_err().code(), ErrorCode::Conflict, "{from} to {to}");
                assert_eq!((inode("from"), inode("to")), before);
            }
        }
    }
}

#[tokio::test]
async fn replacing_a_full_directory_says_so() {
    let fixture = Fixture::new();
    fixture.dir("from");
    fixture.dir("to/sub");
    let answer = rename(&fixture, "from", "to", true).await;
    refused(answer, ErrorCode::Conflict, "directory not empty");
    // The same for a directory that holds what is moved.
    let answer = rename(&fixture, "to/sub", "to", true).await;
    refused(answer, ErrorCode::Conflict, "directory not empty");
}

#[tokio::test]
async fn to_the_same_path_nothing_happens() {
    let fixture = Fixture::new();
    fixture.put("f", "content");
    fixture.dir("d/sub");
    fixture.link("..", "d/up");
    let cases =
        [("f", "f"), ("f", "x/../f"), ("d", "d"), ("d/sub", "d/up/d/sub"), ("d/up", "d/up")];
    for (from, to) in cases {
        for overwrite in [false, true] {
            rename(&fixture, from, to, overwrite).await.unwrap();
        }
    }
    assert_eq!(fixture.get("f"), "content");
    assert_eq!(fixture.names("d"), ["sub", "up"]);
    refused(
        rename(&fixture, "none", "none", true).await,
        ErrorCode::NotFound,
        "file does not exist",
    );
}

#[tokio::test]
async fn one_of_two_names_of_a_file_goes() {
    let fixture = Fixture::new();
    fixture.put("a", "content");
    std::fs::hard_link(fixture.at("a"), fixture.at("b")).unwrap();
    refused(rename(&fixture, "a", "b", false).await, ErrorCode::Conflict, "already exists");
    assert!(fixture.exists("a"));
    rename(&fixture, "a", "b", true).await.unwrap();
    assert_eq!((fixture.exists("a"), fixture.get("b")), (false, "content".into()));
}

#[tokio::test]
async fn a_directory_does_not_go_into_itself() {
    let fixture = Fixture::new();
    fixture.dir("d/sub");
    fixture.link("d/sub", "link");
    fixture.link("..", "d/sub/up");
    for to in ["d/x", "d/sub/x", "d/new/deep/x", "link/x", "d/sub/up/x", "d/sub"] {
        for overwrite in [false, true] {
            let answer = rename(&fixture, "d", to, overwrite).await;
            refused(answer, ErrorCode::InvalidArgument, "inside");
        }
    }
    assert_eq!(fixture.names("d"), ["sub"]);
    // A name that begins alike is another directory.
    rename(&fixture, "d", "dd", false).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_moved_is_refused() {
    let fixture = Fixture::new();
    fixture.put("f", "");
    fixture.dir("d");
    let path = |name| fixture.path(name);
    let cases = [
        (path("none"), path("x/y"), ErrorCode::NotFound, "file does not exist"),
        (path("none"), path("f"), ErrorCode::NotFound, "no such file or directory"),
        (path("f/x"), path("y"), ErrorCode::InvalidArgument, "not a directory"),
        (path("d"), path("f/x"), ErrorCode::InvalidArgument, "not a directory"),
        (path("f"), path("f/x"), ErrorCode::InvalidArgument, "not a directory"),
        (path("f"), path(&"n".repeat(256)), ErrorCode::InvalidArgument, "name too long"),
        (String::new(), path("y"), ErrorCode::InvalidArgument, "\"path\" is required"),
        (String::new(), path("y"), ErrorCode::InvalidArgument, "\"from\" is required"),
        (path("f"), String::new(), ErrorCode::InvalidArgument, "\"to\" is required"),
        ("f".to_owned(), path("y"), ErrorCode::InvalidArgument, "must be absolute"),
        (path("f"), "../y".to_owned(), ErrorCode::InvalidArgument, "must be absolute"),
        (path("f"), "/y\0".to_owned(), ErrorCode::InvalidArgument, "NUL"),
        (
            path("f"),
            fixture.link("loop", "loop") + "/x",
            ErrorCode::InvalidArgument,
            "too many levels",
        ),
    ];
    for (from, to, code, fragment) in cases {
        refused(move_as(&fixture, &from, &to, true).await, code, fragment);
    }
    assert_eq!(fixture.names(""), ["d", "f", "loop"]);
}

#[tokio::test]
async fn protected_directories_are_neither_moved_nor_replaced() {
    let fixture = Fixture::with(|config| config.home = config.home.join("user"));
    let root = fixture.root.to_str().unwrap();
    std::fs::create_dir(fixture.root.join("home/user")).unwrap();
    fixture.dir("d");
    let protected = [
        "/",
        root,
        &format!("{root}/home"),
        &format!("{root}/home/user"),
        &format!("{root}/state"),
    ];
    for path in protected {
        let answer = move_as(&fixture, path, &fixture.path("x"), false).await;
        refused(answer, ErrorCode::PermissionDenied, "protected");
        let answer = move_as(&fixture, &fixture.path("d"), path, true).await;
        refused(answer, ErrorCode::PermissionDenied, "protected");
    }
    let home = format!("{root}/home/user");
    let answer = move_as(&fixture, &fixture.path("d"), &home, false).await;
    refused(answer, ErrorCode::Conflict, "already exists");
    move_as(&fixture, &fixture.path("d"), &format!("{home}/d"), false).await.unwrap();
    assert!(fixture.root.join("home/user/d").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_takes_the_place() {
    let fixture = Fixture::new();
    for round in 0..20 {
        let names: Vec<String> = (0..6).map(|n| format!("{round}-{n}")).collect();
        for name in &names {
            fixture.put(name, name);
        }
        let to = format!("to-{round}");
        let all = names.iter().map(|name| rename(&fixture, name, &to, false));
        let answers = futures_util::future::join_all(all).await;
        let (moved, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(moved.len(), 1);
        assert!(refused.iter().all(|e| e.as_ref().unwrap_err().code() == ErrorCode::Conflict));
        let left = names.iter().filter(|name| fixture.exists(name)).count();
        assert_eq!(left, names.len() - 1);
    }
}

mod needs_root {
    use super::*;
    use crate::fixture::as_nobody;

    #[test]
    fn a_directory_that_may_not_be_written_keeps_what_is_in_it() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        fixture.dir("closed");
        fixture.put("closed/f", "");
        fixture.put("g", "");
        for (from, to) in [("closed/f", "x"), ("g", "closed/g"), ("g", "closed/a/g")] {
            let answer = as_nobody(rename(&fixture, from, to, false));
            refused(answer, ErrorCode::PermissionDenied, "permission denied");
        }
        assert_eq!(fixture.names("closed"), ["f"]);
        as_nobody(rename(&fixture, "g", "h", false)).unwrap();
    }
}
