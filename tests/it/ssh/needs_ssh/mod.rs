//! OpenSSH's own programs.

mod agentctl;
mod commands;
mod ends;
mod forwards;
mod keys;
mod transfers;
