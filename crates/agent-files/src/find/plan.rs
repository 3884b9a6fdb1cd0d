//! A request of `find_files`, checked by its text; nothing is touched.

use std::{path::Path, time::Duration};

use agent_api::{EntryKind, FieldError, FindFilesRequest};

use super::rank::Query;
use crate::{
    search::or_default,
    walk::{Kinds, Scope, SearchError},
};

/// Longest query in bytes.
const MAX_QUERY_BYTES: usize = 256;
/// Results: default and maximum.
const RESULTS: (u64, u64) = (100, 10_000);
/// Milliseconds: default and maximum.
const TIME_MS: (u64, u64) = (5000, 60_000);

/// What to find, and within which budgets.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) query: Option<Query>,
    pub(super) scope: Scope,
    pub(super) kinds: Kinds,
    pub(super) limit: usize,
    pub(super) time_budget: Duration,
}

impl Plan {
    /// Checks a request; an empty query is none.
    ///
    /// # Errors
    ///
    /// [`SearchError::Invalid`] with every refused field.
    pub(crate) fn check(
        request: &FindFilesRequest,
        working_directory: &Path,
    ) -> Result<Self, SearchError> {
        let mut fields = Vec::new();
        let filters = (request.hidden, request.no_ignore);
        let scope =
            Scope::check(&request.paths, &request.globs, filters, working_directory, &mut fields);
        let query = request.query.as_deref().unwrap_or_default();
        if query.len() > MAX_QUERY_BYTES {
            let detail = format!("a query has at most {MAX_QUERY_BYTES} bytes");
            fields.push(FieldError::new("query", detail));
        }
        for (index, kind) in request.kinds.iter().enumerate() {
            if *kind == EntryKind::Unknown {
                fields.push(FieldError::new(format!("kinds[{index}]"), "there is no such kind"));
            }
        }
        if !fields.is_empty() {
            return Err(SearchError::Invalid { fields });
        }
        let kinds = match &*request.kinds {
            [] => &[EntryKind::File],
            kinds => kinds,
        };
        let limit = or_default(request.limit, RESULTS);
        Ok(Self {
            query: (!query.is_empty()).then(|| Query::new(query)),
            scope,
            kinds: kinds.iter().copied().fold(Kinds::default(), Kinds::with),
            limit: usize::try_from(limit).expect("limits are small"),
            time_budget: Duration::from_millis(or_default(request.time_budget_ms, TIME_MS)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(request: FindFilesRequest) -> Vec<String> {
        match Plan::check(&request, Path::new("/")) {
            Err(SearchError::Invalid { fields }) => fields.into_iter().map(|f| f.field).collect(),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn every_bad_field_is_named() {
        let request = FindFilesRequest {
            query: Some("x".repeat(257)),
            paths: vec!["/a".into(), "b".into()],
            globs: vec!["[".into()],
            kinds: vec![EntryKind::File, EntryKind::Unknown],
            ..FindFilesRequest::default()
        };
        assert_eq!(refused(request), ["paths[1]", "globs[0]", "query", "kinds[1]"]);
    }

    #[test]
    fn limits_have_defaults_and_maxima() {
        let plan = |limit, time_budget_ms| {
            let request = FindFilesRequest { limit, time_budget_ms, ..FindFilesRequest::default() };
            let plan = Plan::check(&request, Path::new("/")).unwrap();
            (plan.limit, plan.time_budget.as_millis())
        };
        assert_eq!(plan(0, 0), (100, 5000));
        assert_eq!(plan(7, 8), (7, 8));
        assert_eq!(plan(u64::MAX, u64::MAX), (10_000, 60_000));
    }
}
