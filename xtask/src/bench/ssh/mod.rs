//! `bench ssh`: agentd's SSH server beside OpenSSH's, with OpenSSH's client on one machine.

mod delay;
mod latency;
pub(super) mod servers;
mod transfers;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::table::{Figure, Quantity, Table, Target};
use servers::{Keys, Server};

pub(super) use latency::flood;
pub(super) use servers::free_port;

/// What the reference is called.
const SSHD: &str = "OpenSSH sshd";

/// Both servers, ours first.
struct Pair {
    ours: Server,
    theirs: Server,
}

/// Measures every figure.
///
/// # Errors
///
/// A program does not start, a reference is missing, or a client fails.
pub(super) fn measure(program: &Path) -> Result<Table> {
    let (keys, state) = (Keys::new()?, tempfile::tempdir()?);
    let (agent, ours) = keys.agent(program, state.path())?;
    let sshd = keys.sshd()?;
    let pair = Pair { ours, theirs: sshd.server.clone() };
    // First, while neither has grown.
    let mut figures = vec![latency::memory(&agent, &sshd, &pair)?];
    figures.extend(transfers::bulk(&keys, &pair)?);
    figures.extend(transfers::far(&keys, &pair)?);
    figures.push(transfers::duplex(&pair)?);
    figures.extend(transfers::forwarded(&pair)?);
    figures.push(latency::connect(&pair)?);
    figures.extend(transfers::sftp(&keys, &pair)?);
    figures.push(latency::beside_a_flood(&keys, &pair)?);
    Ok(Table { figures })
}

/// A rate of ours beside the reference's.
fn rate(name: String, bytes: u64, times: (Duration, Duration), least: f64) -> Figure {
    let mb = |time: Duration| {
        #[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
        let megabytes = bytes as f64 / 1e6;
        megabytes / time.as_secs_f64()
    };
    Figure {
        name,
        ours: Quantity { value: mb(times.0), unit: "MB/s" },
        reference: Some((SSHD.into(), mb(times.1))),
        target: Target::RatioAtLeast(least),
    }
}

/// A time of ours beside the reference's.
fn time(name: &str, times: (Duration, Duration), most: f64) -> Figure {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Figure {
        name: name.into(),
        ours: Quantity { value: ms(times.0), unit: "ms" },
        reference: Some((SSHD.into(), ms(times.1))),
        target: Target::RatioAtMost(most),
    }
}
