//! Files of a workspace: read, write, edit, list, move, remove and search them, with the answers
//! of the agent's protocol; served over HTTP by the feature `http`, and usable without it.

mod config;
mod edit;
mod edit_files;
mod error;
mod find;
#[cfg(feature = "http")]
pub mod http;
mod lines;
mod list;
mod locks;
mod open;
mod publish;
mod read_file;
mod resolve;
mod search;
mod search_files;
mod service;
mod sys;
mod temporary;
mod tree;
mod version;
mod walk;
mod write_file;

pub use config::Config;
pub use edit_files::{EditFailure, EditFilesError};
pub use error::Error;
pub use read_file::{ContentRange, FileBody, FileContent, ReadFileResponse};
pub use service::{Event, Files};
pub use tree::TreeError;
pub use walk::SearchError;
