//! SSH as its users have it: the real clients against the real program.

mod needs_ssh;
