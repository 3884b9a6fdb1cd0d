//! Absolute paths, cleaned by their text alone; not resolved, not looked up.

use std::fmt;

use crate::{FieldError, limits::MAX_PATH_BYTES};

/// An absolute, lexically clean path in UTF-8.
///
/// Begins with `/`, has no empty, `.` or `..` component and no trailing slash (but `/` itself),
/// contains no NUL and is at most [`MAX_PATH_BYTES`] long. `/a/link/../b` became `/a/b` whatever
/// `link` points to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsolutePath(String);

/// Why a text is no absolute path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// The text is empty.
    Missing,
    /// The text does not begin with `/`.
    Relative,
    /// The text contains a NUL byte.
    Nul,
    /// The text is longer than [`MAX_PATH_BYTES`].
    TooLong,
}

impl AbsolutePath {
    /// Checks and cleans a path as a client sent it.
    ///
    /// # Errors
    ///
    /// The first of [`PathError`]'s variants that applies, in their order.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Missing);
        }
        if !text.starts_with('/') {
            return Err(PathError::Relative);
        }
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        if text.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        Ok(Self(clean(text)))
    }

    /// The root directory.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as a file system path.
    pub fn as_path(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }

    /// The last component; `/` for the root.
    pub fn file_name(&self) -> &str {
        match self.0.rsplit_once('/') {
            Some((_, "")) | None => "/",
            Some((_, name)) => name,
        }
    }

    /// The directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (parent, name) = self.0.rsplit_once('/')?;
        match (parent, name) {
            (_, "") => None,
            ("", _) => Some(Self::root()),
            _ => Some(Self(parent.to_owned())),
        }
    }

    /// The components below the root, in order; none for the root.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// Whether `other` is this path or lies below it, by text alone.
    pub fn contains(&self, other: &Self) -> bool {
        match other.0.strip_prefix(self.0.trim_end_matches('/')) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

fn clean(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    let mut path = String::with_capacity(text.len());
    for name in &kept {
        path.push('/');
        path.push_str(name);
    }
    if path.is_empty() {
        path.push('/');
    }
    path
}

impl PathError {
    /// The reason, with the fragments that clients search for.
    ///
    /// `name` is the parameter that should have held the path.
    pub fn detail(self, name: &str) -> String {
        match self {
            Self::Missing => format!("\"{name}\" is required"),
            Self::Relative => "file path must be absolute".to_owned(),
            Self::Nul => "file path must not contain NUL".to_owned(),
            Self::TooLong => format!("file path must not be longer than {MAX_PATH_BYTES} bytes"),
        }
    }

    /// The refusal of the field `name`.
    pub fn field(self, name: &str) -> FieldError {
        FieldError::new(name, self.detail(name))
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail("path"))
    }
}

impl std::error::Error for PathError {}

impl fmt::Debug for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<std::path::Path> for AbsolutePath {
    fn as_ref(&self) -> &std::path::Path {
        self.as_path()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_cleaned_by_its_text() {
        let cases = [
            ("/", "/"),
            ("//", "/"),
            ("/a/b", "/a/b"),
            ("/a//b///c/", "/a/b/c"),
            ("/a/./b/.", "/a/b"),
            ("/a/link/../b", "/a/b"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/../..", "/"),
            ("/~/$HOME", "/~/$HOME"),
            ("/...", "/..."),
        ];
        for (text, expected) in cases {
            assert_eq!(AbsolutePath::parse(text).unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn a_bad_path_says_why() {
        let long = format!("/{}", "a".repeat(MAX_PATH_BYTES));
        let cases = [
            ("", PathError::Missing),
            ("a", PathError::Relative),
            ("./a", PathError::Relative),
            ("~/a", PathError::Relative),
            ("/a\0b", PathError::Nul),
            (long.as_str(), PathError::TooLong),
        ];
        for (text, expected) in cases {
            assert_eq!(AbsolutePath::parse(text), Err(expected));
        }
        assert!(AbsolutePath::parse(&long[..MAX_PATH_BYTES]).is_ok());
    }

    #[test]
    fn a_directory_contains_what_lies_below_it() {
        let cases = [
            ("/", "/", true),
            ("/", "/a", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a/b", "/a", false),
        ];
        for (outer, inner, expected) in cases {
            let outer = AbsolutePath::parse(outer).unwrap();
            let inner = AbsolutePath::parse(inner).unwrap();
            assert_eq!(outer.contains(&inner), expected, "{outer} and {inner}");
        }
    }

    #[test]
    fn names_and_parents_of_paths() {
        let cases = [("/", "/", None), ("/a", "a", Some("/")), ("/a/b", "b", Some("/a"))];
        for (text, name, parent) in cases {
            let path = AbsolutePath::parse(text).unwrap();
            assert_eq!(path.file_name(), name);
            assert_eq!(path.parent().as_ref().map(AbsolutePath::as_str), parent);
        }
    }

    proptest! {
        #[test]
        fn cleaning_is_idempotent_and_leaves_no_dots(text in "(/|\\.|a|b){1,40}") {
            if let Ok(path) = AbsolutePath::parse(&text) {
                let again = AbsolutePath::parse(path.as_str()).unwrap();
                prop_assert_eq!(&again, &path);
                prop_assert!(path.components().all(|c| c != "." && c != ".."));
                prop_assert!(path.as_str() == "/" || !path.as_str().ends_with('/'));
            }
        }
    }
}
