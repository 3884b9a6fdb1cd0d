//! Budgets, and the cursors that lead beyond them.

use agent_api::{ErrorCode, SearchCase, SearchFilesRequest, SearchFilesResponse, TruncatedBy};

use super::{matches, request, search};
use crate::fixture::{Fixture, refused};

/// Every page of a request, in order.
pub(super) async fn pages(
    fixture: &Fixture,
    mut req: SearchFilesRequest,
) -> Vec<SearchFilesResponse> {
    let mut pages = Vec::new();
    loop {
        let answer = search(fixture, req.clone()).await;
        assert_eq!(answer.truncated, answer.next_cursor.is_some());
        assert_eq!(answer.truncated, answer.truncated_by.is_some());
        req.cursor.clone_from(&answer.next_cursor);
        pages.push(answer);
        if req.cursor.is_none() {
            return pages;
        }
    }
}

fn sizes(pages: &[SearchFilesResponse]) -> Vec<usize> {
    pages.iter().map(|page| page.matches.len()).collect()
}

fn numbered(count: usize) -> String {
    (1..=count).map(|i| format!("needle {i}\n")).collect()
}

#[tokio::test]
async fn matches_beyond_the_budget_come_with_the_cursor() {
    let fixture = Fixture::new();
    fixture.put("f", numbered(1500));
    let pages = pages(&fixture, request(&fixture, "needle")).await;
    assert_eq!(sizes(&pages), [1000, 500]);
    assert_eq!(pages[0].truncated_by, Some(TruncatedBy::Matches));
    let lines: Vec<u64> = pages.iter().flat_map(|p| &p.matches).map(|found| found.line).collect();
    assert_eq!(lines, (1..=1500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_budget_that_suffices_truncates_nothing() {
    let fixture = Fixture::new();
    fixture.put("a", numbered(3));
    fixture.put("b", "nothing\n");
    fixture.put("c", numbered(2));
    let req = |max_matches| SearchFilesRequest { max_matches, ..request(&fixture, "needle") };
    assert_eq!(sizes(&pages(&fixture, req(5)).await), [5]);
    assert_eq!(sizes(&pages(&fixture, req(4)).await), [4, 1]);
    assert_eq!(sizes(&pages(&fixture, req(3)).await), [3, 2]);
    assert_eq!(sizes(&pages(&fixture, req(1)).await), [1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn the_largest_budget_is_ten_thousand_matches() {
    let fixture = Fixture::new();
    fixture.put("f", "x\n".repeat(10_001));
    let req = SearchFilesRequest { max_matches: u64::MAX, ..request(&fixture, "x") };
    assert_eq!(sizes(&pages(&fixture, req).await), [10_000, 1]);
}

#[tokio::test]
async fn texts_have_a_budget_of_two_mebibytes() {
    let fixture = Fixture::new();
    fixture.put("f", format!("{}\n", "x".repeat(1024)).repeat(2050));
    let pages =
        pages(&fixture, SearchFilesRequest { max_matches: 5000, ..request(&fixture, "x+") }).await;
    assert_eq!(sizes(&pages), [2048, 2]);
    assert_eq!(pages[0].truncated_by, Some(TruncatedBy::Bytes));
}

#[tokio::test]
async fn context_counts_as_text() {
    let fixture = Fixture::new();
    let line = "y".repeat(60_000);
    fixture.put("f", format!("{line}\nx{line}\n{line}\n").repeat(30));
    let req =
        SearchFilesRequest { context_lines: 20, max_line_bytes: 65_536, ..request(&fixture, "^x") };
    // Forty lines of context are more than the budget allows, and yet every page has a match.
    assert_eq!(sizes(&pages(&fixture, req).await).iter().sum::<usize>(), 30);
}

#[tokio::test]
async fn submatches_have_bounds() {
    let fixture = Fixture::new();
    let line = format!("{}\n", "a".repeat(20_000));
    fixture.put("f", line.repeat(30));
    let pages =
        pages(&fixture, SearchFilesRequest { max_line_bytes: 10, ..request(&fixture, "a") }).await;
    assert_eq!(sizes(&pages), [20, 10]);
    assert!(pages[0].matches.iter().all(|found| found.submatches.len() == 10_000));
}

#[tokio::test]
async fn each_call_with_a_cursor_gets_a_file_further_whatever_the_time() {
    let fixture = Fixture::new();
    // Searching one of them takes longer than a millisecond.
    let content = format!("needle\n{}", "some other line of text\n".repeat(400_000));
    (0..6).for_each(|i| drop(fixture.put(&format!("f{i}"), &content)));
    let req = SearchFilesRequest { time_budget_ms: 1, ..request(&fixture, r"n[a-z]+dle|\d{3}x$") };
    let pages = pages(&fixture, req.clone()).await;
    let found: Vec<String> = pages.iter().flat_map(|page| matches(&fixture, page)).collect();
    assert_eq!(found, (0..6).map(|i| format!("f{i}:1:needle")).collect::<Vec<_>>());
    assert!(pages.len() <= 7, "{} pages", pages.len());
    let last = pages.len() - 1;
    assert!(pages[..last].iter().all(|page| page.truncated_by == Some(TruncatedBy::Time)));
    assert!(last > 0, "a millisecond was enough");
}

#[tokio::test]
async fn a_walk_without_a_hit_is_cut_by_time_and_goes_on() {
    let fixture = Fixture::new();
    for directory in 0..10 {
        fixture.dir(&format!("{directory}"));
        (0..1000).for_each(|i| drop(fixture.put(&format!("{directory}/{i}.txt"), "x")));
    }
    fixture.put("last.rs", "needle\n");
    let req = SearchFilesRequest {
        time_budget_ms: 1,
        globs: vec!["*.rs".into()],
        ..request(&fixture, "needle")
    };
    let pages = pages(&fixture, req).await;
    assert!(pages.len() <= 2, "{} pages", pages.len());
    assert_eq!(matches(&fixture, pages.last().unwrap()), ["last.rs:1:needle"]);
}

#[tokio::test]
async fn a_cursor_is_refused_with_another_request() {
    let fixture = Fixture::new();
    fixture.put("f", numbered(3));
    let req = SearchFilesRequest { max_matches: 1, ..request(&fixture, "needle") };
    let cursor = search(&fixture, req.clone()).await.next_cursor;
    let with = |change: fn(&mut SearchFilesRequest)| {
        let mut req = SearchFilesRequest { cursor: cursor.clone(), ..req.clone() };
        change(&mut req);
        fixture.files.search_files(req)
    };
    let changes: [fn(&mut SearchFilesRequest); 7] = [
        |req| req.pattern.push('s'),
        |req| req.fixed = true,
        |req| req.case = SearchCase::Smart,
        |req| req.paths.push("/tmp".into()),
        |req| req.globs.push("*".into()),
        |req| req.hidden = true,
        |req| req.no_ignore = true,
    ];
    for change in changes {
        refused(with(change).await, ErrorCode::InvalidArgument, "\"field\":\"cursor\"");
    }
    // Anything else may change from page to page.
    let accepted: [fn(&mut SearchFilesRequest); 5] = [
        |req| req.context_lines = 1,
        |req| req.max_matches = 2,
        |req| req.max_line_bytes = 3,
        |req| req.time_budget_ms = 1000,
        |req| req.paths[0].push_str("/./"),
    ];
    for change in accepted {
        assert_eq!(with(change).await.unwrap().matches[0].line, 2);
    }
}

/// Takes a page, lets something happen to the files, and takes the rest.
async fn rest_after(fixture: &Fixture, max_matches: u64, happening: impl FnOnce()) -> Vec<String> {
    let req = SearchFilesRequest { max_matches, ..request(fixture, "needle") };
    let cursor = search(fixture, req.clone()).await.next_cursor;
    assert!(cursor.is_some());
    happening();
    let req = SearchFilesRequest { cursor, max_matches: 0, ..req };
    matches(fixture, &search(fixture, req).await)
}

#[tokio::test]
async fn a_cursor_survives_changes_of_the_files() {
    let made = || {
        let fixture = Fixture::new();
        fixture.dir("b");
        ["a", "b/a", "b/c", "d"].iter().for_each(|name| drop(fixture.put(name, numbered(2))));
        fixture
    };
    let rest = ["d:1:needle 1", "d:2:needle 2"];
    let fixture = made();
    let found = rest_after(&fixture, 5, || std::fs::remove_file(fixture.at("b/c")).unwrap()).await;
    assert_eq!(found, rest);
    let fixture = made();
    let found = rest_after(&fixture, 3, || std::fs::remove_dir_all(fixture.at("b")).unwrap()).await;
    assert_eq!(found, rest);
    let fixture = made();
    let found = rest_after(&fixture, 3, || {
        std::fs::remove_dir_all(fixture.at("b")).unwrap();
        drop(fixture.put("b", "needle of a new file\n"));
    });
    assert_eq!(found.await, rest);
    let fixture = made();
    let found = rest_after(&fixture, 7, || drop(fixture.put("d", numbered(4)))).await;
    assert_eq!(found, ["d:2:needle 2", "d:3:needle 3", "d:4:needle 4"]);
    let fixture = made();
    let found = rest_after(&fixture, 7, || drop(fixture.put("d", "needle 1\n"))).await;
    assert_eq!(found, [""; 0]);
}

#[tokio::test]
async fn pages_inside_a_large_file_are_as_if_it_were_one() {
    let fixture = Fixture::new();
    // Several buffers long, with lines of many lengths.
    let lines: Vec<String> = (0..40_000).map(|i| format!("{i} {}", "x".repeat(i % 97))).collect();
    fixture.put("f", lines.join("\n"));
    let req =
        SearchFilesRequest { max_matches: 700, context_lines: 3, ..request(&fixture, "[05]5 ") };
    let whole = SearchFilesRequest { max_matches: 10_000, ..req.clone() };
    let whole = search(&fixture, whole).await;
    assert_eq!(whole.matches.len(), 799);
    let parts = pages(&fixture, SearchFilesRequest { max_matches: 97, ..req }).await;
    assert_eq!(parts.len(), 9);
    let parts: Vec<_> = parts.into_iter().flat_map(|page| page.matches).collect();
    assert_eq!(parts, whole.matches);
    for found in &whole.matches {
        let line = usize::try_from(found.line).unwrap();
        assert_eq!(found.text, lines[line - 1]);
        assert_eq!(found.before, lines[line.saturating_sub(4)..line - 1]);
        assert_eq!(found.after, lines[line..(line + 3).min(lines.len())]);
    }
}

#[test]
fn a_search_whose_caller_left_is_given_up() {
    let fixture = Fixture::new();
    // One line without an end in sight: reading it would take a minute and more.
    fixture.put("f", "x".repeat(70_000));
    std::fs::File::options().write(true).open(fixture.at("f")).unwrap().set_len(1 << 40).unwrap();
    let req = SearchFilesRequest { time_budget_ms: 60_000, ..request(&fixture, "needle") };
    let started = std::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let moment = std::time::Duration::from_millis(100);
        let left = tokio::time::timeout(moment, fixture.files.search_files(req)).await;
        assert!(left.is_err(), "{left:?}");
    });
    // A runtime waits for the work on its pool.
    drop(runtime);
    assert!(started.elapsed().as_secs() < 30);
}
