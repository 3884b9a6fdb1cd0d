//! `ssh`: a shell or a command of the agent's SSH server, or the bare way to it.

mod log;
mod reach;
mod stdio;

use std::{ffi::OsString, path::PathBuf};

use self::log::Log;
use crate::{Connection, Error, output::Output};

const EXAMPLES: &str = "\
Options end where the command begins. With --stdio nothing but bytes goes through stdin and stdout,
as the ProxyCommand of OpenSSH needs it; `agentctl ssh-config` prints the lines for that.

Examples:
  agentctl ssh work
  ssh -o ProxyCommand='agentctl ssh --stdio work' work.agent";

/// Arguments of `ssh`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SshArgs {
    /// The same as --target
    #[arg(value_name = "TARGET", conflicts_with = "target")]
    pub(crate) agent: Option<String>,
    /// Command for the shell of the agent's user, joined by blanks [default: a login shell]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    command: Vec<OsString>,
    /// Connect stdin and stdout to the SSH server, and do nothing else
    #[arg(long)]
    stdio: bool,
    /// Give a command a terminal too
    #[arg(long, short = 't')]
    tty: bool,
    /// Write a log of the connection into a new file in this directory
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// Never use a network that leads to the agent past this program
    #[arg(long)]
    force_new_tunnel: bool,
    /// Agent: http://HOST:PORT, https://HOST, unix:/PATH, or a configured name [env: AGENTCTL_TARGET]
    // It shadows the global option, so that `-t` can be the terminal here.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
}

impl SshArgs {
    /// Refuses wrong arguments before an agent is looked for.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.stdio {
            return Ok(());
        }
        let others = [("COMMAND", !self.command.is_empty()), ("--tty", self.tty)];
        match others.iter().find(|(_, is_given)| *is_given) {
            Some((other, _)) => Err(Error::usage(format!("--stdio cannot be used with {other}"))),
            None => Ok(()),
        }
    }
}

pub(crate) async fn run(
    args: &SshArgs,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let parent = args.stdio.then(rustix::process::getppid).flatten();
    let parent = parent.and_then(|parent| u32::try_from(parent.as_raw_nonzero().get()).ok());
    let log = Log::create(args.log_dir.as_deref(), parent)?;
    log.line(format_args!("connecting to {}", connection.name));
    stdio::run(&*connection.conn, &log, out).await
}
