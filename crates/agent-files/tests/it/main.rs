//! The service's public operations on a real disk, without a network.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod edit_files;
mod fixture;
mod read_file;
mod read_file_lines;
mod write_file;
