//! cgroup v2: a group for each command, which knows every process that came of it, counts what
//! they use, limits it, and can kill them all at once.
//!
//! ```text
//! <own group>            of agentd: /system.slice/agentd.service
//!   agentd-<agent id>    Hierarchy: made by the first command, locked while agentd lives
//!     <command id>       Leaf: one command and everything it starts
//!     self               agentd, if it had to leave its group to the controllers
//! ```
//!
//! Version 1 is not used. Whoever cannot have a leaf lives without one: the tree is then found in
//! `/proc`, and limits are refused.

mod files;
mod hierarchy;
mod leaf;
mod limits;
mod locate;

pub(crate) use hierarchy::{Hierarchy, LeafError};
pub(crate) use leaf::Leaf;
