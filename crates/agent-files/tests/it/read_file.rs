//! `read_file` on real files of every kind.

use agent_api::{ErrorCode, ReadFileRequest};
use agent_files::ReadFileResponse;
use futures_util::TryStreamExt;

use crate::fixture::{Fixture, bytes, refused};

fn request(path: &str) -> ReadFileRequest {
    ReadFileRequest { path: path.to_owned(), ..ReadFileRequest::default() }
}

#[tokio::test]
async fn offset_and_limit_select_bytes() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "content");
    let cases = [
        (0, 0, "content"),
        (0, 1, "c"),
        (0, 7, "content"),
        (0, 100, "content"),
        (1, 0, "ontent"),
        (3, 2, "te"),
        (7, 0, ""),
        (100, 100, ""),
        (u64::MAX >> 1, u64::MAX >> 1, ""),
    ];
    for (offset, limit, expected) in cases {
        let answer = fixture.read(ReadFileRequest { offset, limit, ..request(&path) }).await;
        assert_eq!(bytes(answer.unwrap()).await, expected.as_bytes(), "{offset} {limit}");
    }
}

#[tokio::test]
async fn a_large_file_is_streamed_whole_and_in_part() {
    let fixture = Fixture::new();
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let path = fixture.put("f", &content);
    // The second read comes from the page cache.
    for _ in 0..2 {
        let whole = fixture.read(request(&path)).await.unwrap();
        assert!(bytes(whole).await == content);
    }
    let range =
        ReadFileRequest { range: Some("bytes=100000-2999998".to_owned()), ..request(&path) };
    let part = fixture.read(range).await.unwrap();
    assert!(bytes(part).await == content[100_000..2_999_999]);
}

#[tokio::test]
async fn a_range_is_answered_with_its_place() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "content");
    let with = |range: &str| ReadFileRequest { range: Some(range.to_owned()), ..request(&path) };
    let answer = fixture.read(with("bytes=0-3")).await.unwrap();
    let ReadFileResponse::Content(content) = &answer else { panic!("{answer:?}") };
    let range = content.range.unwrap();
    assert_eq!((range.first, range.last, range.size), (0, 3, 7));
    assert_eq!(bytes(answer).await, b"cont");
    let answer = fixture.read(with("bytes=7-")).await.unwrap();
    assert!(matches!(answer, ReadFileResponse::RangeNotSatisfiable { size: 7 }));
    let both = ReadFileRequest { offset: 1, ..with("bytes=0-3") };
    refused(fixture.read(both).await, ErrorCode::InvalidArgument, "Range");
}

#[tokio::test]
async fn a_known_version_is_not_modified_until_a_write() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "content");
    let ReadFileResponse::Content(content) = fixture.read(request(&path)).await.unwrap() else {
        panic!()
    };
    let etag = content.etag.unwrap().quoted();
    let again = ReadFileRequest { if_none_match: Some(etag), ..request(&path) };
    let answer = fixture.read(again.clone()).await.unwrap();
    assert!(matches!(answer, ReadFileResponse::NotModified { .. }));
    let write = agent_api::WriteFileRequest { path: path.clone(), ..Default::default() };
    fixture.write(write, "CONTENT").await.unwrap();
    assert_eq!(bytes(fixture.read(again).await.unwrap()).await, b"CONTENT");
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_ends_with_an_error() {
    let fixture = Fixture::new();
    let path = fixture.put("f", vec![b'x'; 2_000_000]);
    let ReadFileResponse::Content(content) = fixture.read(request(&path)).await.unwrap() else {
        panic!()
    };
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(1_000_000).unwrap();
    let read: Result<Vec<_>, _> = content.body.try_collect().await;
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_file_that_grows_or_is_replaced_is_read_as_it_was_opened() {
    let fixture = Fixture::new();
    let path = fixture.put("f", vec![b'x'; 1_000_000]);
    let answer = fixture.read(request(&path)).await.unwrap();
    let file = std::fs::File::options().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, b"more").unwrap();
    let other = fixture.put("g", "other");
    std::fs::rename(other, &path).unwrap();
    assert!(bytes(answer).await == vec![b'x'; 1_000_000]);
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_at_once() {
    let fixture = Fixture::new();
    let fifo = fixture.path("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let socket = fixture.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let file = fixture.put("f", "");
    let (below, missing) = (format!("{file}/x"), fixture.path("missing"));
    let long = format!("/{}", "n".repeat(256));
    let cases = [
        (fifo.as_str(), ErrorCode::InvalidArgument, "not a regular file"),
        (&socket, ErrorCode::InvalidArgument, "not a regular file"),
        ("/dev/null", ErrorCode::InvalidArgument, "not a regular file"),
        ("/dev/zero", ErrorCode::InvalidArgument, "not a regular file"),
        ("/", ErrorCode::InvalidArgument, "not a file"),
        (&below, ErrorCode::InvalidArgument, "not a directory"),
        (&missing, ErrorCode::NotFound, "file does not exist"),
        (&missing, ErrorCode::NotFound, "no such file or directory"),
        (&long, ErrorCode::InvalidArgument, "name too long"),
        ("./f", ErrorCode::InvalidArgument, "file path must be absolute"),
        ("", ErrorCode::InvalidArgument, "\"path\" is required"),
    ];
    for (path, code, fragment) in cases {
        // Twice: once through each way to open.
        for _ in 0..2 {
            refused(fixture.read(request(path)).await, code, fragment);
        }
    }
}

#[tokio::test]
async fn a_link_loop_is_refused() {
    let fixture = Fixture::new();
    std::os::unix::fs::symlink("loop", fixture.at("loop")).unwrap();
    let answer = fixture.read(request(&fixture.path("loop"))).await;
    refused(answer, ErrorCode::InvalidArgument, "too many levels of symbolic links");
}

#[tokio::test]
async fn a_file_of_proc_is_read_to_its_end_without_a_version() {
    let fixture = Fixture::new();
    let answer = fixture.read(request("/proc/self/status")).await.unwrap();
    let ReadFileResponse::Content(content) = &answer else { panic!("{answer:?}") };
    assert!(content.etag.is_none() && content.modified.is_none() && !content.is_cut);
    let text = String::from_utf8(bytes(answer).await).unwrap();
    assert!(text.starts_with("Name:"));
    let part = ReadFileRequest { offset: 1, limit: 3, ..request("/proc/self/status") };
    assert_eq!(bytes(fixture.read(part).await.unwrap()).await, b"ame");
}

#[tokio::test]
async fn an_empty_file_has_a_version() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "");
    let answer = fixture.read(request(&path)).await.unwrap();
    let ReadFileResponse::Content(content) = &answer else { panic!("{answer:?}") };
    assert!(content.etag.is_some());
    assert_eq!(bytes(answer).await, b"");
}
