//! A query string as pairs of names and values (WHATWG URL, `application/x-www-form-urlencoded`),
//! with strict UTF-8 where the standard's parser replaces.

use std::borrow::Cow;

use agent_api::FieldError;
use percent_encoding::percent_decode;

/// One parameter, decoded.
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: String,
}

/// Splits and decodes; a value that is not UTF-8 is refused, a name shows U+FFFD.
pub(super) fn pairs(query: &str) -> (Vec<Pair>, Vec<FieldError>) {
    let mut pairs = Vec::new();
    let mut refused = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = String::from_utf8_lossy(&decoded(name)).into_owned();
        let value = String::from_utf8(decoded(value)).unwrap_or_else(|_| {
            if refused.iter().all(|known: &FieldError| known.field != name) {
                refused.push(FieldError::new(&name, "the value is not UTF-8"));
            }
            // Stands in for the value so that the rest is checked too.
            "-".to_owned()
        });
        pairs.push(Pair { name, value });
    }
    (pairs, refused)
}

fn decoded(text: &str) -> Vec<u8> {
    let spaced = text.replace('+', " ");
    Cow::from(percent_decode(spaced.as_bytes())).into_owned()
}
