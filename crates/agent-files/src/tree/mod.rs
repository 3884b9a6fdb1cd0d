//! Making, moving and removing entries of directories; their contents are changed elsewhere.
//!
//! Every path is resolved once, its directory is opened without following a link, and from there
//! on names in open directories are used: whatever becomes of the path meanwhile, nothing outside
//! is touched.

mod attributes;
mod copy;
mod descent;
mod error;
mod make_directory;
mod move_path;
mod parents;
mod place;
mod protected;
mod removal;
mod remove_path;
mod rename;
mod survey;
mod transfer;

pub use error::TreeError;
