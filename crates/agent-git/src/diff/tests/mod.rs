//! The renderer against the real `git`, its limits, and what it keeps.

mod kept;
mod needs_git;
mod world;
