//! OpenSSH's own programs.

mod commands;
mod ends;
mod forwards;
mod keys;
mod transfers;
