//! The end of the log as one stream of parts of files; which lines it has, and not how it is sent.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::Path,
};

use agent_api::Timestamp;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use rustix::fs::{Mode, OFlags};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use crate::logs::{ACTIVE_NAME, is_rotated_name};

/// Most bytes of the active log.
const MAX_ACTIVE_BYTES: u64 = 10 * 1024 * 1024;
/// Most bytes of everything.
const MAX_TOTAL_BYTES: u64 = 100 * 1024 * 1024;
/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A stretch of a log file.
#[derive(Debug)]
pub(super) struct Part {
    /// What stands before it, the empty string for nothing.
    heading: String,
    /// Positioned at the start of the stretch.
    file: File,
    bytes: u64,
    /// The file has more before it.
    is_cut: bool,
}

/// Opens what there is to read, and decides how much of it; blocks.
///
/// # Errors
///
/// When the active log cannot be opened.
pub(super) fn collect(dir: &Path, after: Option<Timestamp>) -> io::Result<Vec<Part>> {
    let active = open_regular(&dir.join(ACTIVE_NAME))?;
    let mut parts = vec![Part::end_of(active, MAX_ACTIVE_BYTES)?];
    if let Some(after) = after {
        let mut left = MAX_TOTAL_BYTES - parts[0].bytes;
        for (modified, name, file) in rotated(dir, after) {
            let line_end = if parts.last().is_some_and(Part::ends_a_line) { "" } else { "\n" };
            let heading = format!("{line_end}== {name} {modified} ==\n");
            let Some(room) = left.checked_sub(heading.len() as u64) else { break };
            let Ok(part) = Part::end_of(file, room) else { continue };
            if part.is_cut && part.bytes == 0 {
                break;
            }
            left = room - part.bytes;
            parts.push(Part { heading, ..part });
        }
    }
    Ok(parts)
}

/// Reads the parts one after another; as much as was decided, even if a file has grown since.
pub(super) fn stream(parts: Vec<Part>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::iter(parts).flat_map(|part| {
        let heading = (!part.heading.is_empty()).then(|| Ok(Bytes::from(part.heading)));
        let mut file = tokio::fs::File::from_std(part.file);
        file.set_max_buf_size(CHUNK_BYTES);
        let content = ReaderStream::with_capacity(file.take(part.bytes), CHUNK_BYTES);
        stream::iter(heading).chain(content)
    })
}

/// The rotated logs modified at or after a time, newest first; what does not open is left out.
fn rotated(dir: &Path, after: Timestamp) -> Vec<(Timestamp, String, File)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<(Timestamp, String, File)> = names
        .filter(|name| is_rotated_name(name))
        .filter_map(|name| {
            let file = open_regular(&dir.join(&name)).ok()?;
            let modified = Timestamp::from(file.metadata().ok()?.modified().ok()?);
            (modified >= after).then_some((modified, name, file))
        })
        .collect();
    found.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    found
}

/// Opens a file only if it is a regular one, without waiting and without following a link.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

impl Part {
    /// The last whole lines of a file within a number of bytes.
    fn end_of(mut file: File, most: u64) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let start = if size <= most { 0 } else { line_start(&mut file, size - most)? };
        file.seek(SeekFrom::Start(start))?;
        let bytes = size.saturating_sub(start);
        Ok(Self { heading: String::new(), file, bytes, is_cut: start > 0 })
    }

    fn ends_a_line(&self) -> bool {
        let Ok(position) = (&self.file).stream_position() else { return true };
        let mut last = [b'\n'];
        let end = position + self.bytes;
        self.bytes == 0 || self.file.read_exact_at(&mut last, end - 1).is_err() || last == *b"\n"
    }
}

/// The first start of a line at or after a position above 0; the end when there is none.
fn line_start(file: &mut File, position: u64) -> io::Result<u64> {
    // A line starts at the position itself when the byte before it ends one.
    let mut start = position - 1;
    file.seek(SeekFrom::Start(start))?;
    let mut chunk = vec![0; 8 * 1024];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(start);
        }
        if let Some(index) = chunk[..read].iter().position(|byte| *byte == b'\n') {
            return Ok(start + index as u64 + 1);
        }
        start += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        os::unix::fs::symlink,
        time::{Duration, UNIX_EPOCH},
    };

    use futures_util::TryStreamExt;
    use rustix::fs::FileType;

    use super::*;

    const NEW: &str = "agentd-2026-01-31T12-00-00.000.log";
    const OLD: &str = "agentd-2026-01-30T12-00-00.000.log";

    fn write(dir: &Path, name: &str, content: &[u8], modified_s: u64) {
        let mut file = File::create(dir.join(name)).unwrap();
        file.write_all(content).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(modified_s)).unwrap();
    }

    async fn read(dir: &Path, after: Option<i64>) -> Vec<u8> {
        let parts = collect(dir, after.map(|s| Timestamp::from_unix_ms(s * 1000))).unwrap();
        stream(parts).try_collect::<Vec<_>>().await.unwrap().concat()
    }

    async fn text(dir: &Path, after: Option<i64>) -> String {
        String::from_utf8(read(dir, after).await).unwrap()
    }

    #[tokio::test]
    async fn the_active_log_comes_first_and_rotated_ones_follow_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, ACTIVE_NAME, b"now\n", 50);
        write(dir, OLD, b"old\n", 100);
        write(dir, NEW, b"new\n", 200);
        write(dir, "other.log", b"other\n", 300);
        assert_eq!(text(dir, None).await, "now\n");
        let new = format!("== {NEW} 1970-01-01T00:03:20.000Z ==\nnew\n");
        let old = format!("== {OLD} 1970-01-01T00:01:40.000Z ==\nold\n");
        assert_eq!(text(dir, Some(0)).await, format!("now\n{new}{old}"));
        assert_eq!(text(dir, Some(100)).await, format!("now\n{new}{old}"));
        assert_eq!(text(dir, Some(101)).await, format!("now\n{new}"));
        assert_eq!(text(dir, Some(201)).await, "now\n");
    }

    #[tokio::test]
    async fn a_heading_begins_a_line_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), ACTIVE_NAME, b"half a line", 1);
        write(dir.path(), NEW, b"", 1);
        let all = text(dir.path(), Some(0)).await;
        assert_eq!(all, format!("half a line\n== {NEW} 1970-01-01T00:00:01.000Z ==\n"));
    }

    #[tokio::test]
    async fn a_large_log_is_read_from_a_line_start() {
        let dir = tempfile::tempdir().unwrap();
        let limit = usize::try_from(MAX_ACTIVE_BYTES).unwrap();
        let fitting = [b"x".repeat(limit - 1), b"\n".to_vec()].concat();
        let cases = [
            (fitting.clone(), fitting.clone()),
            ([b"first\n", &fitting[..]].concat(), fitting.clone()),
            ([b"first\n", &fitting[..], b"last\n"].concat(), b"last\n".to_vec()),
            ([&fitting[..limit - 1], b"xx\n"].concat(), Vec::new()),
        ];
        for (content, expected) in cases {
            write(dir.path(), ACTIVE_NAME, &content, 1);
            assert!(read(dir.path(), None).await == expected, "{} bytes", content.len());
        }
    }

    #[tokio::test]
    async fn all_logs_together_have_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), ACTIVE_NAME, b"now\n", 1);
        let line = [b"y".repeat(1023), b"\n".to_vec()].concat();
        for day in 10..17 {
            let name = format!("agentd-2026-01-{day}T12-00-00.000.log");
            write(dir.path(), &name, &line.repeat(20 * 1024), day);
        }
        let all = read(dir.path(), Some(0)).await;
        let limit = usize::try_from(MAX_TOTAL_BYTES).unwrap();
        assert!(all.len() <= limit && all.len() > limit - 2 * line.len(), "{}", all.len());
        assert!(all.ends_with(&line));
    }

    #[tokio::test]
    async fn nothing_but_regular_files_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, "secret", b"secret\n", 500);
        assert!(collect(dir, None).is_err(), "there is no active log");
        symlink(dir.join("secret"), dir.join(ACTIVE_NAME)).unwrap();
        assert!(collect(dir, None).is_err(), "the active log is a link");
        fs::remove_file(dir.join(ACTIVE_NAME)).unwrap();
        fs::create_dir(dir.join(ACTIVE_NAME)).unwrap();
        assert!(collect(dir, None).is_err(), "the active log is a directory");
        fs::remove_dir(dir.join(ACTIVE_NAME)).unwrap();
        write(dir, ACTIVE_NAME, b"now\n", 1);
        symlink(dir.join("secret"), dir.join(NEW)).unwrap();
        let fifo = dir.join(OLD);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(text(dir, Some(0)).await, "now\n");
    }
}
