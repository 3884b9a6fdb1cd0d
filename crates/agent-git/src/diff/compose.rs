//! One text and one list out of the parts of a diff, within its limits.

use std::ops::Range;

use agent_api::ChangedFile;

use crate::{
    diff::{
        Rendered, caps,
        contents::{Reader, failed},
        section::{Pair, Section, lossy},
        status::status,
    },
    engine::ScanError,
    model::ObjectId,
};

/// The files of a diff, as far as it is.
#[derive(Debug, Default)]
pub(super) struct Progress<'a> {
    pub(super) parts: Vec<Part<'a>>,
    /// Bytes of their hunks.
    pub(super) weight: usize,
    /// Pairs that are beyond the limit.
    pub(super) left_out: usize,
}

/// A file of the diff.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) pair: Pair<'a>,
    pub(super) section: Section,
}

/// How long abbreviated ids are, and where those of each part begin.
struct Digits {
    lengths: Vec<usize>,
    ranges: Vec<Range<usize>>,
}

impl Progress<'_> {
    /// Puts the parts together; `left_out` more files are known of.
    pub(super) fn compose(
        &mut self,
        left_out: u64,
        reader: &mut Reader<'_>,
    ) -> Result<Rendered, ScanError> {
        let (digits, choice) = loop {
            let digits = Digits::of(&self.parts, reader)?;
            let parts = self.parts.iter().enumerate();
            let lengths: Vec<usize> =
                parts.map(|(index, part)| part.section.shown_len(digits.at(index))).collect();
            let choice = caps::choose(&lengths);
            if self.complete(&digits, &choice.included, reader)? {
                break (digits, choice);
            }
        };
        let mut rendered =
            Rendered { files_left_out: left_out + self.left_out as u64, ..Rendered::default() };
        for (index, part) in self.parts.iter().enumerate() {
            let is_included = choice.included[index];
            let start = rendered.unified_diff.len();
            if is_included {
                part.section.push(digits.at(index), &mut rendered.unified_diff);
            }
            rendered.spans.push(is_included.then_some(start..rendered.unified_diff.len()));
            let is_shown = is_included && !part.section.is_stub(digits.at(index));
            rendered.files.push(part.file(is_shown));
        }
        rendered.unified_diff.push_str(&choice.last_line.unwrap_or_default());
        Ok(rendered)
    }

    /// Makes sections anew whose hunks are needed and were dropped; answers whether there were
    /// none. A file may have changed since, so the choice is to be made again then.
    fn complete(
        &mut self,
        digits: &Digits,
        included: &[bool],
        reader: &mut Reader<'_>,
    ) -> Result<bool, ScanError> {
        let mut is_complete = true;
        let mut is_gone = vec![false; self.parts.len()];
        for (index, part) in self.parts.iter_mut().enumerate() {
            if included[index] && part.section.lacks_hunks(digits.at(index)) {
                is_complete = false;
                match Section::of(&part.pair, reader)? {
                    Some(section) => part.section = section,
                    None => is_gone[index] = true,
                }
            }
        }
        let mut is_gone = is_gone.into_iter();
        self.parts.retain(|_| !is_gone.next().unwrap_or_default());
        Ok(is_complete)
    }
}

impl Digits {
    fn of(parts: &[Part<'_>], reader: &mut Reader<'_>) -> Result<Self, ScanError> {
        reader.go_on()?;
        let mut ids: Vec<ObjectId> = Vec::new();
        let mut ranges = Vec::with_capacity(parts.len());
        for part in parts {
            let start = ids.len();
            ids.extend(part.section.ids());
            ranges.push(start..ids.len());
        }
        let lengths =
            reader.source.abbreviations(&ids).map_err(|error| failed("abbreviate ids", error))?;
        Ok(Self { lengths, ranges })
    }

    /// Those of the ids of one part.
    fn at(&self, part: usize) -> &[usize] {
        &self.lengths[self.ranges[part].clone()]
    }
}

impl Part<'_> {
    /// Its entry in the list.
    fn file(&self, is_shown: bool) -> ChangedFile {
        let Self { pair, section } = self;
        let status = status(
            pair.standing,
            pair.old.map(|(_, version)| version.mode),
            pair.new.map(|(_, file)| file.mode),
            pair.score.is_some(),
        );
        ChangedFile {
            path: lossy(pair.path().to_vec()),
            old_path: pair.renamed_from().map(|path| lossy(path.to_vec())),
            status,
            additions: section.additions,
            deletions: section.deletions,
            binary: section.is_binary,
            truncated: section.is_incomplete || !is_shown,
        }
    }
}
