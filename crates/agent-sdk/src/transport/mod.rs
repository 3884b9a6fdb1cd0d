//! How requests travel: connections of their own from a pool, or one shared stream; not what they
//! say.

mod dial;
mod outbox;
mod pool;
mod shared;
mod tls;
mod way;
mod websocket;
mod wire;

use std::fmt;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use self::{
    dial::Dialer,
    outbox::{Outbox, TextSender},
    pool::{Connection, Pool},
    shared::Shared,
    way::Way,
    websocket::{Limits, Message, Messages},
    wire::Wire,
};
use crate::client::Upload;

/// Any byte stream to an agent.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(crate) type BoxedStream = Box<dyn Stream>;

/// Why a request got no response.
pub(crate) enum Failure {
    /// The connection was gone before the request was begun; here it is back.
    Unsent(Box<Request<Upload>>),
    /// It was lost on the way; `heard` tells whether any byte of a response had come.
    Lost { error: hyper::Error, heard: bool },
}

type SendResult = Result<Response<Incoming>, Failure>;

impl Failure {
    fn of(mut error: hyper::client::conn::TrySendError<Request<Upload>>, heard: bool) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request)),
            None => Self::Lost { error: error.into_error(), heard },
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(_) => f.write_str("Unsent"),
            Self::Lost { error, heard } => {
                f.debug_struct("Lost").field("error", error).field("heard", heard).finish()
            }
        }
    }
}
