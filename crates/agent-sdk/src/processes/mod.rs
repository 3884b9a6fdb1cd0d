//! Answers of processes that are more than one JSON object: bytes with their offsets, and the live
//! stream; not how they travel.

mod answer;
mod events;
mod frame;
mod stream;

pub use answer::{OutputBytes, ReadOutput};
pub(crate) use events::events;
pub(crate) use stream::Sequence;
pub use stream::{ProcessStream, ProcessStreamItem};
