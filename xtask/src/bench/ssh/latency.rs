//! How long single things take, and what an idle session holds.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::servers::{Keys, Server, Sshd};
use super::{Figure, Pair, SSHD, time, transfers};
use crate::bench::agent::Agent;
use crate::bench::table::{Quantity, Target};
use crate::bench::times::{Times, in_turns};
use crate::shell::{self, Owned};

/// Connections of the figure of a short command.
const CONNECTIONS: usize = 40;
/// Bytes that go there and back one by one.
const ROUND_TRIPS: usize = 2_000;
/// Bytes a second of the flood, and how often one is echoed beside it.
const FLOOD: u64 = 100_000_000;
const ECHOES: usize = 1_000;
/// Pause between two echoes, as of somebody who types very fast.
const PAUSE: Duration = Duration::from_millis(5);
/// Sessions that are idle while memory is measured.
const IDLE: u32 = 20;

/// Connect, run `true`, close.
pub(super) fn connect(pair: &Pair) -> Result<Figure> {
    let one = |server: &Server| shell::run(server.ssh(&[]).arg("true"));
    let (ours, theirs) = in_turns(CONNECTIONS, || one(&pair.ours), || one(&pair.theirs))?;
    Ok(time("connect, `true`, close, p50", (ours.median(), theirs.median()), 0.3))
}

/// Medians of a byte's way through a forwarded port and back.
pub(super) fn round_trips(pair: &Pair) -> Result<(Duration, Duration)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || echo(stream));
        }
    });
    let (_our_client, ours) = transfers::forward(&pair.ours, port)?;
    let (_their_client, theirs) = transfers::forward(&pair.theirs, port)?;
    let connect = |port| -> Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let (mut ours, mut theirs) = (connect(ours)?, connect(theirs)?);
    let one = |stream: &mut TcpStream| -> Result<()> {
        stream.write_all(b"x")?;
        Ok(stream.read_exact(&mut [0])?)
    };
    let (ours, theirs) = in_turns(ROUND_TRIPS, || one(&mut ours), || one(&mut theirs))?;
    Ok((ours.median(), theirs.median()))
}

fn echo(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// A byte echoed in one session while another one of the connection is flooded.
pub(super) fn beside_a_flood(keys: &Keys, pair: &Pair) -> Result<Figure> {
    let ours = echoes(keys, &pair.ours, "ours")?;
    let theirs = echoes(keys, &pair.theirs, "theirs")?;
    let times = (ours.quantile(0.99), theirs.quantile(0.99));
    Ok(time("echo of a byte beside a flood of 100 MB/s in another channel, p99", times, 1.0))
}

fn echoes(keys: &Keys, server: &Server, name: &str) -> Result<Times> {
    let control = keys.path(&format!("control-{name}"));
    let control = control.to_str().context("a plain path")?;
    let mut command = server.ssh(&["-M", "-N", "-S", control]);
    let _master = shell::spawn(&mut command)?;
    let is_there = || std::path::Path::new(control).exists();
    ensure!(shell::wait_until(Duration::from_secs(10), is_there), "no shared connection");
    let mut command = server.ssh(&["-S", control]);
    let flood = format!("'{}' bench-flood {FLOOD}", std::env::current_exe()?.display());
    command.arg(flood).stdout(Stdio::null()).stderr(Stdio::null());
    let _flood = shell::spawn(&mut command)?;
    let mut command = server.ssh(&["-S", control]);
    command.arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut session = shell::spawn(&mut command)?;
    let mut stdin = session.child.stdin.take().context("stdin is piped")?;
    let mut stdout = session.child.stdout.take().context("stdout is piped")?;
    let mut one = || -> Result<Duration> {
        let start = Instant::now();
        stdin.write_all(b"x")?;
        stdout.read_exact(&mut [0])?;
        Ok(start.elapsed())
    };
    // Until the flood runs at its pace.
    for _ in 0..ECHOES / 10 {
        one()?;
        std::thread::sleep(PAUSE);
    }
    let times = (0..ECHOES).map(|_| {
        std::thread::sleep(PAUSE);
        one()
    });
    Ok(Times::new(times.collect::<Result<_>>()?))
}

/// Prints bytes at a steady rate until nobody reads.
pub(in crate::bench) fn flood(rate: u64) -> Result<()> {
    const STEP: Duration = Duration::from_millis(5);
    let chunk = vec![b'x'; usize::try_from(rate / 200)?];
    let (mut stdout, mut due) = (std::io::stdout().lock(), Instant::now());
    loop {
        stdout.write_all(&chunk)?;
        stdout.flush()?;
        due += STEP;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// What each idle session holds.
pub(super) fn memory(agent: &Agent, sshd: &Sshd, pair: &Pair) -> Result<Figure> {
    // Code that runs for the first time is no cost of a session.
    drop(sessions(&pair.ours, 2)?);
    let before = agent.resident_bytes()?;
    let open = sessions(&pair.ours, IDLE)?;
    let ours = agent.resident_bytes()?.saturating_sub(before) / u64::from(IDLE);
    drop(open);
    let open = sessions(&pair.theirs, IDLE)?;
    let mut theirs = 0;
    for pid in sshd.session_processes()? {
        theirs += private_bytes_of_sshd(pid)?;
    }
    drop(open);
    #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
    let kib = |bytes: u64| bytes as f64 / 1024.0;
    Ok(Figure {
        name: "resident memory per idle session".into(),
        ours: Quantity { value: kib(ours), unit: "KiB" },
        reference: Some((format!("{SSHD}, not shared"), kib(theirs / u64::from(IDLE)))),
        target: Target::RatioAtMost(1.0),
    })
}

/// Sessions that run a program which does nothing, each with its connection, all begun.
fn sessions(server: &Server, count: u32) -> Result<Vec<Owned>> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut command = server.ssh(&[]);
        command.arg("echo up; exec cat").stdin(Stdio::piped()).stdout(Stdio::piped());
        clients.push(shell::spawn(&mut command)?);
    }
    for client in &mut clients {
        let stdout = client.child.stdout.as_mut().context("stdout is piped")?;
        let mut line = [0; 3];
        stdout.read_exact(&mut line)?;
        ensure!(&line == b"up\n", "a session begins");
    }
    Ok(clients)
}

/// Memory that a process shares with no other, if it is one of the server's and not what it runs.
fn private_bytes_of_sshd(pid: u32) -> Result<u64> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim_end() != "sshd" {
        return Ok(0);
    }
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib = text.lines().filter(|line| line.starts_with("Private_")).filter_map(|line| {
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok())
    });
    Ok(kib.sum::<u64>() * 1024)
}
