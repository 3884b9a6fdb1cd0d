//! A terminal of the agent as this end has it: what is typed goes there, what is shown comes here;
//! not how the connection is made.

mod message;
mod stream;

pub(crate) use message::{encode_init, write_messages};
pub use stream::{TerminalItem, TerminalSender, TerminalStream};
