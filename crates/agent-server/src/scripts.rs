//! Scripts of the configuration.

mod schedule;

pub use schedule::{ParseScheduleError, Schedule};
