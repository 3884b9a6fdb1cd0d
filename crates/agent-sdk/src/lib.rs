//! The agent from the other end: one trait over TCP, Unix sockets and in-memory streams.
