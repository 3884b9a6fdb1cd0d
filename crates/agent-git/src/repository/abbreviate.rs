//! How many digits of an id git shows: it looks at the names of all objects, packed and loose.
//!
//! The packs' indexes are searched here, on the disk, because libgit2 lists the packs again for
//! every id that is no object's, and the command line cannot tell a short id from a ref's name.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::SourceError;
use super::discover::{is_missing, open_regular, read_small};
use crate::model::{ObjectId, Stat};

/// Git shows at least so many.
const MIN_DIGITS: usize = 7;
/// Alternates of alternates are followed as far as git does.
const MAX_DEPTH: usize = 5;

/// Ids of loose objects beyond these are not kept from scan to scan: 3 MiB.
const MAX_KEPT: usize = 100_000;

/// Names of the objects of one repository and its alternates, as they were at the first question
/// since [`Abbreviations::renew`].
#[derive(Debug)]
pub(crate) struct Abbreviations {
    objects: PathBuf,
    packs: Option<Packs>,
    loose: HashMap<u8, Loose>,
}

/// Loose objects whose ids begin with one byte.
#[derive(Debug)]
struct Loose {
    ids: Vec<ObjectId>,
    /// The directories they are in, as they were before.
    directories: Vec<Option<Stat>>,
    read_at: SystemTime,
    is_renewed: bool,
}

/// What is in `pack/` of all the directories of objects.
#[derive(Debug, Default)]
struct Packs {
    directories: Vec<PathBuf>,
    indexes: Vec<PackIndex>,
    /// Objects as git counts them roughly: those in several packs more than once.
    count: u64,
}

/// The index of a pack, a sorted table of ids.
///
/// Source: gitformat-pack(5).
#[derive(Debug)]
struct PackIndex {
    file: File,
    /// Where the first id is, and the distance to the next.
    first: u64,
    stride: u64,
    /// For each first byte how many ids begin with it or a lower one.
    fanout: Vec<u32>,
}

impl Abbreviations {
    /// Of the objects in a directory; looks at nothing yet.
    pub(crate) fn new(objects: &Path) -> Self {
        Self { objects: objects.to_owned(), packs: None, loose: HashMap::new() }
    }

    /// From now on the objects are those that are there now. Directories that are the same are not
    /// listed again.
    pub(crate) fn renew(&mut self) {
        self.packs = None;
        if self.loose.values().map(|loose| loose.ids.len()).sum::<usize>() > MAX_KEPT {
            self.loose.clear();
        }
        for loose in self.loose.values_mut() {
            loose.is_renewed = false;
        }
    }

    /// For each id how many of its digits git shows.
    ///
    /// # Errors
    ///
    /// [`SourceError::Failed`] when the system refuses to read the objects.
    pub(crate) fn digits(&mut self, ids: &[ObjectId]) -> Result<Vec<usize>, SourceError> {
        let digits = ids.iter().map(|id| self.digits_of(*id)).collect::<io::Result<_>>();
        digits.map_err(SourceError::failed("look for objects of similar names"))
    }

    fn digits_of(&mut self, id: ObjectId) -> io::Result<usize> {
        let packs = match &self.packs {
            Some(packs) => packs,
            None => self.packs.insert(Packs::of(&self.objects, id.as_bytes().len())?),
        };
        let mut digits = least(packs.count);
        for index in &packs.indexes {
            for other in index.neighbors(id)?.into_iter().flatten() {
                digits = digits.max(shared(id, other) + 1);
            }
        }
        let first = id.as_bytes()[0];
        let known = self.loose.remove(&first);
        let loose = Loose::renewed(known, &packs.directories, first)?;
        let loose = self.loose.entry(first).insert_entry(loose).into_mut();
        let similar =
            loose.ids.iter().filter(|other| **other != id).map(|other| shared(id, *other) + 1);
        Ok(digits.max(similar.max().unwrap_or(0)).min(id.as_bytes().len() * 2))
    }
}

/// Digits for a number of objects: half its bits, since two ids collide among the root of them.
fn least(count: u64) -> usize {
    let bits = count.checked_ilog2().unwrap_or(0) as usize + 1;
    bits.div_ceil(2).max(MIN_DIGITS)
}

/// Number of digits that two ids have in common at their beginning.
fn shared(one: ObjectId, other: ObjectId) -> usize {
    let pairs = one.as_bytes().iter().zip(other.as_bytes());
    let mut digits = 0;
    for (one, other) in pairs {
        if one != other {
            return digits + usize::from(one >> 4 == other >> 4);
        }
        digits += 2;
    }
    digits
}

impl Packs {
    fn of(objects: &Path, id_len: usize) -> io::Result<Self> {
        let mut packs = Self::default();
        let mut seen = HashSet::new();
        packs.add(objects, id_len, 0, &mut seen)?;
        Ok(packs)
    }

    fn add(
        &mut self,
        objects: &Path,
        id_len: usize,
        depth: usize,
        seen: &mut HashSet<PathBuf>,
    ) -> io::Result<()> {
        let Ok(real) = objects.canonicalize() else { return Ok(()) };
        if !seen.insert(real) || depth > MAX_DEPTH {
            return Ok(());
        }
        self.add_packs(&objects.join("pack"), id_len)?;
        self.directories.push(objects.to_owned());
        for alternate in alternates(objects) {
            self.add(&alternate, id_len, depth + 1, seen)?;
        }
        Ok(())
    }

    fn add_packs(&mut self, directory: &Path, id_len: usize) -> io::Result<()> {
        let counted_together = MultiPackIndex::read(&directory.join("multi-pack-index"));
        self.count += u64::from(counted_together.count);
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension() != Some(OsStr::new("idx")) || !path.with_extension("pack").exists()
            {
                continue;
            }
            // A pack may go while another is written in its place; git skips it too.
            let Ok(index) = PackIndex::open(&path, id_len) else { continue };
            let name = path.file_name().expect("an entry has a name").as_bytes();
            if !counted_together.names.contains(name) {
                self.count += u64::from(index.count());
            }
            self.indexes.push(index);
        }
        Ok(())
    }
}

impl PackIndex {
    fn open(path: &Path, id_len: usize) -> io::Result<Self> {
        let file = open_regular(path)?;
        let mut head = [0; 8];
        file.read_exact_at(&mut head, 0)?;
        let is_first_version = !head.starts_with(b"\xfftOc");
        let (table, stride) = match (is_first_version, &head[4..]) {
            (true, _) => (0, 4 + id_len as u64),
            (false, [0, 0, 0, 2]) => (8, id_len as u64),
            (false, _) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let mut bytes = [0; 1024];
        file.read_exact_at(&mut bytes, table)?;
        let fanout =
            bytes.as_chunks::<4>().0.iter().map(|four| u32::from_be_bytes(*four)).collect();
        let first = table + 1024 + if is_first_version { 4 } else { 0 };
        Ok(Self { file, first, stride, fanout })
    }

    fn count(&self) -> u32 {
        self.fanout[255]
    }

    fn id(&self, index: u32, len: usize) -> io::Result<Option<ObjectId>> {
        if index >= self.count() {
            return Ok(None);
        }
        let mut bytes = [0; 32];
        self.file.read_exact_at(&mut bytes[..len], self.first + u64::from(index) * self.stride)?;
        Ok(ObjectId::from_bytes(&bytes[..len]))
    }

    /// The ids before and after one, without itself.
    fn neighbors(&self, id: ObjectId) -> io::Result<[Option<ObjectId>; 2]> {
        let (first, len) = (usize::from(id.as_bytes()[0]), id.as_bytes().len());
        let mut low = if first == 0 { 0 } else { self.fanout[first - 1] };
        let mut high = self.fanout[first];
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.id(middle, len)?.ok_or(io::ErrorKind::InvalidData)?;
            if found < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let before = low.checked_sub(1).map_or(Ok(None), |before| self.id(before, len))?;
        let mut after = self.id(low, len)?;
        if after == Some(id) {
            after = self.id(low + 1, len)?;
        }
        Ok([before, after])
    }
}

/// What a multi-pack-index says of the packs that it is about.
#[derive(Default)]
struct MultiPackIndex {
    count: u32,
    /// Names of the indexes of its packs.
    names: HashSet<Vec<u8>>,
}

impl MultiPackIndex {
    /// Reads one; an empty one if it is missing or damaged.
    fn read(path: &Path) -> Self {
        open_regular(path).and_then(|file| Self::of(&file)).unwrap_or_default()
    }

    fn of(file: &File) -> io::Result<Self> {
        const MAX_NAMES: u64 = 64 * 1024 * 1024;
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let mut head = [0; 12];
        file.read_exact_at(&mut head, 0)?;
        if !head.starts_with(b"MIDX\x01") {
            return Err(damaged());
        }
        let mut chunks = vec![0; (usize::from(head[6]) + 1) * 12];
        file.read_exact_at(&mut chunks, 12)?;
        let chunks = chunks.as_chunks::<12>().0;
        let offset = |chunk: &[u8; 12]| {
            u64::from_be_bytes(chunk[4..].try_into().expect("12 - 4 bytes are 8"))
        };
        let mut read = Self::default();
        for pair in chunks.windows(2) {
            let (from, to) = (offset(&pair[0]), offset(&pair[1]));
            if pair[0].starts_with(b"OIDF") {
                let mut count = [0; 4];
                file.read_exact_at(&mut count, from + 255 * 4)?;
                read.count = u32::from_be_bytes(count);
            } else if pair[0].starts_with(b"PNAM") {
                let len =
                    to.checked_sub(from).filter(|len| *len <= MAX_NAMES).ok_or_else(damaged)?;
                let mut names = vec![0; len as usize];
                file.read_exact_at(&mut names, from)?;
                read.names = names.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
            }
        }
        Ok(read)
    }
}

/// Other directories of objects that one names.
fn alternates(objects: &Path) -> Vec<PathBuf> {
    let contents = read_small(&objects.join("info/alternates")).unwrap_or_default();
    let lines = contents.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(|line| objects.join(OsStr::from_bytes(line)))
        .collect()
}

impl Loose {
    /// What is known if it surely still counts, else read again.
    fn renewed(known: Option<Self>, directories: &[PathBuf], first: u8) -> io::Result<Self> {
        let read_at = SystemTime::now();
        let known = match known {
            Some(known) if known.is_renewed => return Ok(known),
            known => known,
        };
        let paths = directories.iter().map(|directory| directory.join(format!("{first:02x}")));
        let paths: Vec<_> = paths.collect();
        let stats: Vec<_> = paths
            .iter()
            .map(|path| rustix::fs::stat(path).ok().map(|stat| Stat::of(&stat)))
            .collect();
        // A name that came within the same tick of the clock leaves no trace.
        let is_same = |known: &Self| {
            let mut all = stats.iter().flatten();
            known.directories == stats && all.all(|stat| stat.is_settled_at(known.read_at))
        };
        if let Some(known) = known.filter(is_same) {
            return Ok(Self { is_renewed: true, ..known });
        }
        Ok(Self { ids: loose(&paths, first)?, directories: stats, read_at, is_renewed: true })
    }
}

/// Ids of the loose objects in directories of those that begin with a byte.
fn loose(directories: &[PathBuf], first: u8) -> io::Result<Vec<ObjectId>> {
    let mut ids = Vec::new();
    for directory in directories {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let hex = [format!("{first:02x}").as_bytes(), entry?.file_name().as_bytes()].concat();
            ids.extend(ObjectId::from_hex(&hex));
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_objects_need_more_digits() {
        for (count, digits) in
            [(0, 7), (1, 7), (16_383, 7), (16_384, 8), (1 << 20, 11), (1 << 21, 11)]
        {
            assert_eq!(least(count), digits, "{count}");
        }
    }

    #[test]
    fn objects_that_came_are_seen_after_a_renewal() {
        let objects = tempfile::tempdir().unwrap();
        let id = |hex: &str| ObjectId::from_hex(format!("{hex:0<40}").as_bytes()).unwrap();
        let add = |hex: &str| {
            let hex = format!("{hex:0<40}");
            fs::create_dir_all(objects.path().join(&hex[..2])).unwrap();
            fs::write(objects.path().join(&hex[..2]).join(&hex[2..]), "").unwrap();
        };
        let mut abbreviations = Abbreviations::new(objects.path());
        let mut check = |renew: bool, digits: usize| {
            if renew {
                abbreviations.renew();
            }
            assert_eq!(abbreviations.digits(&[id("abcdef12345")]).unwrap(), [digits]);
        };
        check(false, 7);
        add("abcdef12399");
        check(false, 7);
        check(true, 10);
        add("abcdef12349");
        check(true, 11);
        check(true, 11);
    }

    #[test]
    fn digits_in_common_are_counted() {
        let id = |hex: &str| ObjectId::from_hex(format!("{hex:0<40}").as_bytes()).unwrap();
        assert_eq!(shared(id("ab"), id("ab")), 40);
        assert_eq!(shared(id("ab"), id("ac")), 1);
        assert_eq!(shared(id("ab1"), id("ab2")), 2);
        assert_eq!(shared(id("ab12"), id("ab13")), 3);
        assert_eq!(shared(id("1"), id("2")), 0);
    }
}
