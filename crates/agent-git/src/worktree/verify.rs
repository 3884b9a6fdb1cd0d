//! Contents of the files whose stat does not tell whether they are the index's.

use std::{
    collections::HashMap,
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::SystemTime,
};

use agent_api::limits::MAX_GIT_FILE_BYTES;

use super::{Look, ScanError, Scene, compare::work_mode, found::Suspect};
use crate::{
    convert::{Conversion, blob_id, blob_id_of_reader},
    model::{Mode, ObjectId, Stat, WorkFile},
    repository::{self, Source},
};

/// Files that one thread reads before another is worth starting.
const ALONE: usize = 16;

/// Largest file that is read to be converted; a larger one is taken to differ.
const MAX_CONVERTED_BYTES: u64 = 256 * 1024 * 1024;

/// What was read earlier, by path; at most a file for each entry of the index.
#[derive(Debug, Default)]
pub(super) struct Contents(HashMap<Vec<u8>, Known>);

/// What a file was found to hold.
#[derive(Clone, Copy, Debug)]
struct Known {
    stat: Stat,
    conversion: Conversion,
    id: ObjectId,
    /// Whether an equal stat proves that it still does.
    is_settled: bool,
}

/// A file to be read.
struct Task<'a> {
    path: &'a [u8],
    position: usize,
    stat: Stat,
    mode: Mode,
    conversion: Conversion,
}

/// What is at an entry of the index that was looked into.
pub(super) struct Verified {
    pub(super) position: usize,
    /// `None` when there is no file.
    pub(super) work: Option<WorkFile>,
}

impl Contents {
    /// Looks into what is in the place of entries, in no order.
    ///
    /// What was read before is not read again while stat and conversion are the same.
    pub(super) fn verify(
        &mut self,
        look: &mut Look<'_>,
        suspects: &[Suspect],
    ) -> Result<Vec<Verified>, ScanError> {
        let scene = look.scene();
        let mut verified = Vec::with_capacity(suspects.len());
        let mut plain = Vec::new();
        let mut converted = Vec::new();
        for suspect in suspects {
            let Suspect { position, stat } = *suspect;
            let entry = scene.index.at(position);
            if stat.is_directory() {
                let work = directory(scene, entry.path, entry.version.mode, entry.version.id, stat);
                verified.push(Verified { position, work });
                continue;
            }
            let Some(mode) = work_mode(&stat, Some(entry.version.mode), scene.settings) else {
                verified.push(Verified { position, work: None });
                continue;
            };
            let conversion = match mode {
                Mode::Link => Conversion::default(),
                _ => look.source.conversion(entry.path)?,
            };
            let known = self.0.get(entry.path);
            if let Some(known) = known
                && known.is_settled
                && known.stat == stat
                && known.conversion == conversion
            {
                let work = Some(work_file(mode, Some(known.id), stat));
                verified.push(Verified { position, work });
                continue;
            }
            let is_large = conversion.is_none() && stat.size > MAX_GIT_FILE_BYTES;
            // An index that remembers no size says nothing about the file's.
            let sizes = (entry.stat.size, stat.size as u32);
            if is_large && entry.stage == 0 && sizes.0 != 0 && sizes.0 != sizes.1 {
                verified.push(Verified { position, work: Some(work_file(mode, None, stat)) });
                continue;
            }
            let to = if conversion.is_none() { &mut plain } else { &mut converted };
            to.push(Task { path: entry.path, position, stat, mode, conversion });
        }
        let read = read_plain(scene, &plain)?;
        for task in &converted {
            let work = read_converted(scene, task, look.source)?;
            verified.push(self.keep(scene, task.position, task.conversion, work));
            scene.check()?;
        }
        for (position, work) in read {
            verified.push(self.keep(scene, position, Conversion::default(), work));
        }
        Ok(verified)
    }

    /// Remembers what was read.
    fn keep(
        &mut self,
        scene: Scene<'_>,
        position: usize,
        conversion: Conversion,
        (work, read_at): (Option<WorkFile>, SystemTime),
    ) -> Verified {
        let path = scene.index.path_at(position);
        match work {
            Some(WorkFile { id: Some(id), stat, .. }) => {
                let is_settled = stat.is_settled_at(read_at);
                self.0.insert(path.to_vec(), Known { stat, conversion, id, is_settled });
            }
            _ => self.forget(path),
        }
        Verified { position, work }
    }

    /// Forgets what a file holds.
    pub(super) fn forget(&mut self, path: &[u8]) {
        self.0.remove(path);
    }

    /// Forgets everything that no longer concerns anybody.
    pub(super) fn retain(&mut self, mut concerns: impl FnMut(&[u8]) -> bool) {
        self.0.retain(|path, _| concerns(path));
        self.0.shrink_to(2 * self.0.len());
    }

    /// The paths of files that were read, in no order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.0.keys().map(Vec::as_slice)
    }
}

fn work_file(mode: Mode, id: Option<ObjectId>, stat: Stat) -> WorkFile {
    WorkFile { mode, id, indexed: false, stat }
}

/// What a directory is where the index has a file or a submodule.
fn directory(
    scene: Scene<'_>,
    path: &[u8],
    indexed: Mode,
    id: ObjectId,
    stat: Stat,
) -> Option<WorkFile> {
    let commit = repository::checked_out_commit(&scene.root.join(path));
    let id = match indexed {
        // Nothing is checked out: that is how a clone begins.
        Mode::Submodule => Some(commit.unwrap_or(id)),
        _ => commit,
    };
    id.map(|id| work_file(Mode::Submodule, Some(id), stat))
}

/// Reads files that are stored as they are, with two threads if there are many.
#[expect(clippy::type_complexity, reason = "a list of what `Contents::keep` takes")]
fn read_plain(
    scene: Scene<'_>,
    tasks: &[Task<'_>],
) -> Result<Vec<(usize, (Option<WorkFile>, SystemTime))>, ScanError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            if scene.is_stopped() {
                break;
            }
            let read_at = SystemTime::now();
            done.push((task.position, (read_one(scene, task), read_at)));
        }
        done
    };
    let mut done = if tasks.len() <= ALONE {
        work()
    } else {
        thread::scope(|threads| {
            let helper = threads.spawn(work);
            let mut done = work();
            match helper.join() {
                Ok(mut helped) => done.append(&mut helped),
                Err(panic) => std::panic::resume_unwind(panic),
            }
            done
        })
    };
    scene.check()?;
    done.shrink_to_fit();
    Ok(done)
}

fn read_one(scene: Scene<'_>, task: &Task<'_>) -> Option<WorkFile> {
    let format = scene.settings.object_format;
    let Task { mode, stat, .. } = *task;
    let unread = Some(work_file(mode, None, stat));
    if mode == Mode::Link {
        return match scene.root.read(task.path, mode, u64::MAX) {
            Ok(Some(it)) => Some(work_file(mode, Some(blob_id(format, &it.bytes)), it.stat)),
            Ok(None) => None,
            Err(_) => unread,
        };
    }
    let file = match scene.root.open_file(task.path) {
        Ok(Some(file)) => file,
        Ok(None) => return None,
        // It is there and cannot be read, so it is not known to be the same.
        Err(_) => return unread,
    };
    let read = || -> io::Result<WorkFile> {
        let stat = Stat::of(&rustix::fs::fstat(&file)?);
        let id = blob_id_of_reader(format, stat.size, &file)?;
        Ok(work_file(mode, Some(id), stat))
    };
    read().map_or(unread, Some)
}

fn read_converted(
    scene: Scene<'_>,
    task: &Task<'_>,
    source: &mut dyn Source,
) -> Result<(Option<WorkFile>, SystemTime), ScanError> {
    let read_at = SystemTime::now();
    let Task { mode, stat, .. } = *task;
    let contents = match scene.root.read(task.path, mode, MAX_CONVERTED_BYTES) {
        Ok(Some(contents)) => contents,
        Ok(None) => return Ok((None, read_at)),
        Err(_) => return Ok((Some(work_file(mode, None, stat)), read_at)),
    };
    let indexed = scene.index.get(task.path).map(|entry| entry.version);
    let mut failure = None;
    let bytes = task.conversion.to_git(contents.bytes, || {
        let version = indexed.filter(|version| version.mode.is_same_kind(Mode::File))?;
        let blob = source.blob_up_to(version.id, MAX_CONVERTED_BYTES);
        blob.map_err(|error| failure = Some(error)).ok().flatten()
    });
    if let Some(error) = failure {
        return Err(error.into());
    }
    let id = blob_id(scene.settings.object_format, &bytes);
    Ok((Some(work_file(mode, Some(id), contents.stat)), read_at))
}
