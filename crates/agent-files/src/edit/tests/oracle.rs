//! The searches written the slow and obvious way, to compare the fast ones with.

use super::Edit;

/// A line without its ending, as the rules define a line of a file.
pub(super) fn file_lines(text: &str) -> Vec<&str> {
    text.split('\n')
        .enumerate()
        .map(|(index, line)| {
            let terminated = index < text.matches('\n').count();
            if terminated { line.strip_suffix('\r').unwrap_or(line) } else { line }
        })
        .collect()
}

/// The same for a text of the caller: nothing follows its final LF.
pub(super) fn text_lines(text: &str) -> Vec<&str> {
    let mut lines = file_lines(text);
    if text.is_empty() || text.ends_with('\n') {
        lines.pop();
    }
    lines
}

fn without_trail(line: &str) -> &str {
    line.trim_end_matches([' ', '\t'])
}

/// The two passes over whole lines: what of a line each compares.
pub(super) const KEYS: [fn(&str) -> &str; 2] = [without_trail, str::trim];

/// Indices of the first lines of the windows, from the top, none overlapping another.
pub(super) fn windows(file: &str, old: &str, key: fn(&str) -> &str) -> Vec<usize> {
    let (file, old) = (file_lines(file), text_lines(old));
    let mut starts = Vec::new();
    let mut at = 0;
    while at + old.len() <= file.len() {
        let here = &file[at..at + old.len()];
        if here.iter().zip(&old).all(|(a, b)| key(a) == key(b)) {
            starts.push(at);
            at += old.len();
        } else {
            at += 1;
        }
    }
    starts
}

/// The windows that an edit without an exact hit replaces, or several of which refuse it.
pub(super) fn hits(file: &str, edit: &Edit) -> Vec<usize> {
    let passes = KEYS.into_iter().map(|key| windows(file, &edit.old_text, key));
    passes.into_iter().find(|starts| !starts.is_empty()).unwrap_or_default()
}

/// The ending shared by all lines of a text of two or more.
fn internal_ending(text: &str) -> Option<&'static str> {
    let ends = text.matches('\n').count();
    let crlf = text.matches("\r\n").count();
    match (text_lines(text).len() > 1, crlf) {
        (true, 0) => Some("\n"),
        (true, crlf) if crlf == ends => Some("\r\n"),
        _ => None,
    }
}

pub(super) fn changes_endings(edit: &Edit) -> bool {
    let (old, new) = (internal_ending(&edit.old_text), internal_ending(&edit.new_text));
    old.is_some() && new.is_some() && old != new
}

/// What an exact hit puts in.
pub(super) fn inserted(file: &str, edit: &Edit) -> String {
    let crlf = file.matches("\r\n").count();
    let dominant = if crlf > file.matches('\n').count() - crlf { "\r\n" } else { "\n" };
    match internal_ending(&edit.new_text) {
        Some(own) if own != dominant && !changes_endings(edit) => {
            edit.new_text.replace(own, dominant)
        }
        Some(_) | None => edit.new_text.clone(),
    }
}

/// The hint, as it follows the refusal.
pub(super) fn hint(file: &str, edit: &Edit) -> String {
    let miscounts = miscounts(file, &edit.old_text);
    if !miscounts.is_empty() {
        let more = miscounts.len().saturating_sub(3);
        let tail = if more > 0 { format!(". and {more} more") } else { String::new() };
        let shown: Vec<String> = miscounts.into_iter().take(3).collect();
        return format!(". {}{tail}", shown.join(". "));
    }
    let places = swapped(file, &edit.new_text);
    if places.is_empty() {
        return String::new();
    }
    format!(
        ". new_text appears in the file at line {}: were old_text and new_text swapped?",
        list(places)
    )
}

fn list(items: Vec<String>) -> String {
    let more = items.len().saturating_sub(5);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{tail}", items.into_iter().take(5).collect::<Vec<_>>().join(", "))
}

/// One text for each old line and character.
fn miscounts(file: &str, old: &str) -> Vec<String> {
    let file: Vec<&str> = file_lines(file).into_iter().map(str::trim).collect();
    let mut texts = Vec::new();
    for (index, old) in text_lines(old).into_iter().map(str::trim).enumerate() {
        if old.is_empty() || file.contains(&old) {
            continue;
        }
        let mut groups: Vec<(char, Vec<String>)> = Vec::new();
        for (line, text) in file.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            let Some(character) = only_difference(old, text) else { continue };
            let place = format!("{} at line {}", text.matches(character).count(), line + 1);
            match groups.iter_mut().find(|(known, _)| *known == character) {
                Some((_, places)) => places.push(place),
                None => groups.push((character, vec![place])),
            }
        }
        for (character, places) in groups {
            texts.push(format!(
                "line {} of old_text has {} \"{character}\" (U+{:04X}); the file has {}",
                index + 1,
                old.matches(character).count(),
                u32::from(character),
                list(places)
            ));
        }
    }
    texts
}

fn only_difference(old: &str, text: &str) -> Option<char> {
    let mut characters: Vec<char> = old.chars().chain(text.chars()).collect();
    characters.sort_unstable();
    characters.dedup();
    characters.retain(|c| old.matches(*c).count() != text.matches(*c).count());
    match characters[..] {
        [c] if old.matches(c).count().max(text.matches(c).count()) > 1 => Some(c),
        _ => None,
    }
}

fn swapped(file: &str, new: &str) -> Vec<String> {
    if new.trim().is_empty() {
        return Vec::new();
    }
    let starts = (0..file.len()).filter(|at| file.as_bytes()[*at..].starts_with(new.as_bytes()));
    let mut lines: Vec<usize> = starts.map(|at| file[..at].matches('\n').count()).collect();
    lines.dedup();
    for key in KEYS {
        if lines.is_empty() {
            lines = windows(file, new, key);
        }
    }
    lines.iter().map(|line| (line + 1).to_string()).collect()
}
