//! The three standard streams and what is known about them; the rest of the crate never touches
//! those of the process, so a test can pass its own.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter};
use tokio_util::sync::CancellationToken;

use crate::{
    Signals, Terminal,
    stdio::{Sink, Source, close_stdout},
};

/// Bytes of output that are collected before they are written.
const STDOUT_BUFFER: usize = 64 * 1024;

/// A source of bytes that can be sent to the agent.
pub type Input = Box<dyn AsyncRead + Send + Unpin>;

/// The streams of one run.
pub struct Io {
    /// Where content comes from that the arguments do not hold; `None` once it was taken.
    pub stdin: Option<Input>,
    /// Where results go.
    pub stdout: BufWriter<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Where everything else goes.
    pub stderr: Box<dyn Write + Send>,
    /// Where a program that runs on the agent writes its errors; `None` is `stderr`, which then
    /// holds up everything else when nobody reads it.
    pub program_stderr: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// The terminal that stdin is, if it is one.
    pub terminal: Option<Terminal>,
    /// The terminal that stdout is, if it is one.
    pub screen: Option<Terminal>,
    /// Whether a person sees stdout.
    pub stdout_is_terminal: bool,
    /// Whether a person sees stderr.
    pub stderr_is_terminal: bool,
    /// Whether text can be put anywhere on the screen.
    pub can_draw: bool,
    /// Whether stdout has colors when the arguments do not decide it.
    pub colors: bool,
    /// Canceled by SIGINT; the command in progress is then dropped, and its temporary files with it.
    pub interrupt: CancellationToken,
    /// What else of this machine a program on the agent may be given.
    pub surroundings: Surroundings,
    /// Where signals come from for a command that handles them itself.
    pub signals: Signals,
    /// Whether the terminal is in raw mode, in which a line ending does not return to the left.
    pub(crate) is_raw: bool,
}

impl Io {
    /// The streams of this process.
    ///
    /// Colors are on when stdout is a terminal and neither `NO_COLOR` nor `TERM=dumb` is in the
    /// environment (<https://no-color.org>), or when `CLICOLOR_FORCE` is.
    pub fn standard() -> Self {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        Self {
            stdin: Some(Box::new(Source::new(rustix::stdio::stdin()))),
            program_stderr: Some(Box::new(Sink::new(rustix::stdio::stderr()))),
            terminal: Terminal::of(std::io::stdin()),
            screen: Terminal::of(std::io::stdout()),
            colors: choice != anstream::ColorChoice::Never,
            can_draw: !is_dumb(),
            surroundings: Surroundings::from_process(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            ..Self::new(
                Sink::new(rustix::stdio::stdout()).closed_by(close_stdout),
                std::io::stderr(),
            )
        }
    }

    /// Streams that nobody sees and that bring nothing in.
    pub fn new(
        stdout: impl AsyncWrite + Send + Unpin + 'static,
        stderr: impl Write + Send + 'static,
    ) -> Self {
        Self {
            stdin: Some(Box::new(tokio::io::empty())),
            stdout: BufWriter::with_capacity(STDOUT_BUFFER, Box::new(stdout)),
            stderr: Box::new(stderr),
            program_stderr: None,
            terminal: None,
            screen: None,
            can_draw: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            colors: false,
            interrupt: CancellationToken::new(),
            surroundings: Surroundings::default(),
            signals: Signals::default(),
            is_raw: false,
        }
    }
}

/// What belongs to the person beside the streams: the kind of terminal, a display, keys.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `TERM`.
    pub term: Option<String>,
    /// `DISPLAY`.
    pub display: Option<String>,
    /// The file with the cookies of displays: `XAUTHORITY`, or `.Xauthority` in the home.
    pub xauthority: Option<PathBuf>,
    /// `SSH_AUTH_SOCK`: the socket of whoever has the keys.
    pub agent_socket: Option<PathBuf>,
}

impl Surroundings {
    #[expect(
        clippy::disallowed_methods,
        reason = "what belongs to the streams' person is read here"
    )]
    fn from_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name| set(name).and_then(|value| value.into_string().ok());
        let usual = || std::env::home_dir().map(|home| home.join(".Xauthority"));
        Self {
            term: text("TERM"),
            display: text("DISPLAY"),
            xauthority: set("XAUTHORITY").map(PathBuf::from).or_else(usual),
            agent_socket: set("SSH_AUTH_SOCK").map(PathBuf::from),
        }
    }
}

/// Whether terminals are said to know nothing but lines; an empty name is no terminal's either.
fn is_dumb() -> bool {
    #[expect(clippy::disallowed_methods, reason = "TERM belongs to the terminal as the streams do")]
    let term = std::env::var_os("TERM");
    term.is_none_or(|term| term.is_empty() || term == "dumb")
}

impl std::fmt::Debug for Io {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Io")
            .field("stdout_is_terminal", &self.stdout_is_terminal)
            .field("stderr_is_terminal", &self.stderr_is_terminal)
            .field("colors", &self.colors)
            .finish_non_exhaustive()
    }
}
