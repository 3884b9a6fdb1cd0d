//! Tests of the journal as a whole.

mod concurrent;
mod disk;
mod property;
mod reading;
mod support;
mod totals;
mod view;
