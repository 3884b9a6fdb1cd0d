//! Runs a command in the local agent's workspace, and says how it ended and what it used:
//! `exec PROGRAM [ARGUMENT...]`.

#![expect(clippy::print_stderr, reason = "a program at a prompt")]

use std::io::Write;

use agent_sdk::{
    AgentClient, CapturedOutput, Config, Environment, Error, ExecConfig, api::StartProcessRequest,
    exec,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let found = Environment::from_process().resolve(None, None)?;
    let agent = AgentClient::connect(found.target, Config::default())?;

    let args = Some(std::env::args().skip(1).collect());
    let request = StartProcessRequest { args, separate_stderr: true, ..Default::default() };
    let outcome = exec(&agent, request, None, ExecConfig::default()).await?;

    print(std::io::stdout(), &outcome.output);
    if let Some(stderr) = &outcome.stderr {
        print(std::io::stderr(), stderr);
    }
    let used = outcome.statistics;
    let (cpu, memory) = (used.cpu_time.unwrap_or_default(), used.peak_memory_bytes.unwrap_or(0));
    eprintln!(
        "exit code {} after {:?}, {cpu:?} of processor time, at most {memory} bytes of memory",
        outcome.exit_code, used.wall_time
    );
    Ok(())
}

fn print(mut to: impl Write, output: &CapturedOutput) {
    // A closed pipe ends the printing, not the report.
    let _ = to.write_all(&output.head);
    if !output.is_complete() {
        let _ = writeln!(to, "\n... {} bytes left out ...", output.omitted_bytes);
    }
    let _ = to.write_all(&output.tail);
}
