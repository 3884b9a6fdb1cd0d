//! Values of reading, writing, editing, listing and moving.

use agent_api::{
    DirEntry, Edit, EditFilesRequest, EditFilesResponse, EditedFile, EntryKind, ErrorCode,
    FileEdits, ListDirectoryQuery, ListDirectoryResponse, MakeDirectoryRequest,
    MakeDirectoryResponse, MovePathRequest, MovePathResponse, ReadFileLinesRequest,
    ReadFileLinesResponse, ReadFileRequest, RelativeDirectory, Relativity, RemovePathRequest,
    RemovePathResponse, ResolvePathRequest, ResolvePathResponse, StatPathRequest, WriteFileRequest,
    WriteFileResponse,
};

use super::{Values, etag, mode, time};

pub(super) fn visit(values: &mut impl Values) {
    read(values);
    write(values);
    edit(values);
    list(values);
    describe(values);
    tree(values);
}

/// A path that a query string must encode.
const PATH: &str = "/t/a b+ä&=.txt";

fn read(values: &mut impl Values) {
    values.query(vec![
        ReadFileRequest::new("/t/f"),
        ReadFileRequest { offset: 1, limit: i64::MAX as u64, ..ReadFileRequest::new(PATH) },
    ]);
    values.query(vec![
        ReadFileLinesRequest::new("/t/f"),
        ReadFileLinesRequest {
            path: PATH.to_owned(),
            offset: 2,
            limit: 3,
            partial: true,
            max_file_size: 4,
            max_line_bytes: 5,
            max_response_lines: 6,
            max_response_bytes: 7,
        },
    ]);
    values.json(vec![
        ReadFileLinesResponse { success: true, etag: Some(etag()), ..Default::default() },
        ReadFileLinesResponse {
            success: true,
            content: "1\tline1\n2\t\u{fffd}".to_owned(),
            file_size: 17,
            total_lines: 3,
            lines_read: 2,
            next_offset: 3,
            truncated: true,
            lossy: true,
            etag: Some(etag()),
            ..Default::default()
        },
        ReadFileLinesResponse {
            error: "file path must be absolute".to_owned(),
            error_code: Some(ErrorCode::InvalidArgument),
            ..Default::default()
        },
    ]);
}

fn write(values: &mut impl Values) {
    values.query(vec![
        WriteFileRequest::new("/t/f"),
        WriteFileRequest { sync: true, mode: Some(mode()), ..WriteFileRequest::new(PATH) },
    ]);
    values.json(vec![WriteFileResponse {
        message: "wrote 7 bytes to `/t/f`".to_owned(),
        etag: etag(),
        size_bytes: 7,
        created: true,
        in_place: false,
    }]);
}

fn edit(values: &mut impl Values) {
    let plain = Edit::new("int a;\n", "long a;\n");
    let exact = Edit { replace_all: true, fuzzy: false, ..Edit::new("a", "") };
    values.json(vec![plain.clone(), exact.clone()]);
    let edits = FileEdits {
        path: "/repo/main.c".to_owned(),
        if_match: Some(etag().to_string()),
        edits: vec![plain, exact],
    };
    values.json(vec![FileEdits::default(), edits.clone()]);
    values.json(vec![
        EditFilesRequest::default(),
        EditFilesRequest { files: vec![edits], include_diff: true, dry_run: true },
    ]);
    let changed = EditedFile {
        path: "/repo/main.c".to_owned(),
        diff: "--- /repo/main.c\n+++ /repo/main.c\n@@ -1 +1 @@\n-int a;\n+long a;\n".to_owned(),
        diff_omitted: false,
        changed: true,
        etag: etag(),
    };
    let omitted = EditedFile { diff: String::new(), diff_omitted: true, ..changed.clone() };
    values.json(vec![changed.clone(), omitted]);
    values.json(vec![
        EditFilesResponse::default(),
        EditFilesResponse { files: Some(vec![changed]), dry_run: Some(false) },
    ]);
}

fn list(values: &mut impl Values) {
    values.query(vec![
        ListDirectoryQuery::default(),
        ListDirectoryQuery {
            path: Some(PATH.to_owned()),
            limit: 2,
            after: Some("sub/".to_owned()),
        },
    ]);
    values.json(vec![Relativity::Home, Relativity::Root, Relativity::Unknown]);
    values.json(vec![
        RelativeDirectory { relativity: Relativity::Root, path: Vec::new() },
        RelativeDirectory {
            relativity: Relativity::Home,
            path: vec!["a".to_owned(), "..".to_owned()],
        },
    ]);
    values.json(vec![
        ListDirectoryResponse { absolute_path_string: "/".to_owned(), ..Default::default() },
        ListDirectoryResponse {
            absolute_path: vec!["t".to_owned()],
            absolute_path_string: "/t".to_owned(),
            contents: vec![link(), unexamined()],
            next_after: Some("gone".to_owned()),
            incomplete: true,
        },
    ]);
}

fn link() -> DirEntry {
    DirEntry {
        name: "link".to_owned(),
        absolute_path_string: "/t/link".to_owned(),
        is_dir: false,
        kind: EntryKind::Symlink,
        size_bytes: Some(3),
        modified_at: Some(time()),
        mode: Some(mode()),
        symlink_target: Some("sub".to_owned()),
        lossy: true,
        etag: Some(etag()),
    }
}

fn unexamined() -> DirEntry {
    DirEntry {
        name: "sub".to_owned(),
        absolute_path_string: "/t/sub".to_owned(),
        is_dir: true,
        kind: EntryKind::Directory,
        size_bytes: None,
        modified_at: None,
        mode: None,
        symlink_target: None,
        lossy: false,
        etag: None,
    }
}

fn describe(values: &mut impl Values) {
    values.json(vec![
        EntryKind::File,
        EntryKind::Directory,
        EntryKind::Symlink,
        EntryKind::Fifo,
        EntryKind::Socket,
        EntryKind::BlockDevice,
        EntryKind::CharDevice,
        EntryKind::Unknown,
    ]);
    values.json(vec![unexamined(), link()]);
    values.query(vec![
        StatPathRequest::new("/t/f"),
        StatPathRequest { follow: true, ..StatPathRequest::new(PATH) },
    ]);
    values.query(vec![ResolvePathRequest::new("/t/f"), ResolvePathRequest::new(PATH)]);
    values.json(vec![ResolvePathResponse { resolved_path: "/t/f".to_owned() }]);
}

fn tree(values: &mut impl Values) {
    values.json(vec![
        MakeDirectoryRequest::new("/t/d"),
        MakeDirectoryRequest { mode: Some(mode()), ..MakeDirectoryRequest::new("/t/d") },
    ]);
    values.json(vec![MakeDirectoryResponse { path: "/t/d".to_owned(), created: true }]);
    values.json(vec![
        MovePathRequest::new("/t/a", "/t/b"),
        MovePathRequest { overwrite: true, ..MovePathRequest::new("/t/a", "/t/b") },
    ]);
    values.json(vec![MovePathResponse { from: "/t/a".to_owned(), to: "/t/b".to_owned() }]);
    values.json(vec![
        RemovePathRequest::new("/t/d"),
        RemovePathRequest { recursive: true, ..RemovePathRequest::new("/t/d") },
    ]);
    values.json(vec![RemovePathResponse { removed_entries: 3 }]);
}
