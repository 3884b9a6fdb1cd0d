//! The edit matcher seen through `apply`; helpers here, one file for each part of the rules.

mod cases;
mod endings;
mod finding;
mod hints;
mod oracle;
mod properties;
mod splicing;

use agent_api::Edit;

use super::apply;

/// One tolerant replacement.
fn replace(old: &str, new: &str) -> Edit {
    Edit::new(old, new)
}

fn replace_all(old: &str, new: &str) -> Edit {
    Edit { replace_all: true, ..replace(old, new) }
}

fn exact_only(old: &str, new: &str) -> Edit {
    Edit { fuzzy: false, ..replace(old, new) }
}

/// The content after the edit, or the message of the refusal.
fn outcome(before: &str, edit: &Edit) -> Result<String, String> {
    let after = apply(before.as_bytes(), edit).map_err(|refusal| refusal.to_string())?;
    Ok(String::from_utf8(after).expect("texts in UTF-8 give a text in UTF-8"))
}

#[track_caller]
fn check(before: &str, edit: &Edit, expected: &str) {
    assert_eq!(outcome(before, edit).as_deref(), Ok(expected), "{before:?} by {edit:?}");
}

#[track_caller]
fn check_refused(before: &str, edit: &Edit, message: &str) {
    assert_eq!(outcome(before, edit), Err(message.to_owned()), "{before:?} by {edit:?}");
}
