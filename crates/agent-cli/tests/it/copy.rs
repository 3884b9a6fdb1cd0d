//! `cp` to the agent, and what holds in both directions.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
};

use crate::{
    disk::Disk,
    prompt::{type_with, type_words},
};

pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_file_goes_to_a_path_or_into_a_directory() {
    let disk = Disk::new();
    fs::write(disk.here("a.txt"), "content").unwrap();
    fs::create_dir(disk.there("/dir")).unwrap();
    for (to, arrives) in [
        (":/b.txt", "/b.txt"),
        (":/new/parents/b.txt", "/new/parents/b.txt"),
        (":/dir", "/dir/a.txt"),
        (":/new-dir/", "/new-dir/a.txt"),
    ] {
        let ran = type_words(&disk.mock(), &["cp", &disk.typed("a.txt"), to]).await;
        assert_eq!(ran.ok(), "", "{to}");
        assert_eq!(fs::read_to_string(disk.there(arrives)).unwrap(), "content", "{to}");
    }
}

#[tokio::test]
async fn a_new_file_gets_the_mode_of_its_source_without_setuid() {
    let disk = Disk::new();
    fs::write(disk.here("run.sh"), "#!/bin/sh").unwrap();
    set_mode(&disk.here("run.sh"), 0o4751);
    type_words(&disk.mock(), &["cp", &disk.typed("run.sh"), ":/run.sh"]).await.ok();
    assert_eq!(mode(&disk.there("/run.sh")), 0o751);
}

#[tokio::test]
async fn stdin_goes_to_a_file_and_a_file_to_stdout() {
    let disk = Disk::new();
    let agent = disk.mock();
    let words = ["cp", "-", ":/f"];
    type_with(&agent, &words, |io| io.stdin = Some(Box::new(&b"piped"[..]))).await.ok();
    assert_eq!(type_words(&agent, &["cp", ":/f", "-"]).await.ok(), "piped");
}

#[tokio::test]
async fn a_directory_goes_with_everything_below_it() {
    let disk = Disk::new();
    fs::create_dir_all(disk.here("src/deep/er")).unwrap();
    for name in ["src/a", "src/b", "src/.hidden", "src/deep/er/c"] {
        fs::write(disk.here(name), name).unwrap();
    }
    set_mode(&disk.here("src/deep"), 0o500);
    fs::create_dir(disk.there("/into")).unwrap();
    for (from, to, root) in [
        (disk.typed("src"), ":/fresh", "/fresh"),
        (disk.typed("src"), ":/into", "/into/src"),
        (disk.typed("src/."), ":/into", "/into"),
    ] {
        let ran = type_words(&disk.mock(), &["cp", "-r", &from, to]).await;
        assert_eq!(ran.ok(), "", "{from} {to}");
        for name in ["a", "b", ".hidden", "deep/er/c"] {
            let content = fs::read_to_string(disk.there(&format!("{root}/{name}"))).unwrap();
            assert_eq!(content, format!("src/{name}"));
        }
        assert_eq!(mode(&disk.there(&format!("{root}/deep"))), 0o700, "its owner can fill it");
    }
    set_mode(&disk.here("src/deep"), 0o700);
}

#[tokio::test]
async fn a_directory_needs_the_flag() {
    let disk = Disk::new();
    fs::create_dir(disk.here("dir")).unwrap();
    let stderr = type_words(&disk.mock(), &["cp", &disk.typed("dir"), ":/x"]).await.failed(1);
    assert!(stderr.ends_with("dir: is a directory, which needs --recursive\n"), "{stderr}");
    fs::create_dir(disk.there("/dir")).unwrap();
    let stderr = type_words(&disk.mock(), &["cp", ":/dir", &disk.typed("x")]).await.failed(1);
    assert_eq!(stderr, "agentctl: :/dir: is a directory, which needs --recursive\n");
}

#[tokio::test]
async fn several_sources_need_a_directory() {
    let disk = Disk::new();
    fs::write(disk.here("a"), "a").unwrap();
    fs::write(disk.here("b"), "b").unwrap();
    let words = ["cp", &disk.typed("a"), &disk.typed("b"), ":/to"];
    let stderr = type_words(&disk.mock(), &words).await.failed(1);
    assert_eq!(stderr, "agentctl: :/to: is not a directory\n");
    fs::create_dir(disk.there("/to")).unwrap();
    type_words(&disk.mock(), &words).await.ok();
    assert_eq!(fs::read_to_string(disk.there("/to/b")).unwrap(), "b");
}

#[tokio::test]
async fn what_cannot_be_sent_is_reported_and_the_rest_goes_on() {
    let disk = Disk::new();
    fs::create_dir(disk.here("src")).unwrap();
    fs::write(disk.here("src/good"), "good").unwrap();
    fs::write(disk.here("src").join(OsStr::from_bytes(b"bad\xff")), "bad").unwrap();
    symlink("good", disk.here("src/link")).unwrap();
    let _socket = UnixListener::bind(disk.here("src/socket")).unwrap();
    let words = ["cp", "-r", &disk.typed("src"), ":/to"];
    let stderr = type_words(&disk.mock(), &words).await.failed(1);
    for piece in [
        "bad\u{fffd}: the name is not UTF-8",
        "link: is a symbolic link, which cannot be made on the agent; --follow",
        "socket: is not a regular file",
        "agentctl: 3 of 5 could not be copied\n",
    ] {
        assert!(stderr.contains(piece), "{piece}: {stderr}");
    }
    let arrived: Vec<_> = fs::read_dir(disk.there("/to")).unwrap().collect();
    assert_eq!(arrived.len(), 1);
}

#[tokio::test]
async fn links_are_followed_on_request_and_never_in_a_circle() {
    let disk = Disk::new();
    fs::create_dir_all(disk.here("src/sub")).unwrap();
    fs::create_dir(disk.here("other")).unwrap();
    fs::write(disk.here("other/file"), "linked").unwrap();
    symlink("../other/file", disk.here("src/file")).unwrap();
    symlink("../other", disk.here("src/dir")).unwrap();
    symlink("../..", disk.here("src/sub/up")).unwrap();
    symlink("../src", disk.here("other/back")).unwrap();
    let words = ["cp", "-r", "--follow", &disk.typed("src"), ":/to"];
    let stderr = type_words(&disk.mock(), &words).await.failed(1);
    assert!(stderr.contains("src/dir/back: is a link to a directory above it"), "{stderr}");
    assert!(stderr.contains("up/src/sub/up: is a link to a directory above it"), "{stderr}");
    for path in ["/to/file", "/to/dir/file", "/to/sub/up/other/file"] {
        assert_eq!(fs::read_to_string(disk.there(path)).unwrap(), "linked", "{path}");
    }
}

#[tokio::test]
async fn json_has_an_object_for_each_entry() {
    let disk = Disk::new();
    fs::create_dir(disk.here("src")).unwrap();
    fs::write(disk.here("src/a"), "12345").unwrap();
    let words = ["cp", "-r", "--json", &disk.typed("src"), ":/to"];
    let stdout = type_words(&disk.mock(), &words).await.ok();
    let from = disk.typed("src");
    let expected = format!(
        "{{\"kind\":\"directory\",\"from\":\"{from}\",\"to\":\":/to\"}}\n\
         {{\"kind\":\"file\",\"from\":\"{from}/a\",\"to\":\":/to/a\",\"size_bytes\":5}}\n"
    );
    assert_eq!(stdout, expected);
}

#[tokio::test]
async fn a_missing_source_is_named_and_nothing_is_sent() {
    let disk = Disk::new();
    let words = ["cp", "/nonexistent/x", ":/to"];
    let stderr = type_words(&disk.mock(), &words).await.failed(1);
    assert!(stderr.starts_with("agentctl: cannot read `/nonexistent/x`: "), "{stderr}");
    assert!(!disk.there("/to").exists());
}
