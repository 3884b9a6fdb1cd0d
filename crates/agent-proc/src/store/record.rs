//! What is known of a process, in memory and on the disk.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use agent_api::{Accounting, ChatId, ProcessId, ProcessLimits, Stdin, TerminalSize, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::slots;
use crate::journal::{Journals, Keeper, StoredStream};

/// What a start asked for; never changes. The environment is not kept: it may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Its id.
    pub(crate) id: ProcessId,
    /// Digest of the request in hexadecimal, which tells a repeated start from another one.
    pub(crate) digest: String,
    /// The chat that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chat: Option<ChatId>,
    /// Ancestors of that chat, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ancestors: Vec<ChatId>,
    /// The shell text, if it was started by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    /// Program and arguments, if it was started by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<Vec<String>>,
    /// Directory it starts in, absolute.
    pub(crate) workdir: String,
    /// Whether the request named it.
    #[serde(default)]
    pub(crate) has_workdir: bool,
    /// As requested.
    #[serde(default)]
    pub(crate) background: bool,
    /// Whether stderr is a stream of its own.
    #[serde(default)]
    pub(crate) separate_stderr: bool,
    /// Its time limit in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    /// The user it runs as, if the request named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// Its other limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<ProcessLimits>,
    /// Whether its descendants are left running.
    #[serde(default)]
    pub(crate) keep_children: bool,
}

/// What changes while a process lives; at most 2 KiB of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Process id of the leader, once it executes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    /// When it was started.
    pub(crate) started_at: Timestamp,
    /// How its input stands.
    pub(crate) stdin: Stdin,
    /// Present size of its terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) terminal: Option<TerminalSize>,
    /// Its exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<Exit>,
    /// When the last writer closed the output after the exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) closed_at: Option<Timestamp>,
    /// Whether the agent ended it because of its time limit.
    #[serde(default)]
    pub(crate) timed_out: bool,
    /// Whether the kernel killed a member of the tree for memory.
    #[serde(default)]
    pub(crate) oom_killed: bool,
    /// Whether the agent died while it ran.
    #[serde(default)]
    pub(crate) lost: bool,
    /// Processor time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_time_ms: Option<u64>,
    /// Most memory at one time in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peak_memory_bytes: Option<u64>,
    /// Whose time and memory these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accounting: Option<Accounting>,
}

/// How a leader ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// Exit status, 128 + n for death by signal n, -1 when the system lost it.
    pub(crate) code: i32,
    /// When.
    pub(crate) at: Timestamp,
    /// Name of the signal it died of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<String>,
    /// Whether that signal left a core dump.
    #[serde(default)]
    pub(crate) core_dumped: bool,
    /// Bytes of each stream when the exit was published; where streams say `exited`.
    #[serde(default)]
    pub(crate) ends: [u64; 2],
}

impl State {
    /// A process that is about to be started.
    pub(crate) fn starting(started_at: Timestamp, stdin: Stdin) -> Self {
        Self {
            pid: None,
            started_at,
            stdin,
            terminal: None,
            exit: None,
            closed_at: None,
            timed_out: false,
            oom_killed: false,
            lost: false,
            cpu_time_ms: None,
            peak_memory_bytes: None,
            accounting: None,
        }
    }
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    state: State,
    #[serde(default)]
    streams: Vec<StoredStream>,
}

/// A process's record; cheap to clone.
///
/// Memory is right always, the disk as soon as it takes writes. Nothing is synchronized to the
/// device: a record survives the death of the agent, not that of the machine.
#[derive(Clone, Debug)]
pub(crate) struct Record(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    request: Request,
    /// Read without waiting for the disk.
    state: Mutex<State>,
    /// Held across writes, which must reach the file in the order of their sequence.
    file: Mutex<OnDisk>,
    /// Of all records: whether one is in memory only.
    refused: Arc<AtomicBool>,
}

#[derive(Debug)]
struct OnDisk {
    streams: Vec<StoredStream>,
    /// Of the newest state in the file; `None` while there is no file.
    sequence: Option<u64>,
    /// Left by the first write for the next, which follows at once when the process executes.
    open: Option<File>,
    is_removed: bool,
    was_refused: bool,
}

/// Why a file holds no record.
#[derive(Debug)]
pub(super) enum Damage {
    /// It cannot be read now.
    Io(io::Error),
    /// Its bytes are no record; the request may be whole.
    Contents(Option<Box<Request>>),
}

impl OnDisk {
    fn new(streams: Vec<StoredStream>, sequence: Option<u64>) -> Self {
        Self { streams, sequence, open: None, is_removed: false, was_refused: false }
    }
}

impl Record {
    /// A new record, written to the disk if that takes it; blocks.
    ///
    /// `refused` is set whenever the disk takes less than it was given.
    pub(super) fn create(
        path: PathBuf,
        request: Request,
        state: State,
        refused: Arc<AtomicBool>,
    ) -> Self {
        let (state, file) = (Mutex::new(state), Mutex::new(OnDisk::new(Vec::new(), None)));
        let record = Self(Arc::new(Inner { path, request, state, file, refused }));
        record.write_logged(&mut record.0.file.lock());
        record
    }

    /// Reads a record and the states of its streams; blocks.
    pub(super) fn load(
        path: PathBuf,
        refused: Arc<AtomicBool>,
    ) -> Result<(Self, Vec<StoredStream>), Damage> {
        let bytes = fs::read(&path).map_err(Damage::Io)?;
        let contents = slots::decode_file(&bytes);
        let request = contents.request.and_then(|json| serde_json::from_slice(json).ok());
        let slot = contents.state.and_then(|(sequence, json)| {
            serde_json::from_slice::<Slot>(json).ok().map(|slot| (sequence, slot))
        });
        let (Some(request), Some((sequence, slot))) = (request.clone(), slot) else {
            return Err(Damage::Contents(request.map(Box::new)));
        };
        let streams = slot.streams.clone();
        let file = Mutex::new(OnDisk::new(slot.streams, Some(sequence)));
        let state = Mutex::new(slot.state);
        Ok((Self(Arc::new(Inner { path, request, state, file, refused })), streams))
    }

    /// What the start asked for.
    pub(crate) fn request(&self) -> &Request {
        &self.0.request
    }

    /// The present state.
    pub(crate) fn state(&self) -> State {
        self.0.state.lock().clone()
    }

    /// Changes the state, in memory at once and then on the disk, together with how the process's
    /// journals stand; blocks.
    ///
    /// The disk's refusal is logged, and the next change writes this one too.
    pub(crate) fn update<T>(&self, journals: &Journals, change: impl FnOnce(&mut State) -> T) -> T {
        let mut file = self.0.file.lock();
        file.streams = journals.stored();
        let answer = change(&mut self.0.state.lock());
        self.write_logged(&mut file);
        answer
    }

    /// Writes what the disk refused so far, if it takes it now; blocks.
    pub(crate) fn retry(&self) {
        let mut file = self.0.file.lock();
        if file.was_refused {
            self.write_logged(&mut file);
        }
    }

    /// Removes the file; blocks. Later changes stay in memory.
    pub(super) fn remove(&self) -> io::Result<()> {
        let mut file = self.0.file.lock();
        file.is_removed = true;
        file.open = None;
        match fs::remove_file(&self.0.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn write_logged(&self, file: &mut OnDisk) {
        match self.write(file) {
            Ok(()) => file.was_refused = false,
            Err(error) => {
                if !file.was_refused {
                    let id = self.0.request.id;
                    warn!(%error, process.id = %id, "the record of a process is in memory only");
                }
                file.was_refused = true;
                self.0.refused.store(true, Ordering::Relaxed);
            }
        }
    }

    fn write(&self, file: &mut OnDisk) -> io::Result<()> {
        if file.is_removed {
            return Ok(());
        }
        let slot = Slot { state: self.state(), streams: file.streams.clone() };
        let state = serde_json::to_vec(&slot)?;
        if state.len() > slots::MAX_SLOT_PAYLOAD {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let sequence = match file.sequence {
            None => {
                let request = serde_json::to_vec(&self.0.request)?;
                file.open = Some(publish(&self.0.path, &slots::encode_file(&state, &request))?);
                0
            }
            Some(sequence) => {
                let (at, bytes) = slots::encode_change(sequence + 1, &state);
                let open = match file.open.take() {
                    Some(open) => open,
                    None => File::options().write(true).open(&self.0.path)?,
                };
                open.write_all_at(&bytes, at)?;
                sequence + 1
            }
        };
        file.sequence = Some(sequence);
        Ok(())
    }
}

impl Keeper for Record {
    fn keep(&self, streams: &dyn Fn() -> Vec<StoredStream>) -> io::Result<()> {
        let mut file = self.0.file.lock();
        file.streams = streams();
        let written = self.write(&mut file);
        // Without a record, a restart finds no journal to misread.
        if file.sequence.is_none() { Ok(()) } else { written }
    }
}

/// Makes a file that is whole as soon as it has its name.
pub(super) fn publish(path: &Path, contents: &[u8]) -> io::Result<File> {
    let unfinished = unfinished(path);
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    let published = file
        .and_then(|mut file| file.write_all(contents).map(|()| file))
        .and_then(|file| fs::rename(&unfinished, path).map(|()| file));
    if published.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    published
}

/// The name of a file that is not whole yet.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}
