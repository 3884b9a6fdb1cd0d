//! The process around one run of `agentctl`: its streams, its signals, its exit code.

use std::{io, process::ExitCode};

use agent_cli::{Io, connect, run, until_signaled};

/// Fails only when the process has no means to run anything.
fn main() -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut io = Io::standard();
    let (interrupt, signals) = (io.interrupt.clone(), io.signals.clone());
    let run = run(std::env::args_os(), &mut io, connect);
    let code = runtime.block_on(until_signaled(interrupt, signals, run));
    // A read of stdin that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    code.map(ExitCode::from)
}
