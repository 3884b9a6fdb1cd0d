//! Routes over HTTP.
