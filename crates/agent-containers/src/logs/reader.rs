//! Reads the log of one run, while it is written or afterwards.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::PathBuf, sync::Arc};

use agent_api::DevContainerLogEntry;
use tokio::{sync::watch, task::spawn_blocking};

use super::{MAX_RUN_BYTES, disk::Geometry, entry};

/// What is read from the disk at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Reads the log of one run, oldest entry first.
///
/// Where lines were dropped before they were read, an entry says how many.
#[derive(Debug)]
pub(crate) struct LogReader {
    source: Source,
    /// Bytes that were read; how many of them were given out, and looked at for the end of a line.
    bytes: Vec<u8>,
    given: usize,
    scanned: usize,
    /// The position behind `bytes`.
    at: u64,
    /// How many lines are before what was not given out.
    seen: u64,
}

#[derive(Debug)]
enum Source {
    /// A run that is being written, and up to which position it is read if it is not followed.
    Live {
        live: watch::Receiver<Geometry>,
        until: Option<u64>,
    },
    /// A run that has ended, not opened yet.
    Ended(PathBuf),
    /// The same, opened.
    File(Arc<File>),
    Nothing,
}

/// What is to be done next.
enum Step {
    Read { file: Arc<File>, offset: u64, length: usize },
    Wait,
    Dropped(u64),
    End,
}

impl LogReader {
    pub(super) fn of_live(mut live: watch::Receiver<Geometry>, follow: bool) -> Self {
        let until = (!follow).then(|| live.borrow_and_update().end);
        Self::new(Source::Live { live, until })
    }

    pub(super) fn of_file(path: PathBuf) -> Self {
        Self::new(Source::Ended(path))
    }

    fn new(source: Source) -> Self {
        Self { source, bytes: Vec::new(), given: 0, scanned: 0, at: 0, seen: 0 }
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    ///
    /// The disk cannot be read; nothing follows then.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Result<DevContainerLogEntry, io::Error>> {
        loop {
            if let Some(entry) = self.take() {
                return Some(Ok(entry));
            }
            let step = match self.step().await {
                Ok(step) => step,
                Err(error) => return self.fail(error),
            };
            match step {
                Step::Read { file, offset, length } => match read(file, offset, length).await {
                    Ok(read) if read.is_empty() => self.source = Source::Nothing,
                    Ok(read) => {
                        self.at += read.len() as u64;
                        self.bytes.extend_from_slice(&read);
                    }
                    Err(error) => return self.fail(error),
                },
                Step::Dropped(lines) => return Some(Ok(entry::dropped(lines))),
                Step::Wait => self.changed().await,
                Step::End => return None,
            }
        }
    }

    fn fail(&mut self, error: io::Error) -> Option<Result<DevContainerLogEntry, io::Error>> {
        self.source = Source::Nothing;
        Some(Err(error))
    }

    /// The first whole line of what was read; one that is no entry, as a crash may leave it, is
    /// passed over.
    fn take(&mut self) -> Option<DevContainerLogEntry> {
        while let Some(end) = self.bytes[self.scanned..].iter().position(|byte| *byte == b'\n') {
            let end = self.scanned + end + 1;
            let entry = serde_json::from_slice(&self.bytes[self.given..end]).ok();
            (self.given, self.scanned) = (end, end);
            self.seen += 1;
            if entry.is_some() {
                return entry;
            }
        }
        self.bytes.drain(..std::mem::take(&mut self.given));
        self.bytes.shrink_to(CHUNK_BYTES);
        self.scanned = self.bytes.len();
        None
    }

    async fn step(&mut self) -> io::Result<Step> {
        let path = match &mut self.source {
            Source::Live { live, until } => {
                // Asked first: what was written before the end is seen after it.
                let has_ended = live.has_changed().is_err();
                let geometry = live.borrow_and_update().clone();
                let until = until.unwrap_or(u64::MAX);
                return Ok(self.step_in(&geometry, until, has_ended));
            }
            Source::Ended(path) => path.clone(),
            Source::File(file) if self.at <= MAX_RUN_BYTES => {
                let (file, offset) = (file.clone(), self.at);
                return Ok(Step::Read { file, offset, length: CHUNK_BYTES });
            }
            Source::File(_) | Source::Nothing => return Ok(Step::End),
        };
        self.source = match open(path).await {
            Ok(file) => Source::File(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Step::End),
            Err(error) => return Err(error),
        };
        Box::pin(self.step()).await
    }

    fn step_in(&mut self, geometry: &Geometry, until: u64, has_ended: bool) -> Step {
        if self.at < geometry.start {
            let lines = geometry.dropped - self.seen;
            (self.at, self.seen) = (geometry.start, geometry.dropped);
            (self.bytes, self.given, self.scanned) = (Vec::new(), 0, 0);
            return Step::Dropped(lines);
        }
        let length = until.min(geometry.end).saturating_sub(self.at);
        match &geometry.file {
            Some(file) if length > 0 => {
                let length = usize::try_from(length).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
                Step::Read { file: file.clone(), offset: geometry.offset(self.at), length }
            }
            _ if has_ended || self.at >= until => Step::End,
            _ => Step::Wait,
        }
    }

    async fn changed(&mut self) {
        if let Source::Live { live, .. } = &mut self.source {
            // An error is the end of the run, which the next step sees.
            let _ = live.changed().await;
        }
    }
}

async fn open(path: PathBuf) -> io::Result<Arc<File>> {
    let opened = spawn_blocking(move || File::open(path)).await;
    Ok(Arc::new(opened.map_err(io::Error::from)??))
}

async fn read(file: Arc<File>, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let read = spawn_blocking(move || {
        let mut bytes = vec![0; length];
        let read = file.read_at(&mut bytes, offset)?;
        bytes.truncate(read);
        Ok(bytes)
    });
    read.await.map_err(io::Error::from)?
}
