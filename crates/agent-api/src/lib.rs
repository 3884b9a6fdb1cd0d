//! The words that agentd and its clients put on a socket: requests, responses, ids, limits, routes
//! and error codes.
//!
//! Plain data, no I/O, no async, no clock. A server crate uses it directly; a client names it as
//! `agent_sdk::api`.
//!
//! ```
//! use agent_api::{AbsolutePath, ErrorCode, routes};
//!
//! let path = AbsolutePath::parse("/srv//app/../site/")?;
//! assert_eq!(path.as_str(), "/srv/site");
//! assert_eq!(routes::STAT_PATH.path, "/api/v0/stat");
//! assert_eq!(ErrorCode::Conflict.status(), 409);
//! # Ok::<(), agent_api::PathError>(())
//! ```

mod caller;
pub mod close_codes;
mod containers;
mod error;
mod etag;
mod files;
mod git;
mod io_error;
mod lifecycle;
pub mod limits;
mod null;
mod path;
mod ports;
mod processes;
pub mod routes;
mod terminals;
mod timestamp;

pub use caller::{ANCESTOR_CHAT_IDS_HEADER, CHAT_ID_HEADER, Caller, CallerError, ChatId};
pub use containers::*;
pub use error::{Classify, ErrorBody, ErrorCode, FieldError, causes};
pub use etag::{ETag, ParseETagError};
pub use files::*;
pub use git::*;
pub use io_error::io_text;
pub use lifecycle::*;
pub use path::{AbsolutePath, PathError};
pub use ports::*;
pub use processes::*;
pub use routes::{Method, Route};
pub use terminals::*;
pub use timestamp::{ParseTimestampError, Timestamp};
