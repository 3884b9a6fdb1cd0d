//! A request of `search_files`, checked by its text; nothing is touched.

use std::{path::Path, time::Duration};

use agent_api::{FieldError, SearchCase, SearchFilesRequest};

use super::{collector::Style, cursor, cursor::Identity, pattern::Pattern};
use crate::walk::{Position, Scope, SearchError};

/// Most lines before and after a match.
const MAX_CONTEXT_LINES: u64 = 20;
/// Matching lines: default and maximum.
const MATCHES: (u64, u64) = (1000, 10_000);
/// Bytes of a line: default and maximum.
const LINE_BYTES: (u64, u64) = (1024, 65_536);
/// Milliseconds: default and maximum.
const TIME_MS: (u64, u64) = (10_000, 60_000);

/// What to search, and within which budgets.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) pattern: Pattern,
    pub(super) scope: Scope,
    pub(super) style: Style,
    pub(super) max_matches: usize,
    pub(super) time_budget: Duration,
    pub(super) start: Option<Position>,
    pub(super) identity: Identity,
}

impl Plan {
    /// Checks a request.
    ///
    /// Compiling the pattern can take some hundredths of a second, so this is no work for a thread
    /// that must not block.
    ///
    /// # Errors
    ///
    /// [`SearchError::Invalid`] with every refused field.
    pub(crate) fn check(
        request: &SearchFilesRequest,
        working_directory: &Path,
    ) -> Result<Self, SearchError> {
        let mut fields = Vec::new();
        let filters = (request.hidden, request.no_ignore);
        let scope =
            Scope::check(&request.paths, &request.globs, filters, working_directory, &mut fields);
        let identity = identity(request, &scope);
        let start = match &request.cursor {
            Some(text) => {
                let start = cursor::read(identity, text);
                let start = start.filter(|start| start.root < scope.paths.len());
                if start.is_none() {
                    let detail = "the cursor does not belong to this request";
                    fields.push(FieldError::new("cursor", detail));
                }
                start
            }
            None => None,
        };
        let pattern = Pattern::compile(&request.pattern, request.fixed, request.case)
            .map_err(|error| fields.push(FieldError::new("pattern", error.to_string())));
        let (Ok(pattern), true) = (pattern, fields.is_empty()) else {
            return Err(SearchError::Invalid { fields });
        };
        let style = Style {
            context_lines: small(request.context_lines.min(MAX_CONTEXT_LINES)),
            max_line_bytes: small(or_default(request.max_line_bytes, LINE_BYTES)),
        };
        Ok(Self {
            pattern,
            scope,
            style,
            max_matches: small(or_default(request.max_matches, MATCHES)),
            time_budget: Duration::from_millis(or_default(request.time_budget_ms, TIME_MS)),
            start,
            identity,
        })
    }
}

/// The fields that a cursor must find unchanged.
fn identity(request: &SearchFilesRequest, scope: &Scope) -> Identity {
    let case: &[u8] = match request.case {
        SearchCase::Insensitive => b"insensitive",
        SearchCase::Smart => b"smart",
        _ => b"sensitive",
    };
    let flag = |on: bool| if on { &b"1"[..] } else { b"0" };
    let counts = [scope.paths.len(), request.globs.len()].map(|count| count.to_string());
    let counts = counts.iter().map(String::as_bytes);
    let paths = scope.paths.iter().map(|path| path.as_str().as_bytes());
    let globs = request.globs.iter().map(String::as_bytes);
    let flags = [request.fixed, request.hidden, request.no_ignore].map(flag);
    let first = [request.pattern.as_bytes(), case];
    Identity::of(first.into_iter().chain(flags).chain(counts).chain(paths).chain(globs))
}

/// A limit of a request: 0 is its default, and beyond the maximum it is the maximum.
pub(crate) fn or_default(asked: u64, (default, most): (u64, u64)) -> u64 {
    if asked == 0 { default } else { asked.min(most) }
}

fn small(limit: u64) -> usize {
    usize::try_from(limit).expect("limits are small")
}
