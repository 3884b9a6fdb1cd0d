//! The three standard streams and what is known about them; the rest of the crate never touches
//! those of the process, so a test can pass its own.

use std::io::{IsTerminal, Write};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter};
use tokio_util::sync::CancellationToken;

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
    /// Whether a person sees stdout.
    pub stdout_is_terminal: bool,
    /// Whether a person sees stderr.
    pub stderr_is_terminal: bool,
    /// Whether stdout has colors when the arguments do not decide it.
    pub colors: bool,
    /// Canceled by SIGINT; the command in progress is then dropped, and its temporary files with it.
    pub interrupt: CancellationToken,
}

impl Io {
    /// The streams of this process.
    ///
    /// Colors are on when stdout is a terminal and neither `NO_COLOR` nor `TERM=dumb` is in the
    /// environment (<https://no-color.org>), or when `CLICOLOR_FORCE` is.
    pub fn standard() -> Self {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        Self {
            stdin: Some(Box::new(tokio::io::stdin())),
            colors: choice != anstream::ColorChoice::Never,
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            ..Self::new(tokio::io::stdout(), std::io::stderr())
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
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            colors: false,
            interrupt: CancellationToken::new(),
        }
    }
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
