//! The `globs` of a request: which entries below a root take part. Ignore files are not its matter.

use agent_api::{FieldError, limits::MAX_PATH_BYTES};

use agent_ignore::{Braces, Line, Pattern, Rules, Sort, parse};

/// Most globs of a request.
const MAX_GLOBS: usize = 64;

/// Compiled globs: an entry takes part when one of the first kind matches, if there are any, and
/// none of the second kind, those with a leading `!`.
///
/// A glob matches what lies below a directory that it matches, as in an ignore file.
#[derive(Clone, Debug)]
pub(crate) struct Globs {
    /// Absent when the request has none of this kind, so that everything takes part.
    include: Option<Rules>,
    exclude: Rules,
}

/// What globs say about a directory and so about everything below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Nothing below takes part.
    None,
    /// What matches takes part.
    Matching,
    /// All that is not excluded takes part.
    All,
}

impl Globs {
    /// Compiles the globs of a request; refusals are added to `refused`.
    pub(super) fn check(globs: &[String], refused: &mut Vec<FieldError>) -> Self {
        if globs.len() > MAX_GLOBS {
            refused.push(FieldError::new("globs", format!("at most {MAX_GLOBS} globs")));
        }
        let mut include = Vec::new();
        let mut exclude = Vec::new();
        let mut has_include = false;
        for (index, glob) in globs.iter().take(MAX_GLOBS).enumerate() {
            let excluded = glob.strip_prefix('!');
            has_include |= excluded.is_none();
            match read(excluded.unwrap_or(glob), excluded.is_some()) {
                Ok(Some(pattern)) if excluded.is_some() => exclude.push(pattern),
                Ok(Some(pattern)) => include.push(pattern),
                // It matches nothing, but as a glob it still counts.
                Ok(None) => {}
                Err(reason) => refused.push(FieldError::new(format!("globs[{index}]"), reason)),
            }
        }
        let mut compile = |patterns: &[Pattern]| {
            Rules::of_patterns(patterns).unwrap_or_else(|reason| {
                refused.push(FieldError::new("globs", reason));
                Rules::default()
            })
        };
        Self { include: has_include.then(|| compile(&include)), exclude: compile(&exclude) }
    }

    /// Whether everything takes part.
    pub(super) fn is_empty(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty()
    }

    /// The share of a root.
    pub(super) fn share_of_root(&self) -> Share {
        if self.include.is_some() { Share::Matching } else { Share::All }
    }

    /// The share of a directory in another one whose share is `above`.
    pub(super) fn share_of_directory(
        &self,
        path: &[u8],
        above: Share,
        found: &mut Vec<usize>,
    ) -> Share {
        self.share_of(path, Sort::Directory, above, found)
    }

    /// Whether an entry in a directory whose share is `above` takes part.
    pub(super) fn takes(
        &self,
        path: &[u8],
        sort: Sort,
        above: Share,
        found: &mut Vec<usize>,
    ) -> bool {
        self.share_of(path, sort, above, found) == Share::All
    }

    /// Whether an entry takes part, seen from a root that reaches it.
    pub(super) fn takes_from_root(&self, path: &[u8], sort: Sort) -> bool {
        let mut found = Vec::new();
        let mut share = self.share_of_root();
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            share = self.share_of_directory(&path[..at], share, &mut found);
        }
        self.takes(path, sort, share, &mut found)
    }

    fn share_of(&self, path: &[u8], sort: Sort, above: Share, found: &mut Vec<usize>) -> Share {
        if above == Share::None || self.exclude.any(path, sort, found) {
            return Share::None;
        }
        match &self.include {
            Some(include) if above == Share::Matching && !include.any(path, sort, found) => above,
            _ => Share::All,
        }
    }
}

/// Reads one glob without its `!`; `None` when it can match nothing.
fn read(glob: &str, excluded: bool) -> Result<Option<Pattern>, String> {
    if glob.len() > MAX_PATH_BYTES {
        return Err(format!("a glob has at most {MAX_PATH_BYTES} bytes"));
    }
    // After the `!` of an exclusion these two characters have no meaning of their own.
    let protected = excluded && glob.starts_with(['!', '#']);
    let line = if protected { format!("\\{glob}") } else { glob.to_owned() };
    // Alternatives are not in the syntax, and yet what people mean by braces. Where they make no
    // sense as such, they are what the syntax says.
    let alternatives = read_line(&line, Braces::Alternatives);
    if alternatives.is_err() { read_line(&line, Braces::Literal) } else { alternatives }
}

fn read_line(line: &str, braces: Braces) -> Result<Option<Pattern>, String> {
    match parse(line, braces) {
        Line::Blank => Ok(None),
        Line::Invalid(reason) => Err(reason.to_owned()),
        Line::Pattern(pattern) => {
            Rules::of_patterns(std::slice::from_ref(&pattern))?;
            Ok(Some(pattern))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(texts: &[&str]) -> Result<Globs, Vec<String>> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let mut refused = Vec::new();
        let globs = Globs::check(&texts, &mut refused);
        let fields = refused.into_iter().map(|error| error.field).collect::<Vec<_>>();
        if fields.is_empty() { Ok(globs) } else { Err(fields) }
    }

    fn check(texts: &[&str], path: &str, expected: bool) {
        let globs = globs(texts).unwrap();
        let takes = globs.takes_from_root(path.as_bytes(), Sort::Other);
        assert_eq!(takes, expected, "{texts:?} on {path}");
    }

    #[test]
    fn an_entry_needs_a_match_with_one_glob_and_none_with_an_exclusion() {
        check(&[], "a", true);
        check(&["src/**"], "src/domain.rs", true);
        check(&["src/**"], "src/deep/domain.rs", true);
        check(&["src/**"], "main.rs", false);
        check(&["src/**"], "a/src/main.rs", false);
        check(&["*.rs", "!src/"], "main.rs", true);
        check(&["*.rs", "!src/"], "mains/x.rs", true);
        check(&["*.rs", "!src/"], "src/domain.rs", false);
        check(&["*.rs", "!src/"], "a/src/deep/domain.rs", false);
        check(&["*.rs", "!src/"], "a.txt", false);
        check(&["!*.log"], "a.log", false);
        check(&["!*.log"], "a.rs", true);
    }

    #[test]
    fn the_order_of_globs_does_not_matter() {
        check(&["!a.rs", "*.rs"], "a.rs", false);
        check(&["*.rs", "!a.rs"], "a.rs", false);
    }

    #[test]
    fn a_glob_that_matches_a_directory_matches_what_is_below() {
        check(&["src/"], "src/a/b.rs", true);
        check(&["src"], "src/a/b.rs", true);
        check(&["/src"], "a/src/b.rs", false);
        check(&["src/"], "src", false);
        check(&["src"], "src", true);
    }

    #[test]
    fn globs_are_anchored_by_a_slash_before_their_end() {
        check(&["/a.rs"], "a.rs", true);
        check(&["/a.rs"], "b/a.rs", false);
        check(&["b/a.rs"], "b/a.rs", true);
        check(&["b/a.rs"], "c/b/a.rs", false);
        check(&["**/b/a.rs"], "c/b/a.rs", true);
        check(&["b/*.rs"], "b/c/a.rs", false);
    }

    #[test]
    fn a_glob_that_can_match_nothing_still_counts() {
        check(&[""], "a", false);
        check(&["#a"], "#a", false);
        check(&["\\#a"], "#a", true);
        check(&["!"], "a", true);
        check(&["!#a"], "#a", false);
        check(&["!!a"], "!a", false);
        check(&["!!a"], "a", true);
        check(&["\\!a"], "!a", true);
    }

    #[test]
    fn braces_are_alternatives_where_they_can_be() {
        check(&["*.{rs,toml}"], "a/b.toml", true);
        check(&["*.{rs,toml}"], "a/b.txt", false);
        check(&["{src,lib}/**"], "lib/a", true);
        check(&["a{"], "a{", true);
        check(&["a\\{b,c\\}"], "a{b,c}", true);
    }

    #[test]
    fn an_invalid_glob_is_named() {
        assert_eq!(globs(&["a", "["]).unwrap_err(), ["globs[1]"]);
        assert_eq!(globs(&["![a-"]).unwrap_err(), ["globs[0]"]);
        assert_eq!(globs(&["a\\"]).unwrap_err(), ["globs[0]"]);
        let long = "a".repeat(MAX_PATH_BYTES + 1);
        assert_eq!(globs(&[&long]).unwrap_err(), ["globs[0]"]);
        assert_eq!(globs(&["a"; 65]).unwrap_err(), ["globs"]);
        assert!(globs(&["a"; 64]).is_ok());
    }
}
