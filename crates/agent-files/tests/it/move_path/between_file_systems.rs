//! Moves to another file system: what must arrive, and what must be as it was after a failure.

mod needs_tmpfs;
