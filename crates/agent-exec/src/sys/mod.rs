//! The system calls of a spawn that no safe library offers; what they are for is decided in
//! `spawn`.

mod clone;
mod program;
mod reset;
mod wait;
mod watch;

pub(crate) use clone::{Address, Clone, clone3, fork};
pub(crate) use program::{Identity, Join, Program, RECORD, Stage, Strings};
pub(crate) use wait::{collect, wait};
pub(crate) use watch::watch;
