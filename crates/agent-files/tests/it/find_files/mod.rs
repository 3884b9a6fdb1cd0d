//! Finding entries by their names.

mod ignore_files;
mod walking;

use agent_api::{EntryKind, ErrorCode, FindFilesRequest, FindFilesResponse, TruncatedBy};

use crate::fixture::{Fixture, refused};

/// A request for the files below the directory for test files.
pub(super) fn below(fixture: &Fixture) -> FindFilesRequest {
    FindFilesRequest { paths: vec![fixture.path("")], ..FindFilesRequest::default() }
}

pub(super) async fn find(fixture: &Fixture, req: FindFilesRequest) -> FindFilesResponse {
    fixture.files.find_files(req).await.unwrap()
}

/// The results as paths below the directory for test files.
pub(super) fn paths(fixture: &Fixture, answer: &FindFilesResponse) -> Vec<String> {
    let base = format!("{}/", fixture.at("").to_str().unwrap().trim_end_matches('/'));
    let below = |path: &str| path.strip_prefix(&base).unwrap_or(path).to_owned();
    answer.results.iter().map(|found| below(&found.path)).collect()
}

pub(super) async fn check(fixture: &Fixture, req: FindFilesRequest, expected: &[&str]) {
    let answer = find(fixture, req.clone()).await;
    assert_eq!(paths(fixture, &answer), expected, "{req:?}");
    assert!(!answer.truncated);
}

/// Makes empty files and the directories above them.
pub(super) fn touch(fixture: &Fixture, names: &[&str]) {
    for name in names {
        let path = fixture.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
}

fn query(text: &str, fixture: &Fixture) -> FindFilesRequest {
    FindFilesRequest { query: Some(text.to_owned()), ..below(fixture) }
}

fn globs(texts: &[&str], fixture: &Fixture) -> FindFilesRequest {
    let globs = texts.iter().map(ToString::to_string).collect();
    FindFilesRequest { globs, ..below(fixture) }
}

#[tokio::test]
async fn the_best_name_comes_first() {
    let fixture = Fixture::new();
    touch(&fixture, &["main.rs", "src/main_test.rs", "src/domain.rs", "mains/x.rs"]);
    let all = ["main.rs", "src/main_test.rs", "src/domain.rs", "mains/x.rs"];
    check(&fixture, query("main", &fixture), &all).await;
    check(&fixture, query("MAIN", &fixture), &all).await;
    let scattered = ["main.rs", "src/domain.rs", "mains/x.rs", "src/main_test.rs"];
    check(&fixture, query("main.rs", &fixture), &scattered).await;
    check(&fixture, query("msx", &fixture), &["mains/x.rs"]).await;
    check(&fixture, query("zz", &fixture), &[]).await;
    check(&fixture, globs(&["src/**"], &fixture), &["src/domain.rs", "src/main_test.rs"]).await;
    check(&fixture, globs(&["*.rs", "!src/"], &fixture), &["main.rs", "mains/x.rs"]).await;
}

#[tokio::test]
async fn shorter_paths_come_first_in_a_class_and_then_bytes_decide() {
    let fixture = Fixture::new();
    touch(&fixture, &["zz/x.rs", "b/x.rs", "a/x.rs", "B/x.rs", "x.rs"]);
    let expected = ["x.rs", "B/x.rs", "a/x.rs", "b/x.rs", "zz/x.rs"];
    check(&fixture, query("x.rs", &fixture), &expected).await;
}

#[tokio::test]
async fn without_a_query_entries_are_in_the_order_of_the_walk() {
    let fixture = Fixture::new();
    touch(&fixture, &["b", "a/z", "a.b", "A", "a-b/c", "é", "a/B", "a/a/a"]);
    let expected = ["A", "a/B", "a/a/a", "a/z", "a-b/c", "a.b", "b", "é"];
    check(&fixture, below(&fixture), &expected).await;
    check(&fixture, query("", &fixture), &expected).await;
}

#[tokio::test]
async fn a_limit_keeps_the_best() {
    let fixture = Fixture::new();
    touch(&fixture, &["long/ab", "a/xab", "b/xab", "ab"]);
    for (query, expected) in [(None, ["a/xab", "ab"]), (Some("ab"), ["ab", "long/ab"])] {
        let query = query.map(str::to_owned);
        let req = |limit| FindFilesRequest { query: query.clone(), limit, ..below(&fixture) };
        let answer = find(&fixture, req(2)).await;
        assert_eq!(paths(&fixture, &answer), expected);
        assert_eq!((answer.truncated, answer.truncated_by), (true, Some(TruncatedBy::Limit)));
        let answer = find(&fixture, req(4)).await;
        assert_eq!((answer.results.len(), answer.truncated, answer.truncated_by), (4, false, None));
    }
}

#[tokio::test]
async fn a_hundred_results_are_the_default() {
    let fixture = Fixture::new();
    let names: Vec<String> = (0..101).map(|i| format!("f{i}")).collect();
    names.iter().for_each(|name| drop(fixture.put(name, "")));
    let answer = find(&fixture, below(&fixture)).await;
    assert_eq!((answer.results.len(), answer.truncated), (100, true));
}

#[tokio::test]
async fn kinds_select_entries() {
    let fixture = Fixture::new();
    touch(&fixture, &["a/f", ".git/config", "b/.hidden/f"]);
    fixture.link("a", "link");
    fixture.link("nowhere", "a/dangling");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fixture.at("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let cases: [(&[EntryKind], &[&str]); 5] = [
        (&[EntryKind::File], &["a/f"]),
        (&[EntryKind::Directory], &["a", "b"]),
        (&[EntryKind::Symlink], &["a/dangling", "link"]),
        (&[EntryKind::Fifo, EntryKind::Socket], &["fifo"]),
        (&[EntryKind::Directory, EntryKind::File], &["a", "a/f", "b"]),
    ];
    for (kinds, expected) in cases {
        let req = FindFilesRequest { kinds: kinds.to_vec(), ..below(&fixture) };
        check(&fixture, req.clone(), expected).await;
        for found in find(&fixture, req).await.results {
            assert!(kinds.contains(&found.kind));
            assert_eq!(found.is_dir, found.kind == EntryKind::Directory);
        }
    }
    let req =
        FindFilesRequest { hidden: true, kinds: vec![EntryKind::Directory], ..below(&fixture) };
    check(&fixture, req, &["a", "b", "b/.hidden"]).await;
}

#[tokio::test]
async fn a_spent_time_budget_is_told() {
    let fixture = Fixture::new();
    // Listing these takes longer than a millisecond.
    for directory in 0..20 {
        fixture.dir(&format!("{directory}"));
        (0..1000).for_each(|i| drop(fixture.put(&format!("{directory}/{i}"), "")));
    }
    for query in [None, Some("99".to_owned())] {
        let req = FindFilesRequest { query, time_budget_ms: 1, limit: 10_000, ..below(&fixture) };
        let answer = find(&fixture, req).await;
        assert_eq!(answer.truncated_by, Some(TruncatedBy::Time));
        assert!(answer.results.len() < 10_000);
    }
}

#[tokio::test]
async fn bad_fields_are_refused_before_the_disk_is_touched() {
    let fixture = Fixture::new();
    let bad = ErrorCode::InvalidArgument;
    let req = |change: fn(&mut FindFilesRequest)| {
        let mut req =
            FindFilesRequest { paths: vec!["/missing".into()], ..FindFilesRequest::default() };
        change(&mut req);
        fixture.files.find_files(req)
    };
    refused(req(|req| req.query = Some("x".repeat(257))).await, bad, "\"query\"");
    refused(req(|req| req.paths.push("a".into())).await, bad, "must be absolute");
    refused(req(|req| req.globs.push("[".into())).await, bad, "\"globs[0]\"");
    refused(req(|req| req.kinds.push(EntryKind::Unknown)).await, bad, "\"kinds[0]\"");
    refused(req(|_| ()).await, ErrorCode::NotFound, "file does not exist");
}
