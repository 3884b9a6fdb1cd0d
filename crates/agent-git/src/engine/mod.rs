//! What is known of one repository, and its snapshots.

mod error;

pub(crate) use error::ScanError;

use crate::model::Snapshot;

/// What a scan found.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) snapshot: Snapshot,
    /// Whether the whole work tree was looked at.
    pub(crate) was_full: bool,
}
