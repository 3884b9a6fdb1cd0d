//! One edit of `edit_files`: a content and an edit become a new content or a refusal.
//!
//! A pure function of bytes: no disk, no clock, no await, and nothing about several edits or files.
//! The rules and their words (line, lead, guide, level, forced ending) are those of the protocol
//! document on the edit matcher; each file here holds one section of it.
//!
//! ```text
//! exact ── no hit ──► stop? ──► trailing blanks ignored ── no hit ──► white space ignored
//!   │                   │                  │                               │        │
//! replace            refuse              splice                          splice  refuse
//! ```

mod align;
mod exact;
mod find;
mod hints;
mod indent;
mod lines;
mod miscount;
mod output;
mod refusal;
mod splice;
#[cfg(test)]
mod tests;

use agent_api::Edit;

use find::{Pattern, Tolerance, Window};
use hints::Hint;
use lines::{Ending, Line, dominant_ending, internal_ending, is_white_space, lines};
use refusal::Places;
pub(crate) use refusal::Refusal;

/// Applies one edit to a content and returns the new content.
///
/// Takes time linear in the content and the texts, and memory for the result; bytes that are not
/// replaced are copied as they are, valid UTF-8 or not.
///
/// # Errors
///
/// [`Refusal`] says why the edit has no single meaning in this content; its text is the message
/// that the protocol promises.
pub(crate) fn apply(content: &[u8], edit: &Edit) -> Result<Vec<u8>, Refusal> {
    if edit.old_text.is_empty() {
        return Err(Refusal::EmptyOldText);
    }
    let endings = Endings::of(edit);
    if let Some(after) = exact::replace(content, edit, endings)? {
        return Ok(after);
    }
    if edit.fuzzy && !endings.differ() && !is_white_space(&edit.old_text) {
        let old: Vec<Line<'_>> = lines(&edit.old_text).collect();
        for tolerance in Tolerance::PASSES {
            let pattern = Pattern::new(&old, tolerance);
            let mut windows = pattern.windows(content);
            let Some(first) = windows.next() else { continue };
            let windows = std::iter::once(first).chain(windows);
            return splice_hits(content, edit, endings.forced(content), &old, windows);
        }
    }
    Err(Refusal::NotFound { endings_differ: endings.differ(), hint: Hint::find(content, edit) })
}

/// Splices the hits of the pass that decides.
fn splice_hits(
    content: &[u8],
    edit: &Edit,
    forced: Option<Ending>,
    old: &[Line<'_>],
    mut windows: impl Iterator<Item = Window>,
) -> Result<Vec<u8>, Refusal> {
    if edit.replace_all {
        return splice::all(content, windows, old, &edit.new_text, forced);
    }
    let only = windows.next();
    let hits = Places::of(only.iter().copied().chain(windows).map(|window| window.line));
    if hits.count() > 1 {
        return Err(Refusal::Ambiguous { hits: hits.count(), places: hits });
    }
    splice::all(content, only.into_iter(), old, &edit.new_text, forced)
}

/// The internal endings of an edit's texts.
#[derive(Clone, Copy, Debug)]
struct Endings {
    old: Option<Ending>,
    new: Option<Ending>,
}

impl Endings {
    fn of(edit: &Edit) -> Self {
        Self { old: internal_ending(&edit.old_text), new: internal_ending(&edit.new_text) }
    }

    /// Whether the caller wants to change line endings.
    fn differ(self) -> bool {
        self.old.is_some() && self.new.is_some() && self.old != self.new
    }

    /// The file's dominant ending when `new_text` follows one ending throughout.
    fn forced(self, content: &[u8]) -> Option<Ending> {
        self.new.map(|_| dominant_ending(content))
    }
}
