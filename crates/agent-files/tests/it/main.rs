//! The service's public operations on a real disk, without a network.

mod edit_files;
mod fixture;
mod read_file;
mod write_file;
