//! Commands in containers, through the engine alone.

mod request;

pub use request::{ExecCommand, ExecError, ExecRequest, ExecTerminal};
