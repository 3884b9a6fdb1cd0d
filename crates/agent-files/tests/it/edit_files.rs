//! `edit_files` on a real disk: all files or none, through links, with diffs and preconditions.

use std::os::unix::fs::symlink;

use agent_api::{Caller, Edit, EditFilesRequest, EditFilesResponse, ErrorCode, FileEdits};
use agent_files::Error;

use crate::fixture::{Fixture, refused};

impl Fixture {
    async fn edit(&self, req: EditFilesRequest) -> Result<EditFilesResponse, Error> {
        self.files.edit_files(&Caller::anonymous(), req).await
    }
}

fn file(path: &str, edits: &[(&str, &str)]) -> FileEdits {
    let edits = edits.iter().map(|(old, new)| Edit::new(*old, *new)).collect();
    FileEdits { path: path.to_owned(), if_match: None, edits }
}

fn files(files: impl Into<Vec<FileEdits>>) -> EditFilesRequest {
    EditFilesRequest { files: files.into(), ..EditFilesRequest::default() }
}

#[tokio::test]
async fn edits_apply_in_order_and_the_answer_is_empty() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "one\n");
    let answer = fixture.edit(files([file(&path, &[("one", "two"), ("two", "three")])])).await;
    assert_eq!(answer.unwrap(), EditFilesResponse::default());
    assert_eq!(fixture.get("f"), "three\n");
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn diffs_are_answered_when_asked_for() {
    let fixture = Fixture::new();
    let (path, same) = (fixture.put("f", "int a;\n"), fixture.put("same", "x\n"));
    let edits = [file(&path, &[("int a", "long a")]), file(&same, &[("x", "x")])];
    let req = EditFilesRequest { include_diff: true, ..files(edits) };
    let answer = fixture.edit(req).await.unwrap();
    assert_eq!(answer.dry_run, Some(false));
    let entries = answer.files.unwrap();
    let expected = format!("--- {path}\n+++ {path}\n@@ -1 +1 @@\n-int a;\n+long a;\n");
    assert_eq!((entries[0].diff.as_str(), entries[0].changed), (expected.as_str(), true));
    assert_eq!((entries[1].diff.as_str(), entries[1].changed), ("", false));
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "one\n");
    let req = EditFilesRequest { dry_run: true, ..files([file(&path, &[("one", "two")])]) };
    let answer = fixture.edit(req).await.unwrap();
    assert_eq!(answer.dry_run, Some(true));
    assert!(answer.files.unwrap()[0].diff.contains("+two"));
    assert_eq!(fixture.get("f"), "one\n");
}

#[tokio::test]
async fn one_refusal_leaves_every_file_as_it_was() {
    let fixture = Fixture::new();
    let (a, b, c) = (fixture.put("a", "a"), fixture.put("b", "b"), fixture.put("c", "c"));
    let edits =
        [file(&a, &[("a", "A")]), file(&b, &[("b", "B"), ("zzz", "Z")]), file(&c, &[("c", "C")])];
    let answer = fixture.edit(files(edits)).await;
    let Err(Error::Edit(error)) = &answer else { panic!("{answer:?}") };
    assert!(error.to_string().starts_with(&format!("edit {b}: old_text not found in file")));
    refused(answer, ErrorCode::InvalidArgument, "files[1].edits[1]");
    assert_eq!([fixture.get("a"), fixture.get("b"), fixture.get("c")], ["a", "b", "c"]);
}

#[tokio::test]
async fn every_failure_is_named_and_the_highest_status_wins() {
    let fixture = Fixture::new();
    let good = fixture.put("good", "x");
    std::fs::create_dir(fixture.at("d")).unwrap();
    let edits = [
        file(&fixture.path("d"), &[("a", "b")]),
        file(&good, &[("x", "y")]),
        file(&fixture.path("missing"), &[("a", "b")]),
        file("relative", &[("a", "b")]),
        file("", &[("a", "b")]),
        file(&fixture.path("good2"), &[]),
    ];
    let answer = fixture.edit(files(edits)).await;
    let Err(Error::Edit(error)) = &answer else { panic!("{answer:?}") };
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        ("d: ", "not a file"),
        ("missing: ", "file does not exist"),
        ("edit relative: ", "file path must be absolute"),
        ("edit : ", "\"path\" is required"),
        ("good2: ", "must specify at least one edit"),
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, (path, reason)) in lines.iter().zip(expected) {
        assert!(
            line.starts_with("edit ") && line.contains(path) && line.contains(reason),
            "{line}"
        );
    }
    refused(answer, ErrorCode::NotFound, "files[2]");
    assert_eq!(fixture.get("good"), "x");
}

#[tokio::test]
async fn a_request_without_work_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "x");
    let none = fixture.edit(files([])).await;
    refused(none, ErrorCode::InvalidArgument, "must specify at least one file");
    let many = vec![file(&path, &[("x", "y")]); 1001];
    refused(fixture.edit(files(many)).await, ErrorCode::InvalidArgument, "1000");
    let many = [file(&fixture.path("missing"), &[]), file(&path, &vec![("x", "x"); 1001])];
    refused(fixture.edit(files(many)).await, ErrorCode::InvalidArgument, "files[1].edits");
    for idle in [[&[][..], &[("x", "y")]], [&[("x", "y")], &[]]] {
        let entries = idle.map(|edits| file(&path, edits));
        let answer = fixture.edit(files(entries)).await;
        refused(answer, ErrorCode::InvalidArgument, "must specify at least one edit");
    }
    assert_eq!(fixture.get("f"), "x");
}

#[tokio::test]
async fn the_entries_of_one_path_may_have_a_thousand_edits_each() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "x");
    let swaps: Vec<_> = [("x", "y"), ("y", "x")].into_iter().cycle().take(1000).collect();
    let entries = [file(&path, &swaps), file(&path, &swaps), file(&path, &[("x", "z")])];
    fixture.edit(files(entries)).await.unwrap();
    assert_eq!(fixture.get("f"), "z");
}

#[tokio::test]
async fn entries_of_one_path_are_merged_and_aliases_refused() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "one");
    symlink("f", fixture.at("link")).unwrap();
    let dotted = format!("{}/./f", fixture.path("."));
    let twice = files([file(&path, &[("one", "two")]), file(&dotted, &[("two", "three")])]);
    let answer = fixture.edit(EditFilesRequest { include_diff: true, ..twice }).await.unwrap();
    let entries = answer.files.unwrap();
    assert_eq!((entries.len(), entries[0].path.as_str()), (1, path.as_str()));
    assert_eq!(fixture.get("f"), "three");
    let link = fixture.path("link");
    let aliases = files([file(&path, &[("three", "4")]), file(&link, &[("4", "5")])]);
    refused(fixture.edit(aliases).await, ErrorCode::InvalidArgument, "aliases");
    assert_eq!(fixture.get("f"), "three");
}

#[tokio::test]
async fn an_edit_through_a_link_keeps_the_link_and_shows_its_path() {
    let fixture = Fixture::new();
    fixture.put("f", "one\n");
    symlink("f", fixture.at("link")).unwrap();
    let link = fixture.path("link");
    let edit = files([file(&link, &[("one", "two")])]);
    let answer = fixture.edit(EditFilesRequest { include_diff: true, ..edit }).await.unwrap();
    let entries = answer.files.unwrap();
    assert!(entries[0].path == link && entries[0].diff.starts_with(&format!("--- {link}\n")));
    assert!(fixture.at("link").is_symlink());
    assert_eq!(fixture.get("f"), "two\n");
}

#[tokio::test]
async fn a_precondition_must_hold() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "one");
    let with = |etag: &str| {
        files([FileEdits { if_match: Some(etag.to_owned()), ..file(&path, &[("one", "two")]) }])
    };
    refused(fixture.edit(with("8f3a00aa11")).await, ErrorCode::Conflict, "precondition");
    let dry = EditFilesRequest { dry_run: true, ..files([file(&path, &[("one", "two")])]) };
    let etag = fixture.edit(dry).await.unwrap().files.unwrap()[0].etag;
    fixture.edit(with(&etag.quoted())).await.unwrap();
    assert_eq!(fixture.get("f"), "two");
}

#[tokio::test]
async fn mode_hard_links_and_other_bytes_survive() {
    let fixture = Fixture::new();
    let path = fixture.path("f");
    std::fs::write(&path, b"\xff one \xfe").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    fixture.edit(files([file(&path, &[("one", "two")])])).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"\xff two \xfe");
    assert_eq!(fixture.mode("f"), 0o755);
    std::fs::hard_link(&path, fixture.at("g")).unwrap();
    fixture.edit(files([file(&path, &[("two", "three")])])).await.unwrap();
    assert_eq!(std::fs::read(fixture.at("g")).unwrap(), b"\xff three \xfe");
    assert!(fixture.leftovers().is_empty());
}

#[tokio::test]
async fn edits_of_one_file_at_the_same_time_lose_nothing() {
    let fixture = Fixture::new();
    let names: Vec<String> = (0..40).map(|n| format!("word{n:02}")).collect();
    let path = fixture.put("f", names.join("\n"));
    let edits = names
        .iter()
        .map(|name| fixture.edit(files([file(&path, &[(name.as_str(), &name.to_uppercase())])])));
    for answer in futures_util::future::join_all(edits).await {
        answer.unwrap();
    }
    assert_eq!(fixture.get("f"), names.join("\n").to_uppercase());
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.put("f", "");
    let handle = std::fs::File::options().write(true).open(&path).unwrap();
    handle.set_len(128 * 1024 * 1024 + 1).unwrap();
    let answer = fixture.edit(files([file(&path, &[("a", "b")])])).await;
    refused(answer, ErrorCode::TooLarge, "134217728");
}
