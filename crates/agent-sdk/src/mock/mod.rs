//! An agent for tests: answers what the test says, remembers what it was asked; does no I/O and
//! starts no task.

mod agent;
mod table;

pub use agent::{Call, MockAgent};
