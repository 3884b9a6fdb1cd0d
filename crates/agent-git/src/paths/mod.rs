//! The paths that chats have written, kept over a restart; what they lead to is not known here.
//!
//! A file for each chat in a directory of the store's own, appended to and rewritten when it has
//! grown too far. Every recording of the store has a number, so that the order of paths and of
//! chats survives a restart, and a listener can ask for what is new.

mod chat;
mod file;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use agent_api::{AbsolutePath, Caller, ChatId};
use parking_lot::Mutex;
use tokio::sync::watch;

use file::Content;

/// Most paths of a chat; beyond, the one recorded longest ago is dropped.
pub(crate) const MAX_PATHS: usize = 10_000;
/// Most chats; beyond, the one written longest ago is dropped.
const MAX_CHATS: usize = 1000;
/// Most memory for chats that are loaded, beside the one in use; those used longest ago are read
/// again when they are needed.
const MAX_LOADED_BYTES: usize = 32 * 1024 * 1024;
/// Lines that a file may have beyond twice its paths.
const SPARE_LINES: usize = 1000;

/// The paths of all chats.
///
/// What touches the disk blocks: those methods are for blocking threads. A disk that refuses
/// costs a warning, and the paths last as long as their chat stays in memory.
#[derive(Debug)]
pub(crate) struct PathStore {
    directory: PathBuf,
    limits: Limits,
    /// Held while the disk works, so that the order of lines is the order of recordings; only
    /// blocking threads take it.
    disk: Mutex<Disk>,
    listeners: Mutex<HashMap<ChatId, watch::Sender<Told>>>,
    chats: AtomicUsize,
}

/// How often a chat was told something; only a difference means anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Paths were recorded.
    pub(crate) paths: u64,
    /// Something may have changed, and nothing says where.
    pub(crate) scans: u64,
}

/// Bounds of a store.
#[derive(Clone, Copy, Debug)]
struct Limits {
    paths: usize,
    chats: usize,
    loaded_bytes: usize,
    spare_lines: usize,
}

#[derive(Debug, Default)]
struct Disk {
    /// Whether the directory could be read.
    is_open: bool,
    /// Number of the last recording.
    sequence: u64,
    chats: HashMap<ChatId, Known>,
    /// Every chat by its last recording.
    by_recording: BTreeSet<(u64, ChatId)>,
    /// Counts uses, for the order in which chats leave memory.
    uses: u64,
    /// Whether the disk refused the last time, which was logged.
    is_failing: bool,
}

/// A chat of which there is a file, or would be if the disk had let it.
#[derive(Debug, Default)]
struct Known {
    last: u64,
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    content: Content,
    used: u64,
}

impl PathStore {
    /// A store in a directory that may not exist yet; touches nothing.
    pub(crate) fn new(directory: PathBuf) -> Self {
        let limits = Limits {
            paths: MAX_PATHS,
            chats: MAX_CHATS,
            loaded_bytes: MAX_LOADED_BYTES,
            spare_lines: SPARE_LINES,
        };
        Self::with_limits(directory, limits)
    }

    fn with_limits(directory: PathBuf, limits: Limits) -> Self {
        Self {
            directory,
            limits,
            disk: Mutex::default(),
            listeners: Mutex::default(),
            chats: AtomicUsize::new(0),
        }
    }

    /// Records paths for a chat and all its ancestors, and tells who listens to them. Blocks.
    pub(crate) fn record(&self, by: &Caller, paths: &[AbsolutePath]) {
        for chat in chats(by) {
            {
                let mut disk = self.disk.lock();
                self.open(&mut disk);
                self.record_for(&mut disk, chat, paths);
                self.chats.store(disk.chats.len(), Ordering::Relaxed);
            }
            self.tell(chat, |told| told.paths += 1);
        }
    }

    /// The paths of a chat recorded after a number, oldest first, and the number to ask with the
    /// next time; after 0 all of them. Blocks.
    pub(crate) fn paths_since(&self, chat: ChatId, sequence: u64) -> (Vec<AbsolutePath>, u64) {
        let mut disk = self.disk.lock();
        self.open(&mut disk);
        if !disk.chats.contains_key(&chat) {
            return (Vec::new(), sequence);
        }
        let content = self.load(&mut disk, chat);
        let (paths, last) = (content.chat.since(sequence), content.chat.last());
        self.unload_others(&mut disk, chat);
        (paths, last.max(sequence))
    }

    /// Tells who listens to a chat or one of its ancestors that something may have changed.
    pub(crate) fn tell_scan(&self, by: &Caller) {
        for chat in chats(by) {
            self.tell(chat, |told| told.scans += 1);
        }
    }

    /// Tells every listener that something may have changed.
    pub(crate) fn tell_all_scan(&self) {
        for listener in self.listeners.lock().values() {
            listener.send_modify(|told| told.scans += 1);
        }
    }

    /// Hears of a chat from now on; tellings merge.
    pub(crate) fn subscribe(&self, chat: ChatId) -> watch::Receiver<Told> {
        let mut listeners = self.listeners.lock();
        listeners.retain(|_, listener| listener.receiver_count() > 0);
        listeners.entry(chat).or_default().subscribe()
    }

    /// How many chats have paths, as far as the disk was looked at.
    pub(crate) fn chats(&self) -> usize {
        self.chats.load(Ordering::Relaxed)
    }

    fn tell(&self, chat: ChatId, what: impl FnOnce(&mut Told)) {
        if let Some(listener) = self.listeners.lock().get(&chat) {
            listener.send_modify(what);
        }
    }

    fn file(&self, chat: ChatId) -> PathBuf {
        self.directory.join(chat.to_string())
    }

    /// Finds out which chats there are, unless that is known.
    fn open(&self, disk: &mut Disk) {
        if disk.is_open {
            return;
        }
        match found(&self.directory) {
            Ok(found) => {
                disk.is_open = true;
                for (chat, last) in found {
                    disk.sequence = disk.sequence.max(last);
                    // One that was recorded before the directory could be read is newer.
                    if let Entry::Vacant(unknown) = disk.chats.entry(chat) {
                        unknown.insert(Known { last, loaded: None });
                        disk.by_recording.insert((last, chat));
                    }
                }
            }
            // It is tried again with the next use.
            Err(error) => disk.note(&self.directory, "read", Err(error)),
        }
        self.drop_oldest(disk);
        self.chats.store(disk.chats.len(), Ordering::Relaxed);
    }

    fn record_for(&self, disk: &mut Disk, chat: ChatId, paths: &[AbsolutePath]) {
        // Its file may have higher numbers than the start has seen.
        let last = self.load(disk, chat).chat.last();
        let first = disk.sequence.max(last) + 1;
        disk.sequence = first - 1 + paths.len() as u64;
        let recorded: Vec<_> = (first..).zip(paths).collect();
        let content = self.load(disk, chat);
        for (sequence, path) in &recorded {
            content.chat.record(*sequence, AbsolutePath::clone(path), self.limits.paths);
        }
        let written = self.write(&self.file(chat), content, &recorded);
        disk.note(&self.directory, "write", written);
        disk.recorded(chat);
        self.drop_oldest(disk);
        self.unload_others(disk, chat);
    }

    /// A chat in memory; one whose file cannot be read begins empty, and adds to the file.
    fn load<'a>(&self, disk: &'a mut Disk, chat: ChatId) -> &'a mut Content {
        disk.uses += 1;
        let used = disk.uses;
        let known = disk.chats.entry(chat).or_default();
        let loaded = known.loaded.get_or_insert_with(|| {
            let path = self.file(chat);
            let content = file::load(&path, self.limits.paths).unwrap_or_else(|error| {
                warn(&path, "read", &error);
                Content { is_whole: true, ..Content::default() }
            });
            Loaded { content, used }
        });
        loaded.used = used;
        &mut loaded.content
    }

    /// Brings the file up to date: by lines at its end, or anew where it is broken or too long.
    fn write(
        &self,
        path: &Path,
        content: &mut Content,
        recorded: &[(u64, &AbsolutePath)],
    ) -> io::Result<()> {
        let lines = content.lines + recorded.len();
        if content.is_whole && lines <= 2 * content.chat.len() + self.limits.spare_lines {
            content.is_whole = false;
            self.in_directory(|| file::append(path, recorded))?;
            content.lines = lines;
        } else {
            content.is_whole = false;
            self.in_directory(|| file::rewrite(path, &content.chat))?;
            content.lines = content.chat.len();
        }
        content.is_whole = true;
        Ok(())
    }

    /// Does something in the directory, which is made if it is missing.
    fn in_directory(&self, work: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
                work()
            }
            done => done,
        }
    }

    fn drop_oldest(&self, disk: &mut Disk) {
        while disk.chats.len() > self.limits.chats {
            let Some((_, oldest)) = disk.by_recording.pop_first() else { return };
            disk.chats.remove(&oldest);
            match std::fs::remove_file(self.file(oldest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn(&self.file(oldest), "remove", &error);
                }
                _ => {}
            }
        }
    }

    /// Takes chats out of memory, those used longest ago first, until the rest is small enough.
    fn unload_others(&self, disk: &mut Disk, kept: ChatId) {
        let loaded =
            disk.chats.iter().filter_map(|(id, known)| Some((*id, known.loaded.as_ref()?)));
        let mut others: Vec<_> = loaded
            .filter(|(id, _)| *id != kept)
            .map(|(id, loaded)| (loaded.used, id, loaded.content.chat.bytes()))
            .collect();
        others.sort_unstable_by_key(|(used, ..)| std::cmp::Reverse(*used));
        let mut bytes = 0;
        for (_, id, its_bytes) in others {
            bytes += its_bytes;
            if bytes > self.limits.loaded_bytes
                && let Some(known) = disk.chats.get_mut(&id)
            {
                known.loaded = None;
            }
        }
    }
}

impl Disk {
    /// Notes that the last recording is a chat's.
    fn recorded(&mut self, chat: ChatId) {
        let last = self.sequence;
        if let Some(known) = self.chats.get_mut(&chat) {
            self.by_recording.remove(&(known.last, chat));
            known.last = last;
            self.by_recording.insert((last, chat));
        }
    }

    /// Logs the first failure of many.
    fn note(&mut self, directory: &Path, action: &'static str, done: io::Result<()>) {
        match done {
            Ok(()) => self.is_failing = false,
            Err(error) if !std::mem::replace(&mut self.is_failing, true) => {
                warn(directory, action, &error);
            }
            Err(_) => {}
        }
    }
}

/// The chats that see what a caller writes.
fn chats(by: &Caller) -> impl Iterator<Item = ChatId> {
    by.chat.into_iter().chain(by.ancestors.iter().copied())
}

/// The chats that have a file, each with the number of its last recording; what a crash left of a
/// rewrite is removed.
fn found(directory: &Path) -> io::Result<Vec<(ChatId, u64)>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let stem: Option<ChatId> = path.file_stem().and_then(|name| name.to_str()?.parse().ok());
        let Some(chat) = stem else { continue };
        if path.extension().is_some() {
            let _ = std::fs::remove_file(&path);
            continue;
        }
        match file::last_sequence(&path) {
            Ok(last) => found.push((chat, last)),
            Err(error) => warn(&path, "read", &error),
        }
    }
    Ok(found)
}

fn warn(path: &Path, action: &'static str, error: &io::Error) {
    let error = agent_api::io_text(error);
    tracing::warn!(path = %path.display(), error, "cannot {action} the paths of chats");
}
