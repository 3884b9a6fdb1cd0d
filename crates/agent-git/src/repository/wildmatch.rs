//! Patterns as git's `wildmatch` reads them, on bytes, with `/` matched by nothing but itself and
//! `**`.

/// Whether upper and lower case of ASCII letters are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Sensitive,
    Ignored,
}

/// Tells whether a whole text matches.
pub(super) fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    // Each star tries every end of its match, so what hostile patterns may cost is bounded.
    let mut left = 100_000;
    rest(pattern, 0, text, case, &mut left)
}

/// Matches what is left of the pattern from `at` on; before it only its own beginning counts.
fn rest(pattern: &[u8], at: usize, text: &[u8], case: Case, left: &mut u32) -> bool {
    let (mut at, mut text) = (at, text);
    while let Some(&byte) = pattern.get(at) {
        if byte == b'*' {
            return star(pattern, at, text, case, left);
        }
        let Some((&found, after)) = text.split_first() else { return false };
        at += 1;
        let is_match = match byte {
            b'?' => found != b'/',
            b'[' => match class(&pattern[at..], found, case) {
                Some((is_in, len)) => {
                    at += len;
                    is_in && found != b'/'
                }
                None => return false,
            },
            b'\\' => match pattern.get(at) {
                Some(&literal) => {
                    at += 1;
                    same(literal, found, case)
                }
                None => return false,
            },
            _ => same(byte, found, case),
        };
        if !is_match {
            return false;
        }
        text = after;
    }
    text.is_empty()
}

fn star(pattern: &[u8], at: usize, text: &[u8], case: Case, left: &mut u32) -> bool {
    let stars = pattern[at..].iter().take_while(|byte| **byte == b'*').count();
    let end = at + stars;
    let begins = at == 0 || pattern[at - 1] == b'/';
    let next = pattern.get(end);
    // Two stars cross directories where they are a whole component.
    let crosses = stars > 1 && begins && matches!(next, None | Some(b'/'));
    if crosses && next == Some(&b'/') && rest(pattern, end + 1, text, case, left) {
        return true;
    }
    for skipped in 0..=text.len() {
        *left = left.saturating_sub(1);
        if *left == 0 {
            return false;
        }
        if rest(pattern, end, &text[skipped..], case, left) {
            return true;
        }
        if !crosses && text.get(skipped) == Some(&b'/') {
            return false;
        }
    }
    false
}

/// Reads a bracket expression after its `[`; whether a byte is in it, and its length.
fn class(pattern: &[u8], found: u8, case: Case) -> Option<(bool, usize)> {
    let negated = matches!(pattern.first()?, b'!' | b'^');
    let first = usize::from(negated);
    let (mut at, mut is_in) = (first, false);
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((is_in != negated, at + 1));
        }
        if low == b'[' && pattern.get(at + 1) == Some(&b':') {
            let from = at + 2;
            let close = from + pattern[from..].iter().position(|byte| *byte == b']')?;
            if close > from && pattern[close - 1] == b':' {
                is_in |= is_in_named(&pattern[from..close - 1], found, case)?;
                at = close + 1;
                continue;
            }
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && *pattern.get(at + 1)? != b']' {
            high = pattern[at + 1];
            at += 2;
            if high == b'\\' {
                high = *pattern.get(at)?;
                at += 1;
            }
        }
        let within = |byte: u8| low <= byte && byte <= high;
        is_in |= within(found)
            || case == Case::Ignored
                && (within(found.to_ascii_lowercase()) || within(found.to_ascii_uppercase()));
    }
}

fn is_in_named(name: &[u8], found: u8, case: Case) -> Option<bool> {
    Some(match name {
        b"alnum" => found.is_ascii_alphanumeric(),
        b"alpha" => found.is_ascii_alphabetic(),
        b"blank" => matches!(found, b' ' | b'\t'),
        b"cntrl" => found.is_ascii_control(),
        b"digit" => found.is_ascii_digit(),
        b"graph" => found.is_ascii_graphic(),
        b"lower" => {
            found.is_ascii_lowercase() || case == Case::Ignored && found.is_ascii_uppercase()
        }
        b"print" => found.is_ascii_graphic() || found == b' ',
        b"punct" => found.is_ascii_punctuation(),
        b"space" => found.is_ascii_whitespace() || found == 0x0b,
        b"upper" => {
            found.is_ascii_uppercase() || case == Case::Ignored && found.is_ascii_lowercase()
        }
        b"xdigit" => found.is_ascii_hexdigit(),
        _ => return None,
    })
}

fn same(one: u8, other: u8, case: Case) -> bool {
    one == other || case == Case::Ignored && one.eq_ignore_ascii_case(&other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        let found = matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive);
        assert_eq!(found, expected, "{pattern:?} on {text:?}");
    }

    #[test]
    fn patterns_match_as_in_git() {
        check("foo", "foo", true);
        check("foo", "bar", false);
        check("???", "foo", true);
        check("*", "foo/bar", false);
        check("*/bar", "foo/bar", true);
        check("*f", "foof", true);
        check("foo/**", "foo/a/b", true);
        check("foo/**", "foo", false);
        check("**/foo", "foo", true);
        check("**/foo", "a/b/foo", true);
        check("**/foo", "a/bfoo", false);
        check("foo/**/bar", "foo/bar", true);
        check("foo/**/bar", "foo/a/b/bar", true);
        check("foo**bar", "foo/a/bar", false);
        check("a[^c]b", "a/b", false);
        check("[!]a-]", "b", true);
        check("[]a-]", "-", true);
        check("[[:digit:][:upper:]]", "A", true);
        check("[[:digit:][:spaci:]]", "1", false);
        check("[\\-]", "-", true);
        check("\\*", "*", true);
        check("\\", "\\", false);
        check("[a-", "a", false);
        check("", "", true);
        check("**", "a/b", true);
    }

    #[test]
    fn case_is_ignored_where_that_is_asked_for() {
        assert!(matches(b"/Users/[a-c]X", b"/users/Bx", Case::Ignored));
        assert!(!matches(b"/Users", b"/users", Case::Sensitive));
    }

    #[test]
    fn a_pattern_of_many_stars_ends() {
        assert!(!matches(&b"*a".repeat(40), &b"a".repeat(39), Case::Sensitive));
        assert!(!matches(
            &b"*a".repeat(60),
            &[b"a".repeat(300), b"b".to_vec()].concat(),
            Case::Sensitive
        ));
    }
}
