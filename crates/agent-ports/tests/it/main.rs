//! The service with real sockets and processes, and its routes behind a real server.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod dial;
mod dial_udp;
mod doors;
mod fixture;
#[cfg(feature = "http")]
mod http;
#[cfg(target_os = "linux")]
mod list_listening_ports;
