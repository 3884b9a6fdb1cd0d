//! Why lines were not read; the answer's body carries it as text and code.

use std::{path::PathBuf, time::Duration};

use agent_api::{Classify, ErrorCode};

use crate::Error;

/// Why `read_file_lines` answers no lines.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinesError {
    /// The file cannot be opened or read.
    #[error(transparent)]
    File(#[from] Error),
    /// The file is larger than the request accepts.
    #[error("`{}` has {size} bytes, which exceeds the maximum of {max}", path.display())]
    FileTooLarge { path: PathBuf, size: u64, max: u64 },
    /// The first line that was asked for is not there.
    // Clients search for the number before `lines`, so there is no singular.
    #[error("offset {offset} is beyond the last line: there are {lines} lines")]
    OffsetBeyondEnd { offset: u64, lines: u64 },
    /// More was asked for than the content may have.
    #[error("line {line} would exceed the budget of {max} bytes; read fewer lines at a time")]
    TooManyBytes { line: u64, max: usize },
    /// More lines were asked for than the answer may have.
    #[error("line {line} would exceed the budget of {max} lines; read fewer lines at a time")]
    TooManyLines { line: u64, max: u64 },
    /// One line is beyond both budgets.
    #[error(
        "line {line} would exceed the budgets of {max_bytes} bytes and {max_lines} lines; read \
         fewer lines at a time"
    )]
    TooMuch { line: u64, max_bytes: usize, max_lines: u64 },
    /// Reading took too long.
    #[error("reading the lines of `{}` took longer than {} s", path.display(), limit.as_secs())]
    TooSlow { path: PathBuf, limit: Duration },
}

impl Classify for LinesError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::File(error) => error.code(),
            Self::OffsetBeyondEnd { .. } => ErrorCode::RangeNotSatisfiable,
            Self::FileTooLarge { .. }
            | Self::TooManyBytes { .. }
            | Self::TooManyLines { .. }
            | Self::TooMuch { .. } => ErrorCode::TooLarge,
            Self::TooSlow { .. } => ErrorCode::DeadlineExceeded,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::File(error) => error.detail(),
            Self::FileTooLarge { .. }
            | Self::OffsetBeyondEnd { .. }
            | Self::TooManyBytes { .. }
            | Self::TooManyLines { .. }
            | Self::TooMuch { .. }
            | Self::TooSlow { .. } => None,
        }
    }
}
