//! Reading numbered lines of real files.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
};

use agent_api::{ErrorCode, PathError, ReadFileLinesRequest, ReadFileLinesResponse};
use agent_files::Error;
use rustix::fs::{CWD, FileType, Mode};

use crate::fixture::Fixture;

impl Fixture {
    fn lines_of(&self, name: &str) -> ReadFileLinesRequest {
        ReadFileLinesRequest { path: self.path(name), ..Default::default() }
    }

    async fn read_lines(&self, req: ReadFileLinesRequest) -> ReadFileLinesResponse {
        self.files.read_file_lines(req).await.unwrap()
    }

    async fn check_refused(&self, req: ReadFileLinesRequest, code: ErrorCode, fragments: &[&str]) {
        let answer = self.read_lines(req.clone()).await;
        assert_eq!((answer.success, answer.error_code), (false, Some(code)), "{req:?}");
        for fragment in fragments {
            assert!(answer.error.contains(fragment), "{}", answer.error);
        }
    }
}

/// Writes a file and asks for its lines.
fn put(fixture: &Fixture, name: &str, content: impl AsRef<[u8]>) -> ReadFileLinesRequest {
    fixture.put(name, content);
    fixture.lines_of(name)
}

#[tokio::test]
async fn a_small_file_is_answered_whole() {
    let fixture = Fixture::new();
    let answer = fixture.read_lines(put(&fixture, "f", "line1\nline2\nline3")).await;
    let expected = ReadFileLinesResponse {
        success: true,
        content: "1\tline1\n2\tline2\n3\tline3".to_owned(),
        file_size: 17,
        total_lines: 3,
        lines_read: 3,
        etag: answer.etag,
        ..Default::default()
    };
    assert_eq!(answer, expected);
    assert!(answer.etag.is_some());
}

#[tokio::test]
async fn an_offset_and_a_limit_choose_lines() {
    let fixture = Fixture::new();
    let req = put(&fixture, "f", "line1\nline2\nline3");
    let rest = fixture.read_lines(ReadFileLinesRequest { offset: 2, ..req.clone() }).await;
    assert_eq!((rest.content.as_str(), rest.lines_read), ("2\tline2\n3\tline3", 2));
    let first = fixture.read_lines(ReadFileLinesRequest { limit: 1, ..req.clone() }).await;
    assert_eq!((first.content.as_str(), first.total_lines), ("1\tline1", 3));
    assert_eq!((first.next_offset, first.truncated), (2, false));
    let beyond = ReadFileLinesRequest { offset: 100, ..req };
    fixture.check_refused(beyond, ErrorCode::RangeNotSatisfiable, &["100", "3 lines"]).await;
}

#[tokio::test]
async fn an_empty_file_has_an_etag_and_nothing_else() {
    let fixture = Fixture::new();
    let req = ReadFileLinesRequest { offset: 7, ..put(&fixture, "f", "") };
    let answer = fixture.read_lines(req).await;
    let expected = ReadFileLinesResponse { success: true, etag: answer.etag, ..Default::default() };
    assert_eq!(answer, expected);
    assert!(answer.etag.is_some());
}

#[tokio::test]
async fn an_etag_changes_with_the_file() {
    let fixture = Fixture::new();
    let before = fixture.read_lines(put(&fixture, "f", "a")).await.etag;
    assert_eq!(fixture.read_lines(fixture.lines_of("f")).await.etag, before);
    assert_ne!(fixture.read_lines(put(&fixture, "f", "ab")).await.etag, before);
}

#[tokio::test]
async fn a_file_above_the_maximum_is_refused_unless_partial() {
    let fixture = Fixture::new();
    let mut text = "x".repeat(1023) + "\n";
    text = text.repeat(1024);
    let fits = ReadFileLinesRequest { limit: 1, ..put(&fixture, "fits", &text) };
    assert_eq!(fixture.read_lines(fits).await.total_lines, 1025);

    let req = ReadFileLinesRequest { limit: 1, ..put(&fixture, "f", text + "x") };
    let fragments = ["1048577", "exceeds the maximum", "1048576"];
    fixture.check_refused(req.clone(), ErrorCode::TooLarge, &fragments).await;
    let partial = ReadFileLinesRequest { partial: true, ..req.clone() };
    let answer = fixture.read_lines(partial.clone()).await;
    assert_eq!((answer.success, answer.file_size, answer.lines_read), (true, 1_048_577, 1));
    assert_eq!((answer.total_lines, answer.next_offset), (0, 2));
    let last = fixture.read_lines(ReadFileLinesRequest { offset: 1025, ..partial }).await;
    assert_eq!((last.content.as_str(), last.total_lines), ("1025\tx", 1025));
    assert_eq!(last.next_offset, 0);
    let larger = ReadFileLinesRequest { max_file_size: 2_000_000, ..req };
    assert_eq!(fixture.read_lines(larger).await.total_lines, 1025);
}

#[tokio::test]
async fn budgets_end_or_fail_an_answer() {
    let fixture = Fixture::new();
    let req = put(&fixture, "f", vec!["x"; 3000].join("\n"));
    let answer = fixture.read_lines(req.clone()).await;
    assert_eq!((answer.lines_read, answer.total_lines), (2000, 3000));
    assert_eq!((answer.next_offset, answer.truncated), (2001, true));
    let limited = ReadFileLinesRequest { limit: 5000, ..req.clone() };
    fixture.check_refused(limited, ErrorCode::TooLarge, &["2000"]).await;
    let few_bytes = ReadFileLinesRequest { max_response_bytes: 77, ..req };
    fixture.check_refused(few_bytes, ErrorCode::TooLarge, &["77"]).await;
}

#[tokio::test]
async fn a_path_that_no_query_may_have_is_an_error() {
    let fixture = Fixture::new();
    let cases = [
        (String::new(), PathError::Missing),
        ("/a\0b".to_owned(), PathError::Nul),
        ("a\0b".to_owned(), PathError::Nul),
        (format!("/{}", "a".repeat(4096)), PathError::TooLong),
    ];
    for (path, expected) in cases {
        let req = ReadFileLinesRequest { path, ..Default::default() };
        match fixture.files.read_file_lines(req.clone()).await {
            Err(Error::Path { source, .. }) => assert_eq!(source, expected),
            other => panic!("{req:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn every_other_bad_path_is_an_answer() {
    let fixture = Fixture::new();
    put(&fixture, "f", "x");
    fs::create_dir(fixture.at("d")).unwrap();
    std::os::unix::fs::symlink("loop", fixture.at("loop")).unwrap();
    rustix::fs::mknodat(CWD, fixture.at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _listener = UnixListener::bind(fixture.at("socket")).unwrap();
    let missing = ["cannot open", "file does not exist", "no such file or directory"];
    let special = ["not a regular file"];
    let cases: [(&str, ErrorCode, &[&str]); 9] = [
        ("missing", ErrorCode::NotFound, &missing),
        ("d/missing", ErrorCode::NotFound, &missing),
        ("d", ErrorCode::InvalidArgument, &["not a file"]),
        ("f/x", ErrorCode::InvalidArgument, &["not a directory"]),
        ("loop", ErrorCode::InvalidArgument, &["too many levels of symbolic links"]),
        ("fifo", ErrorCode::InvalidArgument, &special),
        ("socket", ErrorCode::InvalidArgument, &special),
        ("/dev/zero", ErrorCode::InvalidArgument, &special),
        (&"n".repeat(300), ErrorCode::InvalidArgument, &["name too long"]),
    ];
    for (name, code, fragments) in cases {
        for partial in [false, true] {
            let req = ReadFileLinesRequest { partial, ..fixture.lines_of(name) };
            fixture.check_refused(req, code, fragments).await;
        }
    }
    for path in ["f", "./f", "~/f"] {
        let req = ReadFileLinesRequest { path: path.to_owned(), ..Default::default() };
        let fragments = ["file path must be absolute"];
        fixture.check_refused(req, ErrorCode::InvalidArgument, &fragments).await;
    }
}

#[tokio::test]
async fn a_file_without_permission_is_an_answer() {
    let fixture = Fixture::new();
    let req = put(&fixture, "f", "x");
    fs::set_permissions(&req.path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&req.path).is_ok() {
        // Root may read everything, which is what the answer must say then.
        assert!(fixture.read_lines(req).await.success);
    } else {
        fixture.check_refused(req, ErrorCode::PermissionDenied, &["permission denied"]).await;
    }
}

#[tokio::test]
async fn a_path_is_cleaned_and_its_links_followed() {
    let fixture = Fixture::new();
    put(&fixture, "f", "x");
    std::os::unix::fs::symlink("f", fixture.at("link")).unwrap();
    for name in ["link", "./none/..//f/"] {
        assert_eq!(fixture.read_lines(fixture.lines_of(name)).await.content, "1\tx", "{name}");
    }
}

#[tokio::test]
async fn a_file_of_proc_is_read_to_its_end() {
    let fixture = Fixture::new();
    let answer = fixture.read_lines(fixture.lines_of("/proc/self/status")).await;
    assert!(answer.success, "{}", answer.error);
    assert!(answer.content.starts_with("1\tName:"), "{}", answer.content);
    assert_eq!(answer.total_lines, answer.lines_read);
    assert_eq!((answer.etag, answer.next_offset), (None, 0));
}

#[tokio::test]
async fn one_line_of_a_quarter_gibibyte_is_cut() {
    let fixture = Fixture::new();
    let req = put(&fixture, "f", "x");
    let size = 256 * 1024 * 1024;
    fs::OpenOptions::new().write(true).open(&req.path).unwrap().set_len(size).unwrap();
    let partial = ReadFileLinesRequest { partial: true, ..req };
    let answer = fixture.read_lines(partial.clone()).await;
    assert_eq!((answer.file_size, answer.total_lines, answer.next_offset), (size, 1, 0));
    assert_eq!(answer.content, format!("1\tx{}... [truncated]", "\0".repeat(1023)));
    let beyond = ReadFileLinesRequest { offset: 2, ..partial };
    fixture.check_refused(beyond, ErrorCode::RangeNotSatisfiable, &["offset 2", "1 lines"]).await;
}
