//! How fast bytes go: through sessions, forwarded ports, and SFTP.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::servers::{Keys, Server, free_port};
use super::{Figure, Pair, SSHD, delay, rate};
use crate::bench::table::{Quantity, Target};
use crate::bench::times::in_turns;
use crate::shell;

const GIB: u64 = 1024 * 1024 * 1024;
/// What goes through a session on one machine.
const BULK: u64 = 2 * GIB;
/// What goes through one over a long path.
const FAR: u64 = GIB / 4;
/// What goes there and back.
const DUPLEX: u64 = GIB / 2;
/// Half of the delay of a round trip over a long path.
const ONE_WAY: Duration = Duration::from_millis(20);
const CIPHERS: [&str; 2] = ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"];
/// Files of the figure with many, and their size.
const FILES: usize = 1_000;
const FILE_BYTES: usize = 4 * 1024;
/// How long a stream through a forwarded port is measured.
const STREAM_SECONDS: &str = "3";
/// How many such streams each side has.
const STREAMS: usize = 3;

/// `cat` of a file, and into nothing, with both ciphers.
pub(super) fn bulk(keys: &Keys, pair: &Pair) -> Result<Vec<Figure>> {
    let file = sparse(keys, "bulk", BULK)?;
    let mut figures = Vec::new();
    for cipher in CIPHERS {
        let name = cipher.split('@').next().unwrap_or(cipher);
        let (ours, theirs) =
            in_turns(3, || down(&pair.ours, cipher, &file), || down(&pair.theirs, cipher, &file))?;
        let times = (ours.median(), theirs.median());
        figures.push(rate(format!("`ssh host 'cat 2GiB'`, {name}"), BULK, times, 1.3));
        let (ours, theirs) =
            in_turns(3, || up(&pair.ours, cipher, &file), || up(&pair.theirs, cipher, &file))?;
        let times = (ours.median(), theirs.median());
        let name = format!("`ssh host 'cat > /dev/null' < 2GiB`, {name}");
        figures.push(rate(name, BULK, times, 1.3));
    }
    Ok(figures)
}

/// The same over a path of 40 ms.
pub(super) fn far(keys: &Keys, pair: &Pair) -> Result<Vec<Figure>> {
    let file = sparse(keys, "far", FAR)?;
    let ours = pair.ours.behind(delay::relay(pair.ours.port, ONE_WAY)?);
    let theirs = pair.theirs.behind(delay::relay(pair.theirs.port, ONE_WAY)?);
    let cipher = CIPHERS[0];
    let (down_ours, down_theirs) =
        in_turns(3, || down(&ours, cipher, &file), || down(&theirs, cipher, &file))?;
    let (up_ours, up_theirs) =
        in_turns(3, || up(&ours, cipher, &file), || up(&theirs, cipher, &file))?;
    let times = (down_ours.median(), down_theirs.median());
    let name = "256 MiB down with 40 ms of round-trip delay".to_owned();
    let down = rate(name, FAR, times, 1.0);
    let times = (up_ours.median(), up_theirs.median());
    let up = rate("256 MiB up with 40 ms of round-trip delay".to_owned(), FAR, times, 2.0);
    Ok(vec![down, up])
}

/// Everything sent comes back while it is sent.
pub(super) fn duplex(pair: &Pair) -> Result<Figure> {
    let one = |server: &Server| {
        let mut command = server.ssh(&[]);
        command.arg("cat");
        let pipe = format!("head -c {DUPLEX} /dev/zero | \"$@\" > /dev/null");
        shell::run(shell::command("sh").args(["-c", &pipe, "sh"]).args(words(&command)))
    };
    let (ours, theirs) = in_turns(3, || one(&pair.ours), || one(&pair.theirs))?;
    let times = (ours.median(), theirs.median());
    let name = "`head -c 512M /dev/zero | ssh host cat > /dev/null`".to_owned();
    Ok(rate(name, DUPLEX, times, 1.0))
}

/// A stream and single bytes through `ssh -L`.
pub(super) fn forwarded(pair: &Pair) -> Result<Vec<Figure>> {
    let port = free_port()?;
    let mut command = shell::command("iperf3");
    command.args(["-s", "-B", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null());
    let _iperf = shell::spawn(&mut command)?;
    let (_our_client, ours) = forward(&pair.ours, port)?;
    let (_their_client, theirs) = forward(&pair.theirs, port)?;
    let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
    for _ in 0..STREAMS {
        our_rates.push(stream(ours)?);
        their_rates.push(stream(theirs)?);
    }
    let stream = Figure {
        name: "TCP stream through `ssh -L` (iperf3)".into(),
        ours: Quantity { value: median(our_rates), unit: "MB/s" },
        reference: Some((SSHD.into(), median(their_rates))),
        target: Target::RatioAtLeast(1.0),
    };
    let times = super::latency::round_trips(pair)?;
    Ok(vec![stream, super::time("1 byte there and back through `ssh -L`, p50", times, 1.1)])
}

/// Megabytes a second of iperf3 through a forwarded port.
///
/// The server of iperf3 refuses a client while it ends with the one before.
fn stream(port: u16) -> Result<f64> {
    let mut report = Value::Null;
    let is_there = shell::wait_until(Duration::from_secs(20), || {
        let mut command = shell::command("iperf3");
        command.args(["-c", "127.0.0.1", "-p", &port.to_string(), "-t", STREAM_SECONDS, "-J"]);
        let text = command.output().map(|output| output.stdout).unwrap_or_default();
        report = serde_json::from_slice(&text).unwrap_or_default();
        report["end"]["sum_received"]["bits_per_second"].is_f64()
    });
    ensure!(is_there, "iperf3 does not say how fast: {}", report["error"]);
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    Ok(bits.context("a rate is a number")? / 8e6)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// A client that forwards a local port to one behind the server, ready.
pub(super) fn forward(server: &Server, port: u16) -> Result<(shell::Owned, u16)> {
    let local = free_port()?;
    let mapping = format!("127.0.0.1:{local}:127.0.0.1:{port}");
    let mut command = server.ssh(&["-N", "-o", "ExitOnForwardFailure=yes", "-L", &mapping]);
    let client = shell::spawn(&mut command)?;
    let is_ready = || listens(local);
    ensure!(shell::wait_until(Duration::from_secs(10), is_ready), "nothing is forwarded");
    Ok((client, local))
}

/// Tells whether somebody listens on a port, without connecting (`/proc/net/tcp`, proc(5)).
///
/// iperf3 takes whoever connects for its client.
fn listens(port: u16) -> bool {
    let line = format!(":{port:04X} 00000000:0000 0A");
    std::fs::read_to_string("/proc/net/tcp").is_ok_and(|sockets| sockets.contains(&line))
}

/// One large file and many small ones, there and back.
pub(super) fn sftp(keys: &Keys, pair: &Pair) -> Result<Vec<Figure>> {
    let file = sparse(keys, "large", GIB)?;
    let many = keys.path("many");
    std::fs::create_dir(&many)?;
    for number in 0..FILES {
        std::fs::write(many.join(format!("file-{number}")), vec![b'x'; FILE_BYTES])?;
    }
    // The copies are kept in memory, so that the disk does not count.
    let memory = tempfile::tempdir_in("/dev/shm").context("the bench writes to a tmpfs")?;
    let copy = memory.path().join("copy");
    let cases = [
        ("sftp put of 1 GiB", format!("put {} {}\n", file.display(), copy.display()), GIB, 1.2),
        ("sftp get of 1 GiB", format!("get {} {}\n", file.display(), copy.display()), GIB, 1.2),
        ("sftp put of 1,000 files of 4 KiB", recursive("put", &many, &copy), 0, 1.0),
        ("sftp get of 1,000 files of 4 KiB", recursive("get", &many, &copy), 0, 1.0),
    ];
    let mut figures = Vec::new();
    for (name, batch, bytes, least) in cases {
        let bytes = if bytes == 0 { (FILES * FILE_BYTES) as u64 } else { bytes };
        let one = |server: &Server| {
            remove(&copy)?;
            server.sftp(&batch)
        };
        let (ours, theirs) = in_turns(3, || one(&pair.ours), || one(&pair.theirs))?;
        figures.push(rate(name.to_owned(), bytes, (ours.median(), theirs.median()), least));
    }
    Ok(figures)
}

fn recursive(verb: &str, from: &Path, to: &Path) -> String {
    // Putting a directory needs one that is there, and getting one makes it.
    let make = if verb == "put" { format!("mkdir {}\n", to.display()) } else { String::new() };
    format!("{make}{verb} -r {}/ {}\n", from.display(), to.display())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(std::fs::remove_dir_all(path)?),
        Ok(_) => Ok(std::fs::remove_file(path)?),
        Err(_) => Ok(()),
    }
}

fn down(server: &Server, cipher: &str, file: &Path) -> Result<()> {
    let mut command = server.ssh(&["-c", cipher]);
    command.arg(format!("cat '{}'", file.display())).stdout(Stdio::null());
    shell::run(&mut command)
}

fn up(server: &Server, cipher: &str, file: &Path) -> Result<()> {
    let mut command = server.ssh(&["-c", cipher]);
    command.arg("cat > /dev/null").stdin(File::open(file)?);
    shell::run(&mut command)
}

/// A file of zeros that takes no room.
fn sparse(keys: &Keys, name: &str, bytes: u64) -> Result<std::path::PathBuf> {
    let path = keys.path(name);
    File::create(&path)?.set_len(bytes)?;
    Ok(path)
}

fn words(command: &std::process::Command) -> Vec<std::ffi::OsString> {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(std::ffi::OsStr::to_owned)
        .collect()
}
