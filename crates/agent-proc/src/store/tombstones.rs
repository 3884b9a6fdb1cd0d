//! What is known of forgotten processes: that they were, and why they are not any more.
//!
//! A log of JSON lines that is appended to, and written anew when most of it is out of date.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use agent_api::{ChatId, ProcessId, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{record::publish, remaining};
use crate::ForgetReason;

/// Lines beyond twice the ones in force after which the log is written anew.
const SLACK: usize = 1000;

/// A forgotten process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    /// Its id.
    pub(crate) id: ProcessId,
    /// Why it was forgotten.
    pub(crate) reason: ForgetReason,
    /// The chat it belonged to, which decides who learns of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chat: Option<ChatId>,
    /// When.
    pub(crate) at: Timestamp,
}

/// One moment on the clock of the wall, which may jump, and on one that does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// What survives a restart.
    pub(crate) wall: Timestamp,
    /// What time is measured by.
    pub(crate) steady: Instant,
}

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        Self { wall: std::time::SystemTime::now().into(), steady: Instant::now() }
    }
}

/// The forgotten processes, at most `most` and each for `kept`.
#[derive(Debug)]
pub(super) struct Tombstones {
    /// Never held across a system call: whoever looks does not wait for the disk.
    yard: Mutex<Yard>,
    /// Held across writes, so that the log has the order of memory; taken before `yard`.
    log: Mutex<Log>,
}

/// The tombstones in force.
#[derive(Debug)]
struct Yard {
    kept: Duration,
    most: usize,
    /// Each with its end, the oldest first; ends are in order, too.
    order: VecDeque<(Instant, ProcessId)>,
    by_id: HashMap<ProcessId, Tombstone>,
}

/// What is on the disk.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    /// `None` if it must be written anew.
    lines: Option<usize>,
}

impl Tombstones {
    /// Reads the log; one that is missing is empty, lines that are none are left out. Blocks.
    pub(super) fn load(
        path: PathBuf,
        kept: Duration,
        most: usize,
        now: Moment,
    ) -> io::Result<Self> {
        let log = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let mut yard = Yard { kept, most, order: VecDeque::new(), by_id: HashMap::new() };
        let mut lines = Vec::new();
        for line in log.split(|byte| *byte == b'\n') {
            lines.extend(serde_json::from_slice::<Tombstone>(line).ok());
        }
        // In order of the time left, however the clock has jumped meanwhile.
        lines.sort_by_key(|tombstone| remaining(tombstone.at, now.wall, kept));
        for tombstone in lines {
            let left = remaining(tombstone.at, now.wall, kept);
            yard.insert(tombstone, now.steady + left);
        }
        yard.expire(now.steady);
        let tombstones =
            Self { yard: Mutex::new(yard), log: Mutex::new(Log { path, lines: None }) };
        tombstones.retry();
        Ok(tombstones)
    }

    pub(super) fn get(&self, id: ProcessId, now: Instant) -> Option<Tombstone> {
        let mut yard = self.yard.lock();
        yard.expire(now);
        yard.by_id.get(&id).cloned()
    }

    /// Adds one; it is in force, and in the log if the disk takes it. Blocks.
    pub(super) fn add(&self, tombstone: Tombstone, now: Moment) {
        let line = line(&tombstone);
        let mut log = self.log.lock();
        let in_force = {
            let mut yard = self.yard.lock();
            yard.expire(now.steady);
            let end = now.steady + yard.kept;
            yard.insert(tombstone, end);
            yard.by_id.len()
        };
        let is_short = log.lines.is_some_and(|lines| lines < 2 * in_force + SLACK);
        if !is_short || log.append(&line).is_err() {
            log.lines = None;
            log.retry(&self.yard);
        }
    }

    /// Writes the log anew if it misses something; blocks.
    pub(super) fn retry(&self) {
        self.log.lock().retry(&self.yard);
    }
}

impl Yard {
    fn insert(&mut self, tombstone: Tombstone, end: Instant) {
        let id = tombstone.id;
        if self.by_id.insert(id, tombstone).is_some() {
            self.order.retain(|(_, other)| *other != id);
        }
        self.order.push_back((end, id));
        while self.order.len() > self.most {
            self.forget_oldest();
        }
    }

    fn expire(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(end, _)| *end <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.by_id.remove(&id);
        }
    }

    fn lines(&self) -> (Vec<u8>, usize) {
        let lines = self.order.iter().flat_map(|(_, id)| line(&self.by_id[id]));
        (lines.collect(), self.order.len())
    }
}

impl Log {
    fn retry(&mut self, yard: &Mutex<Yard>) {
        if self.lines.is_none()
            && let Err(error) = self.write_anew(yard)
        {
            warn!(%error, "cannot write down which processes were forgotten");
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let mut options = File::options();
        options.append(true).create(true).mode(0o600).open(&self.path)?.write_all(line)?;
        self.lines = self.lines.map(|lines| lines + 1);
        Ok(())
    }

    fn write_anew(&mut self, yard: &Mutex<Yard>) -> io::Result<()> {
        let (lines, count) = yard.lock().lines();
        drop(publish(&self.path, &lines)?);
        self.lines = Some(count);
        Ok(())
    }
}

fn line(tombstone: &Tombstone) -> Vec<u8> {
    let mut line = serde_json::to_vec(tombstone).expect("a tombstone is plain data");
    line.push(b'\n');
    line
}
