//! The backend `screen`: a session of GNU screen that keeps the program, and for each connection a
//! `screen` of its own, on a pseudo terminal of its own, that shows it.
//!
//! ```text
//!   connection ── view (pty, `screen -x`) ──┐
//!   connection ── view (pty, `screen -x`) ──┴── server of the session ── program
//! ```

mod control;
mod session;
mod view;

pub(crate) use session::Session;
