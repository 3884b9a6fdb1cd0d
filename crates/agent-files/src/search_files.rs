//! `search_files` and `find_files` as operations: checked on the caller's task, run on the blocking
//! pool, given up when the caller leaves.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use agent_api::{FindFilesRequest, FindFilesResponse, SearchFilesRequest, SearchFilesResponse};

use crate::{Error, Files, find, search, service::blocking};

/// Tells work elsewhere to stop when it is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Files {
    /// Finds lines that match a pattern, in files below some directories.
    ///
    /// One entry a matching line, in the order of `paths`, then by path, then by line; the same
    /// files give the same answer. Budgets of matches, bytes and time end it with a cursor to go
    /// on from.
    ///
    /// # Errors
    ///
    /// [`Error::Search`] for a pattern, path, glob or cursor that is refused and for a path that
    /// does not exist.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the search soon.
    #[tracing::instrument(level = "debug", name = "files.search_files", skip_all)]
    pub async fn search_files(
        &self,
        req: SearchFilesRequest,
    ) -> Result<SearchFilesResponse, Error> {
        let _slot = self.shared.searches.acquire().await.expect("never closed");
        let config = self.shared.config.clone();
        let stop = StopOnDrop(Arc::default());
        let told = Arc::clone(&stop.0);
        blocking(move || {
            let plan = search::Plan::check(&req, &config.working_directory())?;
            Ok(search::run(&plan, &told)?)
        })
        .await
    }

    /// Finds entries by their names below some directories.
    ///
    /// Without a query all candidates in the order of [`Files::search_files`], with one the best
    /// first.
    ///
    /// # Errors
    ///
    /// As [`Files::search_files`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the walk soon.
    #[tracing::instrument(level = "debug", name = "files.find_files", skip_all)]
    pub async fn find_files(&self, req: FindFilesRequest) -> Result<FindFilesResponse, Error> {
        let _slot = self.shared.searches.acquire().await.expect("never closed");
        let config = self.shared.config.clone();
        let stop = StopOnDrop(Arc::default());
        let told = Arc::clone(&stop.0);
        blocking(move || {
            let plan = find::Plan::check(&req, &config.working_directory())?;
            Ok(find::run(&plan, &told)?)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::{Config, service::MAX_SEARCHES};

    #[tokio::test]
    async fn a_search_beyond_the_limit_waits_for_another_to_end() {
        let files = Files::new(Config::new("/", "/"));
        let limit = u32::try_from(MAX_SEARCHES).unwrap();
        let others = files.shared.searches.acquire_many(limit).await.unwrap();
        let mut waiting = Box::pin(files.search_files(SearchFilesRequest::default()));
        assert!((&mut waiting).now_or_never().is_none());
        drop(others);
        assert!(waiting.await.is_err(), "an empty pattern is refused");
    }
}
