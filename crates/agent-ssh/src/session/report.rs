//! What a client is told about the end of its session, and the words for it.

use std::error::Error;

use agent_exec::{CommandLineError, Exit, ExitStatus, ForeignError, Signal, SpawnError};
use agent_ssh_protocol::{ChannelOutput, wire::Put};
use bytes::Bytes;

use crate::{sftp, statistics::SessionError, x11::X11Error};

/// Signals that the protocol has a name for (RFC 4254, section 6.10).
const NAMED: [&str; 13] = [
    "ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1",
    "USR2",
];
/// Extended data that is the output for errors (RFC 4254, section 5.2).
pub(super) const STDERR: u32 = 1;
/// What a client of a blocked transfer reads.
const TRANSFER_BLOCKED: &[u8] = b"\x02file transfer is disabled\n";

/// How a session ended, as its client hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Status(u32),
    Signal {
        /// Without `SIG`.
        name: String,
        core_dumped: bool,
    },
}

/// Why agentd itself ended a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Files may not be transferred, and the client is one that would show this.
    #[error("file transfer is disabled")]
    TransferBlocked,
    /// Files may not be transferred, and the client would take text for its protocol.
    #[error("SFTP is disabled")]
    SftpBlocked,
    #[error("unsupported subsystem \"{0}\"")]
    Unsupported(String),
    #[error("SFTP in a container is not supported")]
    SftpInContainer,
    #[error("the SFTP server failed")]
    Sftp(#[source] sftp::Error),
    #[error("X11 forwarding")]
    X11(#[source] X11Error),
    #[error("cannot make a socket for the authentication agent")]
    Agent(#[source] std::io::Error),
    #[error(transparent)]
    CommandLine(#[from] CommandLineError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error(transparent)]
    Container(ForeignError),
    #[error("the agent stops")]
    Stopping,
    #[error("the command's status was lost")]
    Lost,
}

impl Failure {
    /// The status that the client gets.
    pub(super) fn status(&self) -> u32 {
        match self {
            Self::TransferBlocked | Self::SftpBlocked => 65,
            Self::Unsupported(_) | Self::SftpInContainer | Self::Sftp(_) | Self::X11(_) => 1,
            Self::Agent(_)
            | Self::CommandLine(_)
            | Self::Spawn(_)
            | Self::Container(_)
            | Self::Stopping
            | Self::Lost => 229,
        }
    }

    /// What it counts as; `None` for what is not an error of the session's own.
    pub(super) fn kind(&self) -> Option<SessionError> {
        match self {
            Self::TransferBlocked
            | Self::SftpBlocked
            | Self::Unsupported(_)
            | Self::SftpInContainer
            | Self::Sftp(_)
            | Self::X11(_) => None,
            Self::Agent(_) => Some(SessionError::Listener),
            Self::CommandLine(_) => Some(SessionError::CreateCommand),
            // The client's text was at fault, and the container was not asked.
            Self::Container(error)
                if error.source().is_some_and(<dyn Error>::is::<CommandLineError>) =>
            {
                Some(SessionError::CreateCommand)
            }
            Self::Container(_) => Some(SessionError::ContainerEnvInfo),
            Self::Spawn(_) | Self::Stopping => Some(SessionError::StartCommand),
            Self::Lost => Some(SessionError::Wait),
        }
    }

    /// The whole reason in one line.
    pub(super) fn reason(&self) -> String {
        let text = agent_api::causes(Some(self)).unwrap_or_default();
        text.replace(|c: char| c.is_control(), " ")
    }

    /// Says to a client why its session ends; waits where the client does not read.
    pub(super) async fn tell(&self, output: &ChannelOutput, has_terminal: bool) {
        // A client that is gone hears nothing, and its session ends all the same.
        let _ = match self {
            Self::SftpBlocked => Ok(()),
            Self::TransferBlocked => output.write(Bytes::from_static(TRANSFER_BLOCKED)).await,
            _ if has_terminal => {
                output.write(format!("agentd: {}\r\n", self.reason()).into()).await
            }
            _ => {
                let line = format!("agentd: {}\n", self.reason());
                output.write_extended(STDERR, line.into()).await
            }
        };
    }
}

impl Report {
    /// What a child's exit is to its client.
    ///
    /// # Errors
    ///
    /// [`Failure::Lost`] when nobody knows it.
    pub(super) fn of(exit: &Exit) -> Result<Self, Failure> {
        match exit.status {
            ExitStatus::Exited(code) => Ok(Self::Status(u32::try_from(code).unwrap_or_default())),
            ExitStatus::Signaled { signal, core_dumped } => {
                Ok(Self::Signal { name: protocol_name(signal), core_dumped })
            }
            ExitStatus::Lost => Err(Failure::Lost),
        }
    }

    /// What the end of a command in a container is to its client: a status in every case, as the
    /// engine has it.
    ///
    /// # Errors
    ///
    /// [`Failure::Lost`] when nobody knows it.
    pub(super) fn of_container(status: ExitStatus) -> Result<Self, Failure> {
        let code = match status {
            ExitStatus::Exited(code) => code,
            ExitStatus::Signaled { signal, .. } => 128 + signal,
            ExitStatus::Lost => return Err(Failure::Lost),
        };
        Ok(Self::Status(u32::try_from(code).unwrap_or_default()))
    }

    /// Sends the report, after everything that was written before.
    pub(super) fn send(&self, output: &ChannelOutput) {
        let mut payload = Vec::new();
        match self {
            Self::Status(status) => {
                payload.put_u32(*status);
                output.request("exit-status", &payload);
            }
            Self::Signal { name, core_dumped } => {
                payload.put_string(name.as_bytes());
                payload.put_bool(*core_dumped);
                // No message, in no language.
                payload.put_string(b"");
                payload.put_string(b"");
                output.request("exit-signal", &payload);
            }
        }
    }
}

/// The name of a signal in the protocol; one that it does not know is agentd's.
fn protocol_name(signal: i32) -> String {
    let name = Signal::name_of(signal);
    let bare = name.strip_prefix("SIG").unwrap_or(&name);
    if NAMED.contains(&bare) { bare.to_owned() } else { format!("{bare}@agentd") }
}

/// The signal that a client's name stands for; `None` for any that the protocol does not have.
pub(super) fn signal_of(name: &[u8]) -> Option<Signal> {
    let name = std::str::from_utf8(name).ok()?;
    let bare = name.strip_prefix("SIG").unwrap_or(name);
    NAMED.contains(&bare).then(|| Signal::parse(bare)).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn an_exit_is_told_by_its_status_or_its_signal() {
        let of = |status| {
            let (at, cpu_time) = (SystemTime::UNIX_EPOCH, Duration::ZERO);
            Report::of(&Exit { status, at, cpu_time, peak_memory_bytes: 0 }).ok()
        };
        let signaled = |signal| of(ExitStatus::Signaled { signal, core_dumped: true });
        let named = |name: &str| Some(Report::Signal { name: name.to_owned(), core_dumped: true });
        assert_eq!(of(ExitStatus::Exited(0)), Some(Report::Status(0)));
        assert_eq!(of(ExitStatus::Exited(255)), Some(Report::Status(255)));
        assert_eq!(signaled(9), named("KILL"));
        assert_eq!(signaled(11), named("SEGV"));
        assert_eq!(signaled(7), named("BUS@agentd"));
        assert_eq!(signaled(24), named("XCPU@agentd"));
        assert_eq!(signaled(35), named("RTMIN+1@agentd"));
        assert_eq!(of(ExitStatus::Lost), None);
    }

    #[test]
    fn a_client_may_send_the_protocol_s_signals_by_their_names_in_upper_case() {
        for name in NAMED {
            let signal = signal_of(name.as_bytes()).unwrap();
            assert_eq!(signal.name(), format!("SIG{name}"));
            assert_eq!(signal_of(signal.name().as_bytes()), Some(signal));
        }
        for name in ["term", "SIGterm", "CONT", "STOP", "TERM ", "", "SIG", "15", "SIGSIGTERM"] {
            assert_eq!(signal_of(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn a_reason_is_one_line() {
        let failure = Failure::Unsupported("a\nb\u{1b}".to_owned());
        assert_eq!(failure.reason(), "unsupported subsystem \"a b \"");
        let source = std::io::Error::from_raw_os_error(2);
        let failure = Failure::Spawn(SpawnError::Program { program: "/no/such".into(), source });
        assert!(failure.reason().starts_with("the program `/no/such` cannot be executed: "));
    }
}
