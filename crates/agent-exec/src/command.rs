//! What is to be run, complete: nothing is taken from agentd's own state but its umask.

use std::ffi::OsString;
use std::path::PathBuf;

use uuid::Uuid;

use crate::{Account, Environment, FarEnd, Limits};

/// A program to run with everything it gets.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments.
    ///
    /// A first element without `/` is looked up in the directories of `PATH` in [`Command::env`],
    /// one with `/` is a path, relative to [`Command::workdir`]. No shell is involved.
    pub args: Vec<OsString>,
    /// The working directory; the command's user needs access to it.
    pub workdir: PathBuf,
    /// The complete environment.
    pub env: Environment,
    /// What descriptors 0, 1 and 2 are; there are no others.
    pub stdio: Stdio,
    /// The account whose user and groups the command gets; `None` keeps agentd's.
    pub account: Option<Account>,
    /// What the command's tree may use; [`Launcher::supports`](crate::Launcher::supports) says
    /// whether that can be enforced.
    pub limits: Limits,
    /// Names the command's cgroup; members of its tree are also known by a variable
    /// `WORKSPACE_PROCESS_ID` of this value, if [`Command::env`] has it.
    pub id: Uuid,
}

/// What descriptors 0, 1 and 2 of a command are.
#[derive(Clone, Debug)]
pub enum Stdio {
    /// Pipes.
    Pipes {
        /// Descriptor 0.
        stdin: Input,
        /// Descriptor 2.
        stderr: ErrorOutput,
    },
    /// A new pseudo terminal of this size, which is also the controlling one.
    Terminal(Size),
    /// A pseudo terminal that was opened before ([`Terminal::open`](crate::Terminal::open)), which
    /// is also the controlling one; [`Child::terminal`](crate::Child::terminal) is absent then.
    Opened(FarEnd),
}

/// What descriptor 0 of a command without terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// `/dev/null`.
    Null,
    /// A pipe, written through [`Child::stdin`](crate::Child::stdin).
    Pipe,
}

/// What descriptor 2 of a command without terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorOutput {
    /// The pipe of descriptor 1, so that both are read in the order of writing.
    Merged,
    /// A pipe of its own, read through [`Child::stderr`](crate::Child::stderr).
    Pipe,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Lines of characters.
    pub rows: u16,
    /// Characters in a line.
    pub cols: u16,
    /// Pixels across; 0 when not known.
    pub width_pixels: u16,
    /// Pixels down; 0 when not known.
    pub height_pixels: u16,
}

impl Size {
    /// A size in characters, the pixels not known.
    pub fn new(rows: u16, cols: u16) -> Self {
        Self { rows, cols, ..Self::default() }
    }
}
