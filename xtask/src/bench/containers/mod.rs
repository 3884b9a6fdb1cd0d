//! `bench containers`: the agent beside the docker client and the devcontainer command, on one engine.

mod events;
mod recreate;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agent_test::{Engine, devcontainer_bin};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::agent::{self, Agent};
use super::client::Client;
use super::ssh::servers::{Keys, Server};
use super::table::{Figure, Quantity, Table, Target};
use super::times::{Times, in_turns};
use crate::shell;

/// Containers that run, and are there while nothing happens.
const RUNNING: usize = 50;
/// Containers that are listed.
const LISTED: usize = 100;
/// Lists of each side.
const LISTS: usize = 40;
/// Commands in a container of each side.
const EXECS: usize = 40;
/// How long nothing happens, and how often the reference asks meanwhile.
const IDLE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(10);

/// An engine with an agent that follows it.
struct Site {
    engine: Engine,
    agent: Agent,
    ssh: Server,
    /// The directory whose projects the agent knows.
    projects: PathBuf,
}

/// Measures every figure.
///
/// # Errors
///
/// A program does not start, a reference is missing, or an answer is wrong.
pub(super) fn measure(program: &Path) -> Result<Table> {
    crate::leftovers::adopt()?;
    let (state, keys) = (tempfile::tempdir()?, Keys::new()?);
    let engine = Engine::start()?;
    let projects = state.path().join("projects");
    recreate::make_project(&projects, engine.busybox())?;
    let config = state.path().join("config.toml");
    fs::write(&config, configuration(&engine))?;
    let args = [path(&config)?, path(&projects)?];
    let args = ["--config", args[0], "--directory", args[1]];
    let (agent, ssh) = keys.agent_with(program, state.path(), &args)?;
    let site = Site { engine, agent, ssh, projects };

    for number in 0..RUNNING {
        site.engine.run(
            &[&RUN[..], &["--name", &name(number), site.engine.busybox(), "sleep", "86400"]]
                .concat(),
        );
    }
    let mut figures = vec![site.idle()?];
    for number in RUNNING..LISTED {
        site.engine.run(&["create", "--name", &name(number), site.engine.busybox(), "true"]);
    }
    figures.push(site.list()?);
    figures.push(events::heard(&site)?);
    figures.extend(site.exec()?);
    figures.push(recreate::overhead(&site)?);
    // What is asked for first is shown first.
    let idle = figures.remove(0);
    figures.push(idle);
    Ok(Table { figures })
}

const RUN: [&str; 4] = ["run", "-d", "--network", "none"];

fn name(number: usize) -> String {
    format!("bench-{number}")
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a plain path")
}

fn configuration(engine: &Engine) -> String {
    let bin = json!(format!("{}:$PATH", devcontainer_bin().display()));
    format!("[env]\nPATH = {bin}\n[containers]\nengine = {}\n", json!(engine.host()))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Site {
    /// What a caller without an agent does: asks for all ids, and then for everything about them.
    fn ask_docker(&self, expected: usize) -> Result<()> {
        let ids = shell::output(self.engine.docker().args(["ps", "-aq", "--no-trunc"]))?;
        let ids: Vec<_> = ids.split_whitespace().collect();
        ensure!(ids.len() == expected, "docker lists {} containers", ids.len());
        let all = shell::output(self.engine.docker().arg("inspect").args(ids))?;
        ensure!(all.len() > expected * 1000, "docker says little of them");
        Ok(())
    }

    fn ask_agent(&self, client: &mut Client) -> Result<Value> {
        Ok(serde_json::from_slice(&client.ask("GET", "/api/v0/containers", b"")?)?)
    }

    fn list(&self) -> Result<Figure> {
        let mut client = Client::connect(&self.agent.unix)?;
        let listed = self.ask_agent(&mut client)?;
        let count = listed["containers"].as_array().map_or(0, Vec::len);
        ensure!(count == LISTED, "the agent lists {count} containers");
        let ours = || {
            let bytes = client.ask("GET", "/api/v0/containers", b"")?;
            ensure!(bytes.len() > LISTED * 200, "the agent says little of them");
            Ok(())
        };
        let (ours, theirs) = in_turns(LISTS, ours, || self.ask_docker(LISTED))?;
        Ok(Figure {
            name: format!("list of {LISTED} containers, p50"),
            ours: Quantity { value: ms(ours.median()), unit: "ms" },
            reference: Some(("docker ps -a, docker inspect".into(), ms(theirs.median()))),
            target: Target::RatioAtMost(0.3),
        })
    }

    /// `true` in a container: over one SSH connection that is kept, as an editor keeps it, and over a
    /// new one each time.
    fn exec(&self) -> Result<Vec<Figure>> {
        let container = name(0);
        let socket = self.projects.join("control");
        let control = format!("ControlPath={}", socket.display());
        // A kept connection takes the variables that its own first client was told to send.
        let send = ["-o", "SendEnv=WORKSPACE_CONTAINER"];
        let ssh = |options: &[&str], command: &str| {
            let mut ssh = self.ssh.ssh(&[&send, options].concat());
            ssh.env("WORKSPACE_CONTAINER", &container).arg(command);
            ssh
        };
        let kept = ["-o", &control];
        let mut master = self.ssh.ssh(&[&send[..], &kept, &["-M", "-N"]].concat());
        let master = shell::spawn(&mut master)?;
        ensure!(shell::wait_until(Duration::from_secs(10), || socket.exists()), "ssh connects");
        let hostname = self.engine.run(&["exec", &container, "hostname"]);
        for options in [&kept[..], &[]] {
            let entered = shell::output(&mut ssh(options, "hostname"))?;
            ensure!(entered.trim_end() == hostname, "ssh is in {entered}, not in the container");
        }
        let docker = || shell::run(self.engine.docker().args(["exec", &container, "true"]));
        let (ours, theirs) = in_turns(EXECS, || shell::run(&mut ssh(&kept, "true")), docker)?;
        drop(master);
        let (our_new, their_new) = in_turns(EXECS, || shell::run(&mut ssh(&[], "true")), docker)?;
        let figure = |name: &str, ours: &Times, theirs: &Times, target| Figure {
            name: name.into(),
            ours: Quantity { value: ms(ours.median()), unit: "ms" },
            reference: Some(("docker exec".into(), ms(theirs.median()))),
            target,
        };
        let first = "exec of `true` in a container, over a kept SSH connection, p50";
        Ok(vec![
            figure(first, &ours, &theirs, Target::RatioAtMost(0.9)),
            figure("the same, with connecting", &our_new, &their_new, Target::None),
        ])
    }

    /// What it costs to know of containers to which nothing happens, with a watcher.
    fn idle(&self) -> Result<Figure> {
        let _watcher = events::watch(self)?;
        let count = |list: &Value| list["containers"].as_array().map_or(0, Vec::len);
        let mut client = Client::connect(&self.agent.unix)?;
        let end = Instant::now() + Duration::from_secs(10);
        while count(&self.ask_agent(&mut client)?) != RUNNING {
            ensure!(Instant::now() < end, "the agent does not list the containers");
        }
        let (ours, theirs) = (self.agent.cpu_time()?, agent::children_cpu_time()?);
        let start = Instant::now();
        while start.elapsed() < IDLE {
            self.ask_docker(RUNNING)?;
            let next = INTERVAL.saturating_sub(Duration::from_nanos(
                u64::try_from(start.elapsed().as_nanos() % INTERVAL.as_nanos()).unwrap_or_default(),
            ));
            std::thread::sleep(next);
        }
        let share = |time: Duration| time.as_secs_f64() * 100.0 / start.elapsed().as_secs_f64();
        let ours = share(self.agent.cpu_time()?.saturating_sub(ours));
        let theirs = share(agent::children_cpu_time()?.saturating_sub(theirs));
        Ok(Figure {
            name: format!("processor time over 60 s, {RUNNING} idle containers, one watcher"),
            ours: Quantity { value: ours, unit: "% of a core" },
            reference: Some(("docker ps -a, docker inspect every 10 s".into(), theirs)),
            target: Target::AtMost(0.2),
        })
    }
}
