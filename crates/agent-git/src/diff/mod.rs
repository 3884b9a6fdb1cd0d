//! The diff of a repository as text, byte for byte as git prints it, and the list of its files.
//!
//! What has changed is found elsewhere; here changes are paired to renames, read, compared, and put
//! into one text within its limits.

mod caps;
mod compose;
mod contents;
mod effort;
mod hunks;
mod quote;
mod rename;
mod section;
mod status;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, ops::Range, sync::atomic::AtomicBool};

use agent_api::{ChangedFile, limits::MAX_GIT_FILES};

pub(crate) use self::caps::total_too_large;
use self::{
    compose::{Part, Progress},
    contents::Reader,
    section::{Pair, Section},
};
use crate::{
    engine::ScanError,
    fs::Root,
    model::{Change, ObjectFormat, Standing, Version, WorkFile},
    repository::Source,
};

/// A NUL among so many first bytes makes contents binary. Source: git.
const BINARY_PREFIX: usize = 8000;

/// Most bytes of hunks kept from one rendering to the next; there may be twice as many meanwhile.
const MAX_KEPT: usize = 8 * 1024 * 1024;

fn is_binary(contents: &[u8]) -> bool {
    memchr::memchr(0, &contents[..contents.len().min(BINARY_PREFIX)]).is_some()
}

/// What a rendering reads from.
pub(crate) struct Rendering<'a> {
    pub(crate) root: &'a Root,
    pub(crate) source: &'a mut dyn Source,
    pub(crate) object_format: ObjectFormat,
    /// Ends the rendering between two files.
    pub(crate) stop: &'a AtomicBool,
}

/// A diff and its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// At most [`MAX_GIT_DIFF_BYTES`](agent_api::limits::MAX_GIT_DIFF_BYTES).
    pub(crate) unified_diff: String,
    /// By path, bytewise; at most [`MAX_GIT_FILES`].
    pub(crate) files: Vec<ChangedFile>,
    /// Where in the diff each file is; `None` where it was left out.
    pub(crate) spans: Vec<Option<Range<usize>>>,
    pub(crate) files_left_out: u64,
}

/// Renders changes, and keeps each file's part until one of its versions changes.
///
/// Kept are the parts of the last rendering, so those of at most [`MAX_GIT_FILES`] files, and of
/// their hunks 8 MiB, those that were shown first. Of a search for renames 16 MiB of fingerprints
/// are kept.
#[derive(Debug, Default)]
pub(crate) struct Renderer {
    kept: HashMap<Key, Section>,
    renames: rename::Memory,
}

/// What a section depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    standing: Standing,
    score: Option<u16>,
    old: Option<(Vec<u8>, Version)>,
    new: Option<(Vec<u8>, WorkFile)>,
}

impl Renderer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Renders changes, which are ordered by path; `left_out` more are known of but not told.
    ///
    /// Changes that are none vanish. Files that are read while they change are shown as they were
    /// read and looked at again the next time.
    ///
    /// # Errors
    ///
    /// [`ScanError::Stopped`], and [`ScanError::Failed`] when the source fails. A file that may not
    /// be read, and a blob that is missing, only make their own part incomplete.
    pub(crate) fn render(
        &mut self,
        changes: &[Change],
        left_out: u64,
        look: Rendering<'_>,
    ) -> Result<Rendered, ScanError> {
        let Rendering { root, source, object_format: format, stop } = look;
        let mut reader = Reader { root, source, format, stop };
        reader.go_on()?;
        let pairs = self.pairs(changes, &mut reader)?;
        let mut progress = Progress::default();
        let rendered = self
            .fill(&pairs, &mut progress, &mut reader)
            .and_then(|()| progress.compose(left_out, &mut reader));
        self.keep(progress, rendered.as_ref().ok());
        rendered
    }

    /// The sides of each file, after renames, ordered by path.
    fn pairs<'a>(
        &mut self,
        changes: &'a [Change],
        reader: &mut Reader<'_>,
    ) -> Result<Vec<Pair<'a>>, ScanError> {
        let mut pairs: Vec<Option<Pair<'a>>> = changes.iter().filter_map(pair).map(Some).collect();
        let (mut sources, mut source_at) = (Vec::new(), Vec::new());
        let (mut destinations, mut destination_at) = (Vec::new(), Vec::new());
        for (index, pair) in pairs.iter().flatten().enumerate() {
            match (pair.standing, pair.old, pair.new) {
                (Standing::Untracked, ..) => {}
                (_, Some(old), None) => {
                    sources.push(old);
                    source_at.push(index);
                }
                (_, None, Some(new)) => {
                    destinations.push(new);
                    destination_at.push(index);
                }
                _ => {}
            }
        }
        for rename in self.renames.renames(&sources, &destinations, reader)? {
            pairs[source_at[rename.source]] = None;
            if let Some(pair) = &mut pairs[destination_at[rename.destination]] {
                pair.old = Some(sources[rename.source]);
                pair.score = Some(rename.score);
            }
        }
        Ok(pairs.into_iter().flatten().collect())
    }

    /// Takes or makes the section of each pair, up to [`MAX_GIT_FILES`].
    fn fill<'a>(
        &mut self,
        pairs: &[Pair<'a>],
        progress: &mut Progress<'a>,
        reader: &mut Reader<'_>,
    ) -> Result<(), ScanError> {
        for (index, pair) in pairs.iter().enumerate() {
            if progress.parts.len() == MAX_GIT_FILES {
                progress.left_out = pairs.len() - index;
                break;
            }
            let section = match self.kept.remove(&Key::of(pair)) {
                Some(section) => section,
                None => match Section::of(pair, reader)? {
                    None => continue,
                    Some(mut section) => {
                        if progress.weight > MAX_KEPT {
                            section.drop_hunks();
                        }
                        section
                    }
                },
            };
            progress.weight += section.weight();
            progress.parts.push(Part { pair: *pair, section });
        }
        Ok(())
    }

    /// Puts sections back: on success those of this rendering only.
    fn keep(&mut self, progress: Progress<'_>, rendered: Option<&Rendered>) {
        let is_shown =
            |index: usize| rendered.is_none_or(|rendered| rendered.spans[index].is_some());
        if rendered.is_some() {
            self.kept.clear();
        }
        let mut parts: Vec<_> = progress.parts.into_iter().enumerate().collect();
        // What was shown is the first to be shown again.
        parts.sort_by_key(|&(index, _)| !is_shown(index));
        let mut weight = 0;
        for (_, Part { pair, mut section }) in parts {
            weight += section.weight();
            if weight > MAX_KEPT {
                section.drop_hunks();
            }
            if section.is_steady {
                self.kept.insert(Key::of(&pair), section);
            }
        }
    }
}

impl Key {
    fn of(pair: &Pair<'_>) -> Self {
        Self {
            standing: pair.standing,
            score: pair.score,
            old: pair.old.map(|(path, version)| (path.to_vec(), version)),
            new: pair.new.map(|(path, file)| (path.to_vec(), *file)),
        }
    }
}

/// The sides of a change; `None` where it is none.
fn pair(change: &Change) -> Option<Pair<'_>> {
    let Change { path, standing, head, work } = change;
    let is_same = match (head, work) {
        (None, None) => true,
        (Some(head), Some(work)) => head.mode == work.mode && Some(head.id) == work.id,
        _ => false,
    };
    (!is_same).then(|| Pair {
        standing: *standing,
        old: head.map(|version| (path.as_slice(), version)),
        new: work.as_ref().map(|file| (path.as_slice(), file)),
        score: None,
    })
}
