//! Looking at directories and entries without changing them; contents are read elsewhere.

mod entry;
mod list_directory;
mod position;
mod resolve_path;
mod stat_path;
