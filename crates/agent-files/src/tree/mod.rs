//! Making, moving and removing.

use agent_api::{Classify, ErrorCode};

/// Why making, moving or removing failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {}

impl Classify for TreeError {
    fn code(&self) -> ErrorCode {
        match *self {}
    }
}
