//! A served router seen through raw HTTP/1.1 over in-memory streams and sockets.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod admission;
mod changes;
mod client;
mod drain;
mod events;
mod limits;
mod streams;
mod tunnels;
mod waiting;
mod websocket;
