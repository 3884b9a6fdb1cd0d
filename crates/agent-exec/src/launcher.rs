//! Starts commands: what all of them have in common, probed once; not the single spawn.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::child::Unclaimed;
use crate::spawn::{self, Means};
use crate::stdio::Budget;
use crate::{Child, Children, Command, Limits, SpawnError};

/// What every command of a launcher has in common.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether commands get cgroups of their own.
    pub cgroups: Cgroups,
    /// Name of the directory, below agentd's own cgroup, that holds those of the commands.
    ///
    /// Two agents on one machine need different names.
    pub cgroup_name: String,
    /// OOM score and niceness of commands; `None` leaves agentd's.
    pub priority: Option<Priority>,
    /// Soft limit of open files that commands get, at most the hard one; `None` leaves agentd's.
    pub open_files: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cgroups: Cgroups::Auto,
            cgroup_name: "agentd".into(),
            priority: Some(Priority::default()),
            open_files: None,
        }
    }
}

/// Whether commands get cgroups of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cgroups {
    /// Where the system lets agentd create them; otherwise trees are found in `/proc`.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// How commands stand back behind agentd.
///
/// Set before the program executes. What the system refuses is logged once a launcher and kind,
/// and the command runs all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priority {
    /// `oom_score_adj`, -1000 to 1000 (proc_pid_oom_score_adj(5)).
    ///
    /// `None`: 0 if agentd's is negative, 1000 if agentd's is 998 or more, else 998.
    pub oom_score_adj: Option<i32>,
    /// Niceness, -20 to 19. `None`: agentd's + 5, at most 19.
    pub nice: Option<i32>,
}

/// Starts commands. Cheap to clone; the clones share their probes and their [`Children`].
#[derive(Clone, Debug)]
pub struct Launcher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) children: Children,
    pub(crate) budget: Budget,
    pub(crate) means: Means,
}

impl Launcher {
    /// Prepares a launcher; looks at nothing before the first command.
    pub fn new(config: Config) -> Self {
        let shared = Shared {
            config,
            children: Children::default(),
            budget: Budget::default(),
            means: Means::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Behaves from now on as on a system that refuses `clone3`. For tests.
    #[doc(hidden)]
    pub fn refuse_clone3(&self) {
        self.shared.means.refuse_clone3();
    }

    /// Starts a command; returns when its program is executing.
    ///
    /// It becomes the leader of a session and process group of its own, with descriptors 0 to 2
    /// only, the default action for every signal, none blocked, and agentd's umask.
    /// Needs a Tokio runtime with I/O; the work is done on its blocking pool.
    ///
    /// # Errors
    ///
    /// What was refused; nothing of the command is left then.
    ///
    /// # Cancellation
    ///
    /// The spawn runs to its end, and a command whose [`Child`] nobody takes is killed with its
    /// whole tree and collected.
    pub async fn spawn(&self, command: Command) -> Result<Child, SpawnError> {
        let shared = self.shared.clone();
        let spawned = spawn_blocking(move || spawn::spawn(&shared, &command)).await;
        let unclaimed = spawned.map_err(|stopped| SpawnError::System {
            step: "start a command while the agent's runtime stops",
            source: stopped.into(),
        })??;
        Ok(unclaimed.claim())
    }

    /// Starts a command from a thread of the blocking pool, as [`Launcher::spawn`] does; for one
    /// who has more to do there.
    ///
    /// # Errors
    ///
    /// As [`Launcher::spawn`].
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime with I/O.
    pub fn spawn_blocking(&self, command: &Command) -> Result<Child, SpawnError> {
        spawn::spawn(&self.shared, command).map(Unclaimed::claim)
    }

    /// The children of this launcher that have not been collected yet.
    pub fn children(&self) -> &Children {
        &self.shared.children
    }

    /// Whether these limits can be enforced here: there is a cgroup v2 that agentd may create,
    /// with the controllers they need.
    ///
    /// The first call probes the system on the blocking pool.
    pub async fn supports(&self, limits: &Limits) -> bool {
        let (launcher, limits) = (self.clone(), *limits);
        let probe = move || launcher.supports_blocking(&limits);
        limits.is_empty() || spawn_blocking(probe).await.unwrap_or(false)
    }

    /// The same from a thread that may block.
    pub fn supports_blocking(&self, limits: &Limits) -> bool {
        limits.is_empty() || self.shared.means.supports(&self.shared.config, limits)
    }
}
