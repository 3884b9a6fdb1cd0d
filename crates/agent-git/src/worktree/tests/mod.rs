//! The scanner against git itself, which must be installed: `git status` is always right.

mod bench;
mod links;
mod needs_git;
#[cfg(target_os = "linux")]
mod needs_root;
mod property;
