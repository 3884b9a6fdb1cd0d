//! A list of patterns in gitignore syntax, compiled; where they come from is the caller's matter.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::pattern::{Braces, Line, Pattern, parse};

/// Patterns of one ignore file or one request, in their order.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    set: GlobSet,
    traits: Vec<Traits>,
}

#[derive(Clone, Copy, Debug)]
struct Traits {
    negated: bool,
    only_directories: bool,
}

/// What an entry is, as far as patterns care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// What the last matching pattern says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To ignore the entry.
    Ignore,
    /// To keep the entry, whatever weaker rules say.
    Keep,
}

impl Rules {
    /// Compiles the content of an ignore file; lines that are no valid pattern match nothing.
    ///
    /// # Errors
    ///
    /// A sentence when the patterns together are too large to be compiled.
    pub fn of_file(content: &[u8]) -> Result<Self, String> {
        let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        let lines = content.split(|byte| *byte == b'\n');
        let patterns = lines.filter_map(|line| {
            let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()?;
            match parse(line, Braces::Literal) {
                Line::Pattern(pattern) => Some(pattern),
                Line::Blank | Line::Invalid(_) => None,
            }
        });
        let mut builder = Builder { set: GlobSetBuilder::new(), traits: Vec::new() };
        for pattern in patterns {
            // A pattern that `globset` refuses is one that git would not match either.
            let _ = builder.add(&pattern);
        }
        builder.build()
    }

    /// Compiles patterns of which each must be valid.
    ///
    /// # Errors
    ///
    /// A sentence about the first invalid pattern.
    pub fn of_patterns(patterns: &[Pattern]) -> Result<Self, String> {
        let mut builder = Builder { set: GlobSetBuilder::new(), traits: Vec::new() };
        for pattern in patterns {
            builder.add(pattern)?;
        }
        builder.build()
    }

    /// Whether no pattern is there.
    pub fn is_empty(&self) -> bool {
        self.traits.is_empty()
    }

    /// What the last matching pattern says about a path below the directory of the list.
    ///
    /// `found` is space to work in.
    pub fn verdict(&self, path: &[u8], sort: Sort, found: &mut Vec<usize>) -> Option<Verdict> {
        if self.is_empty() {
            return None;
        }
        self.set.matches_candidate_into(&Candidate::from_bytes(path), found);
        let last = found.iter().rev().find(|index| self.applies(**index, sort))?;
        Some(if self.traits[*last].negated { Verdict::Keep } else { Verdict::Ignore })
    }

    /// Whether any pattern matches.
    pub fn any(&self, path: &[u8], sort: Sort, found: &mut Vec<usize>) -> bool {
        if self.is_empty() {
            return false;
        }
        self.set.matches_candidate_into(&Candidate::from_bytes(path), found);
        found.iter().any(|index| self.applies(*index, sort))
    }

    fn applies(&self, index: usize, sort: Sort) -> bool {
        sort == Sort::Directory || !self.traits[index].only_directories
    }
}

struct Builder {
    set: GlobSetBuilder,
    traits: Vec<Traits>,
}

impl Builder {
    fn add(&mut self, pattern: &Pattern) -> Result<(), String> {
        let glob = GlobBuilder::new(&pattern.glob)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| error.kind().to_string())?;
        self.set.add(glob);
        self.traits
            .push(Traits { negated: pattern.negated, only_directories: pattern.only_directories });
        Ok(())
    }

    fn build(self) -> Result<Rules, String> {
        let set = self.set.build().map_err(|_| "too many patterns".to_owned())?;
        Ok(Rules { set, traits: self.traits })
    }
}
