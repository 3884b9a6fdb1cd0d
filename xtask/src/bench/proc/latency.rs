//! How long a line travels from the child that writes it to the client that follows it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::{Agent, Client, Figure, Message, Quantity, Target, Times, delete, ms, start_process};
use crate::shell;

/// Lines of the measurement, each side.
const LINES: usize = 2_000;
/// Time between two lines, longer than any of them travels.
const PAUSE: Duration = Duration::from_millis(2);

/// Nanoseconds of the clock that all processes of a machine share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// Prints the time, line by line.
///
/// # Errors
///
/// Nobody reads.
pub(in crate::bench) fn ticker(lines: usize) -> Result<()> {
    let mut stdout = std::io::stdout();
    for _ in 0..lines {
        std::thread::sleep(PAUSE);
        stdout.write_all(format!("{}\n", now()).as_bytes())?;
        stdout.flush()?;
    }
    Ok(())
}

fn travelled(line: &str) -> Result<Duration> {
    let sent: u64 = line.trim_end().parse().context("the ticker prints a time")?;
    Ok(Duration::from_nanos(now().saturating_sub(sent)))
}

/// Measures the way through the agent beside that through a pipe.
pub(super) fn measure(agent: &Agent) -> Result<Vec<Figure>> {
    let (ours, theirs) = (through_agent(agent)?, through_pipe()?);
    let figure = |name: &str, share: f64, most: f64| Figure {
        name: format!("a child's line to a streaming client, {name}"),
        ours: Quantity { value: ms(ours.quantile(share)), unit: "ms" },
        reference: Some(("a pipe".into(), ms(theirs.quantile(share)))),
        target: Target::AtMost(most),
    };
    Ok(vec![figure("p50", 0.5, 1.0), figure("p99", 0.99, 5.0)])
}

fn through_agent(agent: &Agent) -> Result<Times> {
    let program = std::env::current_exe()?;
    let mut client = Client::connect(&agent.unix)?;
    let args = json!({"args": [program, "bench-ticker", LINES.to_string()]});
    let id = start_process(&mut client, &args)?;
    let target = format!("/api/v0/processes/{id}/output/stream");
    let mut messages = Client::connect(&agent.unix)?.upgrade(&target)?;
    let mut times = Vec::new();
    loop {
        match messages.next()? {
            Message::Binary(bytes) => {
                let text = std::str::from_utf8(&bytes[8..])?;
                // Lines that waited together have travelled since the first of them.
                for line in text.lines() {
                    times.push(travelled(line)?);
                }
            }
            Message::Close => break,
            Message::Text(_) | Message::Other => {}
        }
    }
    ensure!(times.len() == LINES, "every line came: {}", times.len());
    delete(&mut client, &id)?;
    Ok(Times::new(times))
}

fn through_pipe() -> Result<Times> {
    let mut command = shell::command(std::env::current_exe()?);
    command.args(["bench-ticker", &LINES.to_string()]).stdout(Stdio::piped());
    let mut process = shell::spawn(&mut command)?;
    let stdout = process.child.stdout.take().context("stdout is piped")?;
    let times = BufReader::new(stdout).lines().map(|line| travelled(&line?));
    Ok(Times::new(times.collect::<Result<Vec<_>>>()?))
}
