//! The file of a chat's paths: a line for each recording, its number and the path as a JSON string.
//!
//! ```text
//! 17 "/work/a.txt"
//! 19 "/work/b\n.txt"
//! ```
//!
//! A line that does not read, as the last one after a crash, is left out.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use agent_api::AbsolutePath;

use super::chat::Chat;

/// Bytes at the end of a file in which its last line is looked for: more than two longest lines.
const TAIL_BYTES: u64 = 64 * 1024;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) chat: Chat,
    /// Lines of the file, dropped and repeated ones included.
    pub(super) lines: usize,
    /// Whether another line can be put at the end.
    pub(super) is_whole: bool,
}

/// Reads a file; one that is missing is empty.
pub(super) fn load(path: &Path, max_paths: usize) -> io::Result<Content> {
    let mut content = Content { is_whole: true, ..Content::default() };
    let Some(file) = open(path)? else { return Ok(content) };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        content.lines += 1;
        content.is_whole = line.ends_with(b"\n");
        if let Some((sequence, path)) = parse(&line) {
            content.chat.record(sequence, path, max_paths);
        }
        line.clear();
    }
    Ok(content)
}

/// The number in the last line that reads; 0 when there is none near the end.
pub(super) fn last_sequence(path: &Path) -> io::Result<u64> {
    let Some(mut file) = open(path)? else { return Ok(0) };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let lines = tail.split_inclusive(|byte| *byte == b'\n');
    Ok(lines.rev().find_map(parse).map_or(0, |(sequence, _)| sequence))
}

/// Adds a line for each path at the end, all or, when that fails, possibly a part.
pub(super) fn append(path: &Path, recorded: &[(u64, &AbsolutePath)]) -> io::Result<()> {
    let mut lines = Vec::new();
    for (sequence, path) in recorded {
        push(&mut lines, *sequence, path);
    }
    private(OpenOptions::new().append(true).create(true)).open(path)?.write_all(&lines)
}

/// Replaces a file by one with a line for each path; appears complete or not at all.
pub(super) fn rewrite(path: &Path, chat: &Chat) -> io::Result<()> {
    let temporary = temporary(path);
    let written = write_new(&temporary, chat).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, chat: &Chat) -> io::Result<()> {
    let file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(path)?;
    let mut writer = BufWriter::new(file);
    let mut line = Vec::new();
    for (sequence, path) in chat.iter() {
        line.clear();
        push(&mut line, sequence, path);
        writer.write_all(&line)?;
    }
    // Without it a crash of the machine may leave an empty file behind the rename.
    writer.into_inner()?.sync_data()
}

fn temporary(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match private(OpenOptions::new().read(true)).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.mode(0o600).custom_flags(flags.bits().cast_signed())
}

fn push(lines: &mut Vec<u8>, sequence: u64, path: &AbsolutePath) {
    let text = serde_json::to_string(path.as_str()).expect("a text is plain data");
    lines.extend_from_slice(format!("{sequence} {text}\n").as_bytes());
}

/// Reads a complete line.
fn parse(line: &[u8]) -> Option<(u64, AbsolutePath)> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sequence, text) = line.split_once(' ')?;
    let path: String = serde_json::from_str(text).ok()?;
    Some((sequence.parse().ok()?, AbsolutePath::parse(&path).ok()?))
}
