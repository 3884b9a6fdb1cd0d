//! `agentd.log`: appended to, renamed when it is large, opened again when it could not be; lines
//! that cannot be written are counted, and the count is logged when writing works again.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use agent_api::Timestamp;
use rustix::fs::{Mode, OFlags};
use serde_json::Value;

use super::{line::Record, writer::Sink};

/// Name of the file that is written.
pub(crate) const ACTIVE_NAME: &str = "agentd.log";
/// Size at which it is renamed, in bytes.
const MAX_BYTES: u64 = 20 * 1024 * 1024;
/// Renamed files that are kept.
const KEPT: usize = 5;
/// Bytes written on before a rename that failed is tried again.
const RETRY_BYTES: u64 = 1024 * 1024;
/// Lines kept until the directory is known.
const MAX_EARLY: usize = 1000;
/// Pause before a file that did not open is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

const PREFIX: &str = "agentd-";
const SUFFIX: &str = ".log";

/// Lines that did not reach the file.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Since the start.
    pub(super) total: AtomicU64,
    /// Since the last time the log said so.
    unreported: AtomicU64,
}

/// The file and what is needed to get it back.
#[derive(Debug)]
pub(super) struct LogFile {
    dir: PathBuf,
    open: Option<OpenFile>,
    /// Lines from before the directory was known.
    early: Option<Vec<String>>,
    /// When a file that did not open is tried again.
    retry_at: Option<Instant>,
    loss: Arc<Loss>,
    max_bytes: u64,
}

/// A file open for appending.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    bytes: u64,
    rotate_at: u64,
}

/// Opens the log of a directory, and makes both when they are missing.
///
/// Never follows a link and never opens anything but a regular file, so that nobody who can write
/// to the directory can aim the log at another file.
pub(super) fn open(dir: &Path) -> io::Result<OpenFile> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = File::from(rustix::fs::open(dir.join(ACTIVE_NAME), flags, mode)?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("the log is not a regular file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(OpenFile { file, bytes: metadata.len(), rotate_at: MAX_BYTES })
}

/// Whether a name is that of a renamed log: `agentd-YYYY-MM-DDTHH-MM-SS.mmm.log`.
pub(crate) fn is_rotated_name(name: &str) -> bool {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd-dd-dd.ddd";
    let middle = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    middle.is_some_and(|middle| {
        middle.len() == SHAPE.len()
            && middle.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
                b'd' => byte.is_ascii_digit(),
                fixed => byte == *fixed,
            })
    })
}

fn rotated_name(at: Timestamp) -> String {
    format!("{PREFIX}{}{SUFFIX}", at.to_string().trim_end_matches('Z').replace(':', "-"))
}

impl Loss {
    pub(super) fn count(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.unreported.fetch_add(1, Ordering::Relaxed);
    }
}

impl LogFile {
    pub(super) fn new(loss: Arc<Loss>) -> Self {
        Self {
            dir: PathBuf::new(),
            open: None,
            early: Some(Vec::new()),
            retry_at: None,
            loss,
            max_bytes: MAX_BYTES,
        }
    }

    /// Takes the directory and the file in it, if that could be opened.
    pub(super) fn attach(&mut self, dir: PathBuf, open: Option<OpenFile>) {
        self.dir = dir;
        self.open = open.map(|open| OpenFile { rotate_at: self.max_bytes, ..open });
        self.retry_at = Some(Instant::now() + RETRY_PAUSE);
        for line in self.early.take().unwrap_or_default() {
            self.write(&line);
        }
    }

    /// Opens the file that has the name now; keeps the old one when that fails.
    pub(super) fn reopen(&mut self) {
        match open(&self.dir) {
            Ok(open) => {
                self.attach(self.dir.clone(), Some(open));
                tracing::debug!("log reopened");
            }
            Err(error) => {
                let error = agent_api::io_text(&error);
                tracing::warn!(error, "cannot reopen the log file");
            }
        }
    }

    /// The open file, after trying again where that is due.
    fn file(&mut self) -> Option<&mut OpenFile> {
        if self.open.is_none() && self.retry_at.is_some_and(|at| at <= Instant::now()) {
            self.attach(self.dir.clone(), open(&self.dir).ok());
        }
        self.open.as_mut()
    }

    fn append(&mut self, line: &str) -> bool {
        let Some(open) = self.file() else { return false };
        if open.bytes > 0 && open.bytes + line.len() as u64 > open.rotate_at {
            self.rotate();
        }
        self.file().is_some_and(|open| open.append(line).is_ok())
    }

    fn rotate(&mut self) {
        match rename_away(&self.dir) {
            Ok(()) => {
                prune(&self.dir);
                self.open = None;
                self.attach(self.dir.clone(), open(&self.dir).ok());
            }
            Err(_) => {
                // The lines matter more than the size.
                if let Some(open) = &mut self.open {
                    open.rotate_at = open.bytes + RETRY_BYTES;
                }
            }
        }
    }

    /// Says how many lines were lost, before the first one that is not.
    fn report_loss(&mut self) -> bool {
        let lost = self.loss.unreported.load(Ordering::Relaxed);
        if lost == 0 {
            return true;
        }
        let line = Record {
            at: SystemTime::now().into(),
            level: "WARN",
            target: module_path!(),
            message: "log lines were lost",
            fields: vec![&("lost", Value::from(lost))],
        }
        .to_json();
        let is_written = self.append(&line);
        if is_written {
            self.loss.unreported.fetch_sub(lost, Ordering::Relaxed);
        }
        is_written
    }
}

impl Sink for LogFile {
    fn write(&mut self, line: &str) {
        if let Some(early) = &mut self.early
            && early.len() < MAX_EARLY
        {
            early.push(line.to_owned());
            return;
        }
        if !(self.report_loss() && self.append(line)) {
            self.loss.count();
        }
    }
}

impl OpenFile {
    /// Appends all of a line or nothing.
    fn append(&mut self, line: &str) -> io::Result<()> {
        let written = self.file.write_all(line.as_bytes());
        match written {
            Ok(()) => self.bytes += line.len() as u64,
            // Half a line would spoil the next one.
            Err(_) => self.file.set_len(self.bytes)?,
        }
        written
    }
}

/// Renames the active log to a name of this moment.
fn rename_away(dir: &Path) -> io::Result<()> {
    let newest = rotated(dir).pop();
    let now = Timestamp::from(SystemTime::now()).as_unix_ms();
    let mut names = (now..now + 1000).map(|ms| rotated_name(Timestamp::from_unix_ms(ms)));
    // Above the newest, because the names order the logs and two may fall into one millisecond. A
    // clock that was set back far cannot have that.
    let next = names.clone().find(|name| newest.as_ref().is_none_or(|newest| name > newest));
    let name = next
        .or_else(|| names.find(|name| fs::symlink_metadata(dir.join(name)).is_err()))
        .ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(dir.join(ACTIVE_NAME), dir.join(name))
}

/// Removes all but the newest renamed logs.
fn prune(dir: &Path) {
    for name in rotated(dir).iter().rev().skip(KEPT) {
        // One that stays is tried again at the next rotation.
        let _ = fs::remove_file(dir.join(name));
    }
}

/// The names of the renamed logs, oldest first by the time in them.
fn rotated(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut rotated: Vec<String> = names.filter(|name| is_rotated_name(name)).collect();
    rotated.sort_unstable();
    rotated
}

#[cfg(test)]
mod tests;
