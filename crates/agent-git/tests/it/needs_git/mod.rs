//! Tests whose repositories are made by `git`.

mod chats;
mod status;
mod watch;
