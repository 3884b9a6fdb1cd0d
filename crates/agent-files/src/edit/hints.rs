//! What a caller whose `old_text` is nowhere probably meant; it never changes what is replaced.

use std::fmt;

use agent_api::Edit;
use memchr::memmem;

use super::find::{Automaton, LineNumbers, Pattern, Tolerance};
use super::lines::{Line, is_white_space, lines};
use super::miscount::Miscounts;
use super::refusal::Places;

/// Largest file in bytes for which hints are looked for.
const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Largest `old_text` in bytes for which hints are looked for.
const MAX_OLD_BYTES: usize = 16 * 1024;
/// Most lines of an `old_text` for which hints are looked for.
const MAX_OLD_LINES: usize = 200;

/// A guess about an edit that found nothing, as text to follow the refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Some lines are right but for how often one character is repeated.
    Miscount(Miscounts),
    /// The new text is there already, at these lines.
    Swap(Places),
}

impl Hint {
    /// Looks for a miscount, then for a swap; neither for texts too large to compare by line.
    pub(super) fn find(content: &[u8], edit: &Edit) -> Option<Self> {
        let small = content.len() <= MAX_FILE_BYTES
            && edit.old_text.len() <= MAX_OLD_BYTES
            && lines(&edit.old_text).count() <= MAX_OLD_LINES;
        if !small {
            return None;
        }
        let miscount = Miscounts::find(content, &edit.old_text).map(Self::Miscount);
        miscount.or_else(|| swap(content, &edit.new_text).map(Self::Swap))
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Miscount(miscounts) => miscounts.fmt(f),
            Self::Swap(places) => write!(
                f,
                "new_text appears in the file at line {places}: \
                 were old_text and new_text swapped?"
            ),
        }
    }
}

/// The lines at which `new_text` begins, by the first pass that finds any.
fn swap(content: &[u8], new_text: &str) -> Option<Places> {
    if is_white_space(new_text) {
        return None;
    }
    substrings(content, new_text.as_bytes()).or_else(|| {
        let new: Vec<Line<'_>> = lines(new_text).collect();
        Tolerance::PASSES.into_iter().find_map(|tolerance| {
            let pattern = Pattern::new(&new, tolerance);
            let places = Places::of(pattern.windows(content).map(|window| window.line));
            (places.count() > 0).then_some(places)
        })
    })
}

/// The lines at which a text begins as a substring, overlaps included.
fn substrings(content: &[u8], text: &[u8]) -> Option<Places> {
    let first = memmem::find(content, text)?;
    // Overlapping hits make a repeated plain search quadratic, so an automaton goes on from here.
    let automaton = Automaton::new(text.to_vec());
    let mut state = 0;
    let starts = content.iter().enumerate().skip(first).filter_map(|(at, byte)| {
        state = automaton.advance(state, byte);
        (state == automaton.len()).then(|| {
            state = automaton.overlapping();
            at + 1 - automaton.len()
        })
    });
    let mut numbers = LineNumbers::new(content);
    Some(Places::of(starts.map(|start| numbers.at(start))))
}
