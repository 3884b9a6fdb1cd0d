//! What the notes of a new process mean.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::{Notes, Stage};

/// What a command runs without when the system refuses it.
const EXTRAS: [(Stage, &str); 3] = [
    (Stage::OomScore, "OOM score"),
    (Stage::Nice, "niceness"),
    (Stage::OpenFiles, "limit of open files"),
];

/// Which of the extras were said to be refused, each once a launcher.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    said: [AtomicBool; EXTRAS.len()],
}

impl Warnings {
    /// Says what was refused and has not been said before.
    pub(super) fn warn(&self, notes: &Notes) {
        for ((stage, what), said) in EXTRAS.into_iter().zip(&self.said) {
            if let Some(error) = notes.error(stage)
                && !said.swap(true, Ordering::Relaxed)
            {
                let error = agent_api::io_text(&error);
                tracing::warn!(error, "commands keep agentd's {what}");
            }
        }
    }
}

/// Why the program does not execute; `None` when it does.
///
/// A process that was killed before that counts as executing: its exit tells.
pub(super) fn failure(notes: &Notes) -> Option<(Stage, io::Error)> {
    Stage::LAST.into_iter().find_map(|stage| Some((stage, notes.error(stage)?)))
}
