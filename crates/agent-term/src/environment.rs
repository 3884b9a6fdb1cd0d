//! The variables that a terminal adds to a session's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use agent_exec::Environment;

/// The kind of every terminal.
pub(crate) const TERM: &str = "xterm-256color";

/// Adds the kind of the terminal, and a UTF-8 locale when the session has none.
pub(crate) fn for_terminal(mut env: Environment) -> Environment {
    env.set("TERM", TERM);
    let value = |name: &str| env.get(name).filter(|value| !value.is_empty());
    // The order in which setlocale(3) looks for the kind of characters.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(value);
    if !locale.is_some_and(names_utf8) && value("LC_ALL").is_none() {
        env.set("LC_CTYPE", "C.UTF-8");
    }
    env
}

fn names_utf8(locale: &OsStr) -> bool {
    let locale = locale.as_bytes().to_ascii_lowercase();
    let has = |name: &[u8]| locale.windows(name.len()).any(|part| part == name);
    has(b"utf-8") || has(b"utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn a_locale_is_added_only_where_none_names_utf8() {
        let cases: [(Variables<'_>, Option<&str>); 9] = [
            (&[], Some("C.UTF-8")),
            (&[("LANG", "en_US.UTF-8")], None),
            (&[("LANG", "C")], Some("C.UTF-8")),
            (&[("LANG", ""), ("LC_CTYPE", "")], Some("C.UTF-8")),
            (&[("LC_CTYPE", "de_DE.utf8"), ("LANG", "C")], Some("de_DE.utf8")),
            (&[("LC_CTYPE", "C"), ("LANG", "de_DE.Utf-8")], Some("C.UTF-8")),
            (&[("LC_ALL", "POSIX"), ("LANG", "en_US.UTF-8")], None),
            (&[("LC_ALL", "C.utf8"), ("LC_CTYPE", "C")], Some("C")),
            (&[("LC_ALL", ""), ("LC_CTYPE", "C"), ("LANG", "x.utf8")], Some("C.UTF-8")),
        ];
        for (given, expected) in cases {
            let env = for_terminal(given.iter().copied().collect());
            assert_eq!(env.get("LC_CTYPE"), expected.map(OsStr::new), "{given:?}");
            assert_eq!(env.get("TERM"), Some(OsStr::new("xterm-256color")));
        }
    }
}
