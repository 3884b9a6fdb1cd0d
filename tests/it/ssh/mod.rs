//! SSH as its users have it: the real clients against the real program.

mod agentctl;
mod agentctl_terminal;
mod needs_ssh;
mod sdk;
mod wire;
