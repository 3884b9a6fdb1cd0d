//! Words of the agent's own life: greeting, health, states, and what it publishes when it listens.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Answer of `get_greeting`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// A sentence for people.
    pub message: String,
}

/// Answer of `check_health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
}

/// A step in the agent's life; only later ones follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LifecycleState {
    /// The agent exists and listens to nobody yet.
    Created,
    /// Every listener is bound; start scripts run.
    Starting,
    /// Everything that should run at the start ended well.
    Ready,
    /// Something of it failed; the agent is as usable as when ready.
    StartError,
    /// Something of it took too long; the agent is as usable as when ready.
    StartTimeout,
    /// The agent is stopping.
    ShuttingDown,
    /// Something that should run at the stop failed.
    ShutdownError,
    /// Something of it took too long.
    ShutdownTimeout,
    /// Everything is stopped.
    Off,
    /// A state of a newer agent.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A state and when it was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// The state.
    pub state: LifecycleState,
    /// When it was reached.
    pub at: Timestamp,
}

/// Answer of `get_lifecycle`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// The present state.
    pub state: LifecycleState,
    /// Every state reached so far, oldest first, the present one last.
    #[serde(default, deserialize_with = "crate::null::as_default")]
    pub history: Vec<StateChange>,
    /// Configured scripts that have run, in the order of the configuration.
    #[serde(default, deserialize_with = "crate::null::as_default")]
    pub scripts: Vec<ScriptRun>,
}

/// When a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScriptStage {
    /// At the start.
    Start,
    /// At the stop.
    Stop,
    /// By the clock.
    Cron,
    /// A stage of a newer agent.
    #[serde(other)]
    Unknown,
}

/// How a run of a script stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScriptStatus {
    /// It runs.
    Running,
    /// It ended with 0.
    Ok,
    /// It ended otherwise.
    ExitFailure,
    /// It was ended for taking too long.
    TimedOut,
    /// It ended, and something still held its output; counts as success.
    PipesLeftOpen,
    /// A status of a newer agent.
    #[serde(other)]
    Unknown,
}

/// One run of a configured script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRun {
    /// Its configured name.
    pub name: String,
    /// Why it ran.
    pub stage: ScriptStage,
    /// How it stands.
    pub status: ScriptStatus,
    /// 128+n for a signal, 255 when it could not be started; absent while running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; absent while running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// Query of `get_debug_logs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetDebugLogsRequest {
    /// Adds the rotated logs that were modified at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Timestamp>,
}

/// What a listening agent publishes: `run/agentd.json`, and one line on its stdout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// Process id.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// UUID of the agent, kept over restarts.
    pub agent_id: String,
    /// When it began to listen.
    pub started_at: Timestamp,
    /// TCP addresses of the API, real ports.
    #[serde(default, deserialize_with = "crate::null::as_default")]
    pub http: Vec<String>,
    /// Unix sockets of the API, absolute paths.
    #[serde(default, deserialize_with = "crate::null::as_default")]
    pub http_unix: Vec<String>,
    /// TCP addresses of the SSH server.
    #[serde(default, deserialize_with = "crate::null::as_default")]
    pub ssh: Vec<String>,
    /// Unix sockets of the SSH server.
    #[serde(default, deserialize_with = "crate::null::as_default")]
    pub ssh_unix: Vec<String>,
}
