//! What recreating a dev container takes more than the devcontainer command alone.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use agent_test::devcontainer_bin;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Site, ms};
use crate::bench::client::{Client, Message, Messages};
use crate::bench::table::{Figure, Quantity, Target};
use crate::bench::times::Times;
use crate::shell;

/// Times that each side brings it up.
const ROUNDS: usize = 10;
/// Longest wait for a dev container.
const LIMIT: Duration = Duration::from_secs(60);
/// Pause in which the agent reads what it wants to know of a new container.
const REST: Duration = Duration::from_secs(2);

/// Makes a project with a dev container of an image.
pub(super) fn make_project(projects: &Path, image: &str) -> Result<()> {
    let project = projects.join("project");
    fs::create_dir_all(project.join(".git"))?;
    fs::create_dir_all(project.join(".devcontainer"))?;
    let content = json!({"image": image}).to_string();
    Ok(fs::write(project.join(".devcontainer/devcontainer.json"), content)?)
}

pub(super) fn overhead(site: &Site) -> Result<Figure> {
    let mut client = Client::connect(&site.agent.unix)?;
    let list = site.ask_agent(&mut client)?;
    let id = list["devcontainers"][0]["id"].as_str().context("the project is found")?.to_owned();
    let target = format!("/api/v0/containers/devcontainers/{id}/recreate");
    let mut watch = Client::connect(&site.agent.unix)?.upgrade("/api/v0/containers/watch")?;
    let mut container = String::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let start = Instant::now();
        client.post_accepted(&target)?;
        container = another(&mut watch, &container, start)?;
        let our_time = start.elapsed();
        std::thread::sleep(REST);
        let start = Instant::now();
        bare(site)?;
        let their_time = start.elapsed();
        container = another(&mut watch, &container, start)?;
        std::thread::sleep(REST);
        // The first round of each finds nothing in the caches of the other programs.
        if round > 0 {
            ours.push(our_time);
            theirs.push(their_time);
        }
    }
    Ok(Figure {
        name: "recreate a dev container, until a watcher sees it run, p50".into(),
        ours: Quantity { value: ms(Times::new(ours).median()), unit: "ms" },
        reference: Some(("devcontainer up".into(), ms(Times::new(theirs).median()))),
        target: Target::MoreAtMost(300.0),
    })
}

/// The command alone, as the agent runs it.
fn bare(site: &Site) -> Result<()> {
    let mut command = shell::command(devcontainer_bin().join("devcontainer"));
    command.args(["up", "--log-format", "json", "--remove-existing-container"]);
    command.arg("--workspace-folder").arg(site.projects.join("project"));
    command.env("DOCKER_HOST", site.engine.host()).stderr(Stdio::null());
    let printed = shell::output(&mut command)?;
    ensure!(printed.contains("\"outcome\":\"success\""), "devcontainer up: {printed}");
    Ok(())
}

/// Reads until the dev container runs in another container than before, and answers its id.
fn another(watch: &mut Messages, before: &str, start: Instant) -> Result<String> {
    loop {
        ensure!(start.elapsed() < LIMIT, "the dev container does not come up");
        let Message::Text(bytes) = watch.next()? else { continue };
        let list: Value = serde_json::from_slice(bytes)?;
        let one = &list["devcontainers"][0];
        ensure!(one["error"].is_null(), "the dev container does not come up: {}", one["error"]);
        let id = one["container"]["id"].as_str().unwrap_or_default();
        if one["status"] == "running" && !id.is_empty() && id != before {
            return Ok(id.to_owned());
        }
    }
}
