//! What a command prints, in the form that was asked for; not what it says.

use std::{borrow::Cow, fmt::Display, io};

use serde::Serialize;
use tokio::io::AsyncWriteExt;

use crate::{
    Error, Io,
    format::without_controls,
    palette::{Palette, Part},
};

/// The streams of one run with the choices about them.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    /// The streams.
    pub(crate) io: &'a mut Io,
    /// Whether results are JSON.
    pub(crate) json: bool,
    /// Whether only results and failures are wanted.
    pub(crate) quiet: bool,
    /// The colors of stdout.
    pub(crate) palette: Palette,
}

impl Output<'_> {
    /// Prints one line of a result.
    pub(crate) async fn line(&mut self, line: impl Display) -> Result<(), Error> {
        self.bytes(format!("{line}\n").as_bytes()).await
    }

    /// Prints bytes of a result as they are.
    pub(crate) async fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.io.stdout.write_all(bytes).await.map_err(Error::Stdout)
    }

    /// Prints a response as one line of JSON.
    pub(crate) async fn json<T: Serialize>(&mut self, response: &T) -> Result<(), Error> {
        let json =
            serde_json::to_string(response).map_err(|e| Error::Stdout(io::Error::other(e)))?;
        self.line(json).await
    }

    /// Prints the response when JSON was asked for, else a sentence, which `--quiet` leaves out.
    pub(crate) async fn done<T: Serialize>(
        &mut self,
        response: &T,
        sentence: impl Display,
    ) -> Result<(), Error> {
        match (self.json, self.quiet) {
            (true, _) => self.json(response).await,
            (false, true) => Ok(()),
            (false, false) => self.line(sentence).await,
        }
    }

    /// Prints a text with a final line ending, whether it has one or not; an empty one not at all.
    pub(crate) async fn text(&mut self, text: &str) -> Result<(), Error> {
        self.bytes(text.as_bytes()).await?;
        if text.is_empty() || text.ends_with('\n') { Ok(()) } else { self.bytes(b"\n").await }
    }

    /// Hands everything printed so far to the reader of stdout.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        self.io.stdout.flush().await.map_err(Error::Stdout)
    }

    /// Tells the person something beside the results, unless they asked for quiet.
    pub(crate) fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.problem(text);
        }
    }

    /// Tells the person what went wrong.
    pub(crate) fn problem(&mut self, text: impl Display) {
        report(self.io, text);
    }

    /// A path or name as it is printed: to a terminal without control characters.
    pub(crate) fn name<'t>(&self, name: &'t str) -> Cow<'t, str> {
        if self.io.stdout_is_terminal { without_controls(name) } else { Cow::Borrowed(name) }
    }

    /// The text, colored as what it is.
    pub(crate) fn paint<T: Display>(&self, part: Part, text: T) -> impl Display + use<T> {
        self.palette.paint(part, text)
    }
}

/// Writes a message to stderr, after the program's name; to a terminal without control characters
/// but line endings and tabs.
pub(crate) fn report(io: &mut Io, text: impl Display) {
    let mut text = format!("agentctl: {text}\n");
    if io.stderr_is_terminal {
        let kept = |c: char| matches!(c, '\n' | '\t') || !c.is_control();
        text = text.chars().map(|c| if kept(c) { c } else { '?' }).collect();
        if io.is_raw {
            text = text.replace('\n', "\r\n");
        }
    }
    // A message that nobody can receive is nobody's loss.
    let _ = io.stderr.write_all(text.as_bytes());
}
