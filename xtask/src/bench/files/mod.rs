//! `bench files`: reading, writing, editing, listing and searching, and what the agent costs idle.

mod references;
pub(super) mod trees;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::agent::Agent;
use super::client::{Address, Client};
use super::table::{Figure, Quantity, Table, Target};
use super::times::{Times, in_turns, time};
use references::Nginx;

const GIB: u64 = 1024 * 1024 * 1024;
/// Requests of the small read's measurement, each side.
const SMALL_READS: usize = 20_000;

/// Where a bench keeps its files.
struct Places {
    /// On the disk.
    disk: tempfile::TempDir,
    /// On a tmpfs, so that a disk's own speed is no part of the figure.
    memory: tempfile::TempDir,
}

/// Measures every figure.
///
/// # Errors
///
/// A program does not start, a reference is missing, or an answer is not the expected one.
pub(super) fn measure(program: &Path) -> Result<Table> {
    let places = Places {
        disk: tempfile::tempdir()?,
        memory: tempfile::tempdir_in("/dev/shm").context("the bench writes to a tmpfs")?,
    };
    let state = tempfile::tempdir()?;
    let agent = Agent::start(program, state.path())?;
    let nginx = Nginx::start(&[places.disk.path(), places.memory.path()])?;
    let mut figures = Vec::new();
    figures.push(read_large(&agent, &nginx, &places)?);
    figures.push(write_large(&agent, &places)?);
    figures.extend(read_small(&agent, &nginx, &places)?);
    figures.extend(search(&agent, &places)?);
    figures.push(list(&agent, &places)?);
    figures.push(edit(&agent, &places)?);
    drop(agent);
    figures.extend(costs(program)?);
    Ok(Table { figures })
}

fn rate(bytes: u64, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
    let megabytes = bytes as f64 / 1e6;
    megabytes / time.as_secs_f64()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn query(path: &Path) -> String {
    format!("?path={}", path.display())
}

fn read_large(agent: &Agent, nginx: &Nginx, places: &Places) -> Result<Figure> {
    let path = places.memory.path().join("large");
    trees::write_large(&path, GIB)?;
    let target = format!("/api/v0/read-file{}", query(&path));
    let mut ours = Client::connect(&agent.tcp)?;
    let mut theirs = Client::connect(&nginx.tcp)?;
    let read = |client: &mut Client, target: &str| -> Result<()> {
        ensure!(client.send("GET", target, b"")? == GIB, "the whole file was read");
        Ok(())
    };
    let their_target = path.display().to_string();
    let (our_times, their_times) =
        in_turns(7, || read(&mut ours, &target), || read(&mut theirs, &their_target))?;
    fs::remove_file(&path)?;
    Ok(Figure {
        name: "read_file of 1 GiB over loopback".into(),
        ours: Quantity { value: rate(GIB, our_times.median()), unit: "MB/s" },
        reference: Some(("nginx".into(), rate(GIB, their_times.median()))),
        target: Target::RatioAtLeast(0.8),
    })
}

fn write_large(agent: &Agent, places: &Places) -> Result<Figure> {
    let piece = vec![b'x'; 256 * 1024];
    let (ours_at, theirs_at) =
        (places.memory.path().join("ours"), places.memory.path().join("theirs"));
    let target = format!("/api/v0/write-file{}", query(&ours_at));
    let mut client = Client::connect(&agent.tcp)?;
    let ours = || {
        client.upload(&target, GIB, &piece)?;
        ensure!(fs::metadata(&ours_at)?.len() == GIB, "the whole file was written");
        fs::remove_file(&ours_at).map_err(Into::into)
    };
    let theirs = || references::socat_receives(&theirs_at, GIB, &piece);
    let (our_times, their_times) = in_turns(5, ours, theirs)?;
    Ok(Figure {
        name: "write_file of 1 GiB to a tmpfs".into(),
        ours: Quantity { value: rate(GIB, our_times.median()), unit: "MB/s" },
        reference: Some(("socat".into(), rate(GIB, their_times.median()))),
        target: Target::RatioAtLeast(0.7),
    })
}

fn read_small(agent: &Agent, nginx: &Nginx, places: &Places) -> Result<Vec<Figure>> {
    let path = places.disk.path().join("small");
    fs::write(&path, vec![b'x'; 4096])?;
    let target = format!("/api/v0/read-file{}", query(&path));
    let mut ours = Client::connect(&agent.unix)?;
    let mut theirs = Client::connect(&nginx.unix)?;
    let their_target = path.display().to_string();
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    // In blocks, so that a connection is kept busy and the sides still share the machine's moods.
    for _ in 0..20 {
        small_reads(&mut ours, &target, SMALL_READS / 20, &mut our_times)?;
        small_reads(&mut theirs, &their_target, SMALL_READS / 20, &mut their_times)?;
    }
    let per_second = |times: &[Duration]| {
        #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
        let count = times.len() as f64;
        count / times.iter().sum::<Duration>().as_secs_f64()
    };
    let rates = (per_second(&our_times), per_second(&their_times));
    let (our_times, their_times) = (Times::new(our_times), Times::new(their_times));
    let latency = |name: &str, share: f64, target: Target| Figure {
        name: format!("the same, {name}"),
        ours: Quantity { value: ms(our_times.quantile(share)), unit: "ms" },
        reference: Some(("nginx".into(), ms(their_times.quantile(share)))),
        target,
    };
    Ok(vec![
        Figure {
            name: "read_file of 4 KiB, one kept-alive Unix connection".into(),
            ours: Quantity { value: rates.0, unit: "requests/s" },
            reference: Some(("nginx".into(), rates.1)),
            target: Target::RatioAtLeast(0.7),
        },
        latency("p50", 0.5, Target::None),
        latency("p99", 0.99, Target::AtMost(1.0)),
    ])
}

fn small_reads(
    client: &mut Client,
    target: &str,
    count: usize,
    times: &mut Vec<Duration>,
) -> Result<()> {
    for _ in 0..count {
        times.push(time(&mut || {
            ensure!(client.send("GET", target, b"")? == 4096, "the whole file was read");
            Ok(())
        })?);
    }
    Ok(())
}

fn search(agent: &Agent, places: &Places) -> Result<Vec<Figure>> {
    let tree = places.disk.path().join("tree");
    trees::make_sources(&tree, 50_000)?;
    let cases = [
        ("search of 50,000 files, a rare literal", "needle_in_the_hay"),
        ("search of 50,000 files, a regular expression", r"fn \w+_needle_\d+\("),
    ];
    let mut figures = Vec::new();
    for (name, pattern) in cases {
        let body = serde_json::json!({"pattern": pattern, "paths": [tree], "max_matches": 10_000});
        let body = body.to_string();
        let mut client = Client::connect(&agent.unix)?;
        let ours = || {
            ensure!(client.send("POST", "/api/v0/search", body.as_bytes())? > 100, "it found some");
            Ok(())
        };
        let theirs = || references::rg(pattern, &tree);
        let (our_times, their_times) = in_turns(9, ours, theirs)?;
        figures.push(Figure {
            name: name.into(),
            ours: Quantity { value: ms(our_times.median()), unit: "ms" },
            reference: Some(("rg".into(), ms(their_times.median()))),
            target: Target::RatioAtMost(1.3),
        });
    }
    fs::remove_dir_all(&tree)?;
    Ok(figures)
}

fn list(agent: &Agent, places: &Places) -> Result<Figure> {
    let directory = places.disk.path().join("many");
    fs::create_dir(&directory)?;
    for n in 0..100_000 {
        fs::write(directory.join(format!("entry-{n:06}.txt")), "")?;
    }
    let target = format!("/api/v0/list-directory{}", query(&directory));
    let mut client = Client::connect(&agent.unix)?;
    let ours = || {
        ensure!(client.send("POST", &target, b"")? > 1_000_000, "every entry was listed");
        Ok(())
    };
    let theirs = || references::ls(&directory);
    let (our_times, their_times) = in_turns(7, ours, theirs)?;
    Ok(Figure {
        name: "list_directory of 100,000 entries".into(),
        ours: Quantity { value: ms(our_times.median()), unit: "ms" },
        reference: Some(("ls -lU".into(), ms(their_times.median()))),
        target: Target::RatioAtMost(1.5),
    })
}

fn edit(agent: &Agent, places: &Places) -> Result<Figure> {
    let path = places.disk.path().join("edited.c");
    trees::write_source(&path, 1024 * 1024)?;
    let mut client = Client::connect(&agent.unix)?;
    let mut times = Vec::new();
    for round in 0..101 {
        let (old, new) = (round, round + 1);
        let edits: Vec<_> = [100, 5_000, 12_000]
            .iter()
            .map(|line| {
                serde_json::json!({
                    "old_text": format!("line {line:06} version {old};"),
                    "new_text": format!("line {line:06} version {new};"),
                })
            })
            .collect();
        let body = serde_json::json!({
            "files": [{"path": path, "edits": edits}], "include_diff": true
        });
        let body = body.to_string();
        times.push(time(&mut || {
            client.send("POST", "/api/v0/edit-files", body.as_bytes())?;
            Ok(())
        })?);
    }
    Ok(Figure {
        name: "edit_files, 3 edits in 1 MiB with a diff, p50".into(),
        ours: Quantity { value: ms(Times::new(times).median()), unit: "ms" },
        reference: None,
        target: Target::AtMost(10.0),
    })
}

/// What the static program costs: its size, its start, its memory while nobody asks.
fn costs(program: &Path) -> Result<Vec<Figure>> {
    let mut starts = Vec::new();
    let mut resident = 0;
    for _ in 0..21 {
        let state = tempfile::tempdir()?;
        let agent = Agent::start(program, state.path())?;
        starts.push(agent.ready_after);
        let mut client = Client::connect(&agent.unix)?;
        client.send("GET", "/healthz", b"")?;
        resident = resident.max(agent.resident_bytes()?);
    }
    #[expect(clippy::cast_precision_loss, reason = "figures with three digits")]
    let (resident, size) =
        (resident as f64 / (1024.0 * 1024.0), fs::metadata(program)?.len() as f64 / 1e6);
    let alone = |name: &str, value: f64, unit: &'static str, most: f64| Figure {
        name: name.into(),
        ours: Quantity { value, unit },
        reference: None,
        target: Target::AtMost(most),
    };
    Ok(vec![
        alone("idle resident memory", resident, "MiB", 12.0),
        alone("size of the static binary", size, "MB", 12.0),
        alone("exec to the ready line, median", ms(Times::new(starts).median()), "ms", 30.0),
    ])
}
