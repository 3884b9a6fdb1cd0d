//! Each operation as it is on the wire: its request, and what its answer becomes.

use agent_sdk::{
    AgentConn, ByteStream, ContentRange,
    api::{
        DirectoryRef, Edit, EditFilesRequest, FileEdits, FindFilesRequest, ListDirectoryRequest,
        MakeDirectoryRequest, MovePathRequest, ReadFileLinesRequest, ReadFileRequest,
        RelativeDirectory, Relativity, RemovePathRequest, ResolvePathRequest, SearchFilesRequest,
        StatPathRequest, WriteFileRequest,
    },
};

use crate::peer::{Peer, response};

/// One answer with the required fields of every response.
const ANY: &str = r#"{"message": "m", "state": "ready", "success": true, "etag": "0123456789abcdef",
    "size_bytes": 1, "created": true, "in_place": false, "absolute_path_string": "/a", "name": "a",
    "is_dir": false, "kind": "file", "resolved_path": "/r", "path": "/p", "from": "/f", "to": "/t",
    "removed_entries": 3, "files_searched": 2, "truncated": false}"#;

/// Calls an operation and compares its request line and body.
async fn check<T, F: Future<Output = Result<T, agent_sdk::Error>>>(
    call: impl FnOnce(agent_sdk::AgentClient) -> F,
    line: &str,
    body: &str,
) -> T {
    let (peer, mut requests) = Peer::recording(ANY).await;
    let answer = call(peer.client()).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.line, format!("{line} HTTP/1.1"));
    assert_eq!(String::from_utf8(request.body.clone()).unwrap(), body);
    let is_json = request.header("content-type") == Some("application/json");
    assert_eq!(is_json, body.starts_with('{'));
    answer
}

#[tokio::test]
async fn information_is_asked_for_by_get() {
    let greeting = check(async |c| c.get_greeting().await, "GET /", "").await;
    assert_eq!(greeting.message, "m");
    assert!(check(async |c| c.check_health().await, "GET /healthz", "").await);
    check(async |c| c.get_lifecycle().await, "GET /api/v0/lifecycle", "").await;
    check(async |c| c.ping().await, "GET /api/v0/lifecycle", "").await;
    let config = check(async |c| c.get_debug_config().await, "GET /debug/config", "").await;
    assert_eq!(config, ANY);
    check(async |c| c.get_debug_mesh().await, "GET /debug/mesh", "").await;
    check(async |c| c.get_metrics().await, "GET /debug/prometheus", "").await;
    for on in [true, false] {
        let line = format!("GET /debug/mesh/debug-logging/{on}");
        check(async |c| c.set_mesh_debug_logging(on).await, &line, "").await;
    }
    let logs = check(async |c| c.get_debug_logs(None).await, "GET /debug/logs", "").await;
    assert_eq!(logs.collect(10_000).await.unwrap(), ANY);
    let after = Some("2026-01-31T12:00:00+01:00".parse().unwrap());
    let line = "GET /debug/logs?after=2026-01-31T11%3A00%3A00.000Z";
    check(async |c| c.get_debug_logs(after).await, line, "").await;
}

#[tokio::test]
async fn questions_about_paths_are_queries() {
    let lines =
        ReadFileLinesRequest { path: "/a b".into(), partial: true, limit: 7, ..Default::default() };
    let line = "GET /api/v0/read-file-lines?limit=7&partial=true&path=%2Fa+b";
    assert!(check(async |c| c.read_file_lines(lines).await, line, "").await.success);
    let stat = StatPathRequest { path: "/ü+&=%".into(), follow: true };
    let line = "GET /api/v0/stat?follow=true&path=%2F%C3%BC%2B%26%3D%25";
    assert_eq!(check(async |c| c.stat_path(stat).await, line, "").await.name, "a");
    let resolve = ResolvePathRequest { path: "".into() };
    let line = "GET /api/v0/resolve-path?path=";
    check(async |c| c.resolve_path(resolve).await, line, "").await;
}

#[tokio::test]
async fn a_directory_is_named_in_the_query_or_in_the_body() {
    let line = "POST /api/v0/list-directory?path=%2Fa";
    check(async |c| c.list_directory(ListDirectoryRequest::all("/a")).await, line, "").await;
    let directory = RelativeDirectory { relativity: Relativity::Home, path: vec!["..".into()] };
    let request = ListDirectoryRequest {
        directory: DirectoryRef::Relative(directory),
        limit: 5,
        after: Some("sub/".into()),
    };
    check(
        async |c| c.list_directory(request).await,
        "POST /api/v0/list-directory?after=sub%2F&limit=5",
        r#"{"relativity":"home","path":[".."]}"#,
    )
    .await;
}

#[tokio::test]
async fn changes_are_posted_as_json() {
    let edits = EditFilesRequest {
        files: vec![FileEdits {
            path: "/a".into(),
            if_match: None,
            edits: vec![Edit::new("x", "y")],
        }],
        include_diff: true,
        dry_run: false,
    };
    check(
        async |c| c.edit_files(edits).await,
        "POST /api/v0/edit-files",
        r#"{"files":[{"path":"/a","edits":[{"old_text":"x","new_text":"y","fuzzy":true}]}],"include_diff":true}"#,
    )
    .await;
    let make = MakeDirectoryRequest { path: "/a".into(), mode: Some("755".parse().unwrap()) };
    let body = r#"{"path":"/a","mode":"0755"}"#;
    check(async |c| c.make_directory(make).await, "POST /api/v0/make-directory", body).await;
    let mv = MovePathRequest { from: "/f".into(), to: "/t".into(), overwrite: true };
    let body = r#"{"from":"/f","to":"/t","overwrite":true}"#;
    check(async |c| c.move_path(mv).await, "POST /api/v0/move", body).await;
    let remove = RemovePathRequest { path: "/a".into(), recursive: true };
    let body = r#"{"path":"/a","recursive":true}"#;
    let removed = check(async |c| c.remove_path(remove).await, "POST /api/v0/remove", body).await;
    assert_eq!(removed.removed_entries, 3);
}

#[tokio::test]
async fn searches_are_posted_as_json() {
    let search = SearchFilesRequest { pattern: "(".into(), fixed: true, ..Default::default() };
    let body = r#"{"pattern":"(","fixed":true}"#;
    check(async |c| c.search_files(search).await, "POST /api/v0/search", body).await;
    let find = FindFilesRequest { query: Some("main".into()), ..Default::default() };
    let body = r#"{"query":"main"}"#;
    check(async |c| c.find_files(find).await, "POST /api/v0/find-files", body).await;
}

#[tokio::test]
async fn a_write_carries_its_conditions_and_the_content() {
    let (peer, mut requests) = Peer::recording(ANY).await;
    let request = WriteFileRequest {
        path: "/a".into(),
        sync: true,
        mode: Some("600".parse().unwrap()),
        if_match: Some("\"0123456789abcdef\"".into()),
        if_none_match: None,
    };
    peer.client().write_file(request, ByteStream::from("content")).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.line, "POST /api/v0/write-file?mode=0600&path=%2Fa&sync=true HTTP/1.1");
    assert_eq!(request.header("if-match"), Some("\"0123456789abcdef\""));
    assert_eq!(request.header("if-none-match"), None);
    assert_eq!(request.body, b"content");
}

#[tokio::test]
async fn a_file_comes_with_what_its_headers_say() {
    let headers = "Content-Type: image/png\r\nETag: \"0123456789abcdef\"\r\n\
        Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nAgent-Content-Cut: true\r\n";
    let peer = Peer::answering(response("200 OK", headers, "content")).await;
    let request = ReadFileRequest { path: "/a.png".into(), ..Default::default() };
    let content = peer.client().read_file(request).await.unwrap();
    assert_eq!(content.media_type, "image/png");
    assert_eq!(content.length, Some(7));
    assert_eq!(content.etag.unwrap().to_string(), "0123456789abcdef");
    let modified = content.modified.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(modified.as_secs(), 784_111_777);
    assert!(content.cut && !content.not_modified && content.range.is_none());
    assert_eq!(content.body.collect(7).await.unwrap(), "content");
}

#[tokio::test]
async fn a_file_without_headers_is_unknown_bytes() {
    let headers = "ETag: \"something else\"\r\nLast-Modified: yesterday\r\n";
    let peer = Peer::answering(response("200 OK", headers, "")).await;
    let request = ReadFileRequest { path: "/a".into(), ..Default::default() };
    let content = peer.client().read_file(request).await.unwrap();
    assert_eq!(content.media_type, "application/octet-stream");
    assert_eq!((content.etag, content.modified, content.cut), (None, None, false));
    assert_eq!(content.body.collect(7).await.unwrap(), "");
}

#[tokio::test]
async fn a_part_of_a_file_says_which() {
    let (peer, mut requests) = {
        let (tx, rx) = tokio::sync::mpsc::unbounded_channel();
        let peer = Peer::start(move |_, mut conn| {
            let tx = tx.clone();
            async move {
                tx.send(conn.request().await.unwrap()).unwrap();
                let part =
                    response("206 Partial Content", "Content-Range: bytes 0-3/7\r\n", "cont");
                conn.send(part).await;
            }
        })
        .await;
        (peer, rx)
    };
    let request = ReadFileRequest {
        path: "/a".into(),
        range: Some("bytes=0-3".into()),
        if_range: Some("\"0123456789abcdef\"".into()),
        ..Default::default()
    };
    let content = peer.client().read_file(request).await.unwrap();
    assert_eq!(content.range, Some(ContentRange { first: 0, last: 3, size: Some(7) }));
    assert_eq!(content.body.collect(7).await.unwrap(), "cont");
    let request = requests.recv().await.unwrap();
    assert_eq!(request.header("range"), Some("bytes=0-3"));
    assert_eq!(request.header("if-range"), Some("\"0123456789abcdef\""));
    assert_eq!(request.line, "GET /api/v0/read-file?path=%2Fa HTTP/1.1");
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let answer =
        b"HTTP/1.1 304 Not Modified\r\nETag: \"0123456789abcdef\"\r\nContent-Length: 7\r\n\r\n";
    let peer = Peer::answering(answer.to_vec()).await;
    let client = peer.client();
    for _ in 0..2 {
        let request = ReadFileRequest {
            path: "/a".into(),
            if_none_match: Some("0123456789abcdef".into()),
            ..Default::default()
        };
        let content = client.read_file(request).await.unwrap();
        assert!(content.not_modified && content.etag.is_some());
        assert_eq!(content.length, Some(0));
        assert_eq!(content.body.collect(7).await.unwrap(), "");
    }
    assert_eq!(peer.accepted(), 1);
}
