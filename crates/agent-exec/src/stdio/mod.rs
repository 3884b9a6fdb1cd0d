//! The near ends of a command's descriptors, for async code: pipes and pseudo terminals.

mod pipe;
mod pty;
mod receiver;
mod sender;
mod terminal;

pub(crate) use pipe::{Budget, Share, input, output};
pub use pty::Pty;
pub(crate) use pty::{Opened, open};
pub use receiver::{Ready, Receiver};
pub use sender::Sender;
pub use terminal::{FarEnd, Terminal};
