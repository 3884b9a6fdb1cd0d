//! Requests against a real file system.
