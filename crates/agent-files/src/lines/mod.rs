//! `read_file_lines`: numbered lines of a text, within budgets that keep the answer small.

mod budget;
mod error;
mod reader;
mod scan;
mod sparse;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use agent_api::{
    AbsolutePath, Classify, ErrorCode, PathError, ReadFileLinesRequest, ReadFileLinesResponse,
    limits::MAX_PATH_BYTES,
};
use tokio_util::sync::CancellationToken;

use self::{budget::Budget, error::LinesError, scan::scan, sparse::SparseFile};
use crate::{Error, Files, open, service::blocking, version};

/// Size in bytes above which a file is asked for its holes; reading less is faster than asking.
const SPARSE_FROM: u64 = 1024 * 1024;

impl Files {
    /// Reads numbered lines of a file, following symbolic links.
    ///
    /// Only LF separates lines, and what follows the last one is a line too. Reading ends at the
    /// size that the file had when it was opened, so lines appended meanwhile are not seen, and
    /// the etag is that of the moment of opening. Memory stays within the budgets whatever the
    /// size of the file or of a line.
    ///
    /// A failure is an answer: `success` is false, `error` and `error_code` say why.
    ///
    /// # Errors
    ///
    /// [`Error::Path`] when the path is empty, contains NUL or is too long; a relative path is
    /// answered like a missing file.
    ///
    /// # Cancellation
    ///
    /// A dropped future ends the reading after its present chunk.
    #[tracing::instrument(
        level = "debug",
        name = "files.read_file_lines",
        skip_all,
        fields(path = req.path)
    )]
    pub async fn read_file_lines(
        &self,
        req: ReadFileLinesRequest,
    ) -> Result<ReadFileLinesResponse, Error> {
        let path = match parse(&req.path) {
            Ok(path) => path,
            Err(error @ Error::Path { source: PathError::Relative, .. }) => {
                return Ok(refused(&error));
            }
            Err(error) => return Err(error),
        };
        let abandoned = CancellationToken::new();
        let _abandons_when_dropped = abandoned.clone().drop_guard();
        let read = blocking(move || {
            let started = Instant::now();
            // Nobody waits any more: whatever the bound, the time is over.
            let elapsed =
                || if abandoned.is_cancelled() { Duration::MAX } else { started.elapsed() };
            let budget = Budget::of(&req);
            Ok(read_lines(path.as_path(), budget, elapsed).unwrap_or_else(|error| refused(&error)))
        });
        Ok(read.await.unwrap_or_else(|error| refused(&error)))
    }
}

/// Reads the path of the request; a relative one that is malformed too is malformed.
fn parse(text: &str) -> Result<AbsolutePath, Error> {
    AbsolutePath::parse(text).map_err(|source| {
        let source = match source {
            PathError::Relative if text.contains('\0') => PathError::Nul,
            PathError::Relative if text.len() > MAX_PATH_BYTES => PathError::TooLong,
            source => source,
        };
        Error::Path { field: "path".to_owned(), source }
    })
}

fn read_lines(
    path: &Path,
    budget: Budget,
    elapsed: impl Fn() -> Duration,
) -> Result<ReadFileLinesResponse, LinesError> {
    let (mut file, stat) = open::open_for_reading(path)?;
    let size = version::size(&stat);
    if size > budget.max_file_size && !budget.is_partial {
        let max = budget.max_file_size;
        return Err(LinesError::FileTooLarge { path: path.to_owned(), size, max });
    }
    let scanned = if size > SPARSE_FROM {
        scan(&mut SparseFile::new(&file), size, path, budget, elapsed)?
    } else {
        scan(&mut file, size, path, budget, elapsed)?
    };
    let lines = scanned.lines;
    // What a file of /proc yields has no version; its size is what was read.
    let is_pseudo = size == 0 && scanned.bytes > 0;
    Ok(ReadFileLinesResponse {
        success: true,
        content: lines.content,
        file_size: if is_pseudo { scanned.bytes } else { size },
        total_lines: lines.total_lines.unwrap_or(0),
        lines_read: lines.lines_read,
        next_offset: lines.next_offset.unwrap_or(0),
        truncated: lines.is_truncated,
        lossy: lines.is_lossy,
        etag: (!is_pseudo).then(|| version::etag(&stat)),
        ..ReadFileLinesResponse::default()
    })
}

/// Answers a failure: its sentence and its causes in one text.
fn refused(error: &dyn Classify) -> ReadFileLinesResponse {
    let sentence = error.to_string();
    let text = match error.detail() {
        Some(detail) => format!("{sentence}: {detail}"),
        None => sentence,
    };
    if error.code() == ErrorCode::Internal {
        // The answer is a 200, so no transport will notice.
        tracing::error!(error = text, "lines could not be read");
    }
    ReadFileLinesResponse {
        error: text,
        error_code: Some(error.code()),
        ..ReadFileLinesResponse::default()
    }
}

#[cfg(test)]
mod tests;
