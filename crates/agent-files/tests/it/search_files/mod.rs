//! Searching contents: what matches, how it is shown, and which files are looked into.

mod budgets;
mod lines;
mod model;

use std::time::Duration;

use agent_api::{
    ErrorCode, SearchCase, SearchFilesRequest, SearchFilesResponse, SkippedPath, Submatch,
};
use tokio::time::timeout;

use crate::fixture::{Fixture, block_on, refused};

/// A request for a pattern in the directory for test files.
pub(super) fn request(fixture: &Fixture, pattern: &str) -> SearchFilesRequest {
    SearchFilesRequest { paths: vec![fixture.path("")], ..SearchFilesRequest::new(pattern) }
}

pub(super) async fn search(fixture: &Fixture, req: SearchFilesRequest) -> SearchFilesResponse {
    fixture.files.search_files(req).await.unwrap()
}

/// Matches as `path:line:text`, paths below the directory for test files.
pub(super) fn matches(fixture: &Fixture, answer: &SearchFilesResponse) -> Vec<String> {
    let base = format!("{}/", fixture.at("").to_str().unwrap().trim_end_matches('/'));
    let show = |found: &agent_api::SearchMatch| {
        let path = found.path.strip_prefix(&base).unwrap_or(&found.path);
        format!("{path}:{}:{}", found.line, found.text)
    };
    answer.matches.iter().map(show).collect()
}

pub(super) async fn check(fixture: &Fixture, req: SearchFilesRequest, expected: &[&str]) {
    let answer = search(fixture, req.clone()).await;
    assert_eq!(matches(fixture, &answer), expected, "{req:?}");
    assert_eq!((answer.truncated, answer.truncated_by, answer.next_cursor), (false, None, None));
}

fn put_all(fixture: &Fixture, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = fixture.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

fn fifo(fixture: &Fixture, name: &str) -> String {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, fixture.at(name), kind, mode, 0).unwrap();
    fixture.path(name)
}

#[tokio::test]
async fn a_match_says_where_it_is() {
    let fixture = Fixture::new();
    put_all(&fixture, &[("a.c", "#include <x>\n\nint main(void)\n{\n  main();main();\n}")]);
    let answer = search(&fixture, request(&fixture, r"main\b")).await;
    assert_eq!(answer.files_searched, 1);
    let [first, second] = &*answer.matches else { panic!("{answer:?}") };
    assert_eq!(first.path, fixture.path("a.c"));
    assert_eq!((first.line, first.column), (3, 5));
    assert_eq!(first.submatches, [Submatch { start: 4, end: 8 }]);
    assert_eq!((&*first.text, first.text_start, first.cut), ("int main(void)", 0, false));
    assert!(first.before.is_empty() && first.after.is_empty());
    assert_eq!((second.line, second.column), (5, 3));
    assert_eq!(second.submatches, [Submatch { start: 2, end: 6 }, Submatch { start: 9, end: 13 }]);
}

#[tokio::test]
async fn results_are_in_the_order_of_roots_paths_and_lines() {
    let fixture = Fixture::new();
    let files = ["b/x", "a/z", "a.b", "a/b/c", "A", "a-b/c"].map(|name| (name, "x1\nno\nx3\n"));
    put_all(&fixture, &files);
    let expected = ["A", "a/b/c", "a/z", "a-b/c", "a.b", "b/x"];
    let lines = |paths: &[&str]| {
        let lines = paths.iter().flat_map(|path| [format!("{path}:1:x1"), format!("{path}:3:x3")]);
        lines.collect::<Vec<_>>()
    };
    // Whatever order the threads finish in.
    for _ in 0..20 {
        let answer = search(&fixture, request(&fixture, "x")).await;
        assert_eq!(matches(&fixture, &answer), lines(&expected));
    }
    let paths = ["b", "a.b", "a"].map(|path| fixture.path(path)).to_vec();
    let answer = search(&fixture, SearchFilesRequest { paths, ..request(&fixture, "x") }).await;
    assert_eq!(matches(&fixture, &answer), lines(&["b/x", "a.b", "a/b/c", "a/z"]));
}

#[tokio::test]
async fn filters_decide_which_files_are_searched() {
    let fixture = Fixture::new();
    let files = ["x.log", "x.rs", ".h", "d/y.rs", "d/.git/config", "t/z.rs"];
    put_all(&fixture, &files.map(|name| (name, "needle\n")));
    put_all(&fixture, &[(".gitignore", "*.log\n/t/\n")]);
    let req = || request(&fixture, "needle");
    check(&fixture, req(), &["d/y.rs:1:needle", "x.rs:1:needle"]).await;
    let all = SearchFilesRequest { no_ignore: true, hidden: true, ..req() };
    let expected = [".h", "d/y.rs", "t/z.rs", "x.log", "x.rs"].map(|p| format!("{p}:1:needle"));
    check(&fixture, all, &expected.each_ref().map(String::as_str)).await;
    let globs = vec!["*.rs".into(), "!d/".into()];
    check(&fixture, SearchFilesRequest { globs, ..req() }, &["x.rs:1:needle"]).await;
    let paths = vec![fixture.path("x.log"), fixture.path("d/.git"), fixture.path("x.log")];
    let expected = ["x.log:1:needle", "d/.git/config:1:needle"];
    check(&fixture, SearchFilesRequest { paths, ..req() }, &expected).await;
}

#[tokio::test]
async fn an_ignored_log_is_found_without_ignore_files() {
    let fixture = Fixture::new();
    put_all(&fixture, &[(".gitignore", "*.log\n"), ("x.log", "pattern\n")]);
    check(&fixture, request(&fixture, "pattern"), &[]).await;
    let req = SearchFilesRequest { no_ignore: true, ..request(&fixture, "pattern") };
    check(&fixture, req, &["x.log:1:pattern"]).await;
}

#[tokio::test]
async fn a_file_with_nul_at_its_beginning_is_binary() {
    let fixture = Fixture::new();
    fixture.put("text", "needle\n");
    fixture.put("binary", "needle\n\0");
    let with_nul_at = |at: usize| {
        let mut content = b"needle\n".to_vec();
        content.resize(70_000, b'.');
        content[at] = 0;
        content
    };
    fixture.put("edge-binary", with_nul_at(65_535));
    fixture.put("edge-text", with_nul_at(65_536));
    let answer = search(&fixture, request(&fixture, "needle")).await;
    assert_eq!(matches(&fixture, &answer), ["edge-text:1:needle", "text:1:needle"]);
    assert_eq!((answer.files_searched, answer.skipped_total), (2, 0));
    // A file that is named passes the filters, but it is binary all the same.
    let paths = vec![fixture.path("binary")];
    check(&fixture, SearchFilesRequest { paths, ..request(&fixture, "needle") }, &[]).await;
}

#[tokio::test]
async fn a_pattern_is_an_expression_or_text_with_a_case() {
    let fixture = Fixture::new();
    put_all(&fixture, &[("f", "a.b\naxb\nA.B\n(\nstraße\nSTRASSE\nСлово\n")]);
    let req = |pattern: &str, fixed, case| SearchFilesRequest {
        fixed,
        case,
        ..request(&fixture, pattern)
    };
    use SearchCase::{Insensitive, Sensitive, Smart};
    check(&fixture, req("a.b", false, Sensitive), &["f:1:a.b", "f:2:axb"]).await;
    check(&fixture, req("a.b", true, Sensitive), &["f:1:a.b"]).await;
    check(&fixture, req("a.b", true, Insensitive), &["f:1:a.b", "f:3:A.B"]).await;
    check(&fixture, req("a.b", true, Smart), &["f:1:a.b", "f:3:A.B"]).await;
    check(&fixture, req("A.b", false, Smart), &[]).await;
    check(&fixture, req("слово", false, Insensitive), &["f:7:Слово"]).await;
    check(&fixture, req("(", true, Sensitive), &["f:4:("]).await;
    check(&fixture, req(r"^\w{5}$", false, Sensitive), &["f:7:Слово"]).await;
}

#[tokio::test]
async fn bad_fields_are_refused_before_the_disk_is_touched() {
    let fixture = Fixture::new();
    let req = |change: fn(&mut SearchFilesRequest)| {
        let paths = vec!["/missing/agentd".to_owned()];
        let mut req = SearchFilesRequest { paths, ..SearchFilesRequest::new("x") };
        change(&mut req);
        fixture.files.search_files(req)
    };
    let bad = ErrorCode::InvalidArgument;
    refused(req(|req| req.pattern = "(".into()).await, bad, "\"field\":\"pattern\"");
    refused(req(|req| req.pattern = String::new()).await, bad, "\"pattern\" is required");
    refused(req(|req| req.pattern = "x".repeat(4097)).await, bad, "\"field\":\"pattern\"");
    refused(req(|req| req.pattern = "a\nb".into()).await, bad, "\"field\":\"pattern\"");
    refused(req(|req| req.pattern = r"a\nb".into()).await, bad, "line break");
    refused(req(|req| req.paths.push("t".into())).await, bad, "must be absolute");
    refused(req(|req| req.paths.push(String::new())).await, bad, "\"paths[1]\"");
    refused(req(|req| req.paths.push("/a\0".into())).await, bad, "\"paths[1]\"");
    refused(req(|req| req.paths = vec!["/".into(); 65]).await, bad, "\"paths\"");
    refused(req(|req| req.globs = vec!["a".into(), "[".into()]).await, bad, "\"globs[1]\"");
    refused(req(|req| req.globs = vec!["a".into(); 65]).await, bad, "\"globs\"");
    refused(req(|req| req.cursor = Some("x".into())).await, bad, "\"cursor\"");
    refused(req(|_| ()).await, ErrorCode::NotFound, "file does not exist");
    refused(req(|_| ()).await, ErrorCode::NotFound, "\"paths[0]\"");
    let fixed = req(|req| {
        (req.pattern, req.fixed, req.paths) = ("(".into(), true, vec!["/proc/self/status".into()])
    });
    fixed.await.unwrap();
}

#[tokio::test]
async fn a_path_that_cannot_be_searched_is_refused() {
    let fixture = Fixture::new();
    let req = |path: String| {
        fixture
            .files
            .search_files(SearchFilesRequest { paths: vec![path], ..request(&fixture, "x") })
    };
    let bad = ErrorCode::InvalidArgument;
    refused(req(fifo(&fixture, "fifo")).await, bad, "not a regular file");
    refused(req("/dev/zero".into()).await, bad, "not a regular file");
    fixture.put("file", "");
    refused(req(fixture.path("file/x")).await, bad, "not a directory");
    fixture.link("loop", "loop");
    refused(req(fixture.path("loop")).await, bad, "too many levels of symbolic links");
    fixture.link("nowhere", "dangling");
    refused(req(fixture.path("dangling")).await, ErrorCode::NotFound, "file does not exist");
}

#[tokio::test]
async fn special_files_are_passed_by() {
    let fixture = Fixture::new();
    fifo(&fixture, "fifo");
    let _socket = std::os::unix::net::UnixListener::bind(fixture.at("socket")).unwrap();
    fixture.link("/dev/zero", "zero");
    fixture.put("text", "needle\n");
    let answer = timeout(Duration::from_secs(20), search(&fixture, request(&fixture, "needle")));
    let answer = answer.await.unwrap();
    assert_eq!(matches(&fixture, &answer), ["text:1:needle"]);
    assert_eq!((answer.files_searched, answer.skipped_total), (1, 0));
}

#[tokio::test]
async fn pseudo_files_are_searched_though_they_claim_to_be_empty() {
    let fixture = Fixture::new();
    let paths = vec!["/proc/self/status".to_owned(), "/proc/filesystems".to_owned()];
    let req = SearchFilesRequest { paths, ..request(&fixture, r"^Name:|\bproc$") };
    let answer = search(&fixture, req).await;
    let paths: Vec<&str> = answer.matches.iter().map(|found| &*found.path).collect();
    assert_eq!(paths, ["/proc/self/status", "/proc/filesystems"]);
}

#[test]
fn files_that_come_and_go_disturb_nothing() {
    let fixture = Fixture::new();
    (0..200).for_each(|i| drop(fixture.put(&format!("stable-{i:03}"), "needle\n")));
    let path = fixture.at("churn");
    let (until, churn) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The sender is dropped when the searches are done, or have failed.
            while churn.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                std::fs::write(&path, "needle\n").unwrap();
                std::fs::remove_file(&path).unwrap();
                std::fs::create_dir(&path).unwrap();
                std::fs::remove_dir(&path).unwrap();
                std::os::unix::fs::symlink("stable-000", &path).unwrap();
                std::fs::remove_file(&path).unwrap();
            }
        });
        let _until = until;
        for _ in 0..30 {
            let answer = block_on(search(&fixture, request(&fixture, "needle")));
            let stable = answer.matches.iter().filter(|found| found.path.contains("stable"));
            assert_eq!((stable.count(), answer.skipped_total), (200, 0), "{:?}", answer.skipped);
        }
    });
}

/// What only root can set up.
#[cfg(target_os = "linux")]
mod needs_root {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::fixture::as_nobody;

    #[test]
    fn what_may_not_be_read_is_skipped_and_named() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        put_all(&fixture, &[("a/x", "needle\n"), ("b", "needle\n"), ("c", "needle\n")]);
        put_all(&fixture, &[("d/.gitignore", "*\n"), ("d/x", "needle\n")]);
        for name in ["a", "b", "d/.gitignore"] {
            std::fs::set_permissions(fixture.at(name), PermissionsExt::from_mode(0o000)).unwrap();
        }
        let answer = as_nobody(search(&fixture, request(&fixture, "needle")));
        assert_eq!(matches(&fixture, &answer), ["c:1:needle", "d/x:1:needle"]);
        let skipped = |name: &str| SkippedPath {
            path: fixture.path(name),
            reason: "permission denied".to_owned(),
        };
        assert_eq!(answer.skipped, [skipped("a"), skipped("b"), skipped("d/.gitignore")]);
        assert_eq!(answer.skipped_total, 3);
    }

    #[test]
    fn a_named_path_that_may_not_be_reached_is_refused() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        put_all(&fixture, &[("a/x", "needle\n")]);
        std::fs::set_permissions(fixture.at("a"), PermissionsExt::from_mode(0o000)).unwrap();
        let paths = |name| vec![fixture.path(name)];
        let req = SearchFilesRequest { paths: paths("a/x"), ..request(&fixture, "needle") };
        let answer = as_nobody(fixture.files.search_files(req));
        refused(answer, ErrorCode::PermissionDenied, "permission denied");
        let req = SearchFilesRequest { paths: paths("a"), ..request(&fixture, "needle") };
        assert_eq!(as_nobody(search(&fixture, req)).skipped_total, 1);
    }
}
