//! How failures become answers.

use std::time::Duration;

use super::*;

fn check(error: LinesError, code: ErrorCode, fragments: &[&str]) {
    let answer = refused(&error);
    assert_eq!((answer.success, answer.error_code), (false, Some(code)));
    for fragment in fragments {
        assert!(answer.error.contains(fragment), "{}", answer.error);
    }
    let nothing_else = ReadFileLinesResponse {
        error: answer.error.clone(),
        error_code: answer.error_code,
        ..Default::default()
    };
    assert_eq!(answer, nothing_else);
}

#[test]
fn each_failure_has_a_code_and_its_fragments() {
    let path = || Path::new("/x").to_owned();
    let io = |errno| Error::io("open", "/x")(std::io::Error::from_raw_os_error(errno)).into();
    check(
        io(2),
        ErrorCode::NotFound,
        &["cannot open `/x`: file does not exist: no such file or directory"],
    );
    check(io(13), ErrorCode::PermissionDenied, &["permission denied"]);
    check(io(40), ErrorCode::InvalidArgument, &["too many levels of symbolic links"]);
    check(io(36), ErrorCode::InvalidArgument, &["name too long"]);
    check(Error::NotAFile { path: path() }.into(), ErrorCode::InvalidArgument, &["not a file"]);
    check(
        Error::NotARegularFile { path: path() }.into(),
        ErrorCode::InvalidArgument,
        &["not a regular file"],
    );
    check(
        LinesError::FileTooLarge { path: path(), size: 11, max: 10 },
        ErrorCode::TooLarge,
        &["11", "exceeds the maximum", "10"],
    );
    check(
        LinesError::TooSlow { path: path(), limit: Duration::from_secs(30) },
        ErrorCode::DeadlineExceeded,
        &["/x", "30 s"],
    );
    check(
        LinesError::OffsetBeyondEnd { offset: 100, lines: 3 },
        ErrorCode::RangeNotSatisfiable,
        &["100", "3 lines"],
    );
    check(LinesError::TooManyBytes { line: 7, max: 64 }, ErrorCode::TooLarge, &["64"]);
    check(LinesError::TooManyLines { line: 7, max: 6 }, ErrorCode::TooLarge, &["6"]);
    let both = LinesError::TooMuch { line: 7, max_bytes: 64, max_lines: 6 };
    check(both, ErrorCode::TooLarge, &["64", "6"]);
}

#[test]
fn a_relative_path_that_is_malformed_too_is_malformed() {
    let long = "a".repeat(MAX_PATH_BYTES + 1);
    let cases = [
        ("", PathError::Missing),
        ("a", PathError::Relative),
        ("a\0", PathError::Nul),
        ("/a\0", PathError::Nul),
        (long.as_str(), PathError::TooLong),
    ];
    for (text, expected) in cases {
        match parse(text).unwrap_err() {
            Error::Path { source, .. } => assert_eq!(source, expected, "{text:?}"),
            error => panic!("{error}"),
        }
    }
}

#[test]
fn reading_stops_when_nobody_waits() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("f");
    std::fs::write(&path, "x").unwrap();
    let budget = Budget::of(&ReadFileLinesRequest::default());
    let error = read_lines(&path, budget, || Duration::MAX).unwrap_err();
    assert!(matches!(error, LinesError::TooSlow { .. }), "{error}");
}
