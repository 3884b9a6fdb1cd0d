//! One agent, from bound listeners to nothing left; signals and process-wide matters are the
//! program's.
//!
//! ```text
//!  bind ──▶ serving ──▶ draining ──▶ off
//!                          │ request_grace, shutdown_timeout, abort
//!                          └──────────▶ cut
//! ```

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use agent_api::AgentInfo;
use agent_containers::Containers;
use agent_exec::Children;
use agent_files::Files;
use agent_git::Git;
use agent_http::{Access, Listener, Peer, Server, Trust};
use agent_ports::Ports;
use agent_proc::Processes;
use agent_ssh::Ssh;
use agent_term::Terminals;
use parking_lot::Mutex;
use tokio::{io::DuplexStream, task::spawn_blocking, time::timeout};
use tracing::{info, warn};

use crate::{
    Auth, Config, Diagnostics, Lifecycles, Logs, Metrics, StartError, api,
    compose::Services,
    lifecycle::Event,
    listeners::{Listeners, SocketFile},
    secrets::Secrets,
    state_dir::{StateDir, make_private_dir},
};

/// A running agent: whoever has it can reach it.
///
/// Several agents live in one process as long as each has its own state directory. Dropping one
/// cuts it.
#[derive(Debug)]
pub struct Agent {
    server: Server,
    services: Services,
    logs: Logs,
    info: AgentInfo,
    token_path: Option<PathBuf>,
    request_grace: Duration,
    shutdown_timeout: Duration,
    /// Taken once, by whoever ends the agent.
    left: Mutex<Option<Left>>,
}

/// What an agent leaves on the disk while it runs.
#[derive(Debug)]
struct Left {
    state: StateDir,
    sockets: Vec<SocketFile>,
}

/// How an agent stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stopped {
    /// Everything ended in time.
    Clean,
    /// Something had to be cut.
    Cut,
}

/// The part of `request_grace` in which requests that wait get their answers.
const ANSWER_TIME: Duration = Duration::from_millis(500);
/// Longest time that capabilities get to stop.
const SERVICES_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for what is killed; short, because a person or a platform waits for the end.
const KILL_TIMEOUT: Duration = Duration::from_millis(600);
/// Longest wait for connections to close once no request is open.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for the last lines of the log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes in flight on a stream in this process, each way.
const DUPLEX_BYTES: usize = 64 * 1024;

impl Agent {
    /// Starts an agent; returns when every listener is bound.
    ///
    /// Its log has no lines: they come from a subscriber, which only a program sets.
    ///
    /// # Errors
    ///
    /// [`StartError`]'s variants; then nothing is left behind but the state directory.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let logs = Logs::start(None).map_err(StartError::Process)?;
        Self::bind_with(config, logs).await
    }

    /// Starts an agent that writes to a log of the caller's.
    ///
    /// # Errors
    ///
    /// [`StartError`]'s variants; then nothing is left behind but the state directory.
    pub async fn bind_with(config: Config, logs: Logs) -> Result<Self, StartError> {
        let created = Lifecycles::new();
        let state = StateDir::open(&config.state_dir)?;
        if let Err(error) = logs.open(&config.log_dir()) {
            let error = agent_api::io_text(&error);
            warn!(error, path = %config.log_dir().display(), "cannot open the log");
        }
        let token = state.token(config.token_file.as_deref())?;
        let agent_id = config.agent_id.map_or_else(|| state.agent_id(), Ok)?;
        let listeners = Listeners::bind(&config, &state.run_dir())?;

        let secrets = read_secrets(&config).await;
        let services = Services::new(&config, agent_id, created, &logs, secrets.variables());
        let access = Access {
            token: (config.auth == Auth::Token).then_some(token),
            allowed_origins: config.allowed_origins.clone(),
        };
        let observer = Arc::new(services.metrics.clone());
        services.ssh.prepare().await?;
        let server = Server::new(api::router(&services), access, config.http, observer);
        let mut info = AgentInfo {
            pid: std::process::id(),
            version: crate::VERSION.to_owned(),
            agent_id: agent_id.to_string(),
            started_at: SystemTime::now().into(),
            ..AgentInfo::default()
        };
        services.connect();
        services.lifecycles.record(Event::Listening);
        let sockets = listen(&server, &services.ssh, listeners, &mut info)?;
        if let Err(error) = state.publish(&info) {
            let error = agent_api::io_text(&error);
            warn!(error, "cannot write run/agentd.json");
        }
        services.start(secrets);
        Ok(Self {
            server,
            services,
            logs,
            info,
            token_path: token_path(&config),
            request_grace: config.request_grace,
            shutdown_timeout: config.shutdown_timeout,
            left: Mutex::new(Some(Left { state, sockets })),
        })
    }

    /// What the agent publishes about itself, with the real addresses.
    pub fn info(&self) -> &AgentInfo {
        &self.info
    }

    /// The file with the token; `None` when none is asked for.
    pub fn token_path(&self) -> Option<&std::path::Path> {
        self.token_path.as_deref()
    }

    /// The agent's states.
    pub fn lifecycles(&self) -> &Lifecycles {
        &self.services.lifecycles
    }

    /// The agent's files, as its routes serve them.
    pub fn files(&self) -> &Files {
        &self.services.files
    }

    /// The agent's processes, as its routes serve them; whoever wants to hear of their ends takes
    /// [`Processes::events`].
    pub fn processes(&self) -> &Processes {
        &self.services.processes
    }

    /// The agent's repositories, as its routes serve them.
    pub fn git(&self) -> &Git {
        &self.services.git
    }

    /// The agent's SSH server, as its listeners serve it.
    pub fn ssh(&self) -> &Ssh {
        &self.services.ssh
    }

    /// The agent's terminals, as its routes serve them.
    pub fn terminals(&self) -> &Terminals {
        &self.services.terminals
    }

    /// The agent's tunnels and the ports of the workspace, as its routes serve them.
    pub fn ports(&self) -> &Ports {
        &self.services.ports
    }

    /// The agent's containers and dev containers, as its routes serve them.
    pub fn containers(&self) -> &Containers {
        &self.services.containers
    }

    /// The agent's diagnostics.
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.services.debug
    }

    /// The agent's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.services.metrics
    }

    /// The children that somebody in the agent waits for, which a reaper leaves alone.
    pub fn children(&self) -> &Children {
        self.services.launcher.children()
    }

    /// Connects a caller in this process, whose requests need no token.
    pub fn connect_in_process(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(DUPLEX_BYTES);
        self.server.connect(far, Peer::in_process());
        near
    }

    /// Stops in order: new requests are refused, open ones may finish for `request_grace`, stop
    /// scripts run, everything that the agent started ends, and all is over after
    /// `shutdown_timeout`; what is left then is killed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the agent half stopped; [`Agent::cut`] ends it.
    pub async fn shutdown(&self) -> Stopped {
        let stopped = timeout(self.shutdown_timeout, self.drain()).await;
        match stopped.unwrap_or(Stopped::Cut) {
            Stopped::Clean => self.end(Stopped::Clean),
            Stopped::Cut => self.cut().await,
        }
    }

    /// Stops at once: cuts what is open and kills what is left of everything the agent started.
    pub async fn cut(&self) -> Stopped {
        self.services.lifecycles.record(Event::StopRequested);
        if timeout(KILL_TIMEOUT, self.services.cut()).await.is_err() {
            warn!("something that the agent started may have survived");
        }
        self.end(Stopped::Cut)
    }

    async fn drain(&self) -> Stopped {
        self.services.lifecycles.record(Event::StopRequested);
        self.server.begin_drain();
        self.services.ports.begin_drain();
        self.unlink_sockets();
        self.services.scripts.end_cron();
        info!("shutting down");
        // Beside the requests: both have their own times.
        let (is_drained, ()) = tokio::join!(self.drain_requests(), self.services.disconnect());
        if !is_drained {
            self.server.shutdown(Duration::ZERO).await;
        }
        // Connections without a request stay meanwhile, so that a late one gets its 503.
        let outcome = self.services.scripts.run_stop().await;
        self.services.lifecycles.record(Event::Stopped(outcome));
        // A connection without a request has nothing to lose, so cutting it is no fault.
        self.server.shutdown(CLOSE_TIMEOUT).await;
        let is_ended = timeout(SERVICES_TIMEOUT, self.services.shutdown()).await.is_ok();
        if is_drained && is_ended { Stopped::Clean } else { Stopped::Cut }
    }

    /// Lets open requests finish; those that wait for a process get their answer just before the
    /// time is over. Answers whether none is left.
    async fn drain_requests(&self) -> bool {
        let answer_time = ANSWER_TIME.min(self.request_grace / 2);
        if timeout(self.request_grace - answer_time, self.server.drained()).await.is_ok() {
            return true;
        }
        self.services.processes.end_waits();
        timeout(answer_time, self.server.drained()).await.is_ok()
    }

    fn unlink_sockets(&self) {
        if let Some(left) = self.left.lock().as_mut() {
            left.sockets.clear();
        }
    }

    /// Takes away everything that is left, the first time.
    fn end(&self, stopped: Stopped) -> Stopped {
        self.server.abort();
        if let Some(Left { state, sockets }) = self.left.lock().take() {
            drop(sockets);
            self.services.lifecycles.record(Event::Gone);
            info!(cut = stopped == Stopped::Cut, "stopped");
            self.logs.flush(FLUSH_TIMEOUT);
            state.close();
        }
        stopped
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.left.lock().is_some() {
            self.services.lifecycles.record(Event::StopRequested);
            self.services.abort();
            let _ = self.end(Stopped::Cut);
        }
    }
}

/// Reads what the secrets give, and makes the directory in front of every child's `PATH`.
async fn read_secrets(config: &Config) -> Secrets {
    let (secrets, bin_dir) = (config.secrets.clone(), config.state_dir.join("bin"));
    let read = move || {
        if let Err(error) = make_private_dir(&bin_dir) {
            let error = agent_api::io_text(&error);
            warn!(error, path = %bin_dir.display(), "cannot make a directory for programs");
        }
        Secrets::read(&secrets)
    };
    spawn_blocking(read).await.unwrap_or_default()
}

/// Serves every listener, and notes where they are.
fn listen(
    server: &Server,
    ssh: &Ssh,
    listeners: Listeners,
    info: &mut AgentInfo,
) -> Result<Vec<SocketFile>, StartError> {
    for listener in listeners.tcp {
        let address = listener.local_addr().map_err(StartError::Process)?;
        info.http.push(address.to_string());
        server.listen(Listener::tcp(listener, Trust::Token).map_err(StartError::Process)?);
    }
    let own_uid = rustix::process::geteuid().as_raw();
    let mut sockets = Vec::new();
    for (listener, file) in listeners.unix {
        info.http_unix.push(file.path().to_string_lossy().into_owned());
        server.listen(Listener::unix(listener, own_uid));
        sockets.push(file);
    }
    for listener in listeners.ssh {
        let address = listener.local_addr().map_err(StartError::Process)?;
        info.ssh.push(address.to_string());
        ssh.listen_tcp(listener);
    }
    for (listener, file) in listeners.ssh_unix {
        info.ssh_unix.push(file.path().to_string_lossy().into_owned());
        ssh.listen_unix(listener);
        sockets.push(file);
    }
    Ok(sockets)
}

fn token_path(config: &Config) -> Option<PathBuf> {
    match (config.auth, &config.token_file) {
        (Auth::None, _) => None,
        (Auth::Token, Some(path)) => Some(path.clone()),
        (Auth::Token, None) => Some(config.state_dir.join("token")),
    }
}
