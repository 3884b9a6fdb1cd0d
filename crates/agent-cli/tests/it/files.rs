//! Commands about files: what they ask and what they print.

use agent_sdk::{
    FileContent,
    api::{
        DirEntry, DirectoryRef, EditFilesRequest, EditFilesResponse, EditedFile, EntryKind,
        ErrorCode, ListDirectoryResponse, MakeDirectoryResponse, MovePathRequest, MovePathResponse,
        ReadFileLinesRequest, ReadFileLinesResponse, RemovePathResponse, ResolvePathResponse,
        Timestamp, WriteFileRequest, WriteFileResponse,
    },
    mock::{Call, MockAgent},
};

use crate::prompt::{type_line, type_with, type_words};

/// An entry below `/t`, of 10 bytes.
pub(crate) fn entry(name: &str, kind: EntryKind) -> DirEntry {
    DirEntry {
        name: name.to_owned(),
        absolute_path_string: format!("/t/{name}"),
        is_dir: kind == EntryKind::Directory,
        kind,
        size_bytes: Some(10),
        modified_at: Some(Timestamp::from_unix_ms(0)),
        mode: Some("0644".parse().unwrap()),
        symlink_target: (kind == EntryKind::Symlink).then(|| "sub".to_owned()),
        lossy: false,
        etag: (kind == EntryKind::File).then(|| "8f3a00aa118f3a00".parse().unwrap()),
    }
}

/// An error of the agent.
pub(crate) fn refusal(operation: &'static str, code: ErrorCode, message: &str) -> agent_sdk::Error {
    let message = message.to_owned();
    agent_sdk::Error::Api { operation, code, message, detail: None, fields: Vec::new() }
}

/// An agent whose directory `/t` comes in two pages.
fn two_pages() -> MockAgent {
    let agent = MockAgent::new();
    agent.on_list_directory(|request| {
        let is_first = request.after.is_none();
        let contents = if is_first {
            vec![entry("sub", EntryKind::Directory), entry("a\x1b[1m", EntryKind::File)]
        } else {
            assert_eq!(request.after.as_deref(), Some("a\x1b[1m"));
            vec![entry("link", EntryKind::Symlink)]
        };
        Ok(ListDirectoryResponse {
            absolute_path: vec!["t".to_owned()],
            absolute_path_string: "/t".to_owned(),
            contents,
            next_after: is_first.then(|| "a\x1b[1m".to_owned()),
            incomplete: false,
        })
    });
    agent
}

#[tokio::test]
async fn ls_prints_every_page() {
    assert_eq!(type_line(&two_pages(), "ls /t").await.ok(), "sub\na\x1b[1m\nlink\n");
}

#[tokio::test]
async fn ls_in_long_form_has_columns_and_targets() {
    let expected = "drw-r--r-- 10 1970-01-01 00:00:00Z sub\n\
                    -rw-r--r-- 10 1970-01-01 00:00:00Z a\x1b[1m\n\
                    lrw-r--r-- 10 1970-01-01 00:00:00Z link -> sub\n";
    assert_eq!(type_line(&two_pages(), "ls -la /t").await.ok(), expected);
}

#[tokio::test]
async fn ls_in_json_prints_each_response() {
    let stdout = type_line(&two_pages(), "ls --json /t").await.ok();
    let pages: Vec<ListDirectoryResponse> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(pages.iter().map(|page| page.contents.len()).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn ls_to_a_terminal_prints_no_control_characters() {
    let ran = type_with(&two_pages(), &["ls", "/t"], |io| io.stdout_is_terminal = true).await;
    assert_eq!(ran.ok(), "sub\na?[1m\nlink\n");
}

#[tokio::test]
async fn ls_with_a_limit_asks_once_and_says_how_to_go_on() {
    let agent = two_pages();
    let ran = type_line(&agent, "ls --limit 2 /t").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "sub\na\x1b[1m\n"));
    assert!(ran.stderr.contains("--after a"), "{}", ran.stderr);
    assert_eq!(agent.calls().len(), 1);
}

#[tokio::test]
async fn ls_without_a_path_lists_the_home() {
    let agent = MockAgent::new();
    agent.on_list_directory(|request| {
        assert!(matches!(request.directory, DirectoryRef::Relative(_)));
        Ok(ListDirectoryResponse::default())
    });
    assert_eq!(type_line(&agent, "ls").await.ok(), "");
}

#[tokio::test]
async fn cat_copies_bytes_of_each_file() {
    let agent = MockAgent::new();
    agent.on_read_file(|request| Ok(FileContent::new("text/plain", request.path + "\n")));
    let stdout = type_line(&agent, "cat --offset 1KiB --limit 7 --json /a /b").await.ok();
    assert_eq!(stdout, "/a\n/b\n");
    let Call::ReadFile(request) = &agent.calls()[0] else { panic!("no read") };
    assert_eq!((request.offset, request.limit), (1024, 7));
}

#[tokio::test]
async fn one_of_several_files_may_fail_and_the_others_are_printed() {
    let agent = MockAgent::new();
    agent.on_read_file(|request| match request.path.as_str() {
        "/b" => Err(refusal("read_file", ErrorCode::NotFound, "cannot open `/b`")),
        path => Ok(FileContent::new("text/plain", path.to_owned())),
    });
    let ran = type_line(&agent, "cat /a /b /c").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "/a/c"));
    assert_eq!(ran.stderr, "agentctl: read_file: cannot open `/b`\n");
}

#[tokio::test]
async fn read_prints_numbered_lines_and_where_to_go_on() {
    let agent = MockAgent::new();
    agent.on_read_file_lines(|_| {
        Ok(ReadFileLinesResponse {
            success: true,
            content: "7\ta\tb\n8\t".to_owned(),
            total_lines: 3000,
            lines_read: 2,
            next_offset: 9,
            truncated: true,
            ..ReadFileLinesResponse::default()
        })
    });
    let words = "read --offset 7 --limit 5 --partial --max-response-bytes 64KiB /f";
    let ran = type_line(&agent, words).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "7\ta\tb\n8\t\n"));
    assert_eq!(ran.stderr, "agentctl: the file has 3000 lines; go on with --offset 9\n");
    let request = ReadFileLinesRequest {
        path: "/f".to_owned(),
        offset: 7,
        limit: 5,
        partial: true,
        max_response_bytes: 65_536,
        ..ReadFileLinesRequest::default()
    };
    assert_eq!(agent.calls(), [Call::ReadFileLines(request)]);
}

#[tokio::test]
async fn read_fails_when_the_answer_says_so_and_json_still_has_it() {
    let agent = MockAgent::new();
    agent.on_read_file_lines(|_| {
        Ok(ReadFileLinesResponse {
            error: "file does not exist".to_owned(),
            error_code: Some(ErrorCode::NotFound),
            ..ReadFileLinesResponse::default()
        })
    });
    for (line, stdout) in [
        ("read /f", ""),
        (
            "read --json /f",
            "{\"success\":false,\"error\":\"file does not exist\",\"error_code\":\"not_found\"}\n",
        ),
    ] {
        let ran = type_line(&agent, line).await;
        assert_eq!(ran.stdout, stdout);
        assert_eq!(ran.failed(1), "agentctl: read_file_lines: file does not exist\n");
    }
}

fn writes() -> MockAgent {
    let agent = MockAgent::new();
    agent.on_write_file(|_, content| {
        Ok(WriteFileResponse {
            message: "written".to_owned(),
            etag: "8f3a00aa118f3a00".parse().unwrap(),
            size_bytes: content.len() as u64,
            created: true,
            in_place: false,
        })
    });
    agent
}

#[tokio::test]
async fn write_sends_stdin_with_its_conditions() {
    let agent = writes();
    let words = ["write", "/f", "--mode", "0755", "--sync", "--create-only"];
    let ran = type_with(&agent, &words, |io| io.stdin = Some(Box::new(&b"hello"[..]))).await;
    assert_eq!(ran.ok(), "created /f, 5 B, etag 8f3a00aa118f3a00\n");
    let request = WriteFileRequest {
        path: "/f".to_owned(),
        sync: true,
        mode: Some("0755".parse().unwrap()),
        if_match: None,
        if_none_match: Some("*".to_owned()),
    };
    assert_eq!(agent.calls(), [Call::WriteFile(request, "hello".into())]);
}

#[tokio::test]
async fn write_sends_a_local_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("content");
    std::fs::write(&file, "from a file").unwrap();
    let agent = writes();
    let words = ["write", "/f", file.to_str().unwrap(), "--if-match", "8f3a", "--json"];
    let stdout = type_words(&agent, &words).await.ok();
    let response: WriteFileResponse = serde_json::from_str(&stdout).unwrap();
    assert_eq!(response.size_bytes, 11);
    let Call::WriteFile(request, content) = &agent.calls()[0] else { panic!("no write") };
    assert_eq!((request.if_match.as_deref(), &content[..]), (Some("8f3a"), &b"from a file"[..]));
}

#[tokio::test]
async fn write_names_a_local_file_that_cannot_be_read() {
    let agent = writes();
    let stderr = type_line(&agent, "write /f /nonexistent/x").await.failed(1);
    assert!(stderr.starts_with("agentctl: cannot read `/nonexistent/x`: "), "{stderr}");
    assert_eq!(agent.calls(), []);
}

#[tokio::test]
async fn write_says_why_stdin_could_not_be_read() {
    struct Broken;
    impl tokio::io::AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::ErrorKind::PermissionDenied.into()))
        }
    }
    let ran = type_with(&writes(), &["write", "/f"], |io| io.stdin = Some(Box::new(Broken))).await;
    assert_eq!(ran.failed(1), "agentctl: cannot read stdin: permission denied\n");
}

fn edits() -> MockAgent {
    let agent = MockAgent::new();
    agent.on_edit_files(|request: EditFilesRequest| {
        if !request.include_diff && !request.dry_run {
            return Ok(EditFilesResponse::default());
        }
        let files = request.files.into_iter().map(|file| EditedFile {
            diff: format!("--- {0}\n+++ {0}\n@@ -1 +1 @@\n-old\n+new\n", file.path),
            path: file.path,
            diff_omitted: false,
            changed: true,
            etag: "8f3a00aa118f3a00".parse().unwrap(),
        });
        Ok(EditFilesResponse { files: Some(files.collect()), dry_run: Some(request.dry_run) })
    });
    agent
}

fn edit_request(agent: &MockAgent) -> EditFilesRequest {
    let Call::EditFiles(request) = &agent.calls()[0] else { panic!("no edit") };
    request.clone()
}

#[tokio::test]
async fn edit_pairs_old_and_new_texts() {
    let agent = edits();
    let words =
        ["edit", "/f", "--old", "-a", "--new", "", "--old", "b", "--new", "c", "--no-fuzzy"];
    assert_eq!(type_words(&agent, &words).await.ok(), "edited /f\n");
    let request = edit_request(&agent);
    let edits = &request.files[0].edits;
    let texts: Vec<_> = edits.iter().map(|e| (e.old_text.as_str(), e.new_text.as_str())).collect();
    assert_eq!(texts, [("-a", ""), ("b", "c")]);
    assert!(edits.iter().all(|edit| !edit.fuzzy && !edit.replace_all));
}

#[tokio::test]
async fn edit_takes_texts_from_files_byte_by_byte() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("old"), "a\n\n").unwrap();
    let (old, agent) = (path("old"), edits());
    let words = ["edit", "/f", "--old-file", &old, "--new-file", "-", "--replace-all"];
    let ran = type_with(&agent, &words, |io| io.stdin = Some(Box::new(&b"b\r\n"[..]))).await;
    ran.ok();
    let edit = &edit_request(&agent).files[0].edits[0];
    assert_eq!((edit.old_text.as_str(), edit.new_text.as_str()), ("a\n\n", "b\r\n"));
    assert!(edit.replace_all && edit.fuzzy);
}

#[tokio::test]
async fn edit_takes_a_request_from_stdin_and_shows_diffs_in_color() {
    let agent = edits();
    let request = br#"{"files":[{"path":"/f","edits":[{"search":"a","replace":"b"}]}]}"#;
    let words = ["edit", "--request", "-", "--dry-run", "--color", "always"];
    let ran = type_with(&agent, &words, |io| io.stdin = Some(Box::new(&request[..]))).await;
    let expected = "\x1b[1m--- /f\x1b[0m\n\x1b[1m+++ /f\x1b[0m\n\x1b[36m@@ -1 +1 @@\x1b[0m\n\
                    \x1b[31m-old\x1b[0m\n\x1b[32m+new\x1b[0m\n";
    assert_eq!(ran.ok(), expected);
    assert!(edit_request(&agent).dry_run);
    assert_eq!(edit_request(&agent).files[0].edits[0].old_text, "a");
}

#[tokio::test]
async fn edit_refuses_what_is_no_request_without_asking() {
    for (words, stdin) in [
        (&["edit", "--request", "-"][..], "{"),
        (&["edit", "/f", "--old", "a"], ""),
        (&["edit", "/f", "--new", "a"], ""),
        (&["edit", "/f", "--old", "a", "--new", "b", "--new", "c"], ""),
        (&["edit", "/f"], ""),
        (&["edit", "--request", "-", "--old", "a", "--new", "b"], "{}"),
        (&["edit", "/f", "--old-file", "-", "--new-file", "-"], "x"),
    ] {
        let agent = edits();
        let ran = type_with(&agent, words, |io| io.stdin = Some(Box::new(stdin.as_bytes()))).await;
        assert_ne!(ran.failed(64), "", "{words:?}");
        assert_eq!(agent.calls(), [], "{words:?}");
    }
}

#[tokio::test]
async fn stat_describes_entries() {
    let agent = MockAgent::new();
    agent.on_stat_path(|request| {
        let kind = if request.follow { EntryKind::Directory } else { EntryKind::Symlink };
        Ok(entry("link", kind))
    });
    let expected = "path     /t/link\nkind     symlink\ntarget   sub\nsize     10 bytes\n\
                    mode     0644 (rw-r--r--)\nmodified 1970-01-01 00:00:00Z\n";
    assert_eq!(type_line(&agent, "stat /t/link").await.ok(), expected);
    assert!(type_line(&agent, "stat -L /t/link").await.ok().contains("kind     directory\n"));
    let json = type_line(&agent, "stat --json /t/link").await.ok();
    let read: DirEntry = serde_json::from_str(&json).unwrap();
    assert_eq!(read, entry("link", EntryKind::Symlink));
}

fn tree() -> MockAgent {
    let agent = MockAgent::new();
    agent.on_make_directory(|request| {
        Ok(MakeDirectoryResponse { created: request.path != "/old", path: request.path })
    });
    agent.on_move_path(|request: MovePathRequest| {
        Ok(MovePathResponse { from: request.from, to: request.to })
    });
    agent.on_remove_path(|request| {
        Ok(RemovePathResponse { removed_entries: if request.recursive { 3 } else { 1 } })
    });
    agent.on_resolve_path(|_| Ok(ResolvePathResponse { resolved_path: "/real".to_owned() }));
    agent
}

#[tokio::test]
async fn changes_of_the_tree_are_confirmed() {
    for (line, stdout) in [
        ("mkdir -p /new /old", "created /new\nalready there: /old\n"),
        ("mkdir --quiet /new", ""),
        ("mkdir --json /new", "{\"path\":\"/new\",\"created\":true}\n"),
        ("mv /a /b", "moved /a to /b\n"),
        ("rm /a /b", "removed /a\nremoved /b\n"),
        ("rm -r /a", "removed /a, 3 entries\n"),
        ("rm --quiet --json /a", "{\"removed_entries\":1}\n"),
        ("resolve /link", "/real\n"),
        ("resolve --json /link", "{\"resolved_path\":\"/real\"}\n"),
    ] {
        assert_eq!(type_line(&tree(), line).await.ok(), stdout, "{line}");
    }
}

#[tokio::test]
async fn changes_of_the_tree_carry_their_options() {
    let agent = tree();
    type_line(&agent, "mv -f /a /b").await.ok();
    type_line(&agent, "mkdir -m 0700 /c").await.ok();
    let calls = agent.calls();
    assert!(matches!(&calls[0], Call::MovePath(request) if request.overwrite));
    assert!(matches!(&calls[1], Call::MakeDirectory(request) if request.mode.is_some()));
}
