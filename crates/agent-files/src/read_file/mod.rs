//! `read_file`: a file's bytes, whole or in part, with the version they belong to.

mod body;
mod conditions;
mod media_type;
mod memory;
pub(crate) mod pseudo;

use std::{fs::File, os::fd::AsFd, path::Path, time::SystemTime};

use agent_api::{ETag, ReadFileRequest};
use bytes::Bytes;
use rustix::fs::Stat;

pub use body::FileBody;
use conditions::Selection;

use crate::{
    Error, Files, open,
    service::{blocking, parse_path},
    sys, version,
};

/// Largest part that is read before the answer begins, so that its length is what was read.
const EAGER_BYTES: u64 = 64 * 1024;

/// Answer of `read_file`.
#[derive(Debug)]
pub enum ReadFileResponse {
    /// The file has the version that the caller knows.
    NotModified {
        /// That version; `None` for a file of `/proc` and the like.
        etag: Option<ETag>,
    },
    /// The range lies beyond the end.
    RangeNotSatisfiable {
        /// Size of the file in bytes.
        size: u64,
    },
    /// The content, or the part that was asked for.
    Content(FileContent),
}

/// The content of a file, or a part of it.
#[derive(Debug)]
pub struct FileContent {
    /// From the extension of the name alone.
    pub media_type: &'static str,
    /// The version; `None` for a file of `/proc` and the like.
    pub etag: Option<ETag>,
    /// When the file was last modified; `None` as above.
    pub modified: Option<SystemTime>,
    /// First and last byte and size of the file, when a range was asked for.
    pub range: Option<ContentRange>,
    /// Whether a file of `/proc` and the like was cut at 16 MiB or 5 s.
    pub is_cut: bool,
    /// Bytes that `body` gives, exactly.
    pub length: u64,
    /// The bytes.
    pub body: FileBody,
}

/// Which part of a file was answered to a range (RFC 9110 section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// First byte.
    pub first: u64,
    /// Last byte.
    pub last: u64,
    /// Size of the file in bytes.
    pub size: u64,
}

impl Files {
    /// Reads a file's bytes, following symbolic links.
    ///
    /// The length is fixed when the file is opened: a file that grows is cut there, and
    /// [`FileBody`] fails when it shrinks. Memory is flat whatever the size.
    ///
    /// # Errors
    ///
    /// [`Error::Path`], [`Error::Argument`] for a range together with an offset or a limit,
    /// [`Error::NotAFile`], [`Error::NotARegularFile`], [`Error::Io`].
    #[tracing::instrument(level = "debug", name = "files.read_file", skip_all, fields(path = req.path))]
    pub async fn read_file(&self, req: ReadFileRequest) -> Result<ReadFileResponse, Error> {
        let path = parse_path("path", &req.path)?;
        conditions::check(&req)?;
        if let Some(opened) = open::open_cached(path.as_path()) {
            let (file, stat) = opened?;
            match answer(&file, &stat, path.as_path(), &req, Waiting::Refused)? {
                Some(Answer::Done(response)) => return Ok(response),
                Some(Answer::Streamed(content, part)) => return Ok(streamed(content, file, part)),
                // Neither its kind nor its bytes are in the cache.
                None => {}
            }
        }
        blocking(move || {
            let (file, stat) = open::open_for_reading(path.as_path())?;
            let answered = answer(&file, &stat, path.as_path(), &req, Waiting::Allowed)?;
            Ok(match answered.expect("an answer that may wait is one") {
                Answer::Done(response) => response,
                Answer::Streamed(content, part) => streamed(content, file, part),
            })
        })
        .await
    }
}

/// Whether a step may wait for a disk.
#[derive(Clone, Copy, PartialEq)]
enum Waiting {
    Allowed,
    Refused,
}

enum Answer {
    Done(ReadFileResponse),
    /// Everything but the body, and the part of the file that it is made of.
    Streamed(FileContent, Part),
}

/// First byte and number of bytes.
#[derive(Clone, Copy)]
struct Part {
    first: u64,
    length: u64,
}

fn streamed(mut content: FileContent, file: File, part: Part) -> ReadFileResponse {
    content.body = FileBody::streaming(file, part.first, part.length);
    ReadFileResponse::Content(content)
}

/// Decides what to answer; `None` when that needs waiting and waiting is refused.
fn answer(
    file: &File,
    stat: &Stat,
    path: &Path,
    req: &ReadFileRequest,
    waiting: Waiting,
) -> Result<Option<Answer>, Error> {
    if stat.st_size == 0 {
        // It may be a file of /proc, whose bytes tell its size.
        return match waiting {
            Waiting::Refused => Ok(None),
            Waiting::Allowed => {
                let read = pseudo::read(file).map_err(Error::io("read", path))?;
                Ok(Some(Answer::Done(answer_pseudo(read, stat, path, req))))
            }
        };
    }
    let size = version::size(stat);
    let etag = version::etag(stat);
    if conditions::is_not_modified(req, Some(etag)) {
        return Ok(Some(Answer::Done(ReadFileResponse::NotModified { etag: Some(etag) })));
    }
    let (part, range) = match conditions::select(req, size, etag) {
        Selection::Unsatisfiable => {
            return Ok(Some(Answer::Done(ReadFileResponse::RangeNotSatisfiable { size })));
        }
        Selection::Whole => (part_of(req, size), None),
        Selection::Range { first, last } => {
            let part = Part { first, length: last - first + 1 };
            (part, Some(ContentRange { first, last, size }))
        }
    };
    let mut content = FileContent {
        media_type: media_type::of(path),
        etag: Some(etag),
        modified: Some(version::modified_system(stat)),
        range,
        is_cut: false,
        length: part.length,
        body: FileBody::whole(Bytes::new()),
    };
    if part.length > EAGER_BYTES {
        return Ok(Some(Answer::Streamed(content, part)));
    }
    let Some(bytes) = read_part(file, part, waiting).map_err(Error::io("read", path))? else {
        return Ok(None);
    };
    if range.is_some() && (bytes.len() as u64) < part.length {
        // The file has shrunk under a range that is promised by then: fails like a streamed one.
        return Ok(Some(Answer::Streamed(content, part)));
    }
    content.length = bytes.len() as u64;
    content.body = FileBody::whole(bytes);
    Ok(Some(Answer::Done(ReadFileResponse::Content(content))))
}

fn part_of(req: &ReadFileRequest, size: u64) -> Part {
    let rest = size.saturating_sub(req.offset);
    let length = if req.limit == 0 { rest } else { rest.min(req.limit) };
    Part { first: req.offset, length }
}

/// Reads a small part at once; it is shorter only if the file ends earlier.
fn read_part(file: &File, part: Part, waiting: Waiting) -> std::io::Result<Option<Bytes>> {
    let wanted = usize::try_from(part.length).expect("at most EAGER_BYTES");
    let mut buffer = vec![0_u8; wanted];
    let mut filled = 0;
    while filled < wanted {
        let offset = part.first + filled as u64;
        let rest = &mut buffer[filled..];
        let count = match waiting {
            Waiting::Refused => match sys::read_cached(file.as_fd(), rest, offset)? {
                Some(count) => count,
                None => return Ok(None),
            },
            Waiting::Allowed => std::os::unix::fs::FileExt::read_at(file, rest, offset)?,
        };
        if count == 0 {
            break;
        }
        filled += count;
    }
    buffer.truncate(filled);
    Ok(Some(buffer.into()))
}

/// Answers a file that says it is empty: what it yielded, without a version, unless it is.
fn answer_pseudo(
    read: pseudo::Yield,
    stat: &Stat,
    path: &Path,
    req: &ReadFileRequest,
) -> ReadFileResponse {
    let is_empty = read.bytes.is_empty();
    let etag = is_empty.then(|| version::etag(stat));
    if conditions::is_not_modified(req, etag) {
        return ReadFileResponse::NotModified { etag };
    }
    let selection = etag.map(|etag| conditions::select(req, 0, etag));
    if matches!(selection, Some(Selection::Unsatisfiable)) {
        return ReadFileResponse::RangeNotSatisfiable { size: 0 };
    }
    let part = part_of(req, read.bytes.len() as u64);
    let first = usize::try_from(part.first).unwrap_or(usize::MAX).min(read.bytes.len());
    let length = usize::try_from(part.length).expect("at most what was read");
    let bytes = read.bytes.slice(first..first + length);
    ReadFileResponse::Content(FileContent {
        media_type: media_type::of(path),
        etag,
        modified: is_empty.then(|| version::modified_system(stat)),
        range: None,
        is_cut: read.is_cut,
        length: part.length,
        body: FileBody::whole(bytes),
    })
}
