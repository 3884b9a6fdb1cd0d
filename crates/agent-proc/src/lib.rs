//! Processes whose output is never lost: start them, follow and read what they print, feed, signal
//! and end them; served over HTTP by the feature `http`, and usable without it.

mod config;
mod describe;
mod end;
mod error;
mod find;
mod get_process_output;
#[cfg(feature = "http")]
pub mod http;
mod journal;
mod process;
mod read_process_output;
mod request;
mod restart;
mod retention;
mod service;
mod start;
mod store;
mod stream_process_output;
mod table;
mod wait;
mod write_process_input;

pub use config::{Config, SessionEnvironment};
pub use error::{Error, ForgetReason, InputError, OutputError, SignalError, StartError};
pub use read_process_output::{OutputBody, ReadProcessOutputResponse};
pub use service::{Event, Processes, Statistics};
pub use stream_process_output::{OutputItem, OutputStream};

#[cfg(feature = "http")]
use start::random_id;
