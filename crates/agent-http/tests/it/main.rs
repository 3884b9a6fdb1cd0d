//! A served router seen through raw HTTP/1.1 over in-memory streams and sockets.

mod admission;
mod client;
mod drain;
mod limits;
