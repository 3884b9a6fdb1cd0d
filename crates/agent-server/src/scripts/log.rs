//! The log of a script: appended to, renamed when it is large, with one old file; a disk that takes
//! nothing costs lines and nothing else.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use tracing::warn;

/// Size at which it is renamed, in bytes.
const MAX_BYTES: u64 = 10 * 1024 * 1024;
/// Bytes written on before a rename that failed is tried again.
const RETRY_BYTES: u64 = 1024 * 1024;

/// A log; every method may wait for the disk.
#[derive(Debug)]
pub(super) struct ScriptLog {
    path: PathBuf,
    max_bytes: u64,
    // Held while the disk works, so that the runs that share a log do not rotate it together; only
    // threads that may block take it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<OpenFile>,
    /// Whether a failure has been logged since the last success.
    is_failing: bool,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    bytes: u64,
    rotate_at: u64,
}

impl ScriptLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: MAX_BYTES, state: Mutex::default() }
    }

    /// Opens the file that has the name now, for a new run; a failure is logged.
    pub(super) fn reopen(&self) {
        let mut state = self.state.lock();
        state.open = None;
        let opened = self.open(&mut state).map(drop);
        self.note(&mut state, opened);
    }

    /// Appends bytes; those that cannot be written are lost, and that is logged once.
    pub(super) fn append(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        let appended = self.try_append(&mut state, bytes);
        self.note(&mut state, appended);
    }

    fn try_append(&self, state: &mut State, bytes: &[u8]) -> io::Result<()> {
        let open = self.open(state)?;
        if open.bytes > 0 && open.bytes + bytes.len() as u64 > open.rotate_at {
            match fs::rename(&self.path, old(&self.path)) {
                Ok(()) => state.open = None,
                // The bytes matter more than the size.
                Err(_) => open.rotate_at = open.bytes + RETRY_BYTES,
            }
        }
        let open = self.open(state)?;
        open.bytes += bytes.len() as u64;
        open.file.write_all(bytes)
    }

    fn open<'a>(&self, state: &'a mut State) -> io::Result<&'a mut OpenFile> {
        let open = match state.open.take() {
            Some(open) => open,
            None => open_file(&self.path, self.max_bytes)?,
        };
        Ok(state.open.insert(open))
    }

    fn note(&self, state: &mut State, result: io::Result<()>) {
        match result {
            Ok(()) => state.is_failing = false,
            Err(error) if !state.is_failing => {
                state.is_failing = true;
                let error = agent_api::io_text(&error);
                warn!(error, path = %self.path.display(), "cannot write the log of a script");
            }
            Err(_) => {}
        }
    }
}

/// Opens a regular file for appending, and makes it and its directory when they are missing.
fn open_file(path: &Path, max_bytes: u64) -> io::Result<OpenFile> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::APPEND
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(OpenFile { file, bytes: metadata.len(), rotate_at: max_bytes })
}

/// Where the log goes when it is large.
fn old(path: &Path) -> PathBuf {
    let mut old = OsString::from(path);
    old.push(".1");
    old.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_log_is_private_appended_to_and_keeps_one_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/a.log");
        let log = ScriptLog { max_bytes: 10, ..ScriptLog::new(path.clone()) };
        log.reopen();
        for text in ["12345", "67890", "abc", "12345678"] {
            log.append(text.as_bytes());
        }
        assert_eq!((read(&old(&path)), read(&path)), ("abc".to_owned(), "12345678".to_owned()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
        let again = ScriptLog { max_bytes: 10, ..ScriptLog::new(path.clone()) };
        again.append(b"9");
        again.append(b"0");
        again.append(b"x");
        assert_eq!((read(&old(&path)), read(&path)), ("1234567890".to_owned(), "x".to_owned()));
    }

    #[test]
    fn a_log_that_others_could_read_is_closed_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "before\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let log = ScriptLog::new(path.clone());
        log.append(b"after\n");
        assert_eq!(read(&path), "before\nafter\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_file_is_not_written_until_it_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::create_dir(&path).unwrap();
        let log = ScriptLog::new(path.clone());
        log.append(b"lost");
        fs::remove_dir(&path).unwrap();
        log.append(b"kept");
        assert_eq!(read(&path), "kept");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_loses_bytes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let log = ScriptLog::new(dir.path().join("a.log"));
        let file = File::options().write(true).open("/dev/full").unwrap();
        log.state.lock().open = Some(OpenFile { file, bytes: 0, rotate_at: MAX_BYTES });
        log.append(b"lost");
        assert!(log.state.lock().is_failing);
        log.reopen();
        log.append(b"kept");
        assert_eq!(read(&dir.path().join("a.log")), "kept");
    }
}
