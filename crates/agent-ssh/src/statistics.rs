//! Figures of the server, for metrics; not how they are exposed.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Figures of the server since it was made, and of this moment where they say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections of this moment, authenticated or not, by their door; doors without one are
    /// absent.
    pub connections: BTreeMap<TransportKind, u64>,
    /// Connections that ended before they were authenticated.
    pub failed_connections_total: u64,
    /// SFTP sessions started.
    pub sftp_connections_total: u64,
    /// SFTP sessions that ended with an error.
    pub sftp_server_errors_total: u64,
    /// Sessions started.
    pub sessions_total: BTreeMap<SessionLabels, u64>,
    /// Sessions of this moment; kinds that were there once are 0.
    pub sessions: BTreeMap<SessionLabels, u64>,
    /// Failures in sessions.
    pub sessions_errors_total: BTreeMap<(SessionLabels, SessionError), u64>,
    /// Failures of X11 forwarding.
    pub x11_errors_total: BTreeMap<X11Failure, u64>,
}

/// The door that a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// A TCP listener of the server; the only one whose clients must authenticate.
    Tcp,
    /// A Unix socket of the server.
    Unix,
    /// An HTTP request that was upgraded.
    Upgrade,
    /// A stream of the mesh.
    Mesh,
}

/// What kind of session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionLabels {
    /// The family of the program that connected.
    pub magic_type: MagicType,
    /// Whether it has a terminal.
    pub pty: bool,
}

/// Families of programs that connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MagicType {
    /// Plain SSH.
    Ssh,
    /// Editors of the VS Code family.
    VsCode,
    /// Editors of the JetBrains family.
    JetBrains,
    /// Anything else that says what it is.
    Unknown,
}

/// Steps of a session that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SessionError {
    /// Asking the container for its environment.
    ContainerEnvInfo,
    /// Making a command of the request.
    CreateCommand,
    /// Making a socket for the session.
    Listener,
    /// Making the pipe of the input.
    StdinPipe,
    /// Writing to the pipe of the input.
    StdinIoCopy,
    /// Starting the command.
    StartCommand,
    /// Writing a banner.
    AnnouncementBanner,
    /// Writing the message of the day.
    Motd,
    /// Changing the size of the terminal.
    Resize,
    /// Writing to the terminal.
    InputIoCopy,
    /// Reading what the command prints.
    OutputIoCopy,
    /// Waiting for the command.
    Wait,
    /// Closing the channel.
    Close,
    /// Sending a signal.
    Signal,
}

/// Steps of X11 forwarding that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum X11Failure {
    /// Asking for the host's name.
    Hostname,
    /// Opening a display.
    Listen,
    /// Writing the cookie.
    Xauthority,
}

impl TransportKind {
    /// The label of metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::Upgrade => "upgrade",
            Self::Mesh => "mesh",
        }
    }
}

impl MagicType {
    /// The family of a program that calls itself so; the first word decides, in any case.
    pub(crate) fn of(session_type: &str) -> Self {
        const VSCODE: [&str; 6] = ["vscode", "vscodium", "cursor", "windsurf", "positron", "kiro"];
        const JETBRAINS: [&str; 12] = [
            "jetbrains",
            "intellij",
            "pycharm",
            "goland",
            "webstorm",
            "clion",
            "rider",
            "rustrover",
            "phpstorm",
            "rubymine",
            "datagrip",
            "gateway",
        ];
        let folded = session_type.to_lowercase();
        let first = folded.split_whitespace().next().unwrap_or_default();
        if folded.is_empty() || folded == "ssh" {
            Self::Ssh
        } else if VSCODE.contains(&first) {
            Self::VsCode
        } else if JETBRAINS.contains(&first) {
            Self::JetBrains
        } else {
            Self::Unknown
        }
    }

    /// The label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::VsCode => "vscode",
            Self::JetBrains => "jetbrains",
            Self::Unknown => "unknown",
        }
    }
}

impl SessionError {
    /// The label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::ContainerEnvInfo => "container_env_info",
            Self::CreateCommand => "create_command",
            Self::Listener => "listener",
            Self::StdinPipe => "stdin_pipe",
            Self::StdinIoCopy => "stdin_io_copy",
            Self::StartCommand => "start_command",
            Self::AnnouncementBanner => "announcement_banner",
            Self::Motd => "motd",
            Self::Resize => "resize",
            Self::InputIoCopy => "input_io_copy",
            Self::OutputIoCopy => "output_io_copy",
            Self::Wait => "wait",
            Self::Close => "close",
            Self::Signal => "signal",
        }
    }
}

impl X11Failure {
    /// The label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Hostname => "hostname",
            Self::Listen => "listen",
            Self::Xauthority => "xauthority",
        }
    }
}

/// Counts what happens; shared by everything that belongs to one server.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: Mutex<Statistics>,
}

impl Counters {
    /// The figures of this moment.
    pub(crate) fn read(&self) -> Statistics {
        self.counts.lock().clone()
    }

    /// A connection was opened; [`Counters::disconnected`] is its end.
    pub(crate) fn connected(&self, transport: TransportKind) {
        *self.counts.lock().connections.entry(transport).or_default() += 1;
    }

    /// A connection has ended.
    pub(crate) fn disconnected(&self, transport: TransportKind) {
        let mut counts = self.counts.lock();
        let open = counts.connections.entry(transport).or_default();
        *open = open.saturating_sub(1);
    }

    /// A connection ended before it was authenticated.
    pub(crate) fn connection_failed(&self) {
        self.counts.lock().failed_connections_total += 1;
    }

    /// A session was started; [`Counters::session_ended`] is its end.
    pub(crate) fn session_started(&self, labels: SessionLabels) {
        let mut counts = self.counts.lock();
        *counts.sessions_total.entry(labels).or_default() += 1;
        *counts.sessions.entry(labels).or_default() += 1;
    }

    /// A session has ended.
    pub(crate) fn session_ended(&self, labels: SessionLabels) {
        let mut counts = self.counts.lock();
        let open = counts.sessions.entry(labels).or_default();
        *open = open.saturating_sub(1);
    }

    /// A step of a session failed.
    pub(crate) fn session_failed(&self, labels: SessionLabels, error: SessionError) {
        *self.counts.lock().sessions_errors_total.entry((labels, error)).or_default() += 1;
    }

    /// A step of X11 forwarding failed.
    pub(crate) fn x11_failed(&self, failure: X11Failure) {
        *self.counts.lock().x11_errors_total.entry(failure).or_default() += 1;
    }

    /// An SFTP session was started.
    pub(crate) fn sftp_started(&self) {
        self.counts.lock().sftp_connections_total += 1;
    }

    /// An SFTP session ended with an error.
    pub(crate) fn sftp_failed(&self) {
        self.counts.lock().sftp_server_errors_total += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_follows_from_the_first_word_in_any_case() {
        for (text, expected) in [
            ("", MagicType::Ssh),
            ("SSH", MagicType::Ssh),
            ("VSCode", MagicType::VsCode),
            ("cursor remote 1.2", MagicType::VsCode),
            ("JetBrains Gateway", MagicType::JetBrains),
            ("RubyMine", MagicType::JetBrains),
            ("ssh extra", MagicType::Unknown),
            ("vscode-insiders", MagicType::Unknown),
            ("zed", MagicType::Unknown),
        ] {
            assert_eq!(MagicType::of(text), expected, "{text:?}");
        }
    }
}
