//! The service's public operations on a real disk, without a network.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod edit_files;
#[cfg(feature = "http")]
mod embed;
mod find_files;
mod fixture;
mod in_place;
mod list_directory;
mod make_directory;
mod move_path;
mod read_file;
mod read_file_lines;
mod remove_path;
mod resolve_path;
mod search_files;
mod stat_path;
mod write_file;
