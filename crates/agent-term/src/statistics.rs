//! The service's figures, for metrics.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// Figures of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections that are attached now.
    pub connections: u64,
    /// Connections that were attached since the start.
    pub connections_total: u64,
    /// Redraws because a connection did not take its output in time.
    pub resyncs_total: u64,
    /// Failures by kind; every kind is there.
    pub errors_total: BTreeMap<ErrorType, u64>,
}

/// What failed about a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorType {
    /// Starting the program.
    CreateCommand,
    /// Reading the terminal.
    OutputReader,
    /// Keeping the terminal's state.
    WriteBuffer,
    /// Writing to a client.
    Write,
    /// Changing the size.
    Resize,
    /// Writing what a client typed.
    InputWriter,
    /// Starting `screen` for a connection.
    ScreenSpawn,
    /// Reading from `screen`.
    ScreenOutputReader,
    /// Writing to `screen`.
    ScreenWrite,
    /// Waiting for `screen`.
    ScreenWait,
}

impl ErrorType {
    const ALL: [Self; 10] = [
        Self::CreateCommand,
        Self::OutputReader,
        Self::WriteBuffer,
        Self::Write,
        Self::Resize,
        Self::InputWriter,
        Self::ScreenSpawn,
        Self::ScreenOutputReader,
        Self::ScreenWrite,
        Self::ScreenWait,
    ];

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateCommand => "create_command",
            Self::OutputReader => "output_reader",
            Self::WriteBuffer => "write_buffer",
            Self::Write => "write",
            Self::Resize => "resize",
            Self::InputWriter => "input_writer",
            Self::ScreenSpawn => "screen_spawn",
            Self::ScreenOutputReader => "screen_output_reader",
            Self::ScreenWrite => "screen_write",
            Self::ScreenWait => "screen_wait",
        }
    }
}

/// What is counted while the service runs.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    connections: AtomicU64,
    connections_total: AtomicU64,
    resyncs_total: AtomicU64,
    errors_total: [AtomicU64; ErrorType::ALL.len()],
}

impl Counters {
    pub(crate) fn attached(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.connections_total.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn detached(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn resynced(&self) {
        self.resyncs_total.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, what: ErrorType) {
        self.errors_total[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Statistics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let errors = ErrorType::ALL.map(|what| (what, count(&self.errors_total[what as usize])));
        Statistics {
            connections: count(&self.connections),
            connections_total: count(&self.connections_total),
            resyncs_total: count(&self.resyncs_total),
            errors_total: errors.into_iter().collect(),
        }
    }
}
