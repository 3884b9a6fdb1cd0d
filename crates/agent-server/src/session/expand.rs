//! Replacing variables in the values of `[env]` and `[env_override]` (pure).

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// Replaces `$NAME` and `${NAME}` by what `lookup` answers, nothing for none, and `$$` by `$`.
///
/// A name begins with a letter or `_`, and letters, digits and `_` follow. A `$` before anything
/// else stays as it is.
pub(super) fn expand<'a>(text: &str, lookup: impl Fn(&OsStr) -> Option<&'a OsStr>) -> OsString {
    let mut expanded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.extend_from_slice(before.as_bytes());
        rest = if let Some(following) = after.strip_prefix('$') {
            expanded.push(b'$');
            following
        } else if let Some((name, following)) = name(after) {
            let value = lookup(OsStr::new(name)).unwrap_or_default();
            expanded.extend_from_slice(value.as_bytes());
            following
        } else {
            expanded.push(b'$');
            after
        };
    }
    expanded.extend_from_slice(rest.as_bytes());
    OsString::from_vec(expanded)
}

/// The name at the start of a text, with or without braces, and what follows.
fn name(text: &str) -> Option<(&str, &str)> {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = |name: &str| name.starts_with(is_first) && name.chars().all(is_part);
    let (name, following) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len())),
    };
    is_name(name).then_some((name, following))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let cases = [
            ("plain", "plain"),
            ("$A", "one"),
            ("${A}", "one"),
            ("x$A-${_B2}y", "xone-twoy"),
            ("$A$A", "oneone"),
            ("$SOMETHINGNOTSET", ""),
            ("${UNSET}", ""),
            ("$$", "$"),
            ("$$A", "$A"),
            ("$$$A", "$one"),
            ("$Ab", ""),
            ("$", "$"),
            ("5$", "5$"),
            ("$5 $-", "$5 $-"),
            ("${A", "${A"),
            ("${}", "${}"),
            ("${A-b}", "${A-b}"),
            ("é$A", "éone"),
        ];
        let lookup = |name: &OsStr| match name.to_str() {
            Some("A") => Some(OsStr::new("one")),
            Some("_B2") => Some(OsStr::new("two")),
            _ => None,
        };
        for (text, expected) in cases {
            assert_eq!(expand(text, lookup), expected, "{text}");
        }
    }
}
