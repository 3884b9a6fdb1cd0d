//! `grep` and `find`: pages, limits, what could not be read.

use agent_sdk::{
    api::{
        EntryKind, FindFilesRequest, FindFilesResponse, FoundFile, SearchCase, SearchFilesRequest,
        SearchFilesResponse, SearchMatch, SkippedPath, Submatch, TruncatedBy,
    },
    mock::{Call, MockAgent},
};

use crate::prompt::{type_line, type_words};

fn found(line: u64) -> SearchMatch {
    SearchMatch {
        path: "/r/a.c".to_owned(),
        line,
        column: 1,
        text: format!("line {line}"),
        submatches: vec![Submatch { start: 0, end: 4 }],
        ..SearchMatch::default()
    }
}

/// An agent with `lines` matching lines, told in pages of what was asked.
fn matching(lines: u64) -> MockAgent {
    let agent = MockAgent::new();
    agent.on_search_files(move |request| {
        let first = request.cursor.as_deref().map_or(1, |cursor| cursor.parse::<u64>().unwrap());
        let last = lines.min(first + request.max_matches - 1);
        let is_more = last < lines;
        Ok(SearchFilesResponse {
            matches: (first..=last).map(found).collect(),
            files_searched: 1,
            truncated: is_more,
            truncated_by: is_more.then_some(TruncatedBy::Matches),
            next_cursor: is_more.then(|| (last + 1).to_string()),
            ..SearchFilesResponse::default()
        })
    });
    agent
}

fn searches(agent: &MockAgent) -> Vec<SearchFilesRequest> {
    let requests = agent.calls().into_iter().map(|call| match call {
        Call::SearchFiles(request) => request,
        other => panic!("{other:?}"),
    });
    requests.collect()
}

#[tokio::test]
async fn grep_follows_the_cursor_to_the_end() {
    let agent = matching(2_500);
    let stdout = type_line(&agent, "grep line").await.ok();
    assert_eq!(stdout.lines().count(), 2_500);
    assert_eq!(stdout.lines().next(), Some("/r/a.c:1:line 1"));
    assert_eq!(stdout.lines().last(), Some("/r/a.c:2500:line 2500"));
    let cursors: Vec<_> = searches(&agent).into_iter().map(|request| request.cursor).collect();
    assert_eq!(cursors, [None, Some("1001".to_owned()), Some("2001".to_owned())]);
}

#[tokio::test]
async fn grep_stops_at_the_limit_and_says_so() {
    let agent = matching(2_500);
    let ran = type_line(&agent, "grep -m 1500 line").await;
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 1_500));
    assert!(ran.stderr.contains("--max-count"), "{}", ran.stderr);
    let limits: Vec<_> = searches(&agent).into_iter().map(|request| request.max_matches).collect();
    assert_eq!(limits, [1_000, 500]);
    let ran = type_line(&matching(3), "grep -m 3 line").await;
    assert_eq!(ran.ok().lines().count(), 3);
}

#[tokio::test]
async fn grep_in_json_prints_each_response() {
    let stdout = type_line(&matching(1_500), "grep --json line").await.ok();
    let pages: Vec<SearchFilesResponse> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(pages.iter().map(|page| page.matches.len()).collect::<Vec<_>>(), [1_000, 500]);
    assert_eq!(pages[0].next_cursor.as_deref(), Some("1001"));
}

#[tokio::test]
async fn a_search_that_finds_nothing_is_a_success() {
    assert_eq!(type_line(&matching(0), "grep line").await.ok(), "");
}

#[tokio::test]
async fn grep_carries_its_options() {
    let agent = matching(0);
    let words = [
        "grep",
        "-n",
        "-F",
        "-i",
        "-C",
        "2",
        "-g",
        "*.c",
        "-g",
        "!vendor/",
        "--hidden",
        "--no-ignore",
        "--max-line-bytes",
        "4KiB",
        "--time-budget",
        "2s",
        "--",
        "-x",
        "/r",
        "/s",
    ];
    type_words(&agent, &words).await.ok();
    let expected = SearchFilesRequest {
        pattern: "-x".to_owned(),
        fixed: true,
        case: SearchCase::Insensitive,
        paths: vec!["/r".to_owned(), "/s".to_owned()],
        globs: vec!["*.c".to_owned(), "!vendor/".to_owned()],
        hidden: true,
        no_ignore: true,
        context_lines: 2,
        max_matches: 1_000,
        max_line_bytes: 4_096,
        time_budget_ms: 2_000,
        cursor: None,
    };
    assert_eq!(searches(&agent), [expected]);
    type_line(&agent, "grep -S x").await.ok();
    assert_eq!(searches(&agent)[1].case, SearchCase::Smart);
}

#[tokio::test]
async fn what_grep_could_not_read_is_named_even_when_quiet() {
    let agent = MockAgent::new();
    agent.on_search_files(|_| {
        Ok(SearchFilesResponse {
            skipped: vec![SkippedPath { path: "/r/x".into(), reason: "permission denied".into() }],
            skipped_total: 5,
            ..SearchFilesResponse::default()
        })
    });
    let ran = type_line(&agent, "grep -q x").await;
    let expected =
        "agentctl: /r/x: permission denied\nagentctl: 4 more paths could not be searched\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (0, expected));
}

fn finds(truncated_by: Option<TruncatedBy>) -> MockAgent {
    let agent = MockAgent::new();
    agent.on_find_files(move |_| {
        let found = |path: &str, kind| FoundFile {
            path: path.to_owned(),
            kind,
            is_dir: kind == EntryKind::Directory,
        };
        Ok(FindFilesResponse {
            results: vec![found("/r/a", EntryKind::File), found("/r/b", EntryKind::Directory)],
            truncated: truncated_by.is_some(),
            truncated_by,
        })
    });
    agent
}

#[tokio::test]
async fn find_prints_paths_best_first() {
    assert_eq!(type_line(&finds(None), "find a").await.ok(), "/r/a\n/r/b\n");
}

#[tokio::test]
async fn find_says_when_there_is_more_unless_quiet() {
    let agent = finds(Some(TruncatedBy::Limit));
    let ran = type_line(&agent, "find a").await;
    assert!(ran.stderr.contains("--limit"), "{}", ran.stderr);
    assert_eq!(type_line(&agent, "find -q a").await.ok(), "/r/a\n/r/b\n");
}

#[tokio::test]
async fn a_first_argument_that_begins_with_a_slash_is_a_path() {
    for (line, query, paths) in [
        ("find", None, &[][..]),
        ("find main", Some("main"), &[]),
        ("find main /r /s", Some("main"), &["/r", "/s"]),
        ("find /r /s", None, &["/r", "/s"]),
    ] {
        let agent = finds(None);
        type_line(&agent, line).await.ok();
        let expected = FindFilesRequest {
            query: query.map(str::to_owned),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            ..FindFilesRequest::default()
        };
        assert_eq!(agent.calls(), [Call::FindFiles(expected)], "{line}");
    }
}
