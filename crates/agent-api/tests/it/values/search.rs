//! Values of searching contents and names.

use agent_api::{
    EntryKind, FindFilesRequest, FindFilesResponse, FoundFile, SearchCase, SearchFilesRequest,
    SearchFilesResponse, SearchMatch, SkippedPath, Submatch, TruncatedBy,
};

use super::Values;

pub(super) fn visit(values: &mut impl Values) {
    values.json(vec![SearchCase::Sensitive, SearchCase::Insensitive, SearchCase::Smart]);
    values.json(vec![
        TruncatedBy::Matches,
        TruncatedBy::Time,
        TruncatedBy::Bytes,
        TruncatedBy::Limit,
        TruncatedBy::Unknown,
    ]);
    search(values);
    find(values);
}

fn search(values: &mut impl Values) {
    values.json(vec![
        SearchFilesRequest::new("main"),
        SearchFilesRequest {
            pattern: "main\\(".to_owned(),
            fixed: true,
            case: SearchCase::Smart,
            paths: vec!["/repo".to_owned()],
            globs: vec!["*.rs".to_owned(), "!target/".to_owned()],
            hidden: true,
            no_ignore: true,
            context_lines: 2,
            max_matches: 10,
            max_line_bytes: 200,
            time_budget_ms: 500,
            cursor: Some("opaque".to_owned()),
        },
    ]);
    let submatch = Submatch { start: 4, end: 8 };
    values.json(vec![submatch]);
    let short = SearchMatch {
        path: "/repo/a.c".to_owned(),
        line: 12,
        column: 5,
        text: "int main(void)".to_owned(),
        submatches: vec![submatch],
        ..SearchMatch::default()
    };
    let cut = SearchMatch {
        text_start: 4096,
        cut: true,
        before: vec!["#include \"a.h\"".to_owned()],
        after: vec!["{".to_owned()],
        ..short.clone()
    };
    values.json(vec![short.clone(), cut]);
    let skipped =
        SkippedPath { path: "/repo/secret".to_owned(), reason: "permission denied".to_owned() };
    values.json(vec![skipped.clone()]);
    values.json(vec![
        SearchFilesResponse::default(),
        SearchFilesResponse {
            matches: vec![short],
            files_searched: 31,
            truncated: true,
            truncated_by: Some(TruncatedBy::Matches),
            next_cursor: Some("opaque".to_owned()),
            skipped: vec![skipped],
            skipped_total: 21,
        },
    ]);
}

fn find(values: &mut impl Values) {
    values.json(vec![
        FindFilesRequest::default(),
        FindFilesRequest {
            query: Some("main".to_owned()),
            paths: vec!["/r".to_owned()],
            globs: vec!["src/**".to_owned()],
            hidden: true,
            no_ignore: true,
            kinds: vec![EntryKind::File, EntryKind::Directory],
            limit: 10,
            time_budget_ms: 500,
        },
    ]);
    let found = FoundFile { path: "/r/src".to_owned(), kind: EntryKind::Directory, is_dir: true };
    values.json(vec![found.clone()]);
    values.json(vec![
        FindFilesResponse::default(),
        FindFilesResponse {
            results: vec![found],
            truncated: true,
            truncated_by: Some(TruncatedBy::Limit),
        },
    ]);
}
