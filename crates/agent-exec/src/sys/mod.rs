//! The system calls of a spawn that no safe library offers; what they are for is decided in
//! `spawn`.

#[cfg(target_os = "linux")]
mod clone;
#[cfg(target_os = "linux")]
mod notes;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod reset;
mod wait;
mod watch;

#[cfg(target_os = "linux")]
pub(crate) use clone::{Address, Clone, clone3, fork};
#[cfg(target_os = "linux")]
pub(crate) use notes::{Notes, Stage};
#[cfg(target_os = "linux")]
pub(crate) use program::{Identity, Join, Program, Strings};
pub(crate) use wait::collect;
#[cfg(target_os = "linux")]
pub(crate) use wait::wait;
pub(crate) use watch::watch;
