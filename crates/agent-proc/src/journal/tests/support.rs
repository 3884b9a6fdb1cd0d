//! Journals on a disk that fails when it is told to, with output that tells its own offset.

use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use agent_api::OutputGap;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::journal::{
    Disk, Journal, Journals, Keeper, Medium, Read, StoredStream, Surroundings, Totals,
};

pub(super) const KIB: u64 = 1024;
pub(super) const MIB: u64 = 1024 * KIB;

/// The byte at an offset of every stream: never 0, and without a period of a power of two.
pub(super) fn byte(offset: u64) -> u8 {
    (offset % 251) as u8 + 1
}

pub(super) fn bytes(range: Range<u64>) -> Vec<u8> {
    static PERIODS: LazyLock<Vec<u8>> = LazyLock::new(|| (0..251 * 200).map(byte).collect());
    let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
    let mut from = (range.start % 251) as usize;
    while bytes.len() < bytes.capacity() {
        let to = PERIODS.len().min(from + bytes.capacity() - bytes.len());
        bytes.extend_from_slice(&PERIODS[from..to]);
        from = 0;
    }
    bytes
}

/// A real disk that refuses writes beyond a budget, and other calls on demand.
#[derive(Debug)]
pub(super) struct Moody {
    pub(super) budget: AtomicU64,
    pub(super) cannot_punch: AtomicBool,
    pub(super) cannot_splice: AtomicBool,
    pub(super) cannot_create: AtomicBool,
    pub(super) punches: AtomicU64,
    /// What reached the file, in order.
    pub(super) written: Mutex<Vec<Range<u64>>>,
}

impl Default for Moody {
    fn default() -> Self {
        Self {
            budget: AtomicU64::new(u64::MAX),
            cannot_punch: AtomicBool::default(),
            cannot_splice: AtomicBool::default(),
            cannot_create: AtomicBool::default(),
            punches: AtomicU64::default(),
            written: Mutex::default(),
        }
    }
}

impl Moody {
    fn spend(&self, wanted: usize) -> io::Result<usize> {
        match (wanted as u64).min(self.budget.load(Relaxed)) {
            0 => Err(io::ErrorKind::StorageFull.into()),
            granted => Ok(granted as usize),
        }
    }

    fn spent(&self, at: u64, bytes: usize) {
        let left = self.budget.load(Relaxed);
        if left != u64::MAX {
            self.budget.store(left - bytes as u64, Relaxed);
        }
        self.written.lock().push(at..at + bytes as u64);
    }
}

impl Medium for Moody {
    fn create(&self, path: &Path) -> io::Result<File> {
        if self.cannot_create.load(Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Disk.create(path)
    }

    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        let written = Disk.write(file, &bytes[..self.spend(bytes.len())?], at)?;
        self.spent(at, written);
        Ok(written)
    }

    fn splice(&self, pipe: BorrowedFd<'_>, file: &File, at: u64, most: usize) -> io::Result<usize> {
        if self.cannot_splice.load(Relaxed) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let spliced = Disk.splice(pipe, file, at, self.spend(most)?)?;
        self.spent(at, spliced);
        Ok(spliced)
    }

    fn punch(&self, file: &File, range: Range<u64>) -> io::Result<()> {
        if self.cannot_punch.load(Relaxed) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.punches.fetch_add(1, Relaxed);
        Disk.punch(file, range)
    }
}

/// Keeps the states of streams as a record does.
#[derive(Debug, Default)]
pub(super) struct Memory(pub(super) Mutex<Vec<StoredStream>>);

impl Keeper for Memory {
    fn keep(&self, streams: &dyn Fn() -> Vec<StoredStream>) -> io::Result<()> {
        let mut kept = self.0.lock();
        *kept = streams();
        Ok(())
    }
}

/// The journals of one process, and all that they stand on.
pub(super) struct Bench {
    pub(super) directory: TempDir,
    pub(super) medium: Arc<Moody>,
    pub(super) keeper: Arc<Memory>,
    pub(super) totals: Totals,
    pub(super) quota: u64,
    pub(super) streams: usize,
    pub(super) journals: Journals,
}

impl Bench {
    pub(super) fn new(quota: u64, streams: usize) -> Self {
        Self::with_totals(quota, streams, &Totals::new(u64::MAX))
    }

    pub(super) fn with_totals(quota: u64, streams: usize, totals: &Totals) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (medium, keeper) = (Arc::<Moody>::default(), Arc::<Memory>::default());
        let parts = (directory.path(), &medium, &keeper);
        let journals = Journals::create(surroundings(parts, quota, streams, totals));
        let totals = totals.clone();
        Self { directory, medium, keeper, totals, quota, streams, journals }
    }

    /// The agent dies and comes back.
    pub(super) fn restart(self) -> Self {
        let Self { directory, medium, keeper, quota, streams, journals, .. } = self;
        drop(journals);
        let totals = Totals::new(u64::MAX);
        let stored = keeper.0.lock().clone();
        let parts = (directory.path(), &medium, &keeper);
        let journals = Journals::open(surroundings(parts, quota, streams, &totals), &stored);
        Self { directory, medium, keeper, totals, quota, streams, journals }
    }

    pub(super) fn journal(&self, index: usize) -> &Journal {
        if index == 0 { self.journals.output() } else { self.journals.stderr().unwrap() }
    }

    pub(super) fn append(&self, index: usize, count: u64) {
        append(self.journal(index), count);
    }

    /// Appends through a pipe, as much at once as one holds.
    pub(super) fn append_by_pipe(&self, index: usize, count: u64) {
        let (reader, mut writer) = pipe();
        let journal = self.journal(index);
        let mut left = count;
        while left > 0 {
            let end = journal.bounds().end;
            let part = left.min(60 * KIB);
            writer.write_all(&bytes(end..end + part)).unwrap();
            let mut taken = 0;
            while taken < part {
                taken += journal.append_from_pipe(reader.as_fd(), 1 << 20).unwrap().bytes as u64;
            }
            left -= part;
        }
    }

    pub(super) fn file(&self, index: usize) -> PathBuf {
        self.directory.path().join(index.to_string())
    }
}

pub(super) fn append(journal: &Journal, count: u64) {
    let end = journal.bounds().end;
    journal.append(&bytes(end..end + count));
}

pub(super) fn surroundings_of(bench: &Bench) -> Surroundings {
    let parts = (bench.directory.path(), &bench.medium, &bench.keeper);
    surroundings(parts, bench.quota, bench.streams, &bench.totals)
}

fn surroundings(
    (directory, medium, keeper): (&Path, &Arc<Moody>, &Arc<Memory>),
    quota: u64,
    streams: usize,
    totals: &Totals,
) -> Surroundings {
    Surroundings {
        files: (0..streams).map(|index| directory.join(index.to_string())).collect(),
        quota,
        totals: totals.clone(),
        keeper: Arc::clone(keeper) as _,
        medium: Arc::clone(medium) as _,
    }
}

/// A pipe whose reading end does not wait.
pub(super) fn pipe() -> (File, File) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK).unwrap();
    (reader.into(), writer.into())
}

/// Reads at most `max` bytes at an offset.
pub(super) async fn read(journal: &Journal, from: u64, max: usize) -> Read {
    journal.read_with(&mut None, from, u64::MAX, max).await
}

/// Bytes of all streams of a process that can be read.
pub(super) fn retained(journals: &Journals) -> u64 {
    let streams = std::iter::once(journals.output()).chain(journals.stderr());
    streams.map(|journal| journal.bounds().retained).sum()
}

/// Reads everything from an offset on, checks every byte, and answers the gaps and the end.
pub(super) async fn read_all(journal: &Journal, from: u64) -> (Vec<OutputGap>, u64) {
    let mut cursor = journal.cursor(from);
    let (mut gaps, mut at) = (Vec::new(), from);
    loop {
        match cursor.next(u64::MAX).await {
            Read::Bytes { offset, bytes: read } => {
                assert_eq!(offset, at);
                assert!(!read.is_empty());
                at += read.len() as u64;
                assert!(read == bytes(offset..at), "wrong bytes in {offset}..{at}");
            }
            Read::Gap(gap) => {
                assert_eq!(gap.from, at);
                assert!(gap.to > gap.from);
                at = gap.to;
                gaps.push(gap);
            }
            Read::Pending | Read::End => return (gaps, at),
            Read::Removed => panic!("removed"),
        }
    }
}
