//! The file of X11 cookies, `~/.Xauthority`: its format, and how `xauth` and others change it.
//!
//! See Xau(3). Whoever changes the file holds its lock, the files `-c` and `-l` beside it, and puts
//! a new file in the place of the old one.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::fs::OFlags;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// `FamilyLocal` of X11/Xauth.h.
const FAMILY_LOCAL: u16 = 0x0100;
/// Largest file that is read in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Longest wait for the lock, and age from which nobody holds it any more.
const LOCK: Duration = Duration::from_secs(10);
/// How much of the wait passes before the age of a lock no longer counts: one that was taken when
/// the wait began belongs to a slow program, not to a dead one.
const LOOKS_AT_AGE: Duration = Duration::from_secs(9);
/// Pause between two attempts to get the lock.
const RETRY: Duration = Duration::from_millis(100);

/// One cookie. Every part may be any bytes, at most 65,535 of them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Entry {
    family: u16,
    address: Vec<u8>,
    /// Of the display, in decimal.
    number: Vec<u8>,
    protocol: Vec<u8>,
    cookie: Vec<u8>,
}

impl Entry {
    /// The cookie of a display of this host.
    pub(super) fn local(host: Vec<u8>, display: u16, protocol: Vec<u8>, cookie: Vec<u8>) -> Self {
        let number = display.to_string().into_bytes();
        Self { family: FAMILY_LOCAL, address: host, number, protocol, cookie }
    }

    fn is_for_same_as(&self, other: &Self) -> bool {
        (self.family, &self.address, &self.number, &self.protocol)
            == (other.family, &other.address, &other.number, &other.protocol)
    }

    fn fits(&self) -> bool {
        [&self.address, &self.number, &self.protocol, &self.cookie]
            .iter()
            .all(|part| u16::try_from(part.len()).is_ok())
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.family.to_be_bytes());
        for part in [&self.address, &self.number, &self.protocol, &self.cookie] {
            to.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
            to.extend(part);
        }
    }
}

/// Reads entries up to the end, or to the first that is cut off, as `xauth` does.
fn decode(mut text: &[u8]) -> Vec<Entry> {
    fn number(text: &mut &[u8]) -> Option<u16> {
        let (bytes, rest) = text.split_first_chunk()?;
        *text = rest;
        Some(u16::from_be_bytes(*bytes))
    }
    fn part(text: &mut &[u8]) -> Option<Vec<u8>> {
        let length = number(text)?;
        let (part, rest) = text.split_at_checked(length.into())?;
        *text = rest;
        Some(part.to_vec())
    }
    fn entry(text: &mut &[u8]) -> Option<Entry> {
        Some(Entry {
            family: number(text)?,
            address: part(text)?,
            number: part(text)?,
            protocol: part(text)?,
            cookie: part(text)?,
        })
    }
    std::iter::from_fn(|| entry(&mut text)).collect()
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut text = Vec::new();
    for entry in entries {
        entry.write(&mut text);
    }
    text
}

/// Puts an entry in the place of the first one for the same, or at the end; further ones for the
/// same go, all others keep their order.
fn merge(entries: &mut Vec<Entry>, new: Entry) {
    match entries.iter().position(|entry| entry.is_for_same_as(&new)) {
        Some(first) => {
            let mut at = 0;
            entries.retain(|entry| {
                at += 1;
                at <= first + 1 || !entry.is_for_same_as(&new)
            });
            entries[first] = new;
        }
        None => entries.push(new),
    }
}

/// Stores a cookie, with the file locked; waits ten seconds for the lock at most.
///
/// # Errors
///
/// As the file system, [`io::ErrorKind::TimedOut`] when others keep the lock, and
/// [`io::ErrorKind::InvalidInput`] when a part of the entry is too long.
pub(super) async fn store(path: &Path, entry: Entry) -> io::Result<()> {
    if !entry.fits() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "cookie over 65535 bytes"));
    }
    let lock = lock(path).await?;
    let path = path.to_owned();
    let change = move || {
        let changed = change(&path, entry);
        drop(lock);
        changed
    };
    spawn_blocking(change).await.map_err(io::Error::other)?
}

fn change(path: &Path, entry: Entry) -> io::Result<()> {
    let mut entries = decode(&read(path)?);
    merge(&mut entries, entry);
    let temporary = beside(path, "-n");
    // Only whoever holds the lock has such a file, so what is there is somebody's remains.
    let _ = fs::remove_file(&temporary);
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(&encode(&entries))?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = match fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut text = Vec::new();
    File::take(file, MAX_FILE_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// The lock of a file; dropped, it is given back.
#[derive(Debug)]
struct Lock {
    created: PathBuf,
    linked: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.created);
        let _ = fs::remove_file(&self.linked);
    }
}

async fn lock(path: &Path) -> io::Result<Lock> {
    let (until, looks_until) = (Instant::now() + LOCK, Instant::now() + LOOKS_AT_AGE);
    loop {
        let path = path.to_owned();
        let looks_at_age = Instant::now() < looks_until;
        let attempt = spawn_blocking(move || {
            if looks_at_age {
                remove_stale(&path);
            }
            try_lock(&path)
        });
        if let Some(lock) = attempt.await.map_err(io::Error::other)?? {
            return Ok(lock);
        }
        if Instant::now() + RETRY > until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "locked by another program"));
        }
        sleep(RETRY).await;
    }
}

/// Tries once; leaves nothing behind when another has the lock.
///
/// Creating one file and linking it to another is what is atomic on every file system.
fn try_lock(path: &Path) -> io::Result<Option<Lock>> {
    let (created, linked) = (beside(path, "-c"), beside(path, "-l"));
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&created) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(error),
    }
    match fs::hard_link(&created, &linked) {
        Ok(()) => Ok(Some(Lock { created, linked })),
        Err(error) => {
            let _ = fs::remove_file(&created);
            match error.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound => Ok(None),
                _ => Err(error),
            }
        }
    }
}

/// Removes a lock that is older than anybody holds one.
fn remove_stale(path: &Path) {
    let files = [beside(path, "-c"), beside(path, "-l")];
    if files.iter().any(|file| is_stale(file)) {
        for file in files {
            let _ = fs::remove_file(file);
        }
    }
}

/// Tells whether a file was made or changed too long ago, whichever is longer.
fn is_stale(file: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(file) else { return false };
    let since = |seconds: i64, nanoseconds: i64| {
        let (seconds, nanoseconds) = (u64::try_from(seconds), u64::try_from(nanoseconds));
        Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_nanos(nanoseconds.unwrap_or(0))
    };
    let changed = since(metadata.ctime(), metadata.ctime_nsec());
    let written = since(metadata.mtime(), metadata.mtime_nsec());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(changed.min(written)) > LOCK
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
