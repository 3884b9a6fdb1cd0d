//! Tests of the engine: every snapshot against the answers of the real `git`.

mod needs_git;
mod world;
