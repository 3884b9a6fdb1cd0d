//! One repository as it lies on the disk: where it is, how it must be read, and what is asked of
//! it whoever reads it. What differs from HEAD is found elsewhere.

mod abbreviate;
mod attributes;
mod config;
mod discover;
mod error;
mod head;
mod kind;
mod native;
#[cfg(test)]
mod needs_git;
mod refs;
mod settings;
mod user;
mod wildmatch;

pub(crate) use abbreviate::Abbreviations;
pub(crate) use attributes::{AttributeFiles, Attributes};
pub(crate) use discover::{Discovery, Location, discover, exists, git_dir_of};
pub(crate) use error::SourceError;
pub(crate) use head::{Divergence, branch_name};
pub(crate) use kind::{Kind, Reason, kind};
pub(crate) use native::Native;
pub(crate) use refs::{branch as head_branch, checked_out_commit};
pub(crate) use settings::Settings;
pub(crate) use user::User;

use crate::convert::Conversion;
use crate::model::{Head, ObjectId};

/// What is asked of a repository, whichever way it is read.
///
/// Every method blocks; a source is opened for one scan and dropped after it, so it never answers
/// from an older state.
pub(crate) trait Source {
    /// The settings that change what a scan finds.
    fn settings(&self) -> &Settings;

    /// State of HEAD, with the commits that the branch and its upstream do not share.
    fn head(&mut self) -> Result<Head, SourceError>;

    /// Size of a blob in bytes.
    ///
    /// # Errors
    ///
    /// [`SourceError::Missing`] when there is no such object.
    fn blob_size(&mut self, id: ObjectId) -> Result<u64, SourceError>;

    /// Contents of a blob; the caller has looked at its size.
    ///
    /// # Errors
    ///
    /// [`SourceError::Missing`] when there is no such object.
    fn blob(&mut self, id: ObjectId) -> Result<Vec<u8>, SourceError>;

    /// Contents of a blob; `None` when there is no such object, or when it is larger than `max`.
    fn blob_up_to(&mut self, id: ObjectId, max: u64) -> Result<Option<Vec<u8>>, SourceError> {
        let size = self.blob_size(id);
        match size.and_then(|size| if size <= max { self.blob(id).map(Some) } else { Ok(None) }) {
            Err(SourceError::Missing { .. }) => Ok(None),
            read => read,
        }
    }

    /// For each id how many of its digits git shows; ids of no object are welcome.
    ///
    /// At least 7, more by the number of packed objects, then as many as tell the id from every
    /// existing object.
    fn abbreviations(&mut self, ids: &[ObjectId]) -> Result<Vec<usize>, SourceError>;

    /// How the contents of a path become what git stores, by the attributes of the path.
    fn conversion(&mut self, path: &[u8]) -> Result<Conversion, SourceError>;
}
