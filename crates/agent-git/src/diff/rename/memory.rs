//! What is remembered of renames from one search to the next.

use std::{collections::HashMap, sync::Arc};

use sha1::{Digest, Sha1};

use super::{
    File, Rename, detect,
    fingerprint::{Fingerprint, may_reach},
};
use crate::{
    diff::contents::{Contents, Reader},
    engine::ScanError,
    model::{ObjectId, Version, WorkFile},
};

/// Most bytes of fingerprints in one search; files beyond are renamed only as they are.
const MAX_SEARCH: usize = 64 * 1024 * 1024;
/// Most bytes of fingerprints kept after it.
const MAX_KEPT: usize = 16 * 1024 * 1024;

/// The last search, and fingerprints of contents, so that only files that changed are read again.
#[derive(Debug, Default)]
pub(in crate::diff) struct Memory {
    fingerprints: HashMap<ObjectId, Arc<Fingerprint>>,
    /// What the last search was asked, hashed, and what it found.
    last: Option<([u8; 20], Vec<Rename>)>,
}

impl Memory {
    /// Finds which of the deleted files became which of the added ones, all ordered by path.
    ///
    /// Files over [`MAX_GIT_FILE_BYTES`](agent_api::limits::MAX_GIT_FILE_BYTES) are renamed only as
    /// they are.
    pub(in crate::diff) fn renames(
        &mut self,
        sources: &[(&[u8], Version)],
        destinations: &[(&[u8], &WorkFile)],
        reader: &mut Reader<'_>,
    ) -> Result<Vec<Rename>, ScanError> {
        if sources.is_empty() || destinations.is_empty() {
            *self = Self::default();
            return Ok(Vec::new());
        }
        let question = question(sources, destinations);
        if let Some((last, found)) = &self.last
            && Some(*last) == question
        {
            return Ok(found.clone());
        }
        let old_files: Vec<_> = sources
            .iter()
            .map(|&(path, version)| File { path, mode: version.mode, id: Some(version.id) })
            .collect();
        let new_files: Vec<_> = destinations
            .iter()
            .map(|&(path, file)| File { path, mode: file.mode, id: file.id })
            .collect();
        let mut search = Search {
            sources,
            destinations,
            old: vec![Side::Unknown; sources.len()],
            new: vec![Side::Unknown; destinations.len()],
            known: &self.fingerprints,
            weight: 0,
            reader,
        };
        let found = detect(&old_files, &new_files, &mut |source, destination, least| {
            search.score(source, destination, least)
        })?;
        self.fingerprints = search.keep();
        self.last = question.map(|question| (question, found.clone()));
        Ok(found)
    }
}

/// Everything the answer depends on; `None` when contents are not known by an id.
fn question(sources: &[(&[u8], Version)], destinations: &[(&[u8], &WorkFile)]) -> Option<[u8; 20]> {
    let mut hasher = Sha1::new();
    let mut add = |path: &[u8], mode: &str, id: ObjectId| {
        hasher.update(path);
        hasher.update([0]);
        hasher.update(mode);
        hasher.update(id.as_bytes());
    };
    for (path, version) in sources {
        add(path, version.mode.as_str(), version.id);
    }
    // No path is empty.
    add(b"", "", sources[0].1.id);
    for (path, file) in destinations {
        add(path, file.mode.as_str(), file.id?);
    }
    Some(hasher.finalize().into())
}

/// What is known of one file.
#[derive(Clone, Debug)]
enum Side {
    Unknown,
    Size(u64),
    Known(Arc<Fingerprint>),
    /// Too large, or not to be read.
    Nothing,
}

struct Search<'a, 'r> {
    sources: &'a [(&'a [u8], Version)],
    destinations: &'a [(&'a [u8], &'a WorkFile)],
    old: Vec<Side>,
    new: Vec<Side>,
    known: &'a HashMap<ObjectId, Arc<Fingerprint>>,
    weight: usize,
    reader: &'a mut Reader<'r>,
}

impl Search<'_, '_> {
    fn score(&mut self, source: usize, destination: usize, least: u16) -> Result<u16, ScanError> {
        let Some(new) = self.added(destination)? else { return Ok(0) };
        let Some(size) = self.deleted_size(source)? else { return Ok(0) };
        if !may_reach(least, size, new.size()) {
            return Ok(0);
        }
        Ok(self.deleted(source)?.map_or(0, |old| old.score(&new)))
    }

    fn added(&mut self, destination: usize) -> Result<Option<Arc<Fingerprint>>, ScanError> {
        if let Side::Unknown = self.new[destination] {
            let (path, file) = self.destinations[destination];
            self.new[destination] = match file.id.and_then(|id| self.known.get(&id)) {
                Some(known) => self.hold(Arc::clone(known)),
                None => match self.reader.work(path, file)? {
                    Some(read) => self.take_apart(&read.contents),
                    None => Side::Nothing,
                },
            };
        }
        Ok(match &self.new[destination] {
            Side::Known(fingerprint) => Some(Arc::clone(fingerprint)),
            _ => None,
        })
    }

    fn deleted_size(&mut self, source: usize) -> Result<Option<u64>, ScanError> {
        if let Side::Unknown = self.old[source] {
            let id = self.sources[source].1.id;
            self.old[source] = match self.known.get(&id) {
                Some(known) => self.hold(Arc::clone(known)),
                None => self.reader.size(id)?.map_or(Side::Nothing, Side::Size),
            };
        }
        Ok(match &self.old[source] {
            Side::Known(fingerprint) => Some(fingerprint.size()),
            Side::Size(size) => Some(*size),
            Side::Unknown | Side::Nothing => None,
        })
    }

    fn deleted(&mut self, source: usize) -> Result<Option<Arc<Fingerprint>>, ScanError> {
        if let Side::Size(_) = self.old[source] {
            let contents = self.reader.head(self.sources[source].1)?;
            self.old[source] = self.take_apart(&contents);
        }
        Ok(match &self.old[source] {
            Side::Known(fingerprint) => Some(Arc::clone(fingerprint)),
            _ => None,
        })
    }

    fn take_apart(&mut self, contents: &Contents) -> Side {
        match contents {
            Contents::Known { bytes, .. } => self.hold(Arc::new(Fingerprint::of(bytes))),
            Contents::TooLarge { .. } | Contents::Unreadable { .. } => Side::Nothing,
        }
    }

    fn hold(&mut self, fingerprint: Arc<Fingerprint>) -> Side {
        self.weight += fingerprint.weight();
        if self.weight > MAX_SEARCH { Side::Nothing } else { Side::Known(fingerprint) }
    }

    /// What the next search may need, by the ids of the contents.
    fn keep(self) -> HashMap<ObjectId, Arc<Fingerprint>> {
        let old = self.sources.iter().map(|(_, version)| Some(version.id)).zip(self.old);
        let new = self.destinations.iter().map(|(_, file)| file.id).zip(self.new);
        let mut weight = 0;
        let mut kept = HashMap::new();
        for side in old.chain(new) {
            if let (Some(id), Side::Known(fingerprint)) = side {
                weight += fingerprint.weight();
                if weight > MAX_KEPT {
                    break;
                }
                kept.insert(id, fingerprint);
            }
        }
        kept
    }
}
