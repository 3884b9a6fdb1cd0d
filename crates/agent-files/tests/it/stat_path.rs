//! Single entries.

use std::time::{Duration, UNIX_EPOCH};

use agent_api::{DirEntry, EntryKind, ErrorCode, FileMode, StatPathRequest, Timestamp};

use crate::fixture::{Fixture, refused};

async fn stat(fixture: &Fixture, path: &str, follow: bool) -> Result<DirEntry, agent_files::Error> {
    fixture.files.stat_path(StatPathRequest { path: path.to_owned(), follow }).await
}

#[tokio::test]
async fn a_regular_file_has_its_version_with_it() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "content");
    let file = std::fs::File::open(&path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_micros(1_769_860_800_123_999)).unwrap();
    let described = stat(&fixture, &path, false).await.unwrap();
    let etag = described.etag.unwrap();
    let expected = DirEntry {
        name: "f".to_owned(),
        absolute_path_string: path.clone(),
        is_dir: false,
        kind: EntryKind::File,
        size_bytes: Some(7),
        modified_at: Some(Timestamp::from_unix_ms(1_769_860_800_123)),
        mode: Some(FileMode::from_bits(fixture.mode("f"))),
        symlink_target: None,
        lossy: false,
        etag: Some(etag),
    };
    assert_eq!(described, expected);

    let lines = agent_api::ReadFileLinesRequest { path: path.clone(), ..Default::default() };
    assert_eq!(fixture.files.read_file_lines(lines).await.unwrap().etag, Some(etag));
    file.set_modified(UNIX_EPOCH).unwrap();
    assert_ne!(stat(&fixture, &path, true).await.unwrap().etag, Some(etag));
}

#[tokio::test]
async fn a_link_is_described_itself_unless_it_is_followed() {
    let fixture = Fixture::new();
    fixture.put("f", "content");
    let link = fixture.link("f", "link");
    let described = stat(&fixture, &link, false).await.unwrap();
    assert_eq!(described.kind, EntryKind::Symlink);
    assert_eq!(described.symlink_target.as_deref(), Some("f"));
    assert_eq!((described.size_bytes, described.etag), (Some(1), None));

    let described = stat(&fixture, &link, true).await.unwrap();
    assert_eq!(described.kind, EntryKind::File);
    assert_eq!((described.name.as_str(), described.absolute_path_string), ("link", link));
    assert_eq!((described.size_bytes, described.symlink_target), (Some(7), None));
    assert!(described.etag.is_some());
}

#[tokio::test]
async fn a_link_to_nothing_is_there_and_its_target_is_not() {
    let fixture = Fixture::new();
    let link = fixture.link("nothing", "link");
    assert_eq!(stat(&fixture, &link, false).await.unwrap().kind, EntryKind::Symlink);
    let missing = "file does not exist: no such file or directory";
    refused(stat(&fixture, &link, true).await, ErrorCode::NotFound, missing);
    refused(stat(&fixture, &fixture.path("none"), false).await, ErrorCode::NotFound, missing);
}

#[tokio::test]
async fn the_root_is_named_by_a_slash() {
    let described = stat(&Fixture::new(), "//..", false).await.unwrap();
    assert_eq!((described.name.as_str(), described.absolute_path_string.as_str()), ("/", "/"));
    assert!(described.is_dir && described.etag.is_none());
}

#[tokio::test]
async fn every_kind_is_told_without_waiting_for_anybody() {
    let fixture = Fixture::new();
    let fifo = fixture.path("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let socket = fixture.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let cases = [
        (fifo.as_str(), EntryKind::Fifo),
        (&socket, EntryKind::Socket),
        ("/dev/null", EntryKind::CharDevice),
        (&fixture.dir("d"), EntryKind::Directory),
        ("/proc/self/status", EntryKind::File),
    ];
    for (path, kind) in cases {
        let described = stat(&fixture, path, true).await.unwrap();
        assert_eq!((described.kind, described.is_dir), (kind, kind == EntryKind::Directory));
        assert_eq!(described.etag.is_some(), kind == EntryKind::File, "{path}");
    }
}

#[tokio::test]
async fn a_bad_path_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.put("f", "");
    let name = "n".repeat(256);
    let cases = [
        ("", "\"path\" is required"),
        ("f", "file path must be absolute"),
        ("/a\0", "NUL"),
        (&format!("{file}/x"), "not a directory"),
        (&fixture.path(&name), "name too long"),
        (&fixture.link("loop/x", "loop"), "too many levels of symbolic links"),
    ];
    for (path, fragment) in cases {
        refused(stat(&fixture, path, true).await, ErrorCode::InvalidArgument, fragment);
    }
}
