//! Telling the world that the agent listens: stdout, service manager, log, and a person at a
//! terminal.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
};

use tracing::{info, warn};

use crate::{Agent, Environment, config::quote, system::notify};

/// Says that the agent listens, in the order of the protocol: one line of JSON on stdout,
/// `READY=1` to the service manager, `listening` in the log; then commands to try.
///
/// None of it is needed to serve, so a failure is logged only.
pub fn listening(agent: &Agent, env: &Environment) {
    let info = agent.info();
    if let Err(error) = write_line(&mut io::stdout(), info) {
        warn!(error = agent_api::io_text(&error), "cannot write to stdout");
    }
    if let Some(address) = env.get("NOTIFY_SOCKET")
        && let Err(error) = notify::send(address, "READY=1")
    {
        warn!(error = agent_api::io_text(&error), "cannot tell the service manager");
    }
    let (http, http_unix) = (info.http.join(","), info.http_unix.join(","));
    info!(http, http_unix, version = info.version, "listening");
    let commands = commands(agent, env);
    if io::stderr().is_terminal() {
        // A person reads it once, so it is neither a line of the log nor worth a failure.
        let _ = io::stderr().write_all(welcome(agent, &commands).as_bytes());
    } else {
        for command in commands {
            info!(command, "to try");
        }
    }
}

/// Tells the service manager that the agent stops.
pub fn stopping(env: &Environment) {
    if let Some(address) = env.get("NOTIFY_SOCKET") {
        // It gave the signal, or learns of the end from the exit code.
        let _ = notify::send(address, "STOPPING=1");
    }
}

fn write_line(out: &mut impl Write, info: &agent_api::AgentInfo) -> io::Result<()> {
    let mut line = serde_json::to_vec(info).map_err(io::Error::other)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

fn welcome(agent: &Agent, commands: &[String]) -> String {
    let mut text = format!("\nagentd {} listens on\n", crate::VERSION);
    for address in &agent.info().http {
        let token = agent.token_path().map(|path| format!("  token in {}", path.display()));
        let _ = writeln!(text, "  http://{address}{}", token.unwrap_or_default());
    }
    for path in &agent.info().http_unix {
        let _ = writeln!(text, "  unix:{path}");
    }
    text.push_str("try\n");
    for command in commands {
        let _ = writeln!(text, "  {command}");
    }
    text.push('\n');
    text
}

/// Three commands that work when pasted into a shell of the same user.
fn commands(agent: &Agent, env: &Environment) -> [String; 3] {
    let client = format!("{}{}", env.client_command(), target(agent));
    let home = quote(&env.home().to_string_lossy());
    [format!("{client} health"), format!("{client} ls {home}"), format!("{client} logs")]
}

/// The options that lead to this agent, whichever agent is the default one.
fn target(agent: &Agent) -> String {
    let info = agent.info();
    match (info.http_unix.first(), info.http.first()) {
        (Some(path), _) => format!(" --target {}", quote(&format!("unix:{path}"))),
        (None, Some(address)) => {
            let token = agent
                .token_path()
                .map(|path| format!(" --token-file {}", quote(&path.to_string_lossy())));
            format!(" --target http://{address}{}", token.unwrap_or_default())
        }
        (None, None) => String::new(),
    }
}
