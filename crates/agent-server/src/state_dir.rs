//! The state directory: one agent's, private, locked while it runs; what each file means beyond
//! its place is known elsewhere.
//!
//! ```text
//! STATE_DIR/      0700
//!   lock          flock(2) while an agent runs; holds its process id
//!   token         0600
//!   agent_id      0600
//!   bin/          0700, in front of every child's PATH
//!   scripts/NAME/ 0700, data of scripts
//!   run/          0700, emptied at start and stop
//! ```

mod private;

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use agent_api::{AgentInfo, limits::MAX_TOKEN_BYTES};
use agent_http::Token;
use rustix::fs::{FlockOperation, Mode, OFlags};
use uuid::Uuid;

use crate::StartError;

/// A state directory that no other agent has until this value is closed or dropped.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    lock: File,
}

/// Bits by which others than the owner may write.
const WRITABLE_FOR_OTHERS: u32 = 0o022;
/// Looks at the lock of another agent until its process id is in it, with this pause.
const PID_TRIES: usize = 10;
const PID_PAUSE: Duration = Duration::from_millis(10);
/// How names of spooled uploads begin, as of every unfinished file (docs/protocol/files.md).
const SPOOL_PREFIX: &[u8] = b".agentd-";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

impl StateDir {
    /// Makes the directory if it is missing, locks it, and clears away what a dead agent left.
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        make_private(path)?;
        let lock_path = path.join("lock");
        let lock = lock(&lock_path, path)?;
        let state = Self { path: path.to_owned(), lock };
        state.write_pid().map_err(|source| StartError::StateDir { path: lock_path, source })?;
        remove_unfinished(path);
        let run = state.run_dir();
        empty(&run)
            .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&run))
            .map_err(|source| StartError::StateDir { path: run, source })?;
        Ok(state)
    }

    /// Where sockets and `agentd.json` are.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path.join("run")
    }

    /// Reads the token of a file, or the directory's own, which is made when it is missing.
    pub(crate) fn token(&self, token_file: Option<&Path>) -> Result<Token, StartError> {
        let path = token_file.map_or_else(|| self.path.join("token"), Path::to_owned);
        let content = match token_file {
            Some(path) => read_token_file(path),
            None => self.read_or_make("token", || {
                let mut random = [0; TOKEN_BYTES];
                fill_random(&mut random)?;
                Ok(base64url(&random))
            }),
        };
        let content =
            content.map_err(|source| StartError::ReadToken { path: path.clone(), source })?;
        Token::from_file_content(&content).map_err(|source| StartError::Token { path, source })
    }

    /// Reads the agent's id, which is made when it is missing.
    pub(crate) fn agent_id(&self) -> Result<Uuid, StartError> {
        let path = self.path.join("agent_id");
        let content = self.read_or_make("agent_id", || {
            let mut random = [0; 16];
            fill_random(&mut random)?;
            Ok(uuid::Builder::from_random_bytes(random).into_uuid().to_string())
        });
        let content =
            content.map_err(|source| StartError::StateDir { path: path.clone(), source })?;
        let text = str::from_utf8(&content).unwrap_or_default();
        Uuid::try_parse(text.trim_end()).map_err(|_| StartError::AgentId { path })
    }

    /// Writes `run/agentd.json`, complete or not at all.
    pub(crate) fn publish(&self, info: &AgentInfo) -> io::Result<()> {
        let json = serde_json::to_vec(info).map_err(io::Error::other)?;
        private::write(&self.run_dir(), "agentd.json", &json)
    }

    /// Empties `run/` and lets others have the directory.
    pub(crate) fn close(self) {
        let run = self.run_dir();
        let emptied = empty(&run).and_then(|()| fs::DirBuilder::new().mode(0o700).create(&run));
        if let Err(error) = emptied {
            let error = agent_api::io_text(&error);
            tracing::warn!(error, path = %run.display(), "cannot empty the directory");
        }
        // A process id of the past is nobody's; the lock itself goes with the descriptor.
        let _ = self.lock.set_len(0);
    }

    fn write_pid(&self) -> io::Result<()> {
        self.lock.set_len(0)?;
        let mut lock = &self.lock;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())
    }

    fn read_or_make(
        &self,
        name: &str,
        make: impl FnOnce() -> io::Result<String>,
    ) -> io::Result<Vec<u8>> {
        if let Some(content) = private::read(&self.path.join(name), MAX_TOKEN_BYTES)? {
            return Ok(content);
        }
        let content = make()?.into_bytes();
        private::write(&self.path, name, &content)?;
        Ok(content)
    }
}

/// Makes a directory of this user alone; one that exists stays as it is.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes a directory that is this user's alone, or checks that an existing one is.
///
/// What others may only look into stays as it is, because every file in it is private by itself;
/// what they may write to is taken only when it is empty, so nothing of theirs is in it.
fn make_private(path: &Path) -> Result<(), StartError> {
    let fail = |source| StartError::StateDir { path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail)?;
    let metadata = fs::metadata(path).map_err(fail)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(StartError::ForeignStateDir { path: path.to_owned(), uid: metadata.uid() });
    }
    let is_empty = fs::read_dir(path).map_err(fail)?.next().is_none();
    let mode = metadata.permissions().mode();
    if is_empty && mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(fail)?;
    } else if mode & WRITABLE_FOR_OTHERS != 0 {
        return Err(StartError::SharedStateDir { path: path.to_owned() });
    }
    Ok(())
}

/// Takes the lock, without waiting.
fn lock(path: &Path, dir: &Path) -> Result<File, StartError> {
    let fail = |source: io::Error| StartError::StateDir { path: path.to_owned(), source };
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    let lock = File::from(opened.map_err(|errno| fail(errno.into()))?);
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(StartError::InUse { path: dir.to_owned(), pid: read_pid(lock) })
        }
        Err(errno) => Err(fail(errno.into())),
    }
}

/// The process id in a lock; its owner may be about to write it.
fn read_pid(mut lock: File) -> Option<u32> {
    for _ in 0..PID_TRIES {
        let mut text = String::new();
        lock.rewind().ok()?;
        (&lock).take(32).read_to_string(&mut text).ok()?;
        if let Some(pid) = text.strip_suffix('\n') {
            return pid.parse().ok();
        }
        std::thread::sleep(PID_PAUSE);
    }
    None
}

/// Removes a directory with everything in it; links in it are removed and not followed.
fn empty(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the spooled uploads that a dead agent left; one that stays is in nobody's way.
fn remove_unfinished(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(SPOOL_PREFIX) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Reads a file of the user's choice, also through a link; a FIFO without a writer, for example,
/// would hold up the start, so it must be a regular file.
fn read_token_file(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut content = Vec::new();
    file.take(MAX_TOKEN_BYTES as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

fn fill_random(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}

/// Encodes without padding (RFC 4648 section 5).
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        // 8 bits need two characters, 16 three, 24 four.
        for index in 0..=chunk.len() {
            let sextet = (bits >> (18 - 6 * index)) & 0x3f;
            text.push(char::from(ALPHABET[sextet as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests;
