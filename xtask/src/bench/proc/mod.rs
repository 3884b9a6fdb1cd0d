//! `bench proc`: starting processes, keeping what they print, and passing it on.

mod latency;
mod references;

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::agent::Agent;
use super::client::{Address, Client, Message};
use super::table::{Figure, Quantity, Table, Target};
use super::times::{Times, in_turns};
pub(super) use latency::ticker;

const GIB: u64 = 1024 * 1024 * 1024;
/// What the printing child prints.
const PRINTED: u64 = 4 * GIB;
/// Starts of the first figure, each side.
const STARTS: usize = 1_000;
/// Processes started at once.
const AT_ONCE: usize = 500;
/// Processes that are idle while memory is measured.
const IDLE: usize = 100;

/// Measures every figure.
///
/// # Errors
///
/// A program does not start, a reference is missing, or an answer is not the expected one.
pub(super) fn measure(program: &Path) -> Result<Table> {
    let state = tempfile::tempdir()?;
    let agent = Agent::start(program, state.path())?;
    let mut figures = start(&agent)?;
    figures.extend(at_once(&agent)?);
    figures.extend(latency::measure(&agent)?);
    figures.extend(printed(&agent, state.path())?);
    drop(agent);
    figures.push(memory(program)?);
    Ok(Table { figures })
}

fn rate(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
    let megabytes = PRINTED as f64 / 1e6;
    megabytes / time.as_secs_f64()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Starts a process and returns its id.
fn start_process(client: &mut Client, request: &Value) -> Result<String> {
    let body = request.to_string();
    let answer = client.ask("POST", "/api/v0/processes/start", body.as_bytes())?;
    let answer: Value = serde_json::from_slice(&answer)?;
    Ok(answer["id"].as_str().context("a started process has an id")?.to_owned())
}

/// Waits for the exit and returns the answer with the output.
fn await_output(client: &mut Client, id: &str) -> Result<Value> {
    let target = format!("/api/v0/processes/{id}/output?wait=true&wait_for=closed");
    let answer: Value = serde_json::from_slice(&client.ask("GET", &target, b"")?)?;
    ensure!(answer["exit_code"] == 0, "the process ended well: {answer}");
    Ok(answer)
}

fn delete(client: &mut Client, id: &str) -> Result<()> {
    client.send("DELETE", &format!("/api/v0/processes/{id}"), b"").map(drop)
}

fn start(agent: &Agent) -> Result<Vec<Figure>> {
    let mut client = Client::connect(&agent.unix)?;
    let request = json!({"command": "true"});
    let ours = || {
        let id = start_process(&mut client, &request)?;
        ensure!(await_output(&mut client, &id)?["output"] == "", "`true` prints nothing");
        Ok(())
    };
    let (ours, theirs) = in_turns(STARTS, ours, references::spawn_true)?;
    let figure = |name: &str, share: f64, target: Target| Figure {
        name: format!("start, exit and output of `true`, {name}"),
        ours: Quantity { value: ms(ours.quantile(share)), unit: "ms" },
        reference: Some(("posix_spawn and wait".into(), ms(theirs.quantile(share)))),
        target,
    };
    Ok(vec![
        figure("p50", 0.5, Target::RatioAtMost(2.5)),
        figure("p99", 0.99, Target::AtMost(15.0)),
    ])
}

/// A child printing 4 GiB without a reader, and with one over TCP.
fn printed(agent: &Agent, state: &Path) -> Result<Vec<Figure>> {
    let mut client = Client::connect(&agent.unix)?;
    let request = json!({"command": references::print(PRINTED)});
    let ours = || {
        let id = start_process(&mut client, &request)?;
        let answer = await_output(&mut client, &id)?;
        ensure!(answer["output_end_bytes"] == PRINTED, "every byte was counted: {answer}");
        delete(&mut client, &id)
    };
    let file = state.join("printed");
    let (ours, theirs) = in_turns(3, ours, || references::print_to_file(PRINTED, &file))?;
    let figure = |name: &str, ours: &Times, tool: &str, theirs: &Times, least: f64| Figure {
        name: format!("a child printing 4 GiB, {name}"),
        ours: Quantity { value: rate(ours.median()), unit: "MB/s" },
        reference: Some((tool.into(), rate(theirs.median()))),
        target: Target::RatioAtLeast(least),
    };
    let without = figure("no reader", &ours, "> file", &theirs, 0.8);
    let mut lost = Vec::new();
    let ours = || {
        lost.push(read_live(&mut client, &agent.tcp, &request)?);
        Ok(())
    };
    let (ours, theirs) = in_turns(3, ours, || references::print_to_socat(PRINTED))?;
    let with = figure("one live reader over TCP", &ours, "piped into socat - TCP", &theirs, 0.6);
    #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
    let share = lost.iter().max().map_or(0.0, |most| *most as f64 * 100.0 / PRINTED as f64);
    let missed = Figure {
        name: "the same, what the reader missed at most".into(),
        ours: Quantity { value: share, unit: "%" },
        reference: None,
        target: Target::None,
    };
    Ok(vec![without, with, missed])
}

/// Follows a printing child to its end, checks that bytes and gaps join, and returns how many
/// bytes were in gaps.
fn read_live(client: &mut Client, address: &Address, request: &Value) -> Result<u64> {
    let id = start_process(client, request)?;
    let target = format!("/api/v0/processes/{id}/output/stream");
    let mut messages = Client::connect(address)?.upgrade(&target)?;
    let (mut end, mut lost) = (0, 0);
    loop {
        match messages.next()? {
            Message::Binary(bytes) => {
                let (offset, bytes) =
                    bytes.split_first_chunk().context("output begins with its offset")?;
                ensure!(u64::from_be_bytes(*offset) == end, "no byte is missing");
                end += bytes.len() as u64;
            }
            Message::Text(text) => {
                let message: Value = serde_json::from_slice(text)?;
                if message["type"] == "gap" {
                    ensure!(message["from"] == end, "a gap begins where the bytes end");
                    let to = message["to"].as_u64().context("a gap ends")?;
                    lost += to - end;
                    end = to;
                }
            }
            Message::Close => break,
            Message::Other => {}
        }
    }
    ensure!(end == PRINTED, "bytes and gaps are everything: {end}");
    delete(client, &id)?;
    Ok(lost)
}

fn at_once(agent: &Agent) -> Result<Vec<Figure>> {
    let barrier = Barrier::new(AT_ONCE);
    let one = |number: usize| -> Result<Duration> {
        let mut client = Client::connect(&agent.unix)?;
        let request = json!({"command": format!("echo {number}; echo again {number}")});
        barrier.wait();
        let start = Instant::now();
        let id = start_process(&mut client, &request)?;
        let answer = await_output(&mut client, &id)?;
        let took = start.elapsed();
        ensure!(answer["output"] == format!("{number}\nagain {number}\n"), "{answer}");
        Ok(took)
    };
    let times = std::thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..AT_ONCE).map(|number| scope.spawn(move || one(number))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        joined.collect::<Result<Vec<_>>>()
    })?;
    let times = Times::new(times);
    let figure = |name: &str, share: f64, target: Target| Figure {
        name: format!("500 processes at once, all outputs right, {name}"),
        ours: Quantity { value: ms(times.quantile(share)), unit: "ms" },
        reference: None,
        target,
    };
    Ok(vec![figure("p50", 0.5, Target::None), figure("p99", 0.99, Target::AtMost(2000.0))])
}

/// Memory of a fresh agent after 4 GiB printed and while 100 processes are idle, above idle.
fn memory(program: &Path) -> Result<Figure> {
    let state = tempfile::tempdir()?;
    let agent = Agent::start(program, state.path())?;
    let mut client = Client::connect(&agent.unix)?;
    client.send("GET", "/healthz", b"")?;
    let idle = agent.resident_bytes()?;
    let id = start_process(&mut client, &json!({"command": references::print(PRINTED)}))?;
    await_output(&mut client, &id)?;
    for _ in 0..IDLE {
        start_process(&mut client, &json!({"args": ["sleep", "600"]}))?;
    }
    let grown = agent.resident_bytes()?.saturating_sub(idle);
    #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
    let mib = grown as f64 / (1024.0 * 1024.0);
    Ok(Figure {
        name: "resident memory above idle, after 4 GiB printed and with 100 idle processes".into(),
        ours: Quantity { value: mib, unit: "MiB" },
        reference: None,
        target: Target::AtMost(16.0),
    })
}
