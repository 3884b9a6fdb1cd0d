//! Why the command did not do what it was asked.

use std::time::Duration;

use agent_exec::SpawnError;

/// Why a configuration could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// The command is not there or cannot be started.
    #[error("devcontainer could not be started")]
    Spawn(#[source] SpawnError),
    /// It took too long and was ended.
    #[error("devcontainer timed out after {}", duration_text(*after))]
    TimedOut {
        /// How long it ran.
        after: Duration,
    },
    /// It failed; the text says how, and what it printed of the cause.
    #[error("{0}")]
    Failed(String),
    /// It printed no object.
    #[error("devcontainer printed no configuration")]
    NoAnswer,
    /// It printed something that is no JSON.
    #[error("the configuration that devcontainer printed is not valid JSON")]
    Answer(#[source] serde_json::Error),
}

/// Writes a duration in the largest unit that says it exactly, as the configuration does.
pub(super) fn duration_text(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [(60 * 60 * 1000, "h"), (60 * 1000, "m"), (1000, "s"), (1, "ms")];
    let exact = units.iter().find(|(unit_ms, _)| ms.is_multiple_of(*unit_ms));
    exact.map_or_else(String::new, |(unit_ms, unit)| format!("{}{unit}", ms / unit_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_largest_exact_unit() {
        for (ms, expected) in
            [(3_600_000, "1h"), (5_400_000, "90m"), (61_000, "61s"), (1500, "1500ms")]
        {
            assert_eq!(duration_text(Duration::from_millis(ms)), expected);
        }
    }
}
