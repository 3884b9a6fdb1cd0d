//! `edit_files`: edits of several files, planned in memory and then published all or none.
//!
//! ```text
//!  merge ──▶ plan (every file, in memory) ──▶ prepare (temporaries, originals) ──▶ commit
//!    │          │ any refusal: nothing written      │ failure: nothing written      │ failure:
//!    ▼          ▼                                   ▼                               ▼ restored
//!   400      highest status                       its status                      its status
//! ```

mod commit;
mod diff;
mod error;
mod plan;

use std::sync::Arc;

use agent_api::{Caller, EditFilesRequest, EditFilesResponse, EditedFile};

pub use error::{EditFailure, EditFilesError};
use plan::Planned;

use crate::{
    Error, Files,
    service::{MAX_EDIT_MIB, blocking},
};

impl Files {
    /// Replaces texts in files, all or nothing.
    ///
    /// Each edit sees the output of the one before; a file is read, edited and replaced under its
    /// lock, so edits through the agent never lose each other.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] for refused requests and edits and for failures while publishing.
    ///
    /// # Cancellation
    ///
    /// The change runs to its end.
    #[tracing::instrument(level = "debug", name = "files.edit_files", skip_all)]
    pub async fn edit_files(
        &self,
        caller: &Caller,
        req: EditFilesRequest,
    ) -> Result<EditFilesResponse, Error> {
        let (files, caller) = (self.clone(), caller.clone());
        self.change(async move { files.edit(caller, req).await }).await
    }

    async fn edit(
        &self,
        caller: Caller,
        req: EditFilesRequest,
    ) -> Result<EditFilesResponse, Error> {
        let wants_diff = req.include_diff || req.dry_run;
        let dry_run = req.dry_run;
        let merged = blocking(move || {
            let targets = plan::merge(req)?;
            let size = plan::size(&targets);
            Ok((targets, size))
        });
        let (targets, size) = merged.await?;
        let weight = u32::try_from(size.div_ceil(1024 * 1024)).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.shared.edit_memory);
        let room = memory.acquire_many_owned(weight.min(MAX_EDIT_MIB)).await.expect("never closed");
        let paths = targets.iter().filter_map(|target| target.resolved.as_deref());
        let guard = self.shared.locks.acquire(paths).await;
        let spool = self.shared.config.state_dir.clone();
        let answer = blocking(move || {
            let planned = plan::plan(targets)?;
            let etags = if dry_run {
                planned.iter().map(Planned::etag).collect()
            } else {
                commit::commit(&planned, &spool)?
            };
            drop(guard);
            let _room = room;
            let entries = wants_diff.then(|| {
                planned.iter().zip(&etags).map(|(file, etag)| entry(file, *etag)).collect()
            });
            Ok((planned, entries))
        });
        let (planned, entries) = answer.await?;
        if !dry_run {
            self.record(&caller, planned.iter().map(|file| file.cleaned.clone()).collect());
        }
        Ok(EditFilesResponse { files: entries, dry_run: wants_diff.then_some(dry_run) })
    }
}

fn entry(file: &Planned, etag: agent_api::ETag) -> EditedFile {
    let diff = diff::unified(&file.given, &file.before, &file.after);
    EditedFile {
        path: file.given.clone(),
        diff_omitted: diff.is_none(),
        diff: diff.unwrap_or_default(),
        changed: file.is_changed(),
        etag,
    }
}
