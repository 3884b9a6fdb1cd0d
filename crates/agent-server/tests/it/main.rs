//! The program `agentd` as a process: started, asked, signaled and looked at from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod containers;
mod daemon;
mod http;
mod logs;
mod nested;
mod orphans;
mod processes;
mod scripts;
mod secrets;
mod sessions;
mod start;
mod stop;
mod usage;
