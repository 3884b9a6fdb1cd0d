//! Listings of directories, whole and in pages.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use agent_api::{
    DirEntry, DirectoryRef, EntryKind, ErrorCode, FileMode, ListDirectoryRequest,
    ListDirectoryResponse, RelativeDirectory, Relativity,
};
use agent_files::Error;
use proptest::prelude::*;

use crate::fixture::{Fixture, block_on, refused};

async fn list(fixture: &Fixture, path: &str) -> Result<ListDirectoryResponse, Error> {
    fixture.files.list_directory(ListDirectoryRequest::all(path)).await
}

async fn page(
    fixture: &Fixture,
    path: &str,
    limit: u64,
    after: Option<&str>,
) -> Result<ListDirectoryResponse, Error> {
    let directory = DirectoryRef::Path(path.to_owned());
    let req = ListDirectoryRequest { directory, limit, after: after.map(str::to_owned) };
    fixture.files.list_directory(req).await
}

async fn list_relative(
    fixture: &Fixture,
    relativity: Relativity,
    path: &[&str],
) -> Result<ListDirectoryResponse, Error> {
    let path = path.iter().map(ToString::to_string).collect();
    let directory = DirectoryRef::Relative(RelativeDirectory { relativity, path });
    fixture.files.list_directory(ListDirectoryRequest { directory, limit: 0, after: None }).await
}

fn names(answer: &ListDirectoryResponse) -> Vec<&str> {
    answer.contents.iter().map(|entry| entry.name.as_str()).collect()
}

#[tokio::test]
async fn directories_come_first_and_each_group_is_in_byte_order() {
    let fixture = Fixture::new();
    for name in ["repos", "Downloads", ".git", "é"] {
        fixture.dir(name);
    }
    for name in ["file.txt", "File.txt", ".hidden", "a", "a b", "ab", "z\u{1f600}"] {
        fixture.put(name, "");
    }
    fixture.link("repos", "link");
    let answer = list(&fixture, &fixture.path("")).await.unwrap();
    let expected = [
        ".git",
        "Downloads",
        "repos",
        "é",
        ".hidden",
        "File.txt",
        "a",
        "a b",
        "ab",
        "file.txt",
        "link",
        "z\u{1f600}",
    ];
    assert_eq!(names(&answer), expected);
    assert_eq!((answer.next_after, answer.incomplete), (None, false));
}

#[tokio::test]
async fn an_entry_is_described_itself() {
    let fixture = Fixture::new();
    let path = fixture.dir("d");
    fixture.dir("d/sub");
    fixture.put("d/f", "content");
    fixture.link("sub", "d/link");
    for (name, mode) in [("d/sub", 0o2750), ("d/f", 0o4711)] {
        std::fs::set_permissions(fixture.at(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    let answer = list(&fixture, &format!("{path}/")).await.unwrap();
    assert_eq!(answer.absolute_path_string, path);
    assert_eq!(format!("/{}", answer.absolute_path.join("/")), path);

    let [sub, file, link] = &answer.contents[..] else { panic!("{answer:?}") };
    let facts = |entry: &DirEntry| (entry.is_dir, entry.kind, entry.mode.map(FileMode::bits));
    assert_eq!(facts(sub), (true, EntryKind::Directory, Some(0o2750)));
    assert_eq!(facts(file), (false, EntryKind::File, Some(0o4711)));
    assert_eq!((link.is_dir, link.kind), (false, EntryKind::Symlink));
    assert_eq!((file.size_bytes, link.size_bytes), (Some(7), Some(3)));
    assert_eq!(file.absolute_path_string, format!("{path}/f"));
    assert_eq!(link.symlink_target.as_deref(), Some("sub"));
    assert!(sub.symlink_target.is_none() && file.symlink_target.is_none());
    let modified = fixture.at("d/f").metadata().unwrap().modified().unwrap();
    assert_eq!(file.modified_at, Some(modified.into()));
    assert!(answer.contents.iter().all(|entry| entry.etag.is_none() && !entry.lossy));
}

#[tokio::test]
async fn kinds_beyond_files_and_directories_are_told() {
    let fixture = Fixture::new();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, fixture.at("fifo"), fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(fixture.at("socket")).unwrap();
    let answer = list(&fixture, &fixture.path("")).await.unwrap();
    let kinds: Vec<_> = answer.contents.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Fifo, EntryKind::Socket]);

    let devices = list(&fixture, "/dev").await.unwrap();
    let null = devices.contents.iter().find(|entry| entry.name == "null").unwrap();
    assert_eq!(
        (null.kind, null.absolute_path_string.as_str()),
        (EntryKind::CharDevice, "/dev/null")
    );
}

#[tokio::test]
async fn an_empty_directory_and_the_root_are_listed() {
    let fixture = Fixture::new();
    let answer = list(&fixture, &fixture.dir("empty")).await.unwrap();
    assert_eq!(answer.contents, []);
    let answer = list(&fixture, "/").await.unwrap();
    assert_eq!((answer.absolute_path_string.as_str(), answer.absolute_path.len()), ("/", 0));
    let tmp = answer.contents.iter().find(|entry| entry.name == "proc").unwrap();
    assert_eq!(tmp.absolute_path_string, "/proc");
}

#[tokio::test]
async fn a_link_to_a_directory_is_listed_under_its_own_path() {
    let fixture = Fixture::new();
    fixture.dir("real");
    fixture.put("real/f", "");
    let link = fixture.link("real", "link");
    let answer = list(&fixture, &link).await.unwrap();
    assert_eq!(answer.absolute_path_string, link);
    assert_eq!(answer.contents[0].absolute_path_string, format!("{link}/f"));
}

#[tokio::test]
async fn what_is_no_directory_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.put("f", "");
    let long = format!("/{}", "a/".repeat(2048));
    let cases = [
        (file.as_str(), ErrorCode::InvalidArgument, "is not a directory"),
        (&format!("{file}/x"), ErrorCode::InvalidArgument, "not a directory"),
        (&fixture.link("f", "link"), ErrorCode::InvalidArgument, "is not a directory"),
        (&fixture.path("none"), ErrorCode::NotFound, "file does not exist"),
        (&fixture.link("none", "dangling"), ErrorCode::NotFound, "no such file or directory"),
        ("", ErrorCode::InvalidArgument, "\"path\" is required"),
        ("t", ErrorCode::InvalidArgument, "must be absolute"),
        ("/a\0", ErrorCode::InvalidArgument, "NUL"),
        (&long, ErrorCode::InvalidArgument, "4096"),
    ];
    for (path, code, fragment) in cases {
        refused(list(&fixture, path).await, code, fragment);
    }
    let fifo = rustix::fs::FileType::Fifo;
    let place = fixture.at("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &place, fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let answer = list(&fixture, &fixture.path("fifo")).await;
    refused(answer, ErrorCode::InvalidArgument, "is not a directory");
}

#[tokio::test]
async fn segments_are_joined_below_home_or_root() {
    let fixture = Fixture::new();
    let home = fixture.root.join("home");
    std::fs::create_dir_all(home.join("a/b")).unwrap();
    let shown = |path: &Path| path.to_str().unwrap().to_owned();
    let cases: [(&[&str], _); 6] = [
        (&[], shown(&home)),
        (&["a", "b"], shown(&home.join("a/b"))),
        (&["a/b", "", "."], shown(&home.join("a/b"))),
        (&["a", ".."], shown(&home)),
        (&["..", "t"], shown(&fixture.root.join("t"))),
        (&["/a"], shown(&home.join("a"))),
    ];
    for (segments, expected) in cases {
        let answer = list_relative(&fixture, Relativity::Home, segments).await.unwrap();
        assert_eq!(answer.absolute_path_string, expected, "{segments:?}");
    }
    let answer = list_relative(&fixture, Relativity::Root, &[]).await.unwrap();
    assert_eq!(answer.absolute_path_string, "/");
    let answer = list_relative(&fixture, Relativity::Root, &["etc", "..", "dev"]).await.unwrap();
    assert_eq!(answer.absolute_path, ["dev"]);
}

#[tokio::test]
async fn segments_that_name_nothing_are_refused() {
    let fixture = Fixture::new();
    let missing = list_relative(&fixture, Relativity::Home, &["idontexist"]).await;
    refused(missing, ErrorCode::NotFound, "file does not exist");
    let unknown = list_relative(&fixture, Relativity::Unknown, &["etc"]).await;
    refused(unknown, ErrorCode::InvalidArgument, "unsupported relativity");
    let nul = list_relative(&fixture, Relativity::Root, &["a\0"]).await;
    refused(nul, ErrorCode::InvalidArgument, "NUL");
    let long = "a".repeat(5000);
    let long = list_relative(&fixture, Relativity::Root, &[&long]).await;
    refused(long, ErrorCode::InvalidArgument, "4096");
}

#[tokio::test]
async fn pages_follow_each_other_also_when_their_last_entry_is_gone() {
    let fixture = Fixture::new();
    let path = fixture.dir("d");
    fixture.dir("d/x");
    fixture.dir("d/y");
    for name in ["a", "b", "c"] {
        fixture.put(&format!("d/{name}"), "");
    }
    let first = page(&fixture, &path, 1, None).await.unwrap();
    assert_eq!((names(&first), first.next_after.as_deref()), (vec!["x"], Some("x/")));

    // The place of a directory that is gone, and of a file of that name that took its place.
    std::fs::remove_dir(fixture.at("d/x")).unwrap();
    fixture.put("d/x", "");
    let second = page(&fixture, &path, 2, first.next_after.as_deref()).await.unwrap();
    assert_eq!((names(&second), second.next_after.as_deref()), (vec!["y", "a"], Some("a")));

    std::fs::remove_file(fixture.at("d/a")).unwrap();
    let third = page(&fixture, &path, 3, second.next_after.as_deref()).await.unwrap();
    assert_eq!((names(&third), third.next_after.as_deref()), (vec!["b", "c", "x"], None));

    let past = page(&fixture, &path, 3, Some("zz")).await.unwrap();
    assert_eq!((past.contents, past.next_after), (vec![], None));
    let all = page(&fixture, &path, u64::MAX, Some("y/")).await.unwrap();
    assert_eq!(names(&all), ["b", "c", "x"]);
}

#[tokio::test]
async fn a_full_last_page_says_that_it_is_the_last() {
    let fixture = Fixture::new();
    let path = fixture.dir("d");
    for name in ["a", "b", "c", "d"] {
        fixture.put(&format!("d/{name}"), "");
    }
    for (limit, expected) in [(3, Some("c")), (4, None), (5, None), (0, None)] {
        let answer = page(&fixture, &path, limit, None).await.unwrap();
        assert_eq!(answer.next_after.as_deref(), expected, "limit {limit}");
    }
}

#[tokio::test]
async fn a_place_that_no_page_ends_with_is_refused() {
    let fixture = Fixture::new();
    for after in ["", "/", "a/b", "..", ".", "//", "//zz", "//61", "a\0"] {
        let error = page(&fixture, "/", 1, Some(after)).await.unwrap_err();
        let Error::Argument { field, .. } = &error else { panic!("{error}") };
        assert_eq!(field, "after");
        refused::<()>(Err(error), ErrorCode::InvalidArgument, "after");
    }
}

#[tokio::test]
async fn names_that_are_not_utf_8_are_shown_and_paged_over() {
    let fixture = Fixture::new();
    let path = fixture.dir("d");
    let directory = fixture.at("d");
    for name in [&b"a\xff"[..], b"a\xfe", b"b"] {
        std::fs::write(directory.join(OsStr::from_bytes(name)), "content").unwrap();
    }
    std::fs::create_dir(directory.join(OsStr::from_bytes(b"\xc3"))).unwrap();
    let mut after = None;
    let mut seen = Vec::new();
    loop {
        let answer = page(&fixture, &path, 1, after.as_deref()).await.unwrap();
        for entry in answer.contents {
            assert_eq!(entry.absolute_path_string, format!("{path}/{}", entry.name));
            assert!(entry.size_bytes.is_some());
            seen.push((entry.name, entry.lossy));
        }
        after = answer.next_after;
        if after.is_none() {
            break;
        }
    }
    let expected = [("\u{fffd}", true), ("a\u{fffd}", true), ("a\u{fffd}", true), ("b", false)];
    assert_eq!(seen, expected.map(|(name, lossy)| (name.to_owned(), lossy)));
}

#[test]
fn entries_that_come_and_go_meanwhile_disturb_no_listing() {
    let fixture = Fixture::new();
    let path = fixture.dir("d");
    let stays: Vec<String> = (0..50).map(|n| format!("stays{n:02}")).collect();
    for name in &stays {
        fixture.put(&format!("d/{name}"), "");
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for n in 0..20 {
                    // A file, then a directory, of the same name.
                    let place = fixture.at(&format!("d/goes{n}"));
                    std::fs::write(&place, "").unwrap();
                    std::fs::remove_file(&place).unwrap();
                    std::fs::create_dir(&place).unwrap();
                    std::fs::remove_dir(&place).unwrap();
                }
            }
        });
        for _ in 0..200 {
            let answer = block_on(list(&fixture, &path)).unwrap();
            let key = |entry: &DirEntry| (!entry.is_dir, entry.name.clone());
            assert!(answer.contents.is_sorted_by_key(key));
            let shown: BTreeSet<&str> = names(&answer).into_iter().collect();
            assert!(stays.iter().all(|name| shown.contains(name.as_str())));
            assert!(answer.contents.iter().all(|entry| entry.mode.is_some()));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[tokio::test]
async fn a_hundred_thousand_entries_are_listed_whole_and_in_pages() {
    const COUNT: usize = 100_000;
    let fixture = Fixture::new();
    let path = fixture.dir("d");
    let directory = std::fs::File::open(&path).unwrap();
    // Names of a few files, because making a name costs less than making a file; a file system
    // allows some ten thousands of names for one.
    let mut original = String::new();
    for n in 0..COUNT {
        let name = format!("entry-{:06}", (n * 7919) % COUNT);
        if n % 1000 == 0 {
            rustix::fs::mkdirat(&directory, name, rustix::fs::Mode::RWXU).unwrap();
        } else if n % 20_000 == 1 {
            std::fs::write(fixture.at("d").join(&name), "content").unwrap();
            original = name;
        } else {
            let flags = rustix::fs::AtFlags::empty();
            rustix::fs::linkat(&directory, &original, &directory, name, flags).unwrap();
        }
    }
    let answer = list(&fixture, &path).await.unwrap();
    assert_eq!(answer.contents.len(), COUNT);
    assert_eq!(answer.contents.iter().filter(|entry| entry.is_dir).count(), COUNT / 1000);
    assert!(answer.contents[COUNT / 1000..].is_sorted_by_key(|entry| &entry.name));

    let after = answer.contents[COUNT - 3].name.clone();
    let last = page(&fixture, &path, 10, Some(&after)).await.unwrap();
    assert_eq!(last.contents, answer.contents[COUNT - 2..]);
}

/// Distinct names, each with whether it is a directory.
fn entries() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let name = prop::collection::vec(1..=255_u8, 1..6)
        .prop_filter("a name", |name| !name.contains(&b'/') && name != b"." && name != b"..");
    prop::collection::btree_map(name, any::<bool>(), 0..24)
        .prop_map(|entries| entries.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_of_any_size_give_every_entry_once_and_in_order(entries in entries(), limit in 1..30_u64) {
        let fixture = Fixture::new();
        let path = fixture.dir("d");
        for (name, is_dir) in &entries {
            let place = fixture.at("d").join(OsStr::from_bytes(name));
            if *is_dir { std::fs::create_dir(place).unwrap() } else { std::fs::write(place, "").unwrap() }
        }
        let mut seen = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let answer = block_on(page(&fixture, &path, limit, after.as_deref())).unwrap();
            prop_assert!(answer.contents.len() as u64 <= limit);
            let is_last = answer.next_after.is_none();
            prop_assert!(is_last || answer.contents.len() as u64 == limit);
            seen.extend(answer.contents);
            after = answer.next_after;
            if is_last {
                break;
            }
        }
        let mut expected = entries;
        expected.sort_by_key(|(name, is_dir)| (!is_dir, name.clone()));
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, is_dir)| (String::from_utf8_lossy(name).into_owned(), *is_dir))
            .collect();
        let shown: Vec<_> = seen.into_iter().map(|entry| (entry.name, entry.is_dir)).collect();
        prop_assert_eq!(shown, expected);
    }
}

mod needs_root {
    use super::*;
    use crate::fixture::as_nobody;

    #[test]
    fn entries_that_may_not_be_examined_are_named_without_details() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        let path = fixture.dir("d");
        fixture.dir("d/sub");
        fixture.put("d/f", "content");
        fixture.link("f", "d/link");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o744)).unwrap();
        let answer = as_nobody(list(&fixture, &path)).unwrap();
        let kinds: Vec<_> = answer.contents.iter().map(|e| (e.name.as_str(), e.kind)).collect();
        let expected =
            [("sub", EntryKind::Directory), ("f", EntryKind::File), ("link", EntryKind::Symlink)];
        assert_eq!(kinds, expected);
        for entry in &answer.contents {
            let details = (entry.size_bytes, entry.modified_at, entry.mode);
            assert_eq!(details, (None, None, None), "{}", entry.name);
        }
        assert!(!answer.incomplete);
    }

    #[test]
    fn a_directory_that_may_not_be_read_is_refused() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        let path = fixture.dir("d");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o711)).unwrap();
        let answer = as_nobody(list(&fixture, &path));
        refused(answer, ErrorCode::PermissionDenied, "permission denied");
    }
}
