//! Terminals that outlive their connections: screen, scrollback and program stay, with or without HTTP.

mod attachment;
mod buffered;
mod config;
mod control;
mod emulator;
mod entry;
mod environment;
mod error;
#[cfg(feature = "http")]
pub mod http;
mod input;
mod messages;
mod outbox;
mod program;
mod raw;
mod redraw;
mod request;
mod screen;
mod service;
mod size;
mod statistics;
mod terminal;
mod workspace;

pub use attachment::{Attachment, Input, Outgoing, Output};
pub use config::Config;
pub use error::Error;
pub use messages::InvalidMessage;
pub use outbox::End;
pub use service::Terminals;
pub use statistics::{ErrorType, Statistics};
pub use workspace::Workspace;
