//! A terminal emulator without a screen: takes what a program writes and knows what a client shows.
//!
//! It behaves as xterm.js does, which is what clients are, down to where the two screens keep their cursors.
//! It draws nothing; the bytes that bring another client to its state are made in [`crate::redraw`].

mod answers;
pub(crate) mod cell;
pub(crate) mod charset;
mod commands;
mod control;
mod erase;
pub(crate) mod extras;
mod history;
pub(crate) mod line;
pub(crate) mod modes;
mod motion;
mod packer;
mod params;
mod parser;
mod print;
mod reflow;
pub(crate) mod row;
pub(crate) mod screen;
mod split;
mod style;
pub(crate) mod tabs;
pub(crate) mod terminal;
#[cfg(test)]
mod tests;
pub(crate) mod width;

use agent_exec::Size;

use self::parser::Parser;
use self::terminal::Terminal;
use crate::redraw;

/// The most lines of a screen.
pub(crate) const MAX_ROWS: u16 = 500;
/// The most columns of a screen.
pub(crate) const MAX_COLS: u16 = 1000;
/// The fewest columns: a wide character has to fit.
const MIN_COLS: u16 = 2;

/// The most bytes that are taken at once.
const MAX_BYTES: usize = 4 * 1024;

/// Cells of a screen, or a 16th of the bytes of a state, which take some milliseconds to send or to wrap anew.
const LARGE: usize = 64 * 1024;

/// How much an emulator keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Lines of scrollback; beyond, the oldest is dropped.
    pub(crate) scrollback_lines: usize,
    /// Bytes of memory of all of it. The oldest scrollback is dropped first; the screens always fit.
    pub(crate) max_memory_bytes: usize,
}

/// The state of one terminal.
#[derive(Debug)]
pub(crate) struct Emulator {
    parser: Parser,
    terminal: Terminal,
}

impl Emulator {
    /// Makes an empty terminal. A size beyond 500 rows or 1,000 columns counts as that; rows and columns have
    /// minima of 1 and 2.
    pub(crate) fn new(size: Size, limits: Limits) -> Self {
        let (rows, cols) = clamp(size);
        Self {
            parser: Parser::default(),
            terminal: Terminal::new(rows, cols, limits.scrollback_lines, limits.max_memory_bytes),
        }
    }

    /// Takes of what the program wrote, cut anywhere, as much as can be done at once: at least a byte, at most 4 KiB.
    /// Returns how much.
    ///
    /// It takes about a millisecond at most, or as long as the most expensive sequence, which is up to 15 ms
    /// on the largest screen.
    pub(crate) fn feed_some(&mut self, bytes: &[u8]) -> usize {
        let now = &bytes[..bytes.len().min(MAX_BYTES)];
        self.terminal.work = 0;
        now.len() - self.parser.feed(now, &mut self.terminal).len()
    }

    /// Takes all of what the program wrote.
    #[cfg(test)]
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[self.feed_some(bytes)..];
        }
    }

    /// Makes one of no use, for the time that the real one is elsewhere.
    pub(crate) fn placeholder() -> Self {
        Self::new(Size::default(), Limits { scrollback_lines: 0, max_memory_bytes: 0 })
    }

    /// Tells whether a redraw or another size may take longer than some milliseconds.
    pub(crate) fn is_large(&self) -> bool {
        let cells = self.terminal.rows * self.terminal.cols;
        cells >= LARGE || self.terminal.memory_bytes() >= 16 * LARGE
    }

    /// Changes the size, bounded as in [`Self::new`].
    ///
    /// Lines of the main screen and its scrollback that were wrapped softly wrap anew, and what does not fit goes
    /// to the scrollback. The alternate screen is cut or padded.
    pub(crate) fn resize(&mut self, size: Size) {
        let (rows, cols) = clamp(size);
        self.terminal.resize(rows, cols);
    }

    /// Returns the bytes that bring any client of this size to this state, whatever it showed before.
    ///
    /// What the program writes next continues them, even from the middle of a sequence or a character.
    pub(crate) fn redraw(&self) -> Vec<u8> {
        let mut bytes = redraw::redraw(&self.terminal);
        bytes.extend_from_slice(&self.parser.pending());
        bytes
    }

    #[cfg(test)]
    pub(crate) fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// The title, at most 256 characters; empty when there is none.
    pub(crate) fn title(&self) -> &str {
        self.terminal.title.as_deref().unwrap_or_default()
    }

    /// Returns the answers to what the program has asked since the last call, for when no client answers.
    ///
    /// At most 4 KiB are kept; further answers are left out.
    pub(crate) fn take_answers(&mut self) -> Vec<u8> {
        self.terminal.take_answers()
    }
}

fn clamp(size: Size) -> (usize, usize) {
    (size.rows.clamp(1, MAX_ROWS).into(), size.cols.clamp(MIN_COLS, MAX_COLS).into())
}
