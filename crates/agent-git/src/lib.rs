//! Git repositories, live: what differs from HEAD, said exactly as git says it, within
//! milliseconds of the change, and at no cost while nothing changes.

mod convert;
mod engine;
mod index;
mod model;
