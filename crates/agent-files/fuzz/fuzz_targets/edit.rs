//! One edit of arbitrary bytes: no panic, and what holds for every result.
#![no_main]

use agent_api::Edit;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

// The matcher is private to its crate and needs nothing else of it.
#[path = "../../src/edit/mod.rs"]
mod edit;

/// A content and an edit; the old text is often a piece of the content.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    content: &'a [u8],
    old_text: OldText<'a>,
    new_text: &'a str,
    replace_all: bool,
    fuzzy: bool,
}

#[derive(Arbitrary, Debug)]
enum OldText<'a> {
    Any(&'a str),
    Piece {
        start: u16,
        length: u16,
    },
    /// A piece whose lines get another lead.
    Indented {
        start: u16,
        length: u16,
        lead: u8,
    },
}

impl OldText<'_> {
    fn of(&self, content: &[u8]) -> String {
        let piece = |start: u16, length: u16| {
            let rest = content.get(usize::from(start)..).unwrap_or_default();
            String::from_utf8_lossy(&rest[..rest.len().min(usize::from(length))]).into_owned()
        };
        match *self {
            Self::Any(text) => text.to_owned(),
            Self::Piece { start, length } => piece(start, length),
            Self::Indented { start, length, lead } => {
                let lead = [" ", "  ", "\t", "    "][usize::from(lead % 4)];
                let text = piece(start, length);
                text.lines().map(|line| format!("{lead}{}\n", line.trim())).collect()
            }
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let Input { content, replace_all, fuzzy, .. } = input;
    let old_text = input.old_text.of(content);
    let edit = Edit { old_text, new_text: input.new_text.to_owned(), replace_all, fuzzy };
    match edit::apply(content, &edit) {
        Ok(after) => check_result(content, &edit, &after),
        Err(refusal) => check_refusal(content, &edit, &refusal.to_string()),
    }
});

fn check_result(content: &[u8], edit: &Edit, after: &[u8]) {
    let hits = count(content, &edit.old_text);
    assert!(hits == 1 || edit.replace_all || hits == 0, "one of {hits} hits was replaced");
    assert!(hits > 0 || edit.fuzzy, "nothing was found, but something was replaced");
    let had_cr = content.contains(&b'\r') || edit.new_text.contains('\r');
    assert!(had_cr || !after.contains(&b'\r'), "a CR that neither side had");
    if hits > 0 {
        // Endings may be converted, so both sides are compared without them.
        let plain = replace(content, &edit.old_text, &edit.new_text);
        assert_eq!(without_cr(&plain), without_cr(after), "an exact hit is a replacement");
        assert!(edit.new_text.contains('\n') || plain == after, "no line ending to convert");
    }
}

fn check_refusal(content: &[u8], edit: &Edit, text: &str) {
    let hits = count(content, &edit.old_text);
    let expected = if edit.old_text.is_empty() {
        "old_text must not be empty".to_owned()
    } else if hits > 0 {
        assert!(hits > 1 && !edit.replace_all, "a clear edit was refused: {text}");
        format!("old_text matches {hits} occurrences, ")
    } else {
        "old_text ".to_owned()
    };
    assert!(text.starts_with(&expected), "{text:?} does not start with {expected:?}");
}

/// Occurrences from the left, none overlapping another.
fn count(content: &[u8], old: &str) -> usize {
    if old.is_empty() {
        return 0;
    }
    pieces(content, old.as_bytes()).len() - 1
}

fn replace(content: &[u8], old: &str, new: &str) -> Vec<u8> {
    pieces(content, old.as_bytes()).join(new.as_bytes())
}

/// The content split at each occurrence, the slow and obvious way.
fn pieces<'a>(content: &'a [u8], old: &[u8]) -> Vec<&'a [u8]> {
    let (mut pieces, mut done, mut at) = (Vec::new(), 0, 0);
    while at < content.len() {
        if content[at..].starts_with(old) {
            pieces.push(&content[done..at]);
            at += old.len();
            done = at;
        } else {
            at += 1;
        }
    }
    pieces.push(&content[done..]);
    pieces
}

fn without_cr(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| *byte != b'\r').collect()
}
