//! The HTTP kit of the agent: how requests are accepted, admitted, read and answered; never what
//! for.
//!
//! [`Server`] serves a router over any byte stream with limits and a drain. [`Query`], [`Body`] and
//! [`Chat`] read a request, [`Reply`] and [`Failure`] answer it; [`Upgrade`], [`EventStream`],
//! [`LineStream`] and [`Tunnel`] answer with a stream, and [`Waiting`] lets a request wait without
//! being in others' way.
//!
//! ```
//! use agent_api::{StatPathRequest, ResolvePathResponse};
//! use agent_http::{Json, Query, Reply};
//! use axum::{Router, routing::get};
//!
//! async fn echo_path(Query(req): Query<StatPathRequest>) -> Reply<ResolvePathResponse> {
//!     Ok(Json(ResolvePathResponse { resolved_path: req.path }))
//! }
//! let router: Router = Router::new().route("/echo", get(echo_path));
//! # let _ = router;
//! ```

mod admission;
mod app;
mod body;
mod chat;
mod event_stream;
mod failure;
mod line_stream;
mod query;
mod request_id;
mod serve;
mod streaming;
mod token;
mod tunnel;
mod unread;
mod waiting;
mod websocket;

pub use admission::{Access, AdmissionError};
pub use axum::Json;
pub use body::Body;
pub use chat::Chat;
pub use event_stream::{Event, EventStream};
pub use failure::{Failure, Reply};
pub use line_stream::LineStream;
pub use query::{Query, QueryError};
pub use serve::{Config, Listener, Observer, Peer, PeerAddress, Server, Trust};
pub use streaming::{Streaming, StreamingOrLines};
pub use token::{Token, TokenError};
pub use tunnel::{Tunnel, TunnelError, TunnelReader, TunnelStream, TunnelWriter};
pub use waiting::Waiting;
pub use websocket::{Awaited, Close, Closed, Message, Ready, Upgrade, WebSocket};
