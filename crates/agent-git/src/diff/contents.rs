//! Contents of both sides of a change, read as git would compare them.

use std::{
    io::{self, Read},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use agent_api::limits::MAX_GIT_FILE_BYTES;

use crate::{
    convert::{Conversion, blob_id},
    diff::{BINARY_PREFIX, is_binary},
    engine::ScanError,
    fs::Root,
    model::{Mode, ObjectFormat, ObjectId, Stat, Version, WorkFile},
    repository::{Source, SourceError},
};

/// Readings of a file that changes meanwhile; the last one is taken as it is.
const ATTEMPTS: usize = 3;

/// A file that changed less than this ago may change again and keep its stat: file systems count
/// time in steps of up to ten milliseconds.
const RECENT: Duration = Duration::from_millis(100);

/// What one side of a change holds.
#[derive(Debug)]
pub(super) enum Contents {
    /// As git stores them, and their id.
    Known { bytes: Vec<u8>, id: ObjectId },
    /// More than [`MAX_GIT_FILE_BYTES`]. A blob of that size is never taken for binary: nothing of
    /// it is read.
    TooLarge { size: u64, id: Option<ObjectId>, is_binary: bool },
    /// A file that may not be read, or a blob that is missing.
    Unreadable { id: Option<ObjectId> },
}

impl Contents {
    pub(super) fn id(&self) -> Option<ObjectId> {
        match self {
            Self::Known { id, .. } => Some(*id),
            Self::TooLarge { id, .. } | Self::Unreadable { id } => *id,
        }
    }

    pub(super) fn is_binary(&self) -> bool {
        match self {
            Self::Known { bytes, .. } => is_binary(bytes),
            Self::TooLarge { is_binary, .. } => *is_binary,
            Self::Unreadable { .. } => false,
        }
    }
}

/// A file of the work tree, read.
#[derive(Debug)]
pub(super) struct WorkContents {
    pub(super) contents: Contents,
    /// Whether they are what the [`WorkFile`] is about, and will be as long as that stays.
    pub(super) is_steady: bool,
}

/// Reads HEAD's and the work tree's versions of files.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Root,
    pub(super) source: &'a mut dyn Source,
    pub(super) format: ObjectFormat,
    pub(super) stop: &'a AtomicBool,
}

impl Reader<'_> {
    /// Ends the work when the stop flag is up.
    pub(super) fn go_on(&self) -> Result<(), ScanError> {
        if self.stop.load(Ordering::Relaxed) { Err(ScanError::Stopped) } else { Ok(()) }
    }

    /// Size of a blob; `None` when it is missing or more than [`MAX_GIT_FILE_BYTES`].
    pub(super) fn size(&mut self, id: ObjectId) -> Result<Option<u64>, ScanError> {
        match self.source.blob_size(id) {
            Ok(size) => Ok(Some(size).filter(|&size| size <= MAX_GIT_FILE_BYTES)),
            Err(SourceError::Missing { .. }) => Ok(None),
            Err(error) => Err(failed("read the size of a blob", error)),
        }
    }

    /// HEAD's version of a file.
    pub(super) fn head(&mut self, version: Version) -> Result<Contents, ScanError> {
        self.go_on()?;
        let id = version.id;
        if version.mode == Mode::Submodule {
            return Ok(submodule(id));
        }
        let blob = self.source.blob_size(id).and_then(|size| match size {
            0..=MAX_GIT_FILE_BYTES => {
                self.source.blob(id).map(|bytes| Contents::Known { bytes, id })
            }
            size => Ok(Contents::TooLarge { size, id: Some(id), is_binary: false }),
        });
        match blob {
            Err(SourceError::Missing { .. }) => Ok(Contents::Unreadable { id: Some(id) }),
            blob => blob.map_err(|error| failed("read a blob", error)),
        }
    }

    /// The work tree's version of a file; `None` when it is gone meanwhile.
    ///
    /// A file that changes while it is read is read again, a few times.
    pub(super) fn work(
        &mut self,
        path: &[u8],
        file: &WorkFile,
    ) -> Result<Option<WorkContents>, ScanError> {
        self.go_on()?;
        let steady = |contents| Ok(Some(WorkContents { contents, is_steady: true }));
        if file.mode == Mode::Submodule {
            return steady(file.id.map_or(Contents::Unreadable { id: None }, submodule));
        }
        if let Some(id) = file.id.filter(|_| file.indexed) {
            return steady(self.head(Version { mode: file.mode, id })?);
        }
        if file.mode != Mode::Link && file.stat.size > MAX_GIT_FILE_BYTES {
            let is_binary = self.has_binary_prefix(path);
            return steady(Contents::TooLarge { size: file.stat.size, id: file.id, is_binary });
        }
        let (bytes, stat, is_whole) = match self.read(path, file.mode) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(None),
            Err(error) => {
                let contents = self.unread(path, &error);
                return Ok(Some(WorkContents { contents, is_steady: false }));
            }
        };
        let (bytes, id) = self.stored(path, file, bytes)?;
        let is_steady = is_whole
            && match file.id {
                Some(known) => known == id,
                None => stat == file.stat && !is_recent(&stat),
            };
        Ok(Some(WorkContents { contents: Contents::Known { bytes, id }, is_steady }))
    }

    /// Bytes, their stat, and whether the file was the same before and after.
    fn read(&self, path: &[u8], mode: Mode) -> io::Result<Option<(Vec<u8>, Stat, bool)>> {
        let mut attempt = 1;
        loop {
            let mut read = self.root.read(path, mode, MAX_GIT_FILE_BYTES)?;
            if read.is_none() && mode == Mode::Link && !self.source.settings().symlinks {
                // There the target of a link is the contents of a file.
                read = self.root.read(path, Mode::File, MAX_GIT_FILE_BYTES)?;
            }
            let Some(read) = read else { return Ok(None) };
            let is_whole = read.bytes.len() as u64 == read.stat.size
                && self.root.stat(path)? == Some(read.stat);
            if is_whole || attempt == ATTEMPTS {
                return Ok(Some((read.bytes, read.stat, is_whole)));
            }
            attempt += 1;
        }
    }

    fn unread(&self, path: &[u8], error: &io::Error) -> Contents {
        if error.kind() == io::ErrorKind::FileTooLarge
            && let Ok(Some(stat)) = self.root.stat(path)
        {
            return Contents::TooLarge { size: stat.size, id: None, is_binary: false };
        }
        Contents::Unreadable { id: None }
    }

    /// What git would store of a file, and its id.
    fn stored(
        &mut self,
        path: &[u8],
        file: &WorkFile,
        bytes: Vec<u8>,
    ) -> Result<(Vec<u8>, ObjectId), ScanError> {
        let conversion = match file.mode {
            Mode::Link | Mode::Submodule => Conversion::default(),
            Mode::File | Mode::Executable => self
                .source
                .conversion(path)
                .map_err(|error| failed("read the attributes of a file", error))?,
        };
        let with_id = |bytes: Vec<u8>| {
            let id = blob_id(self.format, &bytes);
            (bytes, id)
        };
        let Some(known) = file.id.filter(|_| conversion.asks_the_index()) else {
            return Ok(with_id(conversion.to_git(bytes, || None)));
        };
        // There are two outcomes, and the id tells which one the index led to.
        let converted = with_id(conversion.to_git(bytes.clone(), || None));
        if converted.1 == known {
            return Ok(converted);
        }
        let left_alone = with_id(conversion.to_git(bytes, || Some(b"\r\n".to_vec())));
        Ok(if left_alone.1 == known { left_alone } else { converted })
    }

    fn has_binary_prefix(&self, path: &[u8]) -> bool {
        let mut prefix = Vec::new();
        match self.root.open_file(path) {
            Ok(Some(file)) => {
                let read = file.take(BINARY_PREFIX as u64).read_to_end(&mut prefix);
                read.is_ok() && is_binary(&prefix)
            }
            Ok(None) | Err(_) => false,
        }
    }
}

/// What a diff shows of a submodule.
fn submodule(commit: ObjectId) -> Contents {
    let bytes = format!("Subproject commit {commit}\n").into_bytes();
    Contents::Known { bytes, id: commit }
}

/// Whether a file may change once more without another stat.
fn is_recent(stat: &Stat) -> bool {
    let (seconds, nanos) = stat.ctime;
    let Ok(seconds) = u64::try_from(seconds) else { return false };
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    // A time to come is as good as now.
    SystemTime::now().duration_since(changed).map_or(true, |age| age < RECENT)
}

/// A step of a source that failed.
pub(super) fn failed(what: &str, error: SourceError) -> ScanError {
    match error {
        SourceError::Unsupported { why } => ScanError::Unsupported { why },
        SourceError::Stopped => ScanError::Stopped,
        error => ScanError::failed(what, error),
    }
}
