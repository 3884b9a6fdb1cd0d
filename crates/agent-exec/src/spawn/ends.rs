//! Both ends of what a command's descriptors 0, 1 and 2 are.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, Uid};

use crate::stdio::{self, Budget};
use crate::{
    Account, Command, ErrorOutput, FarEnd, Input, Pty, Receiver, Sender, Size, SpawnError, Stdio,
};

/// Agentd's ends.
#[derive(Debug, Default)]
pub(super) struct Near {
    pub(super) stdin: Option<Sender>,
    pub(super) stdout: Option<Receiver>,
    pub(super) stderr: Option<Receiver>,
    pub(super) terminal: Option<Pty>,
}

impl Near {
    /// The inodes of the output pipes.
    #[cfg(target_os = "linux")]
    pub(super) fn outputs(&self) -> Vec<u64> {
        let pipes = [&self.stdout, &self.stderr].into_iter().flatten();
        pipes.filter_map(|pipe| rustix::fs::fstat(pipe).ok()).map(|stat| stat.st_ino).collect()
    }
}

/// The command's ends.
///
/// All are above 2, because std opens what is missing of 0 to 2 when a program starts.
#[derive(Debug)]
pub(super) enum Far {
    Pipes { stdin: OwnedFd, stdout: OwnedFd, stderr: Option<OwnedFd> },
    Terminal(OwnedFd),
    Opened(FarEnd),
}

impl Far {
    /// What becomes descriptors 0, 1 and 2.
    pub(super) fn stdio(&self) -> [BorrowedFd<'_>; 3] {
        match self {
            Self::Pipes { stdin, stdout, stderr } => {
                [stdin, stdout, stderr.as_ref().unwrap_or(stdout)].map(AsFd::as_fd)
            }
            Self::Terminal(terminal) => [terminal; 3].map(AsFd::as_fd),
            Self::Opened(terminal) => [terminal; 3].map(AsFd::as_fd),
        }
    }

    /// Whether the descriptors are a terminal, which becomes the controlling one.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_) | Self::Opened(_))
    }

    /// Makes the account the owner, so that its programs can open `/dev/stdout` or their terminal
    /// by name.
    fn give_to(&self, account: &Account) {
        let owner = Some(Uid::from_raw(account.uid));
        for fd in self.stdio() {
            // `/dev/null` stays as it is: it is everybody's.
            if is_pipe(fd) || self.is_terminal() {
                // Everything else works without it, so a refusal is no reason not to start.
                let _ = rustix::fs::fchown(fd, owner, None);
            }
        }
    }
}

/// Opens what the command asks for; needs a runtime with I/O around it.
pub(super) fn open(command: &Command, budget: &Budget) -> Result<(Near, Far), SpawnError> {
    let (near, far) = match &command.stdio {
        Stdio::Pipes { stdin, stderr } => {
            pipes(*stdin, *stderr, budget).map_err(SpawnError::system("create pipes"))
        }
        Stdio::Terminal(size) => terminal(*size).map_err(SpawnError::system("open a terminal")),
        Stdio::Opened(far) => Ok((Near::default(), Far::Opened(far.clone()))),
    }?;
    if let Some(account) = &command.account {
        far.give_to(account);
    }
    Ok((near, far))
}

fn terminal(size: Size) -> io::Result<(Near, Far)> {
    let stdio::Opened { ours, theirs, path } = stdio::open(size)?;
    let near = Near { terminal: Some(Pty::new(ours, path)?), ..Near::default() };
    Ok((near, Far::Terminal(theirs)))
}

fn pipes(stdin: Input, stderr: ErrorOutput, budget: &Budget) -> io::Result<(Near, Far)> {
    let (input, sender) = match stdin {
        Input::Null => (null()?, None),
        Input::Pipe => {
            let (theirs, ours, share) = stdio::input(budget)?;
            (theirs, Some(Sender::new(ours, share)?))
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

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_fifo())
}

fn null() -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/dev/null", flags, Mode::empty())?)
}
