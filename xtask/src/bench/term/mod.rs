//! `bench term`: terminals beside tmux, and tunnels beside a plain relay.

mod tmux;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::agent::Agent;
use super::client::{Client, Message, Messages};
use super::table::{Figure, Quantity, Table, Target};
use super::times::{Times, in_turns};
use crate::shell;
use tmux::Tmux;

/// Lines that are in the terminal before somebody attaches.
const LINES: usize = 10_000;
/// Attaches of each side.
const ATTACHES: usize = 20;
/// Bytes through a tunnel.
const TUNNELED: u64 = 2 * 1024 * 1024 * 1024;
/// Terminals that are idle while memory is measured.
const IDLE: u32 = 60;
/// How long the agent may take to give memory back.
const SETTLE: Duration = Duration::from_secs(3);
/// What the last line says.
const END: &str = "the end of it";
/// Longest wait for a screen.
const SCREEN_TIMEOUT: Duration = Duration::from_secs(20);

/// Measures every figure.
///
/// # Errors
///
/// A program does not start, a reference is missing, or a screen does not come.
pub(super) fn measure(program: &Path) -> Result<Table> {
    let state = tempfile::tempdir()?;
    let agent = Agent::start(program, state.path())?;
    let mut figures = memory(&agent, state.path())?;
    figures.extend(attach(&agent, state.path())?);
    figures.push(tunnel(&agent)?);
    Ok(Table { figures })
}

/// What prints the lines, in color, and stays.
fn printer() -> String {
    format!(
        "i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); \
         printf '\\033[3%dmline %d of many\\033[0m\\n' $((i%8)) $i; done; \
         printf '%s\\n' '{END}'; exec sleep 600"
    )
}

/// Opens a terminal that has the given number, or joins it.
fn open(agent: &Agent, number: u32, command: &str) -> Result<Messages> {
    let command: String = command.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let target = format!("/api/v0/terminals/{}?rows=50&cols=200&command={command}", id(number));
    Client::connect(&agent.unix)?.upgrade(&target)
}

fn id(number: u32) -> String {
    format!("7c0b3c3e-3f0c-4a51-9b1e-{number:012x}")
}

/// Reads a terminal until a text has come, and returns how many bytes that were.
fn await_text(messages: &mut Messages, text: &str) -> Result<u64> {
    // A search that costs nothing beside what is measured, however this program was built.
    let finder = memchr::memmem::Finder::new(text);
    let (start, mut tail, mut count) = (Instant::now(), Vec::new(), 0);
    loop {
        if let Message::Binary(bytes) = messages.next()? {
            count += bytes.len() as u64;
            tail.extend_from_slice(bytes);
            if finder.find(&tail).is_some() {
                return Ok(count);
            }
            tail.drain(..tail.len().saturating_sub(text.len()));
        }
        ensure!(start.elapsed() < SCREEN_TIMEOUT, "`{text}` does not come");
    }
}

/// The time from wanting to attach to the whole screen, and the bytes that come.
fn attach(agent: &Agent, dir: &Path) -> Result<Vec<Figure>> {
    await_text(&mut open(agent, 1, &printer())?, END)?;
    let tmux = Tmux::start(dir, "attach", &printer(), LINES)?;
    tmux.attach(END)?;
    let (mut our_bytes, mut their_bytes) = (0, 0);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ATTACHES {
        let start = Instant::now();
        our_bytes = await_text(&mut open(agent, 1, "")?, END)?;
        ours.push(start.elapsed());
        let (bytes, elapsed) = tmux.attach(END)?;
        their_bytes = bytes;
        // What ends tmux's client is no part of it.
        theirs.push(elapsed);
    }
    let (ours, theirs) = (Times::new(ours), Times::new(theirs));
    let ms = |times: &Times| times.median().as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
    let kib = |bytes: u64| bytes as f64 / 1024.0;
    let tool = "tmux attach, without scrollback";
    Ok(vec![
        Figure {
            name: "attach with 10,000 lines of scrollback, until the screen is complete, p50"
                .into(),
            ours: Quantity { value: ms(&ours), unit: "ms" },
            reference: Some((tool.into(), ms(&theirs))),
            target: Target::RatioAtMost(1.0),
        },
        Figure {
            name: "the same, bytes sent".into(),
            ours: Quantity { value: kib(our_bytes), unit: "KiB" },
            reference: Some((tool.into(), kib(their_bytes))),
            target: Target::None,
        },
    ])
}

/// What each idle terminal holds, with nobody attached and with a connection each.
fn memory(agent: &Agent, dir: &Path) -> Result<Vec<Figure>> {
    let command = "echo up; exec sleep 600";
    let up = |number: u32| -> Result<Messages> {
        let mut messages = open(agent, number, command)?;
        await_text(&mut messages, "up")?;
        Ok(messages)
    };
    // Code that runs for the first time is no cost of a terminal.
    drop(up(99)?);
    let before = settled(agent)?;
    for number in 100..100 + IDLE {
        drop(up(number)?);
    }
    let detached = settled(agent)?;
    let rejoined = (100..100 + IDLE).map(|number| {
        let mut messages = open(agent, number, "")?;
        await_text(&mut messages, "up")?;
        Ok(messages)
    });
    let rejoined = rejoined.collect::<Result<Vec<_>>>()?;
    let attached = settled(agent)?;
    drop(rejoined);
    let tmux = Tmux::start(dir, "memory", command, LINES)?;
    tmux.window(command)?;
    let start = tmux.resident_bytes()?;
    for _ in 0..IDLE {
        tmux.window(command)?;
    }
    let theirs = tmux.resident_bytes()?.saturating_sub(start);
    #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
    let each = |bytes: u64| bytes as f64 / 1024.0 / f64::from(IDLE);
    let reference = Some(("tmux server, per pane".to_owned(), each(theirs)));
    Ok(vec![
        Figure {
            name: "resident memory per idle terminal".into(),
            ours: Quantity { value: each(detached.saturating_sub(before)), unit: "KiB" },
            reference: reference.clone(),
            target: Target::RatioAtMost(1.0),
        },
        Figure {
            name: "the same with somebody attached".into(),
            ours: Quantity { value: each(attached.saturating_sub(before)), unit: "KiB" },
            reference,
            target: Target::None,
        },
    ])
}

/// Memory of the agent once what a burst needed was given back.
fn settled(agent: &Agent) -> Result<u64> {
    std::thread::sleep(SETTLE);
    agent.resident_bytes()
}

/// A stream from a server of the workspace.
fn tunnel(agent: &Agent) -> Result<Figure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || send(stream));
        }
    });
    let relay = super::ssh::free_port()?;
    let mut command = shell::command("socat");
    command.arg(format!("TCP-LISTEN:{relay},bind=127.0.0.1,fork,reuseaddr"));
    command.arg(format!("TCP:127.0.0.1:{port}"));
    let _socat = shell::spawn(&mut command)?;
    let connects = || TcpStream::connect((Ipv4Addr::LOCALHOST, relay)).is_ok();
    ensure!(shell::wait_until(Duration::from_secs(10), connects), "socat does not listen");
    let ours = || {
        let (mut stream, early) = Client::connect(&agent.tcp)?.dial(port)?;
        drain(&mut stream, early.len() as u64)
    };
    let theirs = || drain(&mut TcpStream::connect((Ipv4Addr::LOCALHOST, relay))?, 0);
    let (ours, theirs) = in_turns(3, ours, theirs)?;
    #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
    let rate = |times: &Times| TUNNELED as f64 / 1e6 / times.median().as_secs_f64();
    Ok(Figure {
        name: "2 GiB through `dial`".into(),
        ours: Quantity { value: rate(&ours), unit: "MB/s" },
        reference: Some(("socat".into(), rate(&theirs))),
        target: Target::RatioAtLeast(1.0),
    })
}

fn send(mut stream: TcpStream) {
    let chunk = vec![0; 256 * 1024];
    for _ in 0..TUNNELED / chunk.len() as u64 {
        if stream.write_all(&chunk).is_err() {
            return;
        }
    }
}

fn drain(stream: &mut (impl Read + ?Sized), early: u64) -> Result<()> {
    let (mut buffer, mut count) = (vec![0; 256 * 1024], early);
    loop {
        match stream.read(&mut buffer).context("the tunnel breaks")? {
            0 => break,
            read => count += read as u64,
        }
    }
    ensure!(count == TUNNELED, "every byte comes: {count}");
    Ok(())
}
