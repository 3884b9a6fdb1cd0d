//! One line in gitignore syntax, read as git reads it and written as `globset` understands it.
//!
//! The two differ in braces, in escapes within brackets, and in which lines are patterns at all.
//! Source of the syntax: gitignore(5), and git's `wildmatch.c` where the manual page is silent.

use std::iter::Peekable;
use std::str::Chars;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A pattern.
    Pattern(Pattern),
    /// Nothing that could match: the line is blank or a comment.
    Blank,
    /// A pattern that git would never match, and why.
    Invalid(&'static str),
}

/// A pattern of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The glob, matched against a path below the directory of the line.
    pub glob: String,
    /// Whether the line begins with `!`.
    pub negated: bool,
    /// Whether only directories match.
    pub only_directories: bool,
}

/// What `{a,b}` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Braces {
    /// These five characters, as git has it.
    Literal,
    /// `a` or `b`.
    Alternatives,
}

/// Reads one line without its ending.
pub fn parse(line: &str, braces: Braces) -> Line {
    if line.starts_with('#') {
        return Line::Blank;
    }
    let line = trim_spaces(line);
    let (negated, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (only_directories, line) = match line.strip_suffix('/') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    // No path ends with a slash, so two of them match nothing.
    if line.is_empty() || line.ends_with('/') {
        return Line::Blank;
    }
    let anchored = line.contains('/');
    let line = line.strip_prefix('/').unwrap_or(line);
    match translate(line, anchored, braces) {
        Ok(glob) => Line::Pattern(Pattern { glob, negated, only_directories }),
        Err(reason) => Line::Invalid(reason),
    }
}

/// Cuts off the spaces at the end, but not one that a backslash protects.
fn trim_spaces(line: &str) -> &str {
    let mut kept = 0;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' => {}
            '\\' => kept = chars.next().map_or(at + 1, |(next, c)| next + c.len_utf8()),
            _ => kept = at + c.len_utf8(),
        }
    }
    &line[..kept]
}

/// Writes a pattern for `globset`; one that is not anchored matches the last component alone.
fn translate(pattern: &str, anchored: bool, braces: Braces) -> Result<String, &'static str> {
    let mut glob = String::with_capacity(pattern.len() + 8);
    if !anchored {
        glob.push_str("**/");
    }
    let mut at_component = true;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next().ok_or("a backslash at the end escapes nothing")?;
                push_literal(&mut glob, escaped);
            }
            '*' => push_stars(&mut glob, &mut chars, at_component && anchored),
            '[' => Class::parse(&mut chars)?.push_to(&mut glob)?,
            '{' | '}' if braces == Braces::Literal => push_literal(&mut glob, c),
            _ => glob.push(c),
        }
        at_component = c == '/';
    }
    Ok(glob)
}

/// Writes a run of stars: across components if it is one of its own in an anchored pattern.
fn push_stars(glob: &mut String, chars: &mut Peekable<Chars<'_>>, at_component: bool) {
    let mut several = false;
    while chars.next_if_eq(&'*').is_some() {
        several = true;
    }
    match (several && at_component, chars.peek()) {
        (true, Some('/')) => glob.push_str("**"),
        // `globset` lets `a/**` match `a/` too, git only what is below.
        (true, None) => glob.push_str("**/*"),
        _ => glob.push('*'),
    }
}

fn push_literal(glob: &mut String, c: char) {
    if matches!(c, '\\' | '*' | '?' | '[' | ']' | '{' | '}' | ',' | '!' | '^' | '-') {
        glob.push('\\');
    }
    glob.push(c);
}

/// A bracket expression.
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
    /// Names such as `alpha`, written as `[:alpha:]`.
    names: Vec<String>,
}

impl Class {
    /// Reads on after the opening bracket.
    fn parse(chars: &mut Peekable<Chars<'_>>) -> Result<Self, &'static str> {
        const OPEN: &str = "a bracket is not closed";
        let negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
        let mut class = Self { negated, ranges: Vec::new(), names: Vec::new() };
        let mut first = true;
        loop {
            let mut low = chars.next().ok_or(OPEN)?;
            match low {
                ']' if !first => return Ok(class),
                '[' if chars.peek() == Some(&':') => {
                    if let Some(name) = posix_name(chars)? {
                        class.names.push(name);
                        first = false;
                        continue;
                    }
                }
                '\\' => low = chars.next().ok_or(OPEN)?,
                _ => {}
            }
            first = false;
            let mut ahead = chars.clone();
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
            let mut high = low;
            if is_range {
                chars.next();
                high = chars.next().ok_or(OPEN)?;
                if high == '\\' {
                    high = chars.next().ok_or(OPEN)?;
                }
            }
            // A range that runs backwards is its beginning alone, as git has it.
            class.ranges.push((low, high.max(low)));
        }
    }

    /// Writes the expression so that none of its characters is taken for syntax.
    fn push_to(mut self, glob: &mut String) -> Result<(), &'static str> {
        // As an end of a range these would close or confuse the expression, so they stand alone;
        // `^` twice, since it is the neighbor of `]`.
        for special in ['!', '-', '^', ']', '^'] {
            self.isolate(special);
        }
        let (singles, ranges): (Vec<_>, Vec<_>) =
            self.ranges.iter().partition(|range| matches!(range.0, '!' | '-' | '^' | ']'));
        let has = |special| singles.contains(&(special, special));
        // An opening bracket before a colon would begin a name.
        let (opening, others): (Vec<_>, Vec<_>) = ranges.iter().partition(|range| range.0 == '[');
        let mut inside = String::new();
        if has(']') {
            inside.push(']');
        }
        others.iter().for_each(|range| push_range(&mut inside, *range));
        self.names.iter().for_each(|name| inside.push_str(&format!("[:{name}:]")));
        // These have a meaning at the beginning only.
        let late: String = ['!', '^'].into_iter().filter(|special| has(*special)).collect();
        let is_first = inside.is_empty() && !self.negated;
        inside.push_str(&late);
        opening.iter().for_each(|range| push_range(&mut inside, *range));
        if has('-') {
            inside.push('-');
        }
        match (inside.is_empty(), self.negated) {
            (true, false) => return Err("a bracket holds no character"),
            (true, true) => glob.push('?'),
            (false, true) => glob.push_str(&format!("[!{inside}]")),
            // Nothing can come before them, so the same is said by alternatives.
            (false, false) if is_first && !late.is_empty() => {
                let alone = late.chars().map(|c| format!("\\{c},"));
                let rest = &inside[late.len()..];
                let rest = if rest.is_empty() { String::new() } else { format!("[{rest}]") };
                let all: String = alone.chain([rest]).collect();
                glob.push_str(&format!("{{{}}}", all.trim_end_matches(',')));
            }
            (false, false) => glob.push_str(&format!("[{inside}]")),
        }
        Ok(())
    }

    /// Makes `special` a range of its own wherever it begins or ends one.
    fn isolate(&mut self, special: char) {
        let mut isolated = Vec::with_capacity(self.ranges.len() + 2);
        for &(low, high) in &self.ranges {
            let (before, after) = match special {
                '!' => (' ', '"'),
                '-' => (',', '.'),
                ']' => ('\\', '^'),
                _ => (']', '_'),
            };
            match (low == special, high == special) {
                (true, true) => isolated.push((low, high)),
                (true, false) => isolated.extend([(low, low), (after, high)]),
                (false, true) => isolated.extend([(low, before), (high, high)]),
                (false, false) => isolated.push((low, high)),
            }
        }
        self.ranges = isolated;
    }
}

fn push_range(glob: &mut String, (low, high): (char, char)) {
    glob.push(low);
    if low != high {
        glob.push('-');
        glob.push(high);
    }
}

/// Reads `:name:]` after a bracket, if that is what follows.
fn posix_name(chars: &mut Peekable<Chars<'_>>) -> Result<Option<String>, &'static str> {
    const NAMES: [&str; 12] = [
        "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "xdigit",
    ];
    let rest: String = chars.clone().skip(1).collect();
    let Some((name, _)) = rest.split_once(']') else {
        return Ok(None);
    };
    let Some(name) = name.strip_suffix(':') else {
        return Ok(None);
    };
    if !NAMES.contains(&name) {
        return Err("a bracket names an unknown class of characters");
    }
    // The two colons and the closing bracket.
    chars.nth(name.chars().count() + 2);
    Ok(Some(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, glob: &str) {
        let expected = Pattern { glob: glob.to_owned(), negated: false, only_directories: false };
        assert_eq!(parse(line, Braces::Literal), Line::Pattern(expected), "{line:?}");
    }

    #[test]
    fn a_pattern_without_a_slash_matches_at_any_depth() {
        check("a", "**/a");
        check("*.log", "**/*.log");
        check("**", "**/*");
        check("a**b", "**/a*b");
        check("/a", "a");
        check("a/b", "a/b");
        check("/**", "**/*");
        check("**/a", "**/a");
        check("a/**", "a/**/*");
        check("a/***/b", "a/**/b");
        check("a/b**", "a/b*");
    }

    #[test]
    fn prefixes_and_suffixes_are_read_off() {
        let pattern = |line| match parse(line, Braces::Literal) {
            Line::Pattern(pattern) => (pattern.glob, pattern.negated, pattern.only_directories),
            other => panic!("{line:?} is {other:?}"),
        };
        assert_eq!(pattern("!a"), ("**/a".to_owned(), true, false));
        assert_eq!(pattern("a/"), ("**/a".to_owned(), false, true));
        assert_eq!(pattern("!/a/"), ("a".to_owned(), true, true));
        assert_eq!(pattern("!!a"), ("**/!a".to_owned(), true, false));
        assert_eq!(pattern("a#"), ("**/a#".to_owned(), false, false));
    }

    #[test]
    fn some_lines_match_nothing() {
        for line in ["", "   ", "#a", "/", "!", "!/", "//", "a//"] {
            assert_eq!(parse(line, Braces::Literal), Line::Blank, "{line:?}");
        }
        for line in ["[", "[]", "[!]", "[a", "a\\", "[[:none:]]", "[\\"] {
            let read = parse(line, Braces::Literal);
            assert!(matches!(read, Line::Invalid(_)), "{line:?} is {read:?}");
        }
    }

    #[test]
    fn escapes_and_spaces_are_as_in_git() {
        check("\\#a", "**/#a");
        check("\\!a", "**/\\!a");
        check("a  ", "**/a");
        check("a\\ ", "**/a ");
        check("a\\  ", "**/a ");
        check(" a", "**/ a");
        check("\\*", "**/\\*");
        check("{a,b}", "**/\\{a,b\\}");
    }

    #[test]
    fn brackets_are_written_so_that_nothing_in_them_is_syntax() {
        check("[ab]", "**/[ab]");
        check("[^a-c]", "**/[!a-c]");
        check("[]a]", "**/[]a]");
        check("[a\\]]", "**/[]a]");
        check("[a-]", "**/[a-]");
        check("[b-a]", "**/[b]");
        check("[\\!]", "**/{\\!}");
        check("[\\!-]", "**/{\\!,[-]}");
        check("[X-^]", "**/[]X-\\^]");
        check("[[:alpha:]_]", "**/[_[:alpha:]]");
        check("[![]", "**/[![]");
    }
}
