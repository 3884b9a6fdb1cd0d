//! A query string as pairs of names and values (WHATWG URL, `application/x-www-form-urlencoded`),
//! with strict UTF-8 where the standard's parser replaces.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::notes::Notes;

/// One parameter, decoded.
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: String,
}

/// Splits and decodes; a value that is not UTF-8 is refused, a name shows U+FFFD.
pub(super) fn pairs(query: &str, notes: &mut Notes) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = String::from_utf8_lossy(&decoded(name)).into_owned();
        let value = String::from_utf8(decoded(value)).unwrap_or_else(|_| {
            notes.add(&name, "the value is not UTF-8");
            // Stands in for the value so that the rest is checked too.
            "-".to_owned()
        });
        pairs.push(Pair { name, value });
    }
    pairs
}

fn decoded(text: &str) -> Vec<u8> {
    let spaced = text.replace('+', " ");
    Cow::from(percent_decode(spaced.as_bytes())).into_owned()
}
