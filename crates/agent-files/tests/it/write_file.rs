//! `write_file` on a real disk: what is published, what is kept, what is left behind.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use agent_api::{AbsolutePath, Caller, ErrorCode, WriteFileRequest, WriteFileResponse};
use agent_files::{Error, Event};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::Notify;

use crate::fixture::{Fixture, broken, refused};

fn request(path: &str) -> WriteFileRequest {
    WriteFileRequest { path: path.to_owned(), ..WriteFileRequest::default() }
}

#[tokio::test]
async fn a_new_file_is_created_with_its_parents() {
    let fixture = Fixture::new();
    let answer = fixture.write(request(&fixture.path("a/b/f")), "content").await.unwrap();
    assert_eq!((answer.size_bytes, answer.created, answer.in_place), (7, true, false));
    assert_eq!(fixture.get("a/b/f"), "content");
    assert_eq!(fixture.mode("a/b/f"), 0o644);
    assert_eq!(fixture.mode("a/b"), 0o755);
}

#[tokio::test]
async fn the_mode_of_a_new_file_is_exact_and_that_of_an_old_one_stays() {
    let fixture = Fixture::new();
    let mode =
        |mode: &str| WriteFileRequest { mode: mode.parse().ok(), ..request(&fixture.path("f")) };
    fixture.write(mode("0777"), "").await.unwrap();
    assert_eq!(fixture.mode("f"), 0o777);
    fixture.write(mode("600"), "x").await.unwrap();
    assert_eq!((fixture.mode("f"), fixture.get("f")), (0o777, "x".to_owned()));
}

#[tokio::test]
async fn every_write_changes_the_version() {
    let fixture = Fixture::new();
    let path = fixture.path("f");
    let mut seen = std::collections::HashSet::new();
    for n in 0..200 {
        let answer = fixture.write(request(&path), n.to_string()[..1].to_owned()).await.unwrap();
        assert!(seen.insert(answer.etag), "write {n}");
    }
    std::fs::hard_link(fixture.at("f"), fixture.at("g")).unwrap();
    for n in 0..200 {
        let answer = fixture.write(request(&path), "x").await.unwrap();
        assert!(answer.in_place && seen.insert(answer.etag), "write {n} in place");
    }
}

#[tokio::test]
async fn a_link_is_followed_and_stays() {
    let fixture = Fixture::new();
    fixture.put("f", "old");
    symlink("f", fixture.at("link")).unwrap();
    symlink("missing", fixture.at("dangling")).unwrap();
    fixture.write(request(&fixture.path("link")), "new").await.unwrap();
    let answer = fixture.write(request(&fixture.path("dangling")), "made").await.unwrap();
    assert!(answer.created);
    assert!(fixture.at("link").is_symlink() && fixture.at("dangling").is_symlink());
    assert_eq!((fixture.get("f"), fixture.get("missing")), ("new".to_owned(), "made".to_owned()));
}

#[tokio::test]
async fn hard_links_see_the_new_content() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "a longer content");
    std::fs::hard_link(&path, fixture.at("g")).unwrap();
    let answer = fixture.write(request(&path), "short").await.unwrap();
    assert!(answer.in_place && !answer.created);
    assert_eq!(fixture.get("g"), "short");
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn owner_and_attributes_are_kept() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "old");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).unwrap();
    let set = rustix::fs::setxattr(&path, "user.note", b"kept", rustix::fs::XattrFlags::empty());
    let has_attributes = set.is_ok();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
    }
    fixture.write(request(&path), "new").await.unwrap();
    assert_eq!(fixture.mode("f"), 0o750);
    let stat = std::fs::metadata(&path).unwrap();
    assert!(!is_root || (stat.uid(), stat.gid()) == (12, 34));
    let mut value = [0_u8; 16];
    let read = rustix::fs::getxattr(&path, "user.note", &mut value[..]);
    assert!(!has_attributes || read.is_ok_and(|count| &value[..count] == b"kept"));
}

#[tokio::test]
async fn conditions_are_checked_before_anything_is_written() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "old");
    let missing = fixture.path("missing");
    let with = |path: &str, if_match: Option<&str>, if_none_match: Option<&str>| WriteFileRequest {
        if_match: if_match.map(str::to_owned),
        if_none_match: if_none_match.map(str::to_owned),
        ..request(path)
    };
    let conflicts = [
        with(&path, Some("\"0000000000000000\""), None),
        with(&path, Some("8f3a"), None),
        with(&path, None, Some("*")),
        with(&missing, Some("*"), None),
        with(&missing, Some("\"0000000000000000\""), None),
    ];
    for req in conflicts {
        refused(fixture.write(req, "new").await, ErrorCode::Conflict, "precondition");
    }
    let below = with(&fixture.path("no/parents"), Some("*"), None);
    refused(fixture.write(below, "new").await, ErrorCode::Conflict, "precondition");
    assert!(!fixture.at("no").exists());
    for req in [with(&path, None, Some("\"x\"")), with(&path, Some("*"), Some("*"))] {
        refused(fixture.write(req, "new").await, ErrorCode::InvalidArgument, "If-");
    }
    assert_eq!(fixture.get("f"), "old");
    let etag = fixture.write(with(&path, Some("*"), None), "2").await.unwrap().etag;
    let etag = fixture.write(with(&path, Some(&etag.quoted()), None), "3").await.unwrap().etag;
    fixture.write(with(&path, Some(&etag.to_string()), None), "4").await.unwrap();
    fixture.write(with(&missing, None, Some("*")), "new").await.unwrap();
    assert_eq!(fixture.get("f"), "4");
}

/// Writes `new`; `change` happens when the target was looked at and the content begins to arrive.
async fn write_around(
    fixture: &Fixture,
    req: WriteFileRequest,
    change: impl FnOnce() + Send,
) -> Result<WriteFileResponse, Error> {
    let content = stream::once(async move {
        change();
        Ok(Bytes::from_static(b"new"))
    });
    fixture.files.write_file(&Caller::anonymous(), req, content).await
}

#[tokio::test]
async fn a_condition_is_checked_again_before_publishing() {
    let fixture = Fixture::new();
    let path = fixture.path("f");
    let req = WriteFileRequest { if_none_match: Some("*".to_owned()), ..request(&path) };
    let answer = write_around(&fixture, req, || {
        fixture.put("f", "somebody else's");
    });
    refused(answer.await, ErrorCode::Conflict, "precondition");
    assert_eq!(fixture.get("f"), "somebody else's");
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn a_target_that_becomes_a_link_meanwhile_is_not_followed() {
    let fixture = Fixture::new();
    let (path, precious) = (fixture.put("f", "old"), fixture.put("precious", "precious"));
    let answer = write_around(&fixture, request(&path), || {
        std::fs::remove_file(&path).unwrap();
        symlink(&precious, &path).unwrap();
    });
    refused(answer.await, ErrorCode::Conflict, "precondition");
    assert_eq!(fixture.get("precious"), "precious");
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn a_directory_that_becomes_a_link_meanwhile_is_not_followed() {
    let fixture = Fixture::new();
    for directory in ["d", "elsewhere"] {
        std::fs::create_dir(fixture.at(directory)).unwrap();
    }
    let answer = write_around(&fixture, request(&fixture.path("d/f")), || {
        std::fs::rename(fixture.at("d"), fixture.at("moved")).unwrap();
        symlink("elsewhere", fixture.at("d")).unwrap();
    });
    refused(answer.await, ErrorCode::Conflict, "precondition");
    assert!(!fixture.at("elsewhere/f").exists());
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn a_lost_upload_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "old");
    let answer =
        fixture.files.write_file(&Caller::anonymous(), request(&path), broken("half")).await;
    refused(answer, ErrorCode::InvalidArgument, "connection lost");
    assert_eq!(fixture.get("f"), "old");
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn a_dropped_upload_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "old");
    let reached = Notify::new();
    let stalled = stream::once(async {
        reached.notify_one();
        std::future::pending().await
    });
    let content = stream::iter([Ok(Bytes::from_static(b"half"))]).chain(stalled);
    let nobody = Caller::anonymous();
    let writing = Box::pin(fixture.files.write_file(&nobody, request(&path), content));
    let reached = Box::pin(reached.notified());
    let dropped = futures_util::future::select(writing, reached).await;
    assert!(!fixture.leftovers().is_empty(), "the upload had begun");
    drop(dropped);
    assert_eq!(fixture.get("f"), "old");
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn what_cannot_be_written_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.put("f", "");
    std::fs::create_dir(fixture.at("d")).unwrap();
    let fifo = fixture.path("fifo");
    let mode = rustix::fs::Mode::RWXU;
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
    symlink("loop", fixture.at("loop")).unwrap();
    let (directory, looped) = (fixture.path("d"), fixture.path("loop"));
    let below = format!("{file}/x");
    let name = "n".repeat(256);
    let cases = [
        ("", "\"path\" is required"),
        ("f", "file path must be absolute"),
        ("/", "is a directory"),
        (&directory, "is a directory"),
        (&fifo, "not a regular file"),
        ("/dev/null", "not a regular file"),
        (&below, "not a directory"),
        (&looped, "too many levels of symbolic links"),
        (&format!("{directory}/{name}"), "name too long"),
    ];
    for (path, fragment) in cases {
        let answer = fixture.write(request(path), "x").await;
        refused(answer, ErrorCode::InvalidArgument, fragment);
    }
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn a_file_that_must_not_exist_is_missing_whatever_kind_it_would_be() {
    let fixture = Fixture::new();
    let directory = fixture.dir("d");
    let link = fixture.link("d", "link");
    let dangling = fixture.link("new", "dangling");
    for path in [directory.as_str(), &link, "/", "/dev/null"] {
        let req = WriteFileRequest { if_none_match: Some("*".to_owned()), ..request(path) };
        let answer = fixture.write(req, "x").await;
        refused(answer, ErrorCode::Conflict, "precondition");
    }
    let req = WriteFileRequest { if_none_match: Some("*".to_owned()), ..request(&dangling) };
    assert!(fixture.write(req, "x").await.unwrap().created);
    assert_eq!(fixture.get("new"), "x");
}

#[tokio::test]
async fn a_name_of_the_longest_length_can_be_written() {
    let fixture = Fixture::new();
    let name = "n".repeat(255);
    fixture.write(request(&fixture.path(&name)), "x").await.unwrap();
    assert_eq!(fixture.get(&name), "x");
}

#[tokio::test]
async fn a_change_is_told_for_a_chat_alone() {
    let fixture = Fixture::new();
    symlink("f", fixture.at("link")).unwrap();
    let mut events = fixture.files.events();
    fixture.write(request(&fixture.path("link")), "x").await.unwrap();
    let chat = "11111111-1111-1111-1111-111111111111".parse().unwrap();
    let caller = Caller::new(Some(chat), &[]).unwrap();
    let path = format!("{}/./x/../link", fixture.path("."));
    fixture.files.write_file(&caller, request(&path), stream::empty()).await.unwrap();
    let Event::Wrote { paths, by } = events.recv().await.unwrap() else { panic!() };
    let paths: Vec<&str> = paths.iter().map(AbsolutePath::as_str).collect();
    assert_eq!((paths, by), (vec![fixture.path("link").as_str()], caller));
    assert!(events.is_empty());
}

#[tokio::test]
async fn a_service_that_shuts_down_refuses_changes() {
    let fixture = Fixture::new();
    fixture.files.shutdown().await;
    let answer = fixture.write(request(&fixture.path("f")), "x").await;
    refused(answer, ErrorCode::Unavailable, "shutting down");
    assert!(!fixture.at("f").exists() && fixture.leftovers().is_empty());
}

#[tokio::test]
async fn a_file_that_lost_its_second_name_during_the_upload_is_replaced() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "old");
    let second = fixture.at("second");
    std::fs::hard_link(&path, &second).unwrap();
    let before = std::fs::metadata(&path).unwrap().ino();
    let lose = || std::fs::remove_file(&second).unwrap();
    let answer = write_around(&fixture, request(&path), lose).await.unwrap();
    assert!(!answer.in_place && !answer.created);
    assert_eq!(fixture.get("f"), "new");
    assert_ne!(std::fs::metadata(&path).unwrap().ino(), before);
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn a_file_with_two_names_that_vanishes_during_the_upload_is_made_anew() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "old");
    std::fs::hard_link(&path, fixture.at("second")).unwrap();
    let lose = || std::fs::remove_file(&path).unwrap();
    let answer = write_around(&fixture, request(&path), lose).await.unwrap();
    assert!(answer.created && !answer.in_place);
    assert_eq!((fixture.get("f"), fixture.get("second")), ("new".to_owned(), "old".to_owned()));
    assert!(fixture.leftovers().is_empty());
}
