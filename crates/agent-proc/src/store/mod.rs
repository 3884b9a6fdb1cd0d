//! The records, outputs and tombstones of all processes in one directory. Knows no running
//! process.
//!
//! | file | holds |
//! |---|---|
//! | `ID.record` | what is known of a process |
//! | `ID.output`, `ID.stderr` | what it printed |
//! | `tombstones` | which processes were forgotten, and why |
//! | `*.new` | a file that is not whole yet |
//!
//! Other files are not ours and are left alone.

mod record;
mod slots;
#[cfg(test)]
mod tests;
mod tombstones;

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_api::{ChatId, ProcessId, Timestamp};
use tracing::{error, warn};

use self::{record::Damage, tombstones::Tombstones};
use crate::{
    ForgetReason,
    journal::{Disk, Journals, Medium, Surroundings, Totals},
};

pub(crate) use self::{
    record::{Exit, Record, Request, State},
    tombstones::{Moment, Tombstone},
};

const TOMBSTONES: &str = "tombstones";

/// Where a store is, and how much it keeps.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Directory that belongs to the store alone; made if it is missing.
    pub(crate) directory: PathBuf,
    /// Most bytes of output retained of one process.
    pub(crate) output_quota: u64,
    /// Most bytes of output retained of all processes.
    pub(crate) total_output_quota: u64,
    /// How long forgotten processes are known.
    pub(crate) tombstones: Duration,
    /// Most forgotten processes that are known.
    pub(crate) max_tombstones: usize,
}

/// Keeps what is known of processes beyond the agent's life; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    totals: Totals,
    medium: Arc<dyn Medium>,
    tombstones: Tombstones,
    /// Whether a record is in memory only.
    refused: Arc<AtomicBool>,
}

/// A process of an earlier agent.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What is known of it.
    pub(crate) record: Record,
    /// What it printed; closed if it was.
    pub(crate) journals: Journals,
}

/// What a file in the directory is by its name.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Record(ProcessId),
    Output(ProcessId),
    Unfinished,
    Other,
}

impl Store {
    /// Makes or opens the directory and loads what is in it; blocks.
    ///
    /// Closed processes come first, in the order of closing; then the others, by their start.
    /// A process whose record cannot be read becomes a tombstone, so that its id stays used.
    ///
    /// # Errors
    ///
    /// The directory cannot be made, read or written.
    pub(crate) fn open(config: Config) -> io::Result<(Self, Vec<Loaded>)> {
        Self::open_on(config, Arc::new(Disk), Moment::now())
    }

    fn open_on(
        config: Config,
        medium: Arc<dyn Medium>,
        now: Moment,
    ) -> io::Result<(Self, Vec<Loaded>)> {
        let directory = &config.directory;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        // Not without need: a disk that cannot be written now can still be read.
        if fs::metadata(directory)?.permissions().mode() & 0o7777 != 0o700 {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        }
        let log = directory.join(TOMBSTONES);
        let tombstones = Tombstones::load(log, config.tombstones, config.max_tombstones, now)?;
        let totals = Totals::new(config.total_output_quota);
        let store =
            Self(Arc::new(Inner { config, totals, medium, tombstones, refused: Arc::default() }));
        let loaded = store.load(now)?;
        Ok((store, loaded))
    }

    /// Keeps a new process; blocks.
    ///
    /// Never fails: what the disk refuses is kept in memory and tried again with each change.
    pub(crate) fn create(&self, request: Request, state: State) -> (Record, Journals) {
        let path = self.path(request.id, "record");
        let record = Record::create(path, request, state, Arc::clone(&self.0.refused));
        let journals = Journals::create(self.surroundings(&record));
        (record, journals)
    }

    /// Drops a process that was never started, without a trace; blocks.
    pub(crate) fn discard(&self, record: &Record, journals: &Journals) {
        journals.remove();
        if let Err(error) = record.remove() {
            error!(%error, process.id = %record.request().id, "cannot remove a record");
        }
    }

    /// Forgets a process: its id stays used, the rest goes; blocks.
    pub(crate) fn forget(&self, record: &Record, journals: &Journals, reason: ForgetReason) {
        let Request { id, chat, .. } = *record.request();
        // The tombstone first: a process that has both is forgotten at the next start.
        self.bury(id, chat, reason, Moment::now());
        self.discard(record, journals);
        // There may be room for it now.
        self.0.tombstones.retry();
    }

    /// Whether the disk refused a record since the last call, so that [`Record::retry`] may help.
    pub(crate) fn take_refused(&self) -> bool {
        self.0.refused.swap(false, Ordering::Relaxed)
    }

    /// What is known of a forgotten process.
    pub(crate) fn tombstone(&self, id: ProcessId) -> Option<Tombstone> {
        self.0.tombstones.get(id, Moment::now().steady)
    }

    /// What all journals retain.
    pub(crate) fn totals(&self) -> &Totals {
        &self.0.totals
    }

    fn bury(&self, id: ProcessId, chat: Option<ChatId>, reason: ForgetReason, now: Moment) {
        let tombstone = Tombstone { id, reason, chat, at: now.wall };
        self.0.tombstones.add(tombstone, now);
    }

    fn load(&self, now: Moment) -> io::Result<Vec<Loaded>> {
        let (mut loaded, mut outputs) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.0.config.directory)? {
            let entry = entry?;
            match kind(&entry.file_name()) {
                Kind::Record(id) => loaded.extend(self.load_record(id, entry.path(), now)),
                Kind::Output(id) => outputs.push((id, entry.path())),
                Kind::Unfinished => remove(&entry.path()),
                Kind::Other => {}
            }
        }
        let order = |state: &State| (state.closed_at.is_none(), state.closed_at, state.started_at);
        loaded.sort_by_key(|(record, _)| order(&record.state()));
        outputs.retain(|(id, _)| !loaded.iter().any(|(record, _)| record.request().id == *id));
        outputs.iter().for_each(|(_, path)| remove(path));
        let open = |(record, streams): (Record, Vec<_>)| {
            let journals = Journals::open(self.surroundings(&record), &streams);
            if record.state().closed_at.is_some() {
                journals.close();
            }
            Loaded { record, journals }
        };
        Ok(loaded.into_iter().map(open).collect())
    }

    fn load_record(
        &self,
        id: ProcessId,
        path: PathBuf,
        now: Moment,
    ) -> Option<(Record, Vec<crate::journal::StoredStream>)> {
        let damage = match Record::load(path.clone(), Arc::clone(&self.0.refused)) {
            Ok((record, streams)) if record.request().id == id => {
                if self.0.tombstones.get(id, now.steady).is_none() {
                    return Some((record, streams));
                }
                // Forgetting it was interrupted.
                remove(&path);
                return None;
            }
            Ok(_) => Damage::Contents(None),
            Err(damage) => damage,
        };
        let chat = match damage {
            Damage::Io(error) => {
                error!(%error, process.id = %id, "cannot read a record, so its process is forgotten");
                None
            }
            Damage::Contents(request) => {
                error!(process.id = %id, "a record is damaged, so its process is forgotten");
                request.and_then(|request| request.chat)
            }
        };
        self.bury(id, chat, ForgetReason::Evicted, now);
        remove(&path);
        None
    }

    fn surroundings(&self, record: &Record) -> Surroundings {
        let request = record.request();
        let mut files = vec![self.path(request.id, "output")];
        if request.separate_stderr {
            files.push(self.path(request.id, "stderr"));
        }
        Surroundings {
            files,
            quota: self.0.config.output_quota,
            totals: self.0.totals.clone(),
            keeper: Arc::new(record.clone()),
            medium: Arc::clone(&self.0.medium),
        }
    }

    fn path(&self, id: ProcessId, extension: &str) -> PathBuf {
        self.0.config.directory.join(format!("{id}.{extension}"))
    }
}

/// How much of a time is left that began at `since`: from nothing to all of it, however the clock
/// has jumped meanwhile.
pub(crate) fn remaining(since: Timestamp, now: Timestamp, whole: Duration) -> Duration {
    let passed = now.as_unix_ms().saturating_sub(since.as_unix_ms());
    whole.saturating_sub(Duration::from_millis(u64::try_from(passed).unwrap_or(0)))
}

fn kind(name: &std::ffi::OsStr) -> Kind {
    let name = name.to_str().unwrap_or_default();
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    // Only the form that ids are written in: another name of the same id is not ours.
    let id = stem.parse().ok().filter(|id: &ProcessId| id.to_string() == stem);
    match (id, extension) {
        (Some(id), "record") => Kind::Record(id),
        (Some(id), "output" | "stderr") => Kind::Output(id),
        (Some(_), "record.new") => Kind::Unfinished,
        (None, "new") if stem == TOMBSTONES => Kind::Unfinished,
        _ => Kind::Other,
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        warn!(%error, path = %path.display(), "cannot remove a file that is left over");
    }
}
