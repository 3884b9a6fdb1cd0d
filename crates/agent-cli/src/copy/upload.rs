//! The direction from this machine to the agent.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_sdk::api::{
    EntryKind, ErrorCode, FileMode, MakeDirectoryRequest, StatPathRequest, WriteFileRequest,
};

use super::{Copied, Job, on_agent, operand, shown};
use crate::{Error, body::Upload};

/// A directory that is being copied.
struct Directory {
    from: PathBuf,
    to: String,
    entries: fs::ReadDir,
    trail: Trail,
}

/// The directories above one, by their paths without links, to notice a link that leads back.
///
/// Kept only with `--follow`, since there are no ways back without links.
type Trail = Option<Arc<Above>>;

struct Above {
    path: PathBuf,
    parent: Trail,
}

fn is_on_trail(mut trail: &Trail, path: &Path) -> bool {
    while let Some(above) = trail {
        if above.path == path {
            return true;
        }
        trail = &above.parent;
    }
    false
}

/// Copies stdin to a file on the agent.
pub(super) async fn upload_stdin(job: &mut Job<'_, '_>, to: &str) -> Result<(), Error> {
    let upload = Upload::stdin(job.out.io, &job.progress)?;
    send(job, "-", upload, to, None).await
}

/// Copies files and directories of this machine to a place on the agent.
pub(super) async fn upload(
    job: &mut Job<'_, '_>,
    sources: &[PathBuf],
    to: &str,
) -> Result<(), Error> {
    let is_directory = is_directory(job, to, sources.len() > 1).await?;
    for source in sources {
        if let Err(error) = named(job, source, to, is_directory).await {
            job.failed(shown(source), error)?;
        }
    }
    Ok(())
}

/// Whether the destination is a directory that sources get their names in.
async fn is_directory(job: &Job<'_, '_>, to: &str, must_be: bool) -> Result<bool, Error> {
    let request = StatPathRequest { path: to.to_owned(), follow: true };
    let kind = match job.conn.stat_path(request).await {
        Ok(entry) => Some(entry.kind),
        Err(error) if error.code() == ErrorCode::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    match kind {
        Some(EntryKind::Directory) => Ok(true),
        // Writing a file makes the directories above it.
        None if operand::names_directory(Path::new(to)) => Ok(true),
        _ if must_be => Err(Error::unsuitable(on_agent(to), "is not a directory")),
        _ => Ok(false),
    }
}

/// Copies what a person named.
async fn named(
    job: &mut Job<'_, '_>,
    source: &Path,
    to: &str,
    is_directory: bool,
) -> Result<(), Error> {
    let metadata = fs::metadata(source).map_err(Error::local("read", source))?;
    let target = match operand::name_of(source).filter(|_| is_directory) {
        Some(name) => match name.to_str() {
            Some(name) => operand::join(&operand::clean(to), name),
            None => return Err(Error::unsuitable(shown(source), NOT_UTF8)),
        },
        None => operand::clean(to),
    };
    if !metadata.is_dir() {
        job.progress.expect(metadata.len());
        return file(job, source, &target, &metadata).await;
    }
    if !job.recursive {
        return Err(Error::unsuitable(shown(source), "is a directory, which needs --recursive"));
    }
    tree(job, source, target, &metadata).await
}

const NOT_UTF8: &str = "the name is not UTF-8, as names on the agent must be";

async fn file(
    job: &mut Job<'_, '_>,
    from: &Path,
    to: &str,
    metadata: &fs::Metadata,
) -> Result<(), Error> {
    let upload = Upload::file(from, &job.progress).await?;
    // A pipe or a device that was named has a mode that says nothing about its content.
    let mode = metadata.is_file().then(|| mode_of(metadata, 0));
    send(job, &shown(from), upload, to, mode).await
}

async fn send(
    job: &mut Job<'_, '_>,
    from: &str,
    upload: Upload,
    to: &str,
    mode: Option<FileMode>,
) -> Result<(), Error> {
    job.progress.now(from);
    let request = WriteFileRequest { path: to.to_owned(), mode, ..WriteFileRequest::default() };
    let (stream, explain) = upload.split();
    let response = job.conn.write_file(request, stream).await.map_err(explain)?;
    let size_bytes = Some(response.size_bytes);
    job.done(Copied { kind: "file", from, to: &on_agent(to), size_bytes }).await
}

/// The permissions of an entry with some added, less those that change who a program runs as.
fn mode_of(metadata: &fs::Metadata, added: u32) -> FileMode {
    FileMode::from_bits(metadata.permissions().mode() & 0o777 | added)
}

/// Copies a directory with everything below it.
async fn tree(
    job: &mut Job<'_, '_>,
    from: &Path,
    to: String,
    metadata: &fs::Metadata,
) -> Result<(), Error> {
    let trail =
        if job.follow { Some(Arc::new(Above { path: real(from)?, parent: None })) } else { None };
    let mut stack = vec![open(job, from.to_owned(), to, metadata, trail).await?];
    while let Some(directory) = stack.last_mut() {
        let Some(entry) = directory.entries.next() else {
            stack.pop();
            continue;
        };
        let label = match &entry {
            Ok(entry) => shown(&entry.path()),
            Err(_) => shown(&directory.from),
        };
        let copied = match entry {
            Ok(entry) => one(job, directory, &entry).await,
            Err(error) => Err(Error::local("read", &directory.from)(error)),
        };
        match copied {
            Ok(deeper) => stack.extend(deeper),
            Err(error) => job.failed(label, error)?,
        }
    }
    Ok(())
}

fn real(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(Error::local("read", path))
}

async fn open(
    job: &mut Job<'_, '_>,
    from: PathBuf,
    to: String,
    metadata: &fs::Metadata,
    trail: Trail,
) -> Result<Directory, Error> {
    let entries = fs::read_dir(&from).map_err(Error::local("read", &from))?;
    // Its owner must be able to fill it, and no operation changes a mode afterwards.
    let mode = Some(mode_of(metadata, 0o700));
    job.conn.make_directory(MakeDirectoryRequest { path: to.clone(), mode }).await?;
    let (shown_from, shown_to) = (shown(&from), on_agent(&to));
    let copied = Copied { kind: "directory", from: &shown_from, to: &shown_to, size_bytes: None };
    job.done(copied).await?;
    Ok(Directory { from, to, entries, trail })
}

/// Copies one entry; for a directory returns it, opened, to go on with.
async fn one(
    job: &mut Job<'_, '_>,
    parent: &Directory,
    entry: &fs::DirEntry,
) -> Result<Option<Directory>, Error> {
    let from = entry.path();
    let name = entry.file_name();
    let Some(name) = name.to_str() else {
        return Err(Error::unsuitable(shown(&from), NOT_UTF8));
    };
    let to = operand::join(&parent.to, name);
    let mut metadata = entry.metadata().map_err(Error::local("read", &from))?;
    let is_link = metadata.is_symlink();
    if is_link && !job.follow {
        return Err(Error::unsuitable(shown(&from), NO_LINKS));
    }
    if is_link {
        metadata = fs::metadata(&from).map_err(Error::local("read", &from))?;
    }
    if metadata.is_file() {
        job.progress.expect(metadata.len());
        return file(job, &from, &to, &metadata).await.map(|()| None);
    }
    if !metadata.is_dir() {
        return Err(Error::unsuitable(shown(&from), "is not a regular file"));
    }
    let trail = trail_of(parent, &from, is_link)?;
    open(job, from, to, &metadata, trail).await.map(Some)
}

const NO_LINKS: &str =
    "is a symbolic link, which cannot be made on the agent; --follow copies what it leads to";

/// The trail of a directory below `parent`.
fn trail_of(parent: &Directory, from: &Path, is_link: bool) -> Result<Trail, Error> {
    if parent.trail.is_none() {
        return Ok(None);
    }
    let path = real(from)?;
    if is_link && is_on_trail(&parent.trail, &path) {
        return Err(Error::unsuitable(shown(from), "is a link to a directory above it"));
    }
    Ok(Some(Arc::new(Above { path, parent: parent.trail.clone() })))
}
