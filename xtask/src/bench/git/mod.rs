//! `bench git`: watching repositories and taking snapshots of them, beside the `git` commands that
//! answer the same questions.

mod repositories;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::agent::{self, Agent};
use super::client::{Address, Client, Message, Messages};
use super::table::{Figure, Quantity, Table, Target};
use super::times::{Times, in_turns};
use repositories::{CHANGED, FILES, Repository};

/// Small repositories of the first figures; more than one, so that none is in its cooldown.
const SMALL: usize = 24;
/// Saved files of the first figures.
const SAVES: usize = 480;
/// Snapshots of each figure about them.
const SNAPSHOTS: usize = 9;
/// How long an idle repository is watched.
const IDLE: Duration = Duration::from_secs(60);
/// How often the commands run while it is.
const INTERVAL: Duration = Duration::from_secs(5);

/// Measures every figure.
///
/// # Errors
///
/// A program does not start, `git` fails, or an answer is not the expected one.
pub(super) fn measure(program: &Path) -> Result<Table> {
    let directory = tempfile::tempdir()?;
    let mut figures = saved(program, directory.path())?;
    let large = Repository::generated(&directory.path().join("large"))?;
    figures.push(first(program, &large, "50,000 files, 50 of them changed")?);
    figures.push(next(program, &large, "50,000 files, one more changed")?);
    figures.extend(idle(program, &large)?);
    let real = Repository::clone_of_this(&directory.path().join("real"))?;
    let name = "a clone of this repository, 50 files changed";
    figures.push(Figure { target: Target::None, ..first(program, &real, name)? });
    let name = "a clone of this repository, one more changed";
    figures.push(Figure { target: Target::None, ..next(program, &real, name)? });
    Ok(Table { figures })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Connects a watching client that has subscribed, and received the first state of everything.
fn watch(address: &Address, paths: &[&Path]) -> Result<Messages> {
    let mut messages = Client::connect(address)?.upgrade("/api/v0/git/watch")?;
    messages.send_text(&json!({"type": "subscribe", "paths": paths}).to_string())?;
    let mut seen = 0;
    while seen < paths.len() {
        seen += changes(&mut messages)?.len();
    }
    Ok(messages)
}

/// Waits for the next changes.
fn changes(messages: &mut Messages) -> Result<Vec<Value>> {
    loop {
        match messages.next()? {
            Message::Text(text) => {
                let mut message: Value = serde_json::from_slice(text)?;
                ensure!(message["type"] == "changes", "nothing is wrong: {message}");
                let repositories = message["repositories"].as_array_mut();
                return Ok(std::mem::take(repositories.context("changes list repositories")?));
            }
            Message::Close => anyhow::bail!("the watch was closed"),
            Message::Binary(_) | Message::Other => {}
        }
    }
}

/// From a file that was saved to the message at a subscriber.
fn saved(program: &Path, directory: &Path) -> Result<Vec<Figure>> {
    let state = tempfile::tempdir()?;
    let agent = Agent::start(program, state.path())?;
    let repositories = (0..SMALL)
        .map(|number| Repository::small(&directory.join(format!("small{number}"))))
        .collect::<Result<Vec<_>>>()?;
    let paths: Vec<_> = repositories.iter().map(|repository| repository.path()).collect();
    let mut messages = watch(&agent.tcp, &paths)?;
    let mut rested = vec![Instant::now(); SMALL];
    let mut times = Vec::new();
    for save in 0..SAVES {
        let number = save % SMALL;
        // The second between two scans of a repository, and room for the scan itself.
        std::thread::sleep(Duration::from_millis(1200).saturating_sub(rested[number].elapsed()));
        let start = Instant::now();
        repositories[number].change(0, save)?;
        let changed = changes(&mut messages)?;
        times.push(start.elapsed());
        rested[number] = Instant::now();
        ensure!(changed.len() == 1, "one repository changed: {changed:?}");
        let diff = changed[0]["unified_diff"].as_str().context("there is a diff")?;
        ensure!(diff.contains(&repositories[number].line(save)), "the change is there: {diff}");
    }
    let times = Times::new(times);
    let figure = |name: &str, share: f64, most: f64| Figure {
        name: format!("file saved to message at the subscriber, {name}"),
        ours: Quantity { value: ms(times.quantile(share)), unit: "ms" },
        reference: None,
        target: Target::AtMost(most),
    };
    Ok(vec![figure("p50", 0.5, 60.0), figure("p99", 0.99, 250.0)])
}

/// A snapshot by an agent that knows nothing of the repository yet.
fn first(program: &Path, repository: &Repository, name: &str) -> Result<Figure> {
    for file in 0..CHANGED {
        repository.change(file, 0)?;
    }
    repository.ask_git()?;
    let mut times = Vec::new();
    let ours = || {
        let state = tempfile::tempdir()?;
        let agent = Agent::start(program, state.path())?;
        let mut client = Client::connect(&agent.unix)?;
        client.send("GET", "/healthz", b"")?;
        let start = Instant::now();
        let answer = status(&mut client, repository)?;
        times.push(start.elapsed());
        repository.check(&answer)
    };
    let (_, theirs) = in_turns(SNAPSHOTS, ours, || repository.ask_git())?;
    // The first round is not measured.
    times.remove(0);
    Ok(figure(format!("first snapshot, {name}"), &Times::new(times), &theirs, 1.0))
}

/// A snapshot after one more file changed.
fn next(program: &Path, repository: &Repository, name: &str) -> Result<Figure> {
    let state = tempfile::tempdir()?;
    let agent = Agent::start(program, state.path())?;
    let _watching = watch(&agent.tcp, &[repository.path()])?;
    let mut client = Client::connect(&agent.unix)?;
    let turn = Cell::new(0);
    let change = || {
        turn.set(turn.get() + 1);
        repository.change(turn.get() % CHANGED, turn.get())
    };
    let mut times = Vec::new();
    let mut reference = Vec::new();
    let ours = || {
        change()?;
        let start = Instant::now();
        let answer = status(&mut client, repository)?;
        times.push(start.elapsed());
        let line = repository.line(turn.get());
        let diff = answer["repository"]["unified_diff"].as_str().context("there is a diff")?;
        ensure!(diff.contains(&line), "the change is there");
        repository.check(&answer)
    };
    let theirs = || {
        change()?;
        let start = Instant::now();
        repository.ask_git()?;
        reference.push(start.elapsed());
        Ok(())
    };
    in_turns(2 * SNAPSHOTS, ours, theirs)?;
    let measured = |mut times: Vec<_>| {
        times.remove(0);
        Times::new(times)
    };
    let (ours, theirs) = (measured(times), measured(reference));
    Ok(figure(format!("snapshot, {name}"), &ours, &theirs, 0.1))
}

fn figure(name: String, ours: &Times, theirs: &Times, most: f64) -> Figure {
    Figure {
        name,
        ours: Quantity { value: ms(ours.median()), unit: "ms" },
        reference: Some(("git status, git diff HEAD".into(), ms(theirs.median()))),
        target: Target::RatioAtMost(most),
    }
}

fn status(client: &mut Client, repository: &Repository) -> Result<Value> {
    let path = repository.path().to_str().context("the path is UTF-8")?;
    let answer = client.ask("GET", &format!("/api/v0/git/status?path={path}"), b"")?;
    Ok(serde_json::from_slice(&answer)?)
}

/// What an idle repository costs: processor time over a minute, and memory.
fn idle(program: &Path, repository: &Repository) -> Result<Vec<Figure>> {
    let state = tempfile::tempdir()?;
    let agent = Agent::start(program, state.path())?;
    Client::connect(&agent.unix)?.send("GET", "/healthz", b"")?;
    let before = agent.resident_bytes()?;
    let mut messages = watch(&agent.unix, &[repository.path()])?;
    messages.send_text(&json!({"type": "refresh"}).to_string())?;
    changes(&mut messages)?;
    let grown = agent.resident_bytes()?.saturating_sub(before);
    let (ours, theirs) = (agent.cpu_time()?, agent::children_cpu_time()?);
    let start = Instant::now();
    while start.elapsed() < IDLE {
        repository.ask_git()?;
        let next = INTERVAL.saturating_sub(Duration::from_nanos(
            u64::try_from(start.elapsed().as_nanos() % INTERVAL.as_nanos()).unwrap_or_default(),
        ));
        std::thread::sleep(next);
    }
    let share = |time: Duration| time.as_secs_f64() * 100.0 / start.elapsed().as_secs_f64();
    let ours = share(agent.cpu_time()?.saturating_sub(ours));
    let theirs = share(agent::children_cpu_time()?.saturating_sub(theirs));
    #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
    let mib = grown as f64 / (1024.0 * 1024.0);
    Ok(vec![
        Figure {
            name: "processor time of an idle watched repository over 60 s".into(),
            ours: Quantity { value: ours, unit: "% of a core" },
            reference: Some(("the commands every 5 s".into(), theirs)),
            target: Target::AtMost(1.0),
        },
        Figure {
            name: format!("resident memory above idle, {FILES} files watched"),
            ours: Quantity { value: mib, unit: "MiB" },
            reference: None,
            target: Target::AtMost(40.0),
        },
    ])
}

/// Writes a file as an editor saves it: another one, renamed over it.
fn save(path: &Path, contents: &str) -> Result<()> {
    let temporary = path.with_extension("saving");
    fs::write(&temporary, contents)?;
    Ok(fs::rename(temporary, path)?)
}
