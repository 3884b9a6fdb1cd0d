//! Both ends of what a command's descriptors 0, 1 and 2 are.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use crate::stdio::{self, Budget};
use crate::{Command, ErrorOutput, Input, Pty, Receiver, Sender, SpawnError, Stdio};

/// Agentd's ends.
#[derive(Debug, Default)]
pub(super) struct Near {
    pub(super) stdin: Option<Sender>,
    pub(super) stdout: Option<Receiver>,
    pub(super) stderr: Option<Receiver>,
    pub(super) terminal: Option<Pty>,
}

/// The command's ends.
///
/// All are above 2, because std opens what is missing of 0 to 2 when a program starts.
#[derive(Debug)]
pub(super) enum Far {
    Pipes { stdin: OwnedFd, stdout: OwnedFd, stderr: Option<OwnedFd> },
    Terminal(OwnedFd),
}

impl Far {
    /// What becomes descriptors 0, 1 and 2.
    pub(super) fn stdio(&self) -> [BorrowedFd<'_>; 3] {
        match self {
            Self::Pipes { stdin, stdout, stderr } => {
                [stdin, stdout, stderr.as_ref().unwrap_or(stdout)].map(AsFd::as_fd)
            }
            Self::Terminal(terminal) => [terminal; 3].map(AsFd::as_fd),
        }
    }
}

/// Opens what the command asks for; needs a runtime with I/O around it.
pub(super) fn open(command: &Command, budget: &Budget) -> Result<(Near, Far), SpawnError> {
    match command.stdio {
        Stdio::Pipes { stdin, stderr } => {
            pipes(stdin, stderr, budget).map_err(SpawnError::system("create pipes"))
        }
        Stdio::Terminal(size) => {
            let owner = command.account.as_ref().map(|account| account.uid);
            let opened = stdio::open(size, owner)
                .and_then(|opened| Ok((Pty::new(opened.ours, opened.path)?, opened.theirs)));
            let (pty, theirs) = opened.map_err(SpawnError::system("open a terminal"))?;
            let near = Near { terminal: Some(pty), ..Near::default() };
            Ok((near, Far::Terminal(theirs)))
        }
    }
}

fn pipes(stdin: Input, stderr: ErrorOutput, budget: &Budget) -> io::Result<(Near, Far)> {
    let (input, sender) = match stdin {
        Input::Null => (null()?, None),
        Input::Pipe => {
            let (theirs, ours) = stdio::input()?;
            (theirs, Some(Sender::new(ours)?))
        }
    };
    let receiver = || {
        let (theirs, ours, share) = stdio::output(budget)?;
        Ok::<_, io::Error>((theirs, Receiver::new(ours, share)?))
    };
    let (output, stdout) = receiver()?;
    let (errors, stderr) = match stderr {
        ErrorOutput::Merged => (None, None),
        ErrorOutput::Pipe => receiver().map(|(theirs, ours)| (Some(theirs), Some(ours)))?,
    };
    let near = Near { stdin: sender, stdout: Some(stdout), stderr, terminal: None };
    Ok((near, Far::Pipes { stdin: input, stdout: output, stderr: errors }))
}

fn null() -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/dev/null", flags, Mode::empty())?)
}
