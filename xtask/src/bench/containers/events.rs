//! How soon a watcher hears of a container that starts, beside `docker events`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Site, ms};
use crate::bench::client::{Client, Message};
use crate::bench::table::{Figure, Quantity, Target};
use crate::bench::times::Times;
use crate::shell;

/// Starts that are heard of.
const STARTS: usize = 30;
/// Longest wait for a message.
const LIMIT: Duration = Duration::from_secs(10);
/// Pause before a start, so that what was heard before is over.
const REST: Duration = Duration::from_millis(500);

/// Something heard, and when.
pub(super) type Heard = Receiver<(Instant, String)>;

pub(super) fn heard(site: &Site) -> Result<Figure> {
    let create = ["create", "--network", "none", "--name", "bench-heard", site.engine.busybox()];
    let id = site.engine.run(&[&create[..], &["sleep", "86400"]].concat());
    let mut command = site.engine.docker();
    command.args(["events", "--filter", "event=start", "--format", "{{.ID}}"]);
    let mut client = shell::spawn(command.stdout(Stdio::piped()))?;
    let output = client.child.stdout.take().context("it is piped")?;
    let (tx, events) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody waits any more when this fails.
            let _ = tx.send((Instant::now(), line));
        }
    });
    let watched = watch(site)?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=STARTS {
        std::thread::sleep(REST);
        let start = Instant::now();
        shell::output(site.engine.docker().args(["start", "bench-heard"]))?;
        let event = wait(&events, |line| line == id)?;
        let message = wait(&watched, |text| state(text, &id).as_deref() == Some("running"))?;
        if round > 0 {
            theirs.push(event - start);
            ours.push(message - start);
        }
        shell::output(site.engine.docker().args(["kill", "bench-heard"]))?;
        wait(&watched, |text| state(text, &id).as_deref() == Some("exited"))?;
    }
    shell::output(site.engine.docker().args(["rm", "bench-heard"]))?;
    Ok(Figure {
        name: "`docker start` to the message at a watcher, p50".into(),
        ours: Quantity { value: ms(Times::new(ours).median()), unit: "ms" },
        reference: Some(("docker events".into(), ms(Times::new(theirs).median()))),
        target: Target::MoreAtMost(50.0),
    })
}

/// Connects a watcher that lives until its receiver is dropped and another message comes.
pub(super) fn watch(site: &Site) -> Result<Heard> {
    let mut messages = Client::connect(&site.agent.unix)?.upgrade("/api/v0/containers/watch")?;
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok(message) = messages.next() {
            if let Message::Text(bytes) = message {
                let text = String::from_utf8_lossy(bytes).into_owned();
                if tx.send((Instant::now(), text)).is_err() {
                    return;
                }
            }
        }
    });
    Ok(rx)
}

/// Waits for what is wanted, and answers when it came.
fn wait(heard: &Heard, wanted: impl Fn(&str) -> bool) -> Result<Instant> {
    loop {
        let (at, text) = heard.recv_timeout(LIMIT).context("nothing is heard of a container")?;
        if wanted(&text) {
            return Ok(at);
        }
    }
}

/// The state of a container in a list.
fn state(text: &str, id: &str) -> Option<String> {
    let list: Value = serde_json::from_str(text).ok()?;
    let one = list["containers"].as_array()?.iter().find(|one| one["id"] == id)?;
    Some(one["state"].as_str()?.to_owned())
}
