//! `search_files`: lines that match a pattern, below some paths.
//!
//! ```text
//! request ─ Plan::check ─► Plan ─ run ─► Walker ─► crew of threads ─► Answer ─► response
//!                                                  Searcher ► Scanner ► Collector ► Matcher
//! ```
//!
//! Walking and its filters are [`crate::walk`]'s part.

mod answer;
mod batch;
mod collector;
mod crew;
mod cursor;
mod cut;
mod pattern;
mod plan;
mod scan;
mod syntax;

use std::sync::atomic::AtomicBool;

use agent_api::{EntryKind, SearchFilesResponse};

pub(crate) use plan::{Plan, or_default};

use crate::walk::{Clock, Kinds, Roots, SearchError, Walker};
use answer::Answer;

/// Searches on this thread and a few more; returns when all of them have ended.
///
/// # Errors
///
/// Those of looking up the paths, [`SearchError::Path`] and [`SearchError::WrongKind`], and
/// [`SearchError::Stopped`] soon after `stop` was set.
pub(crate) fn run(plan: &Plan, stop: &AtomicBool) -> Result<SearchFilesResponse, SearchError> {
    let clock = Clock::start(plan.time_budget, stop);
    let roots = Roots::resolve(&plan.scope, false)?;
    let kinds = Kinds::default().with(EntryKind::File);
    let walker = Walker::new(&plan.scope, roots, kinds, plan.start.clone(), clock);
    let answer = crew::search(plan, walker, Answer::new(plan.max_matches), clock);
    if clock.is_stopped() {
        return Err(SearchError::Stopped);
    }
    let (mut response, end) = answer.finish();
    response.next_cursor = end.map(|position| cursor::write(plan.identity, &position));
    Ok(response)
}
