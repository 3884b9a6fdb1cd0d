//! The work tree's files, opened without following any link; what they mean is decided elsewhere.

mod listing;
mod root;
mod stat;
#[cfg(test)]
mod tests;

pub(crate) use listing::{Kind, Lister};
pub(crate) use root::{PASS, Root, open_below};
