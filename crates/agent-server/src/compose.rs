//! Which services the agent consists of, and what each is told; how they are reached is `api.rs`.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::Arc,
};

use agent_api::LifecycleState;
use agent_containers::Containers;
use agent_exec::{Launcher, Priority};
use agent_files::Files;
use agent_git::Git;
use agent_ports::Ports;
use agent_proc::Processes;
use agent_ssh::Ssh;
use agent_term::Terminals;
use tokio::{runtime::Handle, task::spawn_blocking};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    Config,
    containers::Insides,
    debug::Diagnostics,
    doors::{Doors, Holders},
    lifecycle::{Event, Lifecycles, Outcome},
    logs::Logs,
    metrics::{Metrics, Sources},
    scripts::Scripts,
    secrets::Secrets,
    session::Sessions,
    wiring,
};

/// The services of one agent.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) lifecycles: Lifecycles,
    pub(crate) metrics: Metrics,
    pub(crate) debug: Diagnostics,
    pub(crate) files: Files,
    pub(crate) launcher: Launcher,
    pub(crate) processes: Processes,
    pub(crate) git: Git,
    pub(crate) ssh: Ssh,
    pub(crate) terminals: Terminals,
    pub(crate) ports: Ports,
    pub(crate) containers: Containers,
    pub(crate) scripts: Scripts,
    /// Nothing more is told from one capability to another.
    told: CancellationToken,
    tasks: TaskTracker,
}

impl Services {
    /// Makes the services of a configuration; nothing is touched yet.
    pub(crate) fn new(
        config: &Config,
        agent_id: Uuid,
        lifecycles: Lifecycles,
        logs: &Logs,
        secrets: &[(String, OsString)],
    ) -> Self {
        let launcher = launcher(config, agent_id);
        let sessions = Sessions::new(config, secrets);
        let processes =
            Processes::new(processes(config), launcher.clone(), Arc::new(sessions.clone()));
        let git = Git::new(git(config), launcher.clone());
        let containers = Containers::new(
            containers(config, agent_id),
            launcher.clone(),
            Arc::new(sessions.clone()),
        );
        let insides = Arc::new(Insides(containers.clone()));
        let ssh = Ssh::new(ssh(config), launcher.clone(), Arc::new(sessions.clone()))
            .with_containers(insides.clone());
        let terminals =
            Terminals::new(terminals(config), launcher.clone(), Arc::new(sessions.clone()))
                .with_containers(insides);
        let doors = Doors { ssh: ssh.clone(), terminals: terminals.clone() };
        let owners = Holders(processes.clone());
        let ports = Ports::new(config.ports.clone(), Arc::new(doors), Arc::new(owners));
        let metrics = Metrics::new(Sources {
            lifecycles: lifecycles.clone(),
            logs: logs.clone(),
            processes: processes.clone(),
            git: git.clone(),
            ssh: ssh.clone(),
            terminals: terminals.clone(),
            ports: ports.clone(),
            containers: containers.clone(),
        });
        let (runs, counts) = (lifecycles.script_runs().clone(), metrics.scripts().clone());
        Self {
            debug: Diagnostics::new(config, logs.clone()),
            files: Files::new(agent_files::Config {
                directory: config.directory.clone(),
                umask: config.umask,
                ..agent_files::Config::new(&config.home, &config.state_dir)
            }),
            scripts: Scripts::new(config, launcher.clone(), sessions, runs, counts),
            launcher,
            processes,
            git,
            ssh,
            terminals,
            ports,
            containers,
            metrics,
            lifecycles,
            told: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Lets capabilities tell each other what happens from now on.
    pub(crate) fn connect(&self) {
        let (git, told) = (self.git.clone(), self.told.clone());
        self.tasks.spawn(wiring::feed_files(self.files.events(), git.clone(), told.clone()));
        self.tasks.spawn(wiring::feed_processes(self.processes.events(), git, told));
    }

    /// Begins what belongs to the start while every operation answers already: secrets are written,
    /// start scripts run, dev containers come up, the state follows, scripts begin to run by the
    /// clock.
    pub(crate) fn start(&self, secrets: Secrets) {
        self.tasks.spawn(follow_processes(self.processes.clone()));
        self.containers.run();
        if secrets.have_files() || self.scripts.have_start() || self.containers.have_start() {
            self.tasks.spawn(self.clone().run_start(secrets));
        } else {
            // What is still to be found in projects is no part of the start.
            let containers = self.containers.clone();
            self.tasks.spawn(async move { containers.start().await });
            self.started(Outcome::Ok);
        }
    }

    async fn run_start(self, secrets: Secrets) {
        // Only a runtime that ends keeps them from being written.
        let _ = spawn_blocking(move || secrets.write_files()).await;
        let outcome = self.scripts.run_start().await;
        // An agent that stops already brings nothing up any more.
        let is_starting = self.lifecycles.state() == LifecycleState::Starting;
        let are_up = !is_starting || self.containers.start().await;
        self.started(if are_up { outcome } else { outcome.and_failed() });
    }

    fn started(&self, outcome: Outcome) {
        self.lifecycles.record(Event::Started(outcome));
        self.scripts.begin_cron();
    }

    /// Stops every capability at the same time: what has begun ends, nothing new begins.
    pub(crate) async fn shutdown(&self) {
        self.tasks.close();
        let tellers = async {
            tokio::join!(self.files.shutdown(), self.processes.shutdown());
            // What they told is still recorded.
            self.told.cancel();
        };
        tokio::join!(
            tellers,
            self.git.shutdown(),
            self.containers.shutdown(),
            self.ports.shutdown(),
            self.scripts.shutdown(),
            self.tasks.wait()
        );
    }

    /// Ends what people are connected to: their sessions and terminals, and what runs in them.
    pub(crate) async fn disconnect(&self) {
        tokio::join!(self.ssh.shutdown(), self.terminals.shutdown());
    }

    /// Kills what is left of every tree that the agent started.
    pub(crate) async fn cut(&self) {
        tokio::join!(
            self.processes.kill_all(),
            self.ssh.kill_all(),
            self.terminals.kill_all(),
            self.scripts.cut(),
            self.containers.kill_all(),
        );
    }

    /// Begins to kill what is left, where nobody can wait for it.
    pub(crate) fn abort(&self) {
        // Without a runtime there is nothing that could have started anything, or it is gone.
        if let Ok(runtime) = Handle::try_current() {
            let services = self.clone();
            self.tasks.spawn_on(async move { services.cut().await }, &runtime);
        }
    }
}

/// Takes over the processes that an earlier agent left.
async fn follow_processes(processes: Processes) {
    if let Err(error) = processes.start().await {
        let error = agent_api::causes(Some(&error));
        tracing::warn!(error, "cannot read the processes of an earlier agent");
    }
}

fn processes(config: &Config) -> agent_proc::Config {
    let settings = config.processes;
    agent_proc::Config {
        directory: config.directory.clone(),
        output_quota_bytes: settings.output_quota_bytes,
        total_output_quota_bytes: settings.total_output_quota_bytes,
        max_running: settings.max_running,
        kill_grace: settings.kill_grace,
        retention: settings.retention,
        max_exited: settings.max_exited,
        tombstones: settings.tombstones,
        max_tombstones: settings.max_tombstones,
        ..agent_proc::Config::new(&config.state_dir, &config.home)
    }
}

fn ssh(config: &Config) -> agent_ssh::Config {
    agent_ssh::Config {
        state_dir: config.state_dir.clone(),
        version: crate::VERSION.to_owned(),
        authorized_keys: config.authorized_keys(),
        ..config.ssh.clone()
    }
}

fn terminals(config: &Config) -> agent_term::Config {
    let path = config.inherited.0.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    agent_term::Config { state_dir: config.state_dir.clone(), path, ..config.terminals.clone() }
}

fn containers(config: &Config, agent_id: Uuid) -> agent_containers::Config {
    agent_containers::Config {
        agent_id,
        state_dir: config.state_dir.clone(),
        home: config.home.clone(),
        directory: config.directory.clone(),
        ..config.containers.clone()
    }
}

fn git(config: &Config) -> agent_git::Config {
    let own = &config.inherited.0;
    let is_absolute = |directory: &PathBuf| directory.is_absolute();
    let mut settings = agent_git::Config::new(&config.state_dir, &config.home);
    // Relative ones count as unset (XDG Base Directory Specification).
    settings.xdg_config_home =
        own.get(OsStr::new("XDG_CONFIG_HOME")).map(PathBuf::from).filter(is_absolute);
    // The agent's own, so that no child can choose which `git` the agent runs.
    if let Some(path) = own.get(OsStr::new("PATH")).filter(|path| !path.is_empty()) {
        settings.path.clone_from(path);
    }
    settings
}

/// What starts every command of the agent.
fn launcher(config: &Config, agent_id: Uuid) -> Launcher {
    let settings = config.processes;
    let priority = Priority { oom_score_adj: settings.oom_score_adj, nice: settings.nice };
    Launcher::new(agent_exec::Config {
        cgroup_name: format!("agentd-{agent_id}"),
        priority: settings.child_priority.then_some(priority),
        open_files: config.open_files,
        ..agent_exec::Config::default()
    })
}
