//! Where a request looks: its `paths`, `globs`, `hidden` and `no_ignore`, checked by their text.

use std::path::Path;

use agent_api::{AbsolutePath, FieldError};

use super::globs::Globs;

/// Most paths of a request.
const MAX_PATHS: usize = 64;

/// The checked fields.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Files and directories, in the order of the request; at least one.
    pub(crate) paths: Vec<AbsolutePath>,
    /// Which entries below the directories take part.
    pub(super) globs: Globs,
    /// Whether names that begin with a dot take part.
    pub(super) hidden: bool,
    /// Whether ignore files do not count.
    pub(super) no_ignore: bool,
}

impl Scope {
    /// Checks the fields; refusals are added to `refused`, and the result is then of no use.
    pub(crate) fn check(
        paths: &[String],
        globs: &[String],
        (hidden, no_ignore): (bool, bool),
        working_directory: &Path,
        refused: &mut Vec<FieldError>,
    ) -> Self {
        let default = [working_directory.to_string_lossy().into_owned()];
        let paths = if paths.is_empty() { &default } else { paths };
        if paths.len() > MAX_PATHS {
            refused.push(FieldError::new("paths", format!("at most {MAX_PATHS} paths")));
        }
        let parse = |(index, text): (usize, &String)| match AbsolutePath::parse(text) {
            Ok(path) => Some(path),
            Err(error) => {
                // The protocol calls a missing path by the name `path` everywhere.
                let detail = error.detail("path");
                refused.push(FieldError::new(format!("paths[{index}]"), detail));
                None
            }
        };
        let paths = paths.iter().take(MAX_PATHS).enumerate().filter_map(parse).collect();
        Self { paths, globs: Globs::check(globs, refused), hidden, no_ignore }
    }
}
