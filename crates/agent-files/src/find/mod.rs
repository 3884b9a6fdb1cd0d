//! `find_files`: entries by their names.
//!
//! Without a query the first entries of the walk are the results; with one the whole walk is
//! ranked, and the best are kept. Walking and its filters are [`crate::walk`]'s part.

mod best;
mod plan;
mod rank;

use std::sync::atomic::AtomicBool;

use agent_api::{EntryKind, FindFilesResponse, FoundFile, TruncatedBy};

pub(crate) use plan::Plan;

use crate::walk::{Clock, Entry, Roots, SearchError, Step, Walker, shown};
use best::Best;
use rank::{Class, Query, compared};

/// Finds on this thread.
///
/// # Errors
///
/// That of looking up the paths, [`SearchError::Path`], and [`SearchError::Stopped`] soon after
/// `stop` was set.
pub(crate) fn run(plan: &Plan, stop: &AtomicBool) -> Result<FindFilesResponse, SearchError> {
    let clock = Clock::start(plan.time_budget, stop);
    let roots = Roots::resolve(&plan.scope, true)?;
    let walker = Walker::new(&plan.scope, roots, plan.kinds, None, clock);
    let response = match &plan.query {
        Some(query) => best(walker, query, plan),
        None => first(walker, plan.limit),
    };
    if clock.is_stopped() {
        return Err(SearchError::Stopped);
    }
    Ok(response)
}

/// The first entries of the walk.
fn first(walker: Walker<'_>, limit: usize) -> FindFilesResponse {
    let mut results = Vec::new();
    let cut = each_entry(walker, |entry| {
        if results.len() == limit {
            return Some(TruncatedBy::Limit);
        }
        results.push(found(entry.place.shown(), entry.kind));
        None
    });
    FindFilesResponse { results, truncated: cut.is_some(), truncated_by: cut }
}

/// The best entries of the walk.
fn best(walker: Walker<'_>, query: &Query, plan: &Plan) -> FindFilesResponse {
    let mut best = Best::new(plan.limit);
    let cut = each_entry(walker, |entry| {
        let (path, root) = (entry.place.path(), entry.place.root().index);
        let relative = String::from_utf8_lossy(&path);
        let compared = compared(plan.scope.paths[root].as_str(), &relative);
        if let Some(class) = query.class(compared) {
            let length = if path.is_empty() { compared.len() } else { path.len() };
            best.offer(Ranked { class, length, path, root, kind: entry.kind });
        }
        None
    });
    let cut = cut.or(best.has_overflowed.then_some(TruncatedBy::Limit));
    let result =
        |ranked: Ranked| found(shown(&plan.scope.paths[ranked.root], &ranked.path), ranked.kind);
    let results = best.into_sorted().into_iter().map(result).collect();
    FindFilesResponse { results, truncated: cut.is_some(), truncated_by: cut }
}

/// Offers every entry of the walk until one is answered by a budget, or the time is over.
fn each_entry(
    mut walker: Walker<'_>,
    mut offer: impl FnMut(Entry) -> Option<TruncatedBy>,
) -> Option<TruncatedBy> {
    loop {
        match walker.step()? {
            Step::Entry(entry) => {
                let cut = offer(entry);
                if cut.is_some() {
                    return cut;
                }
            }
            Step::Expired(_) => return Some(TruncatedBy::Time),
            // The protocol has no place for them here.
            Step::Skipped(_) | Step::Pause => {}
        }
    }
}

fn found(path: String, kind: EntryKind) -> FoundFile {
    FoundFile { path, kind, is_dir: kind == EntryKind::Directory }
}

/// A result in the order of results: what is named first counts most.
///
/// It holds no open directory, as an entry does.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    class: Class,
    length: usize,
    path: Vec<u8>,
    root: usize,
    kind: EntryKind,
}
