//! Answers of processes that are more than one JSON object: bytes with their offsets, and the live
//! stream; not how they travel.

mod answer;
mod body;
mod events;
mod frame;
mod item;
mod stream;
#[cfg(test)]
mod tests;

pub use answer::{OutputBytes, ReadOutput};
pub(crate) use body::read_events;
pub use item::ProcessStreamItem;
pub(crate) use item::Sequence;
pub use stream::ProcessStream;
