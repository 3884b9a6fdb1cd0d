//! Logs of bringing dev containers up, on disk.
