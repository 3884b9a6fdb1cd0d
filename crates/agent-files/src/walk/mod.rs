//! Walking directories in the protocol's order, with its filters: what `search_files` and
//! `find_files` have in common. What is done with the entries is theirs.
//!
//! ```text
//! Scope (checked fields) ── resolve ──► Roots ── Walker ──► Step, Step, Step, …
//!                                                 ▲
//!                                                 └── Level: ignore files that count here
//! ```

mod clock;
mod entry;
mod error;
mod globs;
mod ignore_files;
mod levels;
mod listing;
mod position;
mod roots;
mod scope;
mod walker;

pub(crate) use clock::Clock;
pub(crate) use entry::{Entry, shown};
pub use error::SearchError;
pub(crate) use listing::Kinds;
pub(crate) use position::{Position, Resume};
pub(crate) use roots::Roots;
pub(crate) use scope::Scope;
pub(crate) use walker::{Step, Walker};
