//! Links, pipes, depth and names, met below a root.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::symlink},
    },
    time::{Duration, SystemTime},
};

use rustix::fs::OFlags;

use super::*;
use crate::model::Mode;

fn root() -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    (directory, root)
}

#[test]
fn a_file_and_a_link_are_read_as_they_are() {
    let (directory, root) = root();
    fs::create_dir(directory.path().join("d")).unwrap();
    fs::write(directory.path().join("d/f"), "contents").unwrap();
    symlink("d/f", directory.path().join("l")).unwrap();
    let read = |path: &[u8], mode| root.read(path, mode, 8).unwrap().map(|it| it.bytes);
    assert_eq!(read(b"d/f", Mode::File).unwrap(), b"contents");
    assert_eq!(read(b"l", Mode::Link).unwrap(), b"d/f");
    assert_eq!(read(b"l", Mode::File), None);
    assert_eq!(read(b"d/f", Mode::Link), None);
    assert_eq!(read(b"d", Mode::File), None);
    assert_eq!(read(b"d/g", Mode::File), None);
    assert_eq!(root.stat(b"l").unwrap().unwrap().file_mode(), Some(Mode::Link));
    let too_large = root.read(b"d/f", Mode::File, 7).unwrap_err();
    assert_eq!(too_large.kind(), std::io::ErrorKind::FileTooLarge);
}

#[test]
fn a_link_in_place_of_a_directory_leads_nowhere() {
    let (directory, root) = root();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), "secret").unwrap();
    symlink(outside.path(), directory.path().join("d")).unwrap();
    symlink("loop", directory.path().join("loop")).unwrap();
    for path in [b"d/f".as_slice(), b"loop/f", b"d/x/f"] {
        assert_eq!(root.stat(path).unwrap(), None);
        assert!(root.open_file(path).unwrap().is_none());
        assert_eq!(root.read(path, Mode::File, 100).unwrap(), None);
    }
    assert!(root.open_directory(b"d", OFlags::empty()).is_err());
}

#[test]
fn nothing_is_at_a_path_that_leads_elsewhere() {
    let (directory, root) = root();
    fs::create_dir(directory.path().join("d")).unwrap();
    for path in [b"..".as_slice(), b".", b"", b"d/..", b"d/../d", b"../x", b"/d", b"d/", b"d//."] {
        assert_eq!(root.stat(path).unwrap(), None, "{path:?}");
        assert_eq!(root.read(path, Mode::Link, 10).unwrap(), None);
        assert!(root.open_file(path).unwrap().is_none());
    }
}

#[test]
fn a_pipe_is_never_waited_for() {
    let (directory, root) = root();
    let pipe = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    assert!(root.open_file(b"pipe").unwrap().is_none());
    assert_eq!(root.stat(b"pipe").unwrap().unwrap().file_mode(), None);
}

#[test]
fn a_path_may_be_longer_than_the_system_takes_at_once() {
    let (_directory, root) = root();
    let name = "n".repeat(200);
    let mut path = Vec::new();
    let mut at: OwnedFd = root.open_directory(b"", OFlags::empty()).unwrap();
    for _ in 0..50 {
        rustix::fs::mkdirat(&at, name.as_str(), rustix::fs::Mode::RWXU).unwrap();
        at = open_below(at.as_fd(), name.as_str(), OFlags::DIRECTORY).unwrap();
        path.extend_from_slice(name.as_bytes());
        path.push(b'/');
    }
    path.push(b'f');
    assert_eq!(root.stat(&path).unwrap(), None);
    symlink("x", directory_of(&at).join("f")).unwrap();
    assert_eq!(root.stat(&path).unwrap().unwrap().file_mode(), Some(Mode::Link));
}

fn directory_of(directory: &OwnedFd) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", directory.as_raw_fd()).into()
}

#[test]
fn a_listing_has_every_name_once_with_its_kind() {
    let (directory, root) = root();
    let mut expected = BTreeSet::new();
    for number in 0..2000 {
        let name = format!("a-rather-long-name-{number}");
        fs::write(directory.path().join(&name), "").unwrap();
        expected.insert((name.into_bytes(), false));
    }
    fs::create_dir(directory.path().join(OsStr::from_bytes(b"\xff"))).unwrap();
    expected.insert((b"\xff".to_vec(), true));
    let mut seen = BTreeSet::new();
    let open = root.open_directory(b"", OFlags::empty()).unwrap();
    let mut lister = Lister::new();
    lister
        .list(open.as_fd(), |name, kind| {
            seen.insert((name.to_bytes().to_vec(), kind == Kind::Directory))
        })
        .unwrap();
    assert_eq!(seen, expected);
}

#[test]
fn a_stat_is_settled_once_the_clock_went_on() {
    let (directory, root) = root();
    fs::write(directory.path().join("f"), "").unwrap();
    let stat = root.stat(b"f").unwrap().unwrap();
    assert!(!stat.is_settled_at(SystemTime::now()));
    assert!(stat.is_settled_at(SystemTime::now() + Duration::from_secs(5)));
}
