//! The data types of the SSH protocol: [`Reader`] takes them from a message, [`Put`] appends them.
//!
//! Source: RFC 4251 section 5. The meaning of the fields is not known here.

mod put;
mod reader;
#[cfg(test)]
mod tests;

pub use put::Put;
pub use reader::{Malformed, Reader};
