//! The exact pass: a byte substring is replaced; nothing here looks at lines of `old_text`.

use std::borrow::Cow;

use agent_api::Edit;
use memchr::memmem::Finder;

use super::Endings;
use super::find::LineNumbers;
use super::lines::{Ending, lines};
use super::output;
use super::refusal::{Places, Refusal};

/// Replaces the one occurrence of `old_text`, or all; `None` when there is none.
pub(super) fn replace(
    content: &[u8],
    edit: &Edit,
    endings: Endings,
) -> Result<Option<Vec<u8>>, Refusal> {
    let finder = Finder::new(&edit.old_text);
    let mut rest = finder.find_iter(content);
    let Some(first) = rest.next() else { return Ok(None) };
    let more = rest.count();
    if more > 0 && !edit.replace_all {
        let mut numbers = LineNumbers::new(content);
        let places = Places::of(finder.find_iter(content).map(|at| numbers.at(at)));
        return Err(Refusal::Ambiguous { hits: more + 1, places });
    }
    let inserted = inserted(content, &edit.new_text, endings);
    let kept = content.len() - (more + 1) * edit.old_text.len();
    let size = inserted.len().checked_mul(more + 1).and_then(|added| added.checked_add(kept));
    output::check(size)?;

    let mut after = Vec::with_capacity(size.unwrap_or(kept));
    let mut done = 0;
    // A single hit is known already; looking for it again would read the rest of the file.
    let others = finder.find_iter(&content[first + edit.old_text.len()..]).take(more);
    let others = others.map(|at| first + edit.old_text.len() + at);
    for at in std::iter::once(first).chain(others) {
        after.extend_from_slice(&content[done..at]);
        after.extend_from_slice(&inserted);
        done = at + edit.old_text.len();
    }
    after.extend_from_slice(&content[done..]);
    Ok(Some(after))
}

/// `new_text`, in the file's ending where the caller's texts agree on another one.
fn inserted<'a>(content: &[u8], new_text: &'a str, endings: Endings) -> Cow<'a, [u8]> {
    let forced = if endings.differ() { None } else { endings.forced(content) };
    match forced {
        Some(ending) if endings.new != Some(ending) => Cow::Owned(with_ending(new_text, ending)),
        Some(_) | None => Cow::Borrowed(new_text.as_bytes()),
    }
}

fn with_ending(text: &str, ending: Ending) -> Vec<u8> {
    let mut converted = Vec::with_capacity(text.len());
    for line in lines(text) {
        converted.extend_from_slice(line.text);
        if line.ending.is_some() {
            converted.extend_from_slice(ending.bytes());
        }
    }
    converted
}
