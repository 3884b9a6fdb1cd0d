//! The program from its arguments to what it prints, with a mock for an agent; the process around
//! it in `process`.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod agent;
mod containers;
mod copy;
mod copy_down;
mod dev_containers;
mod disk;
mod document;
mod exec;
mod exec_live;
mod files;
mod git;
mod git_view;
mod keyboard;
mod output;
mod person;
mod port_forward;
mod process;
mod processes;
mod program;
mod prompt;
mod search;
mod ssh;
mod ssh_config;
mod ssh_stdio;
mod terminal;
