//! Why an edit is refused, in the words that the protocol promises; not how it crosses the wire.

use std::fmt;

use agent_api::{Classify, ErrorCode};

use super::hints::Hint;

/// Most line numbers that a message names.
const MAX_PLACES: usize = 5;

/// Reason why an edit was not applied; its `Display` is the sentence for the caller.
///
/// Where there is a hint it follows the sentence, so the text may have several sentences.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refusal {
    /// There is nothing to look for.
    #[error("old_text must not be empty")]
    EmptyOldText,
    /// More than one hit, and the edit does not ask for all.
    #[error(
        "old_text matches {hits} occurrences, {}: add lines that make it unique, or set replace_all",
        places.first()
    )]
    Ambiguous {
        /// Hits of the pass that decided, none overlapping another.
        hits: usize,
        /// The lines in which they begin.
        places: Places,
    },
    /// No hit in any pass that the edit allows.
    #[error("old_text not found in file{}{}", endings_note(*endings_differ), hint_text(hint.as_ref()))]
    NotFound {
        /// The texts have different line endings, which only an exact hit can change.
        endings_differ: bool,
        /// What the caller probably meant.
        hint: Option<Hint>,
    },
    /// The result would not fit into the memory that one request may use.
    #[error("the edited content would be larger than {limit} bytes")]
    TooLarge {
        /// Largest result in bytes.
        limit: usize,
    },
}

impl Classify for Refusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::EmptyOldText | Self::Ambiguous { .. } | Self::NotFound { .. } => {
                ErrorCode::InvalidArgument
            }
            Self::TooLarge { .. } => ErrorCode::TooLarge,
        }
    }
}

fn endings_note(endings_differ: bool) -> &'static str {
    if endings_differ {
        ": old_text and new_text have different line endings, so only an exact match is replaced"
    } else {
        ""
    }
}

fn hint_text(hint: Option<&Hint>) -> String {
    hint.map(|hint| format!(". {hint}")).unwrap_or_default()
}

/// The first few of some line numbers, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    first: Vec<usize>,
    count: usize,
    last: Option<usize>,
}

impl Places {
    /// Takes rising line numbers; one that repeats counts once.
    pub(super) fn of(lines: impl IntoIterator<Item = usize>) -> Self {
        let mut places = Self::default();
        for line in lines {
            places.push(line);
        }
        places
    }

    fn push(&mut self, line: usize) {
        if self.last == Some(line) {
            return;
        }
        self.last = Some(line);
        self.count += 1;
        if self.first.len() < MAX_PLACES {
            self.first.push(line);
        }
    }

    /// Number of distinct lines.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn first(&self) -> String {
        let all = self.first.len() == self.count;
        format!("{} line {}", if all { "at" } else { "the first at" }, join(&self.first))
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&listing(&self.first, self.count))
    }
}

/// Writes items with commas, and how many of `total` are left out.
pub(super) fn listing(items: &[impl fmt::Display], total: usize) -> String {
    match total.saturating_sub(items.len()) {
        0 => join(items),
        more => format!("{} and {more} more", join(items)),
    }
}

fn join(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
