//! Each operation gives the same answer in process and through the SDK over each transport.

use std::{fmt::Debug, os::unix::fs::symlink, path::Path};

use agent_api::{
    Caller, Classify, DirEntry, Edit, EditFilesRequest, ErrorCode, FileEdits, FindFilesRequest,
    ListDirectoryRequest, MakeDirectoryRequest, MovePathRequest, ReadFileLinesRequest,
    ReadFileRequest, RemovePathRequest, ResolvePathRequest, SearchFilesRequest, StatPathRequest,
    WriteFileRequest,
};
use agent_files::{Files, ReadFileResponse};
use agent_sdk::{AgentClient, AgentConn, ByteStream};
use agent_tests::{TestAgent, Transport};
use futures_util::TryStreamExt;

/// An answer without what differs from call to call, or the code and message of a refusal.
type Outcome = Result<String, (ErrorCode, String)>;

/// Asks near and far on the same files, made anew for each, and compares.
async fn agree(
    near: impl AsyncFn(Files, String) -> Result<String, agent_files::Error>,
    far: impl AsyncFn(AgentClient, String) -> Result<String, agent_sdk::Error>,
) {
    let agent = TestAgent::start().await;
    let root = agent.dir().to_str().unwrap().to_owned();
    make_files(&agent.dir());
    let expected: Outcome =
        near(agent.files(), root.clone()).await.map_err(|error| (error.code(), error.to_string()));
    for transport in Transport::ALL {
        make_files(&agent.dir());
        let answer: Outcome =
            far(agent.client(transport), root.clone()).await.map_err(|error| match error {
                agent_sdk::Error::Api { code, message, .. } => (code, message),
                other => panic!("{transport:?}: {other}"),
            });
        assert_eq!(answer, expected, "over {transport:?}");
    }
}

/// A small tree with one of everything; times and inodes differ from call to call.
fn make_files(root: &Path) {
    std::fs::remove_dir_all(root).unwrap();
    std::fs::create_dir_all(root.join("d/deep")).unwrap();
    std::fs::write(root.join("f.txt"), "one\ntwo\nthree\n").unwrap();
    std::fs::write(root.join("d/deep/g.rs"), "fn two() {}\n").unwrap();
    symlink("f.txt", root.join("link")).unwrap();
}

fn debug(value: impl Debug) -> String {
    format!("{value:?}")
}

/// An entry without its time and version.
fn timeless(mut entry: DirEntry) -> DirEntry {
    entry.modified_at = None;
    entry.etag = None;
    entry
}

#[tokio::test]
async fn read_file() {
    for (name, range) in [("f.txt", None), ("f.txt", Some("bytes=4-6")), ("missing", None)] {
        let request = move |root: String| ReadFileRequest {
            path: format!("{root}/{name}"),
            range: range.map(str::to_owned),
            ..ReadFileRequest::default()
        };
        agree(
            async |files, root| {
                let ReadFileResponse::Content(content) = files.read_file(request(root)).await?
                else {
                    panic!("no content")
                };
                let parts: Vec<bytes::Bytes> = content.body.try_collect().await.unwrap();
                let range = content.range.map(|range| (range.first, range.last, Some(range.size)));
                let bytes = String::from_utf8(parts.concat()).unwrap();
                Ok(debug((content.media_type, Some(content.length), range, bytes)))
            },
            async |client, root| {
                let content = client.read_file(request(root)).await?;
                let range = content.range.map(|range| (range.first, range.last, range.size));
                let (media_type, length) = (content.media_type, content.length);
                let bytes = content.body.collect(1 << 20).await?;
                let bytes = String::from_utf8(bytes.to_vec()).unwrap();
                Ok(debug((media_type.as_str(), length, range, bytes)))
            },
        )
        .await;
    }
}

#[tokio::test]
async fn read_file_lines() {
    for (name, offset) in [("f.txt", 2), ("f.txt", 99), ("missing", 1), ("d", 1)] {
        let request = move |root: String| ReadFileLinesRequest {
            path: format!("{root}/{name}"),
            offset,
            ..ReadFileLinesRequest::default()
        };
        agree(
            async |files, root| {
                let mut answer = files.read_file_lines(request(root)).await?;
                answer.etag = None;
                Ok(debug(answer))
            },
            async |client, root| {
                let mut answer = client.read_file_lines(request(root)).await?;
                answer.etag = None;
                Ok(debug(answer))
            },
        )
        .await;
    }
}

#[tokio::test]
async fn write_file() {
    for name in ["f.txt", "new/file", "d"] {
        let request = move |root: &str| WriteFileRequest {
            path: format!("{root}/{name}"),
            ..WriteFileRequest::default()
        };
        let seen = |root: &str| std::fs::read_to_string(format!("{root}/{name}")).unwrap();
        agree(
            async |files, root| {
                let content = futures_util::stream::iter([Ok(bytes::Bytes::from("content"))]);
                let caller = Caller::anonymous();
                let answer = files.write_file(&caller, request(&root), content).await?;
                let facts = (answer.size_bytes, answer.created, answer.in_place, answer.message);
                Ok(debug((facts, seen(&root))))
            },
            async |client, root| {
                let content = ByteStream::from(bytes::Bytes::from("content"));
                let answer = client.write_file(request(&root), content).await?;
                let facts = (answer.size_bytes, answer.created, answer.in_place, answer.message);
                Ok(debug((facts, seen(&root))))
            },
        )
        .await;
    }
}

#[tokio::test]
async fn edit_files() {
    for (name, old) in [("f.txt", "two"), ("f.txt", "absent"), ("missing", "two")] {
        let request = move |root: &str| EditFilesRequest {
            files: vec![FileEdits {
                path: format!("{root}/{name}"),
                if_match: None,
                edits: vec![Edit::new(old, "2")],
            }],
            include_diff: true,
            dry_run: false,
        };
        let facts = |answer: agent_api::EditFilesResponse| {
            let files = answer.files.unwrap();
            debug(files.into_iter().map(|f| (f.path, f.diff, f.changed)).collect::<Vec<_>>())
        };
        agree(
            async |files, root| {
                Ok(facts(files.edit_files(&Caller::anonymous(), request(&root)).await?))
            },
            async |client, root| Ok(facts(client.edit_files(request(&root)).await?)),
        )
        .await;
    }
}

#[tokio::test]
async fn list_directory() {
    for (name, limit) in [("", 0), ("", 2), ("d/deep", 0), ("f.txt", 0), ("missing", 0)] {
        let request = move |root: String| ListDirectoryRequest {
            limit,
            ..ListDirectoryRequest::all(format!("{root}/{name}"))
        };
        let facts = |mut answer: agent_api::ListDirectoryResponse| {
            answer.contents = answer.contents.into_iter().map(timeless).collect();
            debug(answer)
        };
        agree(
            async |files, root| Ok(facts(files.list_directory(request(root)).await?)),
            async |client, root| Ok(facts(client.list_directory(request(root)).await?)),
        )
        .await;
    }
}

#[tokio::test]
async fn stat_path() {
    for (name, follow) in [("f.txt", false), ("link", false), ("link", true), ("missing", true)] {
        let request =
            move |root: String| StatPathRequest { path: format!("{root}/{name}"), follow };
        agree(
            async |files, root| Ok(debug(timeless(files.stat_path(request(root)).await?))),
            async |client, root| Ok(debug(timeless(client.stat_path(request(root)).await?))),
        )
        .await;
    }
}

#[tokio::test]
async fn resolve_path() {
    for name in ["link", "missing/x", "f.txt/x"] {
        let request = move |root: String| ResolvePathRequest { path: format!("{root}/{name}") };
        agree(
            async |files, root| Ok(debug(files.resolve_path(request(root)).await?)),
            async |client, root| Ok(debug(client.resolve_path(request(root)).await?)),
        )
        .await;
    }
}

#[tokio::test]
async fn make_directory() {
    for name in ["d", "new/deep", "f.txt", "f.txt/x"] {
        let request = move |root: String| MakeDirectoryRequest {
            path: format!("{root}/{name}"),
            mode: "0700".parse().ok(),
        };
        agree(
            async |files, root| Ok(debug(files.make_directory(request(root)).await?)),
            async |client, root| Ok(debug(client.make_directory(request(root)).await?)),
        )
        .await;
    }
}

#[tokio::test]
async fn move_path() {
    for (from, to) in [("f.txt", "moved"), ("f.txt", "link"), ("missing", "x"), ("d", "d/x")] {
        let request = move |root: String| MovePathRequest {
            from: format!("{root}/{from}"),
            to: format!("{root}/{to}"),
            overwrite: false,
        };
        agree(
            async |files, root| Ok(debug(files.move_path(request(root)).await?)),
            async |client, root| Ok(debug(client.move_path(request(root)).await?)),
        )
        .await;
    }
}

#[tokio::test]
async fn remove_path() {
    for (name, recursive) in [("f.txt", false), ("d", false), ("d", true), ("missing", false)] {
        let request =
            move |root: String| RemovePathRequest { path: format!("{root}/{name}"), recursive };
        agree(
            async |files, root| Ok(debug(files.remove_path(request(root)).await?)),
            async |client, root| Ok(debug(client.remove_path(request(root)).await?)),
        )
        .await;
    }
}

#[tokio::test]
async fn search_files() {
    for pattern in ["two", "("] {
        let request = move |root: String| SearchFilesRequest {
            pattern: pattern.to_owned(),
            paths: vec![root],
            ..SearchFilesRequest::default()
        };
        agree(
            async |files, root| Ok(debug(files.search_files(request(root)).await?)),
            async |client, root| Ok(debug(client.search_files(request(root)).await?)),
        )
        .await;
    }
}

#[tokio::test]
async fn find_files() {
    for query in [None, Some("g"), Some("zzz")] {
        let request = move |root: String| FindFilesRequest {
            query: query.map(str::to_owned),
            paths: vec![root],
            ..FindFilesRequest::default()
        };
        agree(
            async |files, root| Ok(debug(files.find_files(request(root)).await?)),
            async |client, root| Ok(debug(client.find_files(request(root)).await?)),
        )
        .await;
    }
}

#[tokio::test]
async fn information() {
    let agent = TestAgent::start().await;
    for transport in Transport::ALL {
        let client = agent.client(transport);
        assert!(client.check_health().await.unwrap(), "{transport:?}");
        assert!(!client.get_greeting().await.unwrap().message.is_empty());
        let lifecycle = client.get_lifecycle().await.unwrap();
        assert_eq!(lifecycle.history, agent.agent().lifecycles().get_lifecycle().history);
        let metrics = client.get_metrics().await.unwrap();
        assert!(metrics.contains("agent_http_requests_total{"), "{metrics}");
        assert!(metrics.contains("operation=\"get_lifecycle\""), "{metrics}");
        let config: serde_json::Value =
            serde_json::from_str(&client.get_debug_config().await.unwrap()).unwrap();
        assert!(config.is_object());
        let mesh = client.get_debug_mesh().await.unwrap_err();
        assert_eq!(mesh.code(), ErrorCode::Unsupported);
    }
}
