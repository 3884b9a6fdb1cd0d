//! The wire: exact texts of every type, what readers tolerate, and the documents beside them.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod documents;
mod goldens;
mod names;
mod tolerance;
mod values;
