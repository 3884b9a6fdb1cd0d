//! The pattern of a search, checked and compiled, with bounds on what it can cost.
//!
//! A line must be matched as if it were alone: `^`, `$`, `\A` and `\z` are its edges, its ending
//! is no part of it, and nothing matches across it. Cutting a file into lines to match each one is
//! slow, so the pattern is compiled twice. The *sieve* runs over many lines at once and finds at
//! least every line that matches; what it finds is decided by the *exact* form on the line alone.
//!
//! ```text
//! pattern ─► AST ─► HIR ─┬─ no LF, no captures ──────────────────────────► exact
//!                        └─ the same, and edges of the line for the text's ─► sieve
//! ```

use agent_api::SearchCase;
use regex_automata::{
    Anchored, Input, Match,
    meta::{BuildError, Cache, Config, Regex},
};
use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look,
    Repetition,
};

use super::syntax;

/// Longest pattern in bytes.
pub(super) const MAX_PATTERN_BYTES: usize = 4096;
/// Largest compiled form in bytes: thirty-two times Unicode's `\w` and more fit in, and compiling
/// takes a few hundredths of a second at most.
const MAX_COMPILED_BYTES: usize = 4 * 1024 * 1024;
/// Largest [`weight`]: the slowest pattern then needs about a third of a millisecond a byte.
const MAX_WEIGHT: u64 = 10_000;
/// Longest part of a line that is matched, for a pattern of little weight.
const MAX_LINE_BYTES: u64 = 8 * 1024 * 1024;
/// Weight times bytes of one call of the matcher, which cannot be interrupted. Where everything
/// else fails, the matcher takes about 30 ns for each unit of weight and byte.
const MAX_EFFORT: u64 = 160 * 1024 * 1024;
/// The same for several lines at once, between which the clock is looked at.
const USUAL_EFFORT: u64 = 4 * 1024 * 1024;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    sieve: Regex,
    exact: Regex,
    /// Bytes of a line that are matched; the rest is not looked at.
    pub(super) line_bytes: usize,
    /// Bytes to give to the sieve at once, if lines are not longer.
    pub(super) slice_bytes: usize,
}

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternError {
    /// It is empty.
    #[error("\"pattern\" is required")]
    Missing,
    /// It is longer than [`MAX_PATTERN_BYTES`].
    #[error("a pattern has at most {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    /// It contains a line break or an escape for one.
    #[error("the pattern contains a line break, and a match lies within one line")]
    LineBreak,
    /// It is no valid regular expression.
    #[error("not a valid regular expression: {0}")]
    Syntax(String),
    /// It is valid but would take too much memory or time.
    #[error("the pattern is too large when compiled; make its repetitions smaller")]
    TooLarge,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// The first of [`PatternError`]'s variants that applies.
    pub(super) fn compile(text: &str, fixed: bool, case: SearchCase) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Missing);
        }
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        if text.contains('\n') {
            return Err(PatternError::LineBreak);
        }
        let hir = match fixed {
            true => syntax::parse(&regex_syntax::escape(text), case)?,
            false => syntax::parse(text, case)?,
        };
        let weight = weight(&hir).max(1);
        if weight > MAX_WEIGHT {
            return Err(PatternError::TooLarge);
        }
        let line_bytes = (MAX_EFFORT / weight).min(MAX_LINE_BYTES);
        let slice_bytes = (USUAL_EFFORT / weight).clamp(256, 256 * 1024);
        Ok(Self {
            sieve: build(&within_lines(&hir, Edges::OfLines))?,
            exact: build(&within_lines(&hir, Edges::OfText))?,
            line_bytes: usize::try_from(line_bytes).unwrap_or(usize::MAX),
            slice_bytes: usize::try_from(slice_bytes).unwrap_or(usize::MAX),
        })
    }

    /// A matcher with space of its own, for one thread.
    pub(super) fn matcher(&self) -> Matcher<'_> {
        Matcher {
            pattern: self,
            sieve: self.sieve.create_cache(),
            exact: self.exact.create_cache(),
        }
    }
}

/// A pattern and the space that matching needs.
#[derive(Debug)]
pub(super) struct Matcher<'p> {
    pub(super) pattern: &'p Pattern,
    sieve: Cache,
    exact: Cache,
}

impl Matcher<'_> {
    /// Finds the first place in `range` whose line may match; the range begins with a line.
    pub(super) fn sift(&mut self, text: &[u8], range: std::ops::Range<usize>) -> Option<usize> {
        let input = Input::new(text).range(range).anchored(Anchored::No);
        let found = self.pattern.sieve.search_with(&mut self.sieve, &input)?;
        Some(found.start())
    }

    /// Finds the first match in a line at or after `from`.
    pub(super) fn find(&mut self, line: &[u8], from: usize) -> Option<Match> {
        self.pattern.exact.search_with(&mut self.exact, &Input::new(line).range(from..))
    }
}

fn build(hir: &Hir) -> Result<Regex, PatternError> {
    let config = Config::new().utf8_empty(false).nfa_size_limit(Some(MAX_COMPILED_BYTES));
    let refused = |error: BuildError| match error.size_limit() {
        Some(_) => PatternError::TooLarge,
        None => PatternError::Syntax(error.to_string()),
    };
    Regex::builder().configure(config).build_from_hir(hir).map_err(refused)
}

/// How much a pattern keeps the matcher busy in the worst case: the number of places in it where
/// a match can be at the same time, counted repetitions written out.
fn weight(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        // Plain text has algorithms of its own and is rarely a burden.
        HirKind::Literal(literal) => 1 + literal.0.len() as u64 / 8,
        HirKind::Capture(capture) => weight(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(weight).fold(0, u64::saturating_add)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            weight(&repetition.sub).saturating_mul(u64::from(times))
        }
    }
}

/// What the edges of the text become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edges {
    /// Edges of the text that is matched.
    OfText,
    /// Edges of any line in it. The end is that of a line or a CR, since a CR may belong to the
    /// ending of the line; and where it does not, the exact form decides.
    OfLines,
}

/// The same pattern without captures and without any way to match an LF.
fn within_lines(hir: &Hir, edges: Edges) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(|part| within_lines(part, edges)).collect();
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) if literal.0.contains(&b'\n') => Hir::fail(),
        HirKind::Literal(literal) => Hir::literal(literal.0.clone()),
        HirKind::Class(class) => Hir::class(without_line_feed(class)),
        HirKind::Look(look) => Hir::look(match (edges, look) {
            (Edges::OfLines, Look::Start) => Look::StartLF,
            (Edges::OfLines, Look::End | Look::EndLF) => Look::EndCRLF,
            (_, other) => *other,
        }),
        HirKind::Capture(capture) => within_lines(&capture.sub, edges),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(within_lines(&repetition.sub, edges)),
            ..repetition.clone()
        }),
    }
}

fn without_line_feed(class: &Class) -> Class {
    match class {
        Class::Unicode(class) => {
            let mut class = class.clone();
            class.difference(&ClassUnicode::new([ClassUnicodeRange::new('\n', '\n')]));
            Class::Unicode(class)
        }
        Class::Bytes(class) => {
            let mut class = class.clone();
            class.difference(&ClassBytes::new([ClassBytesRange::new(b'\n', b'\n')]));
            Class::Bytes(class)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> PatternError {
        Pattern::compile(text, false, SearchCase::Sensitive).unwrap_err()
    }

    /// Lines that match, found with the sieve as the search does it.
    fn matching(pattern: &Pattern, text: &[u8]) -> Vec<usize> {
        let mut matcher = pattern.matcher();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(hit) = matcher.sift(text, at..text.len()) {
            let start = at + memchr::memrchr(b'\n', &text[at..hit]).map_or(0, |lf| lf + 1);
            if start == text.len() {
                break;
            }
            let end = memchr::memchr(b'\n', &text[hit..]).map_or(text.len(), |lf| hit + lf + 1);
            if matcher.find(crate::search::cut::without_ending(&text[start..end]), 0).is_some() {
                found.push(start);
            }
            at = end;
        }
        found
    }

    /// The same by the definition: each line alone.
    fn matching_alone(pattern: &Pattern, text: &[u8]) -> Vec<usize> {
        let mut matcher = pattern.matcher();
        let mut start = 0;
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let starts = lines.filter_map(|line| {
            let here = start;
            start += line.len();
            let found = matcher.find(crate::search::cut::without_ending(line), 0);
            found.map(|_| here)
        });
        starts.collect()
    }

    fn check(pattern: &str, text: &str, expected: &[usize]) {
        let pattern = Pattern::compile(pattern, false, SearchCase::Sensitive).unwrap();
        assert_eq!(matching(&pattern, text.as_bytes()), expected);
        assert_eq!(matching_alone(&pattern, text.as_bytes()), expected);
    }

    #[test]
    fn a_line_is_matched_as_if_it_were_alone() {
        check("b", "a\nb\nab\n", &[2, 4]);
        check("^b", "a\nb\nab\n", &[2]);
        check(r"\Ab", "a\nb\nab\n", &[2]);
        check(r"a$", "a\r\nab\r\nba", &[0, 7]);
        check(r"a\z", "a\r\nab\r\nba", &[0, 7]);
        check(r"^$", "\n\r\na\n\n", &[0, 1, 5]);
        check(r"a.b", "a\rb\na\nb\n", &[0]);
        check(r"a\r", "a\r\na\rb\n", &[3]);
        check(r"a$\b", "a\r\n", &[0]);
        check(r"a\s*b", "a\nb\na \rb\n", &[4]);
        check(r"(?s)a.b", "a\nb\n", &[]);
        check(r"(?m)^b$", "b\r\n", &[0]);
        check(r"x*", "a\n\n", &[0, 2]);
        check(r"[^\n]b", "\nb\nab", &[3]);
    }

    #[test]
    fn a_pattern_with_a_line_break_is_refused() {
        for text in ["a\nb", r"a\nb", r"\x0A", r"[ \n]", r"a|\n", "(?x) a \n", r"[\t-\n]"] {
            assert_eq!(refusal(text), PatternError::LineBreak, "{text:?}");
        }
        let fixed = Pattern::compile("a\nb", true, SearchCase::Sensitive).unwrap_err();
        assert_eq!(fixed, PatternError::LineBreak);
        for text in [r"[^\n]", r"\s", r"(?s).", r"[^a]", r"[\x00-\x7F]", r"\r"] {
            assert!(Pattern::compile(text, false, SearchCase::Sensitive).is_ok(), "{text}");
        }
        assert!(Pattern::compile(r"\n", true, SearchCase::Sensitive).is_ok());
    }

    #[test]
    fn an_invalid_pattern_says_why() {
        assert_eq!(refusal(""), PatternError::Missing);
        assert_eq!(refusal(&"a".repeat(4097)), PatternError::TooLong);
        for text in ["(", "[", r"\", "a{2,1}", "(?<n>a)(?<n>b)", r"\p{Nothing}", "*"] {
            assert!(matches!(refusal(text), PatternError::Syntax(_)), "{text}");
        }
        assert!(Pattern::compile("(", true, SearchCase::Sensitive).is_ok());
    }

    #[test]
    fn a_pattern_that_costs_too_much_is_refused() {
        for text in ["(a{1000}){1000}", r"(\w{100}){100}", "((a{0,100}){0,100}){0,100}b"] {
            assert_eq!(refusal(text), PatternError::TooLarge, "{text}");
        }
        let deep = format!("{}a{}", "(".repeat(2000), ")".repeat(2000));
        assert!(matches!(refusal(&deep), PatternError::Syntax(_)));
        assert!(Pattern::compile(r"\w{32}", false, SearchCase::Sensitive).is_ok());
    }

    #[test]
    fn heavier_patterns_look_at_less_of_a_line() {
        let line_bytes =
            |text| Pattern::compile(text, false, SearchCase::Sensitive).unwrap().line_bytes;
        assert_eq!(line_bytes("needle"), 8 << 20);
        assert_eq!(line_bytes(r"\b\w+\s*=\s*\w+\b"), 8 << 20);
        assert!(line_bytes("(a?){1000}b") < 1 << 20);
        assert!(line_bytes("(a?){9999}b") >= 16 << 10);
    }

    #[test]
    fn case_counts_as_asked() {
        use SearchCase::{Insensitive, Sensitive, Smart};
        let cases = [
            ("é", false, Insensitive, "É", true),
            ("ab", false, Sensitive, "AB", false),
            ("ab", false, Smart, "AB", true),
            ("aB", false, Smart, "ab", false),
            (r"a\W", false, Smart, "A ", true),
            ("[A-Z]", false, Smart, "a", false),
            ("a.", true, Smart, "xA.", true),
            ("A.", true, Smart, "a.", false),
        ];
        for (pattern, fixed, case, line, expected) in cases {
            let compiled = Pattern::compile(pattern, fixed, case).unwrap();
            let found = compiled.matcher().find(line.as_bytes(), 0).is_some();
            assert_eq!(found, expected, "{pattern} {case:?} in {line}");
        }
    }

    proptest! {
        #[test]
        fn the_sieve_finds_every_line_that_matches(
            pattern in r"(\^|a|b|\\r|\.|\$|\\b|\\B|\\s|\(a\|\$\)|x\*|\\z|\\A|b\?|\[\^a\]){1,6}",
            text in "(a|b| |\r|\n|\r\n|é){0,20}",
        ) {
            let pattern = Pattern::compile(&pattern, false, SearchCase::Sensitive);
            prop_assume!(pattern.is_ok());
            let pattern = pattern.unwrap();
            let text = text.as_bytes();
            prop_assert_eq!(matching(&pattern, text), matching_alone(&pattern, text));
        }
    }
}
