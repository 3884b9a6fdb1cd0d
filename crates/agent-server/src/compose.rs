//! Which services the agent consists of, and what each is told; how they are reached is `api.rs`.

use agent_files::Files;

use crate::{Config, debug::Diagnostics, lifecycle::Lifecycles, logs::Logs, metrics::Metrics};

/// The services of one agent.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) lifecycles: Lifecycles,
    pub(crate) metrics: Metrics,
    pub(crate) debug: Diagnostics,
    pub(crate) files: Files,
}

impl Services {
    /// Makes the services of a configuration; nothing is touched yet.
    pub(crate) fn new(config: &Config, lifecycles: Lifecycles, logs: &Logs) -> Self {
        Self {
            metrics: Metrics::new(lifecycles.clone(), logs.clone()),
            debug: Diagnostics::new(config, logs.clone()),
            files: Files::new(agent_files::Config {
                directory: config.directory.clone(),
                umask: config.umask,
                ..agent_files::Config::new(&config.home, &config.state_dir)
            }),
            lifecycles,
        }
    }

    /// Stops every capability at the same time: what has begun ends, nothing new begins.
    pub(crate) async fn shutdown(&self) {
        self.files.shutdown().await;
    }
}
