//! A place in the order of a walk, from which it can go on later. Pure; how it is written for
//! clients is the cursor's matter.

use agent_api::ETag;

/// Everything before this place is done.
///
/// A path that has vanished since is as good as one that is there: the walk goes on with what
/// follows it in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Index of the root, in the order of the request.
    pub(crate) root: usize,
    /// Path below the root, without a slash at either end; empty is the root itself.
    pub(crate) path: Vec<u8>,
    /// Where to go on in the file `path`; when absent, `path` itself is done, though what lies
    /// below it, if it is a directory, is not.
    pub(crate) resume: Option<Resume>,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    /// Lines that are done.
    pub(crate) line: u64,
    /// Bytes that these lines take, endings included, in that `version`.
    pub(crate) offset: u64,
    /// The file's version; in any other one `line` alone counts.
    pub(crate) version: Option<ETag>,
}

impl Position {
    /// The beginning of a root.
    pub(crate) fn start_of(root: usize) -> Self {
        Self { root, path: Vec::new(), resume: None }
    }
}

/// Splits off the first component of a relative path.
pub(crate) fn split_first(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().position(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_component_comes_off() {
        let cases = [("a", ("a", "")), ("a/b/c", ("a", "b/c")), ("", ("", ""))];
        for (path, (first, rest)) in cases {
            assert_eq!(split_first(path.as_bytes()), (first.as_bytes(), rest.as_bytes()));
        }
    }
}
