//! The user's own ignore file: `core.excludesfile` of `~/.gitconfig`; other settings are no matter.
//!
//! Source: git-config(1), "Syntax".

use std::path::{Path, PathBuf};

use agent_ignore::Rules;

use super::ignore::{read_rules, read_small};

/// The rules of the user whose home is `home`.
pub(super) fn excludes(home: &Path) -> Rules {
    // People keep these two in another place and have links to them.
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let content = read_small(&real(home.join(".gitconfig"))).unwrap_or_default();
    let named = excludes_file(&String::from_utf8_lossy(&content));
    match named.as_deref().and_then(|named| place(named, home)) {
        Some(path) => read_rules(&real(path)),
        None => Rules::default(),
    }
}

fn place(named: &str, home: &Path) -> Option<PathBuf> {
    match named.strip_prefix("~/") {
        Some(rest) => Some(home.join(rest)),
        None => Some(PathBuf::from(named)).filter(|path| path.is_absolute()),
    }
}

/// The last value of `core.excludesfile`.
fn excludes_file(content: &str) -> Option<String> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let mut in_core = false;
    let mut found = None;
    let mut lines = content.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            let Some((name, after)) = rest.split_once(']') else { continue };
            in_core = name.trim().eq_ignore_ascii_case("core");
            // A setting may follow on the line.
            line = after.trim();
        }
        let Some((key, first)) = line.split_once('=') else { continue };
        let value = value(first, &mut lines);
        if in_core && key.trim().eq_ignore_ascii_case("excludesfile") {
            found = Some(value);
        }
    }
    found.filter(|value| !value.is_empty())
}

/// Reads a value, which goes on in the next line after a backslash at the end.
fn value<'a>(first: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut quoted = false;
    // Length with the last character that is not space outside quotes.
    let mut solid = 0;
    let mut line = first.trim_start();
    loop {
        let mut chars = line.chars();
        let mut goes_on = false;
        while let Some(c) = chars.next() {
            match c {
                '"' => quoted = !quoted,
                '#' | ';' if !quoted => break,
                '\\' => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c) => text.push(c),
                    None => goes_on = true,
                },
                c => text.push(c),
            }
            if quoted || !c.is_whitespace() {
                solid = text.len();
            }
        }
        match goes_on.then(|| lines.next()).flatten() {
            Some(next) => line = next,
            None => break,
        }
    }
    text.truncate(solid);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_found_as_git_finds_it() {
        let cases = [
            ("[core]\n\texcludesfile = ~/.ignore\n", Some("~/.ignore")),
            ("[CORE]\nExcludesFile=/a b ; why\n", Some("/a b")),
            ("[core] excludesfile = \"/a # b \" # why\n", Some("/a # b ")),
            ("[core]\nexcludesfile = /a\n[user]\nexcludesfile = /b\n", Some("/a")),
            ("[core]\nexcludesfile = /a\n[core]\nexcludesfile = /b\n", Some("/b")),
            ("[core]\nexcludesfile = /a\\\nb\n", Some("/ab")),
            ("[core]\nexcludesfile = C:\\\\x\\\"y\n", Some("C:\\x\"y")),
            ("[core \"sub\"]\nexcludesfile = /a\n", None),
            ("[core]\nexcludesfile =\n", None),
            ("[core]\n# excludesfile = /a\n", None),
            ("", None),
        ];
        for (content, expected) in cases {
            assert_eq!(excludes_file(content).as_deref(), expected, "{content:?}");
        }
    }

    #[test]
    fn a_path_begins_at_the_root_or_at_home() {
        let home = Path::new("/home/x");
        assert_eq!(place("~/a", home), Some(PathBuf::from("/home/x/a")));
        assert_eq!(place("/a", home), Some(PathBuf::from("/a")));
        assert_eq!(place("a", home), None);
        assert_eq!(place("~other/a", home), None);
    }
}
