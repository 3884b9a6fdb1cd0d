//! A mock whose files are those of a temporary directory, as far as `cp` needs them.

use std::{
    fs, io,
    os::unix::fs::{
        DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

use agent_sdk::{
    Error, FileContent,
    api::{
        DirEntry, DirectoryRef, EntryKind, ErrorCode, FileMode, ListDirectoryRequest,
        ListDirectoryResponse, MakeDirectoryResponse, ResolvePathResponse, WriteFileRequest,
        WriteFileResponse, io_text,
    },
    mock::MockAgent,
};

use crate::files::refusal;

/// Two directories: what the agent sees as `/`, and where the person is.
pub(crate) struct Disk {
    agent: tempfile::TempDir,
    here: tempfile::TempDir,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self { agent: tempfile::tempdir().unwrap(), here: tempfile::tempdir().unwrap() }
    }

    /// A path on the agent's disk.
    pub(crate) fn there(&self, path: &str) -> PathBuf {
        below(self.agent.path(), path)
    }

    /// A path on this machine.
    pub(crate) fn here(&self, path: &str) -> PathBuf {
        self.here.path().join(path)
    }

    /// A path on this machine as it is typed.
    pub(crate) fn typed(&self, path: &str) -> String {
        self.here(path).to_str().unwrap().to_owned()
    }

    /// A mock of the agent.
    pub(crate) fn mock(&self) -> MockAgent {
        let agent = MockAgent::new();
        let root = self.agent.path().to_owned();
        let list = root.clone();
        agent.on_list_directory(move |request| list_directory(&list, &request));
        let stat = root.clone();
        agent.on_stat_path(move |request| {
            let path = below(&stat, &request.path);
            let metadata =
                if request.follow { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
            let metadata = metadata.map_err(|e| failure("stat_path", &request.path, &e))?;
            Ok(entry(&path, &request.path, &metadata))
        });
        let read = root.clone();
        agent.on_read_file(move |request| {
            let content = fs::read(below(&read, &request.path));
            let content = content.map_err(|e| failure("read_file", &request.path, &e))?;
            Ok(FileContent::new("application/octet-stream", content))
        });
        let write = root.clone();
        agent.on_write_file(move |request, content| {
            write_file(&write, &request, &content)
                .map_err(|e| failure("write_file", &request.path, &e))
        });
        let make = root.clone();
        agent.on_make_directory(move |request| {
            let path = below(&make, &request.path);
            let mut builder = fs::DirBuilder::new();
            builder.mode(request.mode.map_or(0o777, FileMode::bits));
            match builder.create(&path) {
                Ok(()) => Ok(MakeDirectoryResponse { path: request.path, created: true }),
                Err(_) if path.is_dir() => {
                    Ok(MakeDirectoryResponse { path: request.path, created: false })
                }
                Err(e) => Err(failure("make_directory", &request.path, &e)),
            }
        });
        agent.on_resolve_path(move |request| {
            let real = fs::canonicalize(below(&root, &request.path));
            let real = real.map_err(|e| failure("resolve_path", &request.path, &e))?;
            let root = fs::canonicalize(&root).unwrap();
            let resolved_path = format!("/{}", real.strip_prefix(root).unwrap().display());
            Ok(ResolvePathResponse { resolved_path })
        });
        agent
    }
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn failure(operation: &'static str, path: &str, error: &io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::NotFound => ErrorCode::NotFound,
        io::ErrorKind::PermissionDenied => ErrorCode::PermissionDenied,
        _ => ErrorCode::InvalidArgument,
    };
    refusal(operation, code, &format!("`{path}`: {}", io_text(error)))
}

fn entry(path: &Path, shown: &str, metadata: &fs::Metadata) -> DirEntry {
    let kind = metadata.file_type();
    let kind = match () {
        () if kind.is_dir() => EntryKind::Directory,
        () if kind.is_symlink() => EntryKind::Symlink,
        () if kind.is_fifo() => EntryKind::Fifo,
        () if kind.is_socket() => EntryKind::Socket,
        () => EntryKind::File,
    };
    let name = Path::new(shown).file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "/".to_owned());
    DirEntry {
        lossy: name.contains('\u{fffd}'),
        name,
        absolute_path_string: shown.to_owned(),
        is_dir: kind == EntryKind::Directory,
        kind,
        size_bytes: Some(metadata.len()),
        modified_at: None,
        mode: Some(FileMode::from_bits(metadata.permissions().mode())),
        symlink_target: fs::read_link(path).ok().map(|to| to.to_string_lossy().into_owned()),
        etag: None,
    }
}

fn list_directory(
    root: &Path,
    request: &ListDirectoryRequest,
) -> Result<ListDirectoryResponse, Error> {
    let DirectoryRef::Path(path) = &request.directory else { panic!("{request:?}") };
    let found = fs::read_dir(below(root, path)).map_err(|e| failure("list_directory", path, &e))?;
    let mut contents: Vec<DirEntry> = found
        .map(|found| {
            let found = found.unwrap();
            let shown = format!("{path}/{}", found.file_name().to_string_lossy());
            entry(&found.path(), &shown, &found.metadata().unwrap())
        })
        .collect();
    contents.sort_by(|a, b| (!a.is_dir, &a.name).cmp(&(!b.is_dir, &b.name)));
    // Small pages, so that every test walks over several.
    let page = usize::try_from(request.limit.min(2)).unwrap();
    if let Some(after) = &request.after {
        let seen = contents.iter().position(|entry| entry.name == *after).unwrap() + 1;
        contents.drain(..seen);
    }
    let is_more = contents.len() > page;
    contents.truncate(page);
    let next_after = contents.last().filter(|_| is_more).map(|entry| entry.name.clone());
    Ok(ListDirectoryResponse {
        absolute_path_string: path.clone(),
        contents,
        next_after,
        ..ListDirectoryResponse::default()
    })
}

fn write_file(
    root: &Path,
    request: &WriteFileRequest,
    content: &[u8],
) -> io::Result<WriteFileResponse> {
    let path = below(root, &request.path);
    fs::create_dir_all(path.parent().unwrap())?;
    let created = !path.exists();
    let mode = request.mode.map_or(0o666, FileMode::bits);
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&path)?;
    io::Write::write_all(&mut file, content)?;
    Ok(WriteFileResponse {
        message: "written".to_owned(),
        etag: "8f3a00aa118f3a00".parse().unwrap(),
        size_bytes: content.len() as u64,
        created,
        in_place: false,
    })
}
