//! The direction from the agent to this machine.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    vec,
};

use agent_sdk::api::{
    DirEntry, DirectoryRef, EntryKind, FileMode, ListDirectoryRequest, ReadFileRequest,
    ResolvePathRequest, StatPathRequest,
};
use futures_util::StreamExt as _;

use super::{Copied, Job, local, on_agent, operand, shown};
use crate::Error;

/// Entries of a directory that are held at once.
const PAGE: u64 = 1_000;

/// A directory that is being copied.
struct Directory {
    from: String,
    to: PathBuf,
    /// The mode to give to `to` at the end, when it is new.
    mode: Option<FileMode>,
    entries: vec::IntoIter<DirEntry>,
    next: Next,
    trail: Trail,
}

/// The next page of a listing.
enum Next {
    /// The one after this name, or the first.
    Page(Option<String>),
    /// There is none.
    End,
}

/// The directories above one, by their paths without links, to notice a link that leads back.
///
/// Kept only with `--follow`, since there are no ways back without links.
type Trail = Option<Arc<Above>>;

struct Above {
    path: String,
    parent: Trail,
}

fn is_on_trail(mut trail: &Trail, path: &str) -> bool {
    while let Some(above) = trail {
        if above.path == path {
            return true;
        }
        trail = &above.parent;
    }
    false
}

/// Copies files and directories of the agent to a place on this machine.
pub(super) async fn download(
    job: &mut Job<'_, '_>,
    sources: &[String],
    to: &Path,
) -> Result<(), Error> {
    let is_directory = is_directory(to, sources.len() > 1)?;
    for source in sources {
        let name = operand::name_of(Path::new(source)).filter(|_| is_directory);
        let target = name.map_or_else(|| to.to_owned(), |name| to.join(name));
        if let Err(error) = named(job, source, target, !is_directory).await {
            job.failed(on_agent(source), error)?;
        }
    }
    Ok(())
}

/// Whether the destination is a directory that sources get their names in.
fn is_directory(to: &Path, must_be: bool) -> Result<bool, Error> {
    let exists = std::fs::metadata(to);
    match exists {
        Ok(metadata) if metadata.is_dir() => Ok(true),
        Err(_) if operand::names_directory(to) => {
            std::fs::create_dir_all(to).map_err(Error::local("create", to))?;
            Ok(true)
        }
        Ok(_) | Err(_) if must_be => Err(Error::unsuitable(shown(to), "is not a directory")),
        Ok(_) | Err(_) => Ok(false),
    }
}

/// Copies what a person named; `exactly` when they named the destination itself too.
async fn named(
    job: &mut Job<'_, '_>,
    source: &str,
    target: PathBuf,
    exactly: bool,
) -> Result<(), Error> {
    let request = StatPathRequest { path: source.to_owned(), follow: true };
    let entry = job.conn.stat_path(request).await?;
    match entry.kind {
        EntryKind::Directory if !job.recursive => {
            Err(Error::unsuitable(on_agent(source), "is a directory, which needs --recursive"))
        }
        EntryKind::Directory => tree(job, source, target, entry.mode).await,
        EntryKind::File => {
            let target = if exactly { local::follow_named(target)? } else { target };
            job.progress.expect(entry.size_bytes.unwrap_or(0));
            file(job, source, &target, entry.mode).await
        }
        _ => Err(Error::unsuitable(on_agent(source), "is not a regular file")),
    }
}

async fn file(
    job: &mut Job<'_, '_>,
    from: &str,
    to: &Path,
    mode: Option<FileMode>,
) -> Result<(), Error> {
    job.progress.now(from);
    let request = ReadFileRequest { path: from.to_owned(), ..ReadFileRequest::default() };
    let mut content = job.conn.read_file(request).await?;
    let mut received = local::Received::begin(to, mode)?;
    let mut size = 0;
    while let Some(chunk) = content.body.next().await {
        let chunk = chunk?;
        received.write(&chunk).await?;
        size += chunk.len() as u64;
        job.progress.advance(chunk.len() as u64);
    }
    if content.cut {
        return Err(Error::unsuitable(
            on_agent(from),
            "is larger than the agent reads of such files",
        ));
    }
    received.publish().await?;
    let (from, to) = (on_agent(from), shown(to));
    job.done(Copied { kind: "file", from: &from, to: &to, size_bytes: Some(size) }).await
}

/// Copies a directory with everything below it, holding one page of each directory on the way.
async fn tree(
    job: &mut Job<'_, '_>,
    from: &str,
    to: PathBuf,
    mode: Option<FileMode>,
) -> Result<(), Error> {
    let trail = if job.follow { step(&None, resolve(job, from).await?) } else { None };
    let mut stack = vec![open(job, operand::clean(from), to, mode, true, trail).await?];
    while let Some(directory) = stack.last_mut() {
        if let Some(entry) = directory.entries.next() {
            let label = on_agent(&operand::join(&directory.from, &entry.name));
            match one(job, directory, entry).await {
                Ok(deeper) => stack.extend(deeper),
                Err(error) => job.failed(label, error)?,
            }
        } else if !matches!(directory.next, Next::End) {
            if let Err(error) = turn_page(job, directory).await {
                directory.next = Next::End;
                let label = on_agent(&directory.from);
                job.failed(label, error)?;
            }
        } else if let Some(directory) = stack.pop() {
            close(job, &directory)?;
        }
    }
    Ok(())
}

fn step(trail: &Trail, path: String) -> Trail {
    Some(Arc::new(Above { path, parent: trail.clone() }))
}

async fn resolve(job: &Job<'_, '_>, path: &str) -> Result<String, Error> {
    let request = ResolvePathRequest { path: path.to_owned() };
    Ok(job.conn.resolve_path(request).await?.resolved_path)
}

async fn open(
    job: &mut Job<'_, '_>,
    from: String,
    to: PathBuf,
    mode: Option<FileMode>,
    named: bool,
    trail: Trail,
) -> Result<Directory, Error> {
    let is_new = local::make_directory(&to, mode, named)?;
    let (shown_from, shown_to) = (on_agent(&from), shown(&to));
    let copied = Copied { kind: "directory", from: &shown_from, to: &shown_to, size_bytes: None };
    job.done(copied).await?;
    let mode = mode.filter(|_| is_new);
    Ok(Directory { from, to, mode, entries: Vec::new().into_iter(), next: Next::Page(None), trail })
}

fn close(job: &mut Job<'_, '_>, directory: &Directory) -> Result<(), Error> {
    let mode = directory.mode.map_or(Ok(()), |mode| local::finish_directory(&directory.to, mode));
    mode.or_else(|error| job.failed(shown(&directory.to), error))
}

async fn turn_page(job: &mut Job<'_, '_>, directory: &mut Directory) -> Result<(), Error> {
    let Next::Page(after) = std::mem::replace(&mut directory.next, Next::End) else {
        return Ok(());
    };
    let path = DirectoryRef::Path(directory.from.clone());
    let request = ListDirectoryRequest { directory: path, limit: PAGE, after };
    let page = job.conn.list_directory(request).await?;
    let files = page.contents.iter().filter(|entry| entry.kind == EntryKind::File);
    job.progress.expect(files.filter_map(|entry| entry.size_bytes).sum());
    directory.next = page.next_after.map_or(Next::End, |name| Next::Page(Some(name)));
    directory.entries = page.contents.into_iter();
    if page.incomplete {
        return Err(Error::unsuitable(on_agent(&directory.from), "not all entries could be read"));
    }
    Ok(())
}

/// Copies one entry; for a directory returns it, opened, to go on with.
async fn one(
    job: &mut Job<'_, '_>,
    parent: &Directory,
    mut entry: DirEntry,
) -> Result<Option<Directory>, Error> {
    let from = operand::join(&parent.from, &entry.name);
    if entry.lossy {
        return Err(Error::unsuitable(on_agent(&from), "the name is not UTF-8"));
    }
    if !operand::is_plain_name(&entry.name) {
        return Err(Error::unsuitable(on_agent(&from), "the name is not one of an entry"));
    }
    let to = parent.to.join(&entry.name);
    let is_followed = entry.kind == EntryKind::Symlink && job.follow;
    if is_followed {
        let request = StatPathRequest { path: from.clone(), follow: true };
        entry = job.conn.stat_path(request).await?;
        job.progress
            .expect(entry.size_bytes.filter(|_| entry.kind == EntryKind::File).unwrap_or(0));
    }
    match entry.kind {
        EntryKind::File => file(job, &from, &to, entry.mode).await.map(|()| None),
        EntryKind::Directory => {
            let trail = trail_of(job, parent, &from, &entry, is_followed).await?;
            open(job, from, to, entry.mode, false, trail).await.map(Some)
        }
        EntryKind::Symlink => link(job, &from, &to, &entry).await.map(|()| None),
        _ => Err(Error::unsuitable(on_agent(&from), "is not a regular file")),
    }
}

/// The trail of a directory below `parent`.
async fn trail_of(
    job: &Job<'_, '_>,
    parent: &Directory,
    from: &str,
    entry: &DirEntry,
    is_followed: bool,
) -> Result<Trail, Error> {
    let Some(above) = &parent.trail else { return Ok(None) };
    if !is_followed {
        return Ok(step(&parent.trail, operand::join(&above.path, &entry.name)));
    }
    let path = resolve(job, from).await?;
    if is_on_trail(&parent.trail, &path) {
        return Err(Error::unsuitable(on_agent(from), "is a link to a directory above it"));
    }
    Ok(step(&parent.trail, path))
}

async fn link(job: &mut Job<'_, '_>, from: &str, to: &Path, entry: &DirEntry) -> Result<(), Error> {
    // U+FFFD stands for bytes that are lost: the link would lead elsewhere.
    let text = entry.symlink_target.as_deref().filter(|text| !text.contains('\u{fffd}'));
    let Some(text) = text else {
        return Err(Error::unsuitable(on_agent(from), "what the link leads to is not known"));
    };
    local::make_link(text, to)?;
    let (from, to) = (on_agent(from), shown(to));
    job.done(Copied { kind: "symlink", from: &from, to: &to, size_bytes: None }).await
}
