//! The file of one run: appended to, with its oldest lines dropped when it is full. Blocking.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use agent_api::{DevContainerLogLevel, io_text};
use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

use super::{MAX_RUN_BYTES, Shared, entry};

/// What is kept of a run when its oldest lines are dropped: so much is dropped at once that the rest
/// is not copied for every new line.
const KEPT_BYTES: u64 = MAX_RUN_BYTES / 8 * 7;
/// How long no lines are dropped after that has failed, because it copies megabytes.
const RETRY: Duration = Duration::from_secs(1);

/// Where in the file a run is that may still grow. Positions count from the begin of the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Geometry {
    /// Absent until the first entry, and where the disk refuses it.
    pub(super) file: Option<Arc<File>>,
    /// Length of the line in front of the file that tells of dropped lines.
    pub(super) header: u64,
    /// Position of the first line that is kept.
    pub(super) start: u64,
    /// How many lines were before that.
    pub(super) dropped: u64,
    /// Position behind the last whole line.
    pub(super) end: u64,
}

impl Geometry {
    /// Where in the file a position is that is kept.
    pub(super) fn offset(&self, position: u64) -> u64 {
        self.header + (position - self.start)
    }
}

/// Writes one run; dropping it ends the run.
#[derive(Debug)]
pub(super) struct Disk {
    shared: Arc<Shared>,
    id: Uuid,
    geometry: watch::Sender<Geometry>,
    /// Lines that the disk did not take, since it last took some.
    lost: Option<Lost>,
    is_warned: bool,
    /// When dropping lines has failed last.
    dropping_failed: Option<Instant>,
}

#[derive(Debug)]
struct Lost {
    lines: u64,
    why: String,
}

impl Disk {
    pub(super) fn new(shared: Arc<Shared>, id: Uuid, geometry: watch::Sender<Geometry>) -> Self {
        Self { shared, id, geometry, lost: None, is_warned: false, dropping_failed: None }
    }

    /// Adds whole lines. What the disk does not take is told when it takes something again.
    pub(super) fn append(&mut self, lines: &[u8]) {
        let told = self.lost.as_ref().map(|Lost { lines, why }| {
            let lost = if *lines == 1 { "1 line".into() } else { format!("{lines} lines") };
            let text = format!("{lost} could not be written: {why}");
            entry::line(&entry::entry(DevContainerLogLevel::Error, &text))
        });
        let all = told.as_ref().map(|told| [told, lines].concat());
        let before = self.geometry.borrow().end;
        let Err(error) = self.add(all.as_deref().unwrap_or(lines)) else {
            self.lost = None;
            return;
        };
        let taken = usize::try_from(self.geometry.borrow().end - before).unwrap_or(lines.len());
        let why = io_text(&error);
        if !std::mem::replace(&mut self.is_warned, true) {
            warn!(dev_container.id = %self.id, error = %why, "cannot write the log of bringing up");
        }
        let earlier = self.lost.take().map_or(0, |lost| lost.lines);
        self.lost = Some(Lost { lines: earlier + count_lines(&lines[taken..]), why });
    }

    fn add(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut geometry = self.geometry.borrow().clone();
        let file = match &geometry.file {
            Some(file) => file.clone(),
            None => self.open(&mut geometry)?,
        };
        let length = geometry.offset(geometry.end);
        if length + lines.len() as u64 > MAX_RUN_BYTES {
            if let Some(Lost { why, .. }) = &self.lost
                && self.dropping_failed.is_some_and(|at| at.elapsed() < RETRY)
            {
                return Err(io::Error::other(why.clone()));
            }
            let dropped = self.drop_oldest(&geometry, &file, lines);
            self.dropping_failed = dropped.is_err().then(Instant::now);
            return dropped;
        }
        let (written, result) = write_at(&file, lines, length);
        let taken = match result {
            // What was lost is told together with all that follows, or not yet.
            Err(_) if self.lost.is_some() => 0,
            // Of a line that was cut off nothing may be seen, also by who reads the file later.
            _ => lines[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1),
        };
        geometry.end += taken as u64;
        if taken < written {
            let _ = file.set_len(geometry.offset(geometry.end));
        }
        self.geometry.send_replace(geometry);
        result
    }

    /// Makes the run before this one the second, and the file of this one.
    fn open(&self, geometry: &mut Geometry) -> io::Result<Arc<File>> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.shared.directory())?;
        let path = self.shared.path(self.id, 1);
        match fs::rename(&path, self.shared.path(self.id, 2)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = Arc::new(create(&path)?);
        geometry.file = Some(file.clone());
        self.geometry.send_replace(geometry.clone());
        Ok(file)
    }

    /// Puts a new file in place of the full one: what was dropped, the newest old lines, the new ones.
    ///
    /// Readers keep the old file until they look at the geometry again.
    fn drop_oldest(&self, old: &Geometry, file: &File, lines: &[u8]) -> io::Result<()> {
        let total = old.end - old.start + lines.len() as u64;
        let too_many = total.saturating_sub(KEPT_BYTES);
        let mut dropped = Dropped { too_many, bytes: 0, lines: 0 };
        let mut position = old.start;
        let mut buffer = vec![0; 64 * 1024];
        while dropped.is_too_little() && position < old.end {
            let read = read_at(file, &mut buffer, old, position)?;
            dropped.count(&buffer[..read]);
            position += read as u64;
        }
        if dropped.is_too_little() {
            dropped.count(lines);
        }
        let start = old.start + dropped.bytes;
        let header = entry::line(&entry::dropped(old.dropped + dropped.lines));

        let path = self.shared.directory().join(format!("{}.new", self.id));
        let copied = create(&path).and_then(|mut new| {
            new.write_all(&header)?;
            let mut position = start;
            while position < old.end {
                let read = read_at(file, &mut buffer, old, position)?;
                new.write_all(&buffer[..read])?;
                position += read as u64;
            }
            let skipped = usize::try_from(position - old.end).unwrap_or(lines.len());
            new.write_all(&lines[skipped..])?;
            fs::rename(&path, self.shared.path(self.id, 1))?;
            Ok(new)
        });
        let new = copied.inspect_err(|_| drop(fs::remove_file(&path)))?;
        self.geometry.send_replace(Geometry {
            file: Some(Arc::new(new)),
            header: header.len() as u64,
            start,
            dropped: old.dropped + dropped.lines,
            end: old.end + lines.len() as u64,
        });
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut live = self.shared.live.lock();
        // A later run may have taken the place.
        if live.get(&self.id).is_some_and(|live| live.same_channel(&self.geometry.subscribe())) {
            live.remove(&self.id);
        }
    }
}

/// How much in front of a run is dropped: whole lines, and at least `too_many` bytes.
#[derive(Debug)]
struct Dropped {
    too_many: u64,
    bytes: u64,
    lines: u64,
}

impl Dropped {
    fn is_too_little(&self) -> bool {
        self.bytes < self.too_many
    }

    /// Counts what follows, up to the end of the line with which it is enough.
    fn count(&mut self, bytes: &[u8]) {
        let least = usize::try_from(self.too_many - self.bytes).unwrap_or(usize::MAX);
        let rest = bytes.get(least.saturating_sub(1)..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n');
        let end = end.map_or(bytes.len(), |at| least.saturating_sub(1) + at + 1);
        self.lines += count_lines(&bytes[..end]);
        self.bytes += end as u64;
        if end == bytes.len() && bytes.last() != Some(&b'\n') {
            // The line goes on in what follows.
            self.too_many = self.too_many.max(self.bytes + 1);
        }
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Creates a file anew that only the agent's user reads.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn read_at(file: &File, buffer: &mut [u8], old: &Geometry, position: u64) -> io::Result<usize> {
    let left = usize::try_from(old.end - position).unwrap_or(usize::MAX);
    let length = left.min(buffer.len());
    match file.read_at(&mut buffer[..length], old.offset(position))? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

/// Writes as much as the disk takes; answers how much that was.
fn write_at(file: &File, bytes: &[u8], offset: u64) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], offset + written as u64) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
