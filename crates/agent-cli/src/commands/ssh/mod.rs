//! `ssh`: a shell or a command of the agent's SSH server, or the bare way to it.

mod escapes;
mod forwards;
mod listeners;
mod log;
mod modes;
mod network_info;
mod reach;
mod relay;
mod remarks;
mod session;
mod shell;
mod socks;
mod spec;
mod stdio;
mod x11;

use std::{borrow::Cow, ffi::OsString, path::PathBuf, time::Duration};

use agent_sdk::AgentConn;

use self::{log::Log, network_info::NetworkInfo, spec::Spec};
use super::{containers, exec::variable};
use crate::{Connection, Error, output::Output, values};

const EXAMPLES: &str = "\
Options end where the command begins. Without a command there is a login shell, on a terminal if
stdin is one; a command has none unless -t asks for it. Nothing is to be logged in with: the way to
the agent is authenticated already.

-L and -R take [BIND:]PORT:HOST:PORT, where the path of a socket may stand for either pair; -D speaks
SOCKS. On a terminal, ~. at the beginning of a line ends the connection, ~? lists what else there is,
and ~~ sends one ~.

The exit code is that of the command, or 128 and the number of the signal that killed it. 255 says
that the connection could not be made or was lost, 64 that agentctl was used wrongly.

With --stdio nothing but bytes goes through stdin and stdout, as the ProxyCommand of OpenSSH needs
it; `agentctl ssh-config` prints the lines for that.

Examples:
  agentctl ssh work
  agentctl ssh work 'cd app && make test'
  agentctl ssh -t work htop
  agentctl ssh -N -L 8080:localhost:80 -L /tmp/db.sock:/run/postgresql/.s.PGSQL.5432 work
  agentctl ssh -A -X work
  ssh -o ProxyCommand='agentctl ssh --stdio work' work.agent";

/// Variables that name a container and a user of it.
const CONTAINER: &str = "WORKSPACE_CONTAINER";
const CONTAINER_USER: &str = "WORKSPACE_CONTAINER_USER";

/// Arguments of `ssh`.
#[derive(Clone, Debug, Default, clap::Args)]
// As with OpenSSH, `-tt` is `-t`, and the last of several values counts.
#[command(after_help = EXAMPLES, args_override_self = true)]
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
    #[arg(long, short = 't', overrides_with = "no_tty")]
    tty: bool,
    /// Give a shell no terminal either
    #[arg(long, short = 'T')]
    no_tty: bool,
    /// Start nothing: forward only
    #[arg(long, short = 'N', conflicts_with_all = ["command", "tty"])]
    no_command: bool,
    /// Variable of the program's environment; may be repeated
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Port or socket of this machine that leads to one of the workspace; may be repeated
    #[arg(short = 'L', long = "local-forward", value_name = "SPEC", value_parser = Spec::local)]
    local: Vec<Spec>,
    /// Port or socket of the workspace that leads to one of this machine; may be repeated
    #[arg(short = 'R', long = "remote-forward", value_name = "SPEC", value_parser = Spec::remote)]
    remote: Vec<Spec>,
    /// Port of this machine from which SOCKS leads anywhere in the workspace; may be repeated
    #[arg(short = 'D', long = "dynamic-forward", value_name = "[BIND:]PORT", value_parser = Spec::dynamic)]
    dynamic: Vec<Spec>,
    /// Let the session use the keys of this machine's ssh-agent
    #[arg(long, short = 'A')]
    forward_agent: bool,
    /// Socket of that ssh-agent [env: SSH_AUTH_SOCK]
    #[arg(long, value_name = "SOCKET")]
    identity_agent: Option<PathBuf>,
    /// Let the session use this machine's display
    #[arg(long, short = 'X')]
    forward_x11: bool,
    /// Run in this container
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// As this user of the container
    #[arg(long, value_name = "USER", requires = "container")]
    container_user: Option<String>,
    /// Write a log of the connection into a new file in this directory
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// With --stdio, keep a file about the connection in this directory, for editors
    #[arg(long, value_name = "DIR", requires = "stdio")]
    network_info_dir: Option<PathBuf>,
    /// How often that file is written
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::positive_duration)]
    network_info_interval: Duration,
    /// Never use a network that leads to the agent past this program
    #[arg(long)]
    force_new_tunnel: bool,
    /// Agent: http://HOST:PORT, https://HOST, unix:/PATH, or a configured name [env: AGENTCTL_TARGET]
    // It shadows the global option, so that `-t` can be the terminal here.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
}

impl SshArgs {
    /// Those of a command in a container, whose words a shell reads; without one a login shell.
    pub(crate) fn in_container(
        container_id: String,
        user: Option<String>,
        command: Vec<OsString>,
        tty: bool,
    ) -> Self {
        Self { env: variables(container_id, user), command, tty, ..Self::default() }
    }

    /// The same with the container in the environment, where the agent looks for it.
    async fn inside(&self, conn: &dyn AgentConn) -> Result<Cow<'_, Self>, Error> {
        let Some(name) = &self.container else { return Ok(Cow::Borrowed(self)) };
        let found = containers::resolve("ssh", conn, name).await?;
        let mut inside = self.clone();
        inside.env.extend(variables(found.id, self.container_user.clone()));
        Ok(Cow::Owned(inside))
    }

    /// Refuses wrong arguments before an agent is looked for.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.stdio {
            return Ok(());
        }
        let others = [
            ("COMMAND", !self.command.is_empty()),
            ("--tty", self.tty || self.no_tty),
            ("--no-command", self.no_command),
            ("--env", !self.env.is_empty()),
            ("--local-forward", !self.local.is_empty()),
            ("--remote-forward", !self.remote.is_empty()),
            ("--dynamic-forward", !self.dynamic.is_empty()),
            ("--forward-agent", self.forward_agent || self.identity_agent.is_some()),
            ("--forward-x11", self.forward_x11),
            ("--container", self.container.is_some()),
        ];
        match others.iter().find(|(_, is_given)| *is_given) {
            Some((other, _)) => Err(Error::usage(format!("--stdio cannot be used with {other}"))),
            None => Ok(()),
        }
    }

    /// The words as one text, byte by byte; `None` without any.
    fn command_text(&self) -> Option<Vec<u8>> {
        let words: Vec<_> = self.command.iter().map(|word| word.as_encoded_bytes()).collect();
        (!words.is_empty()).then(|| words.join(&b' '))
    }
}

/// The variables by which a session is one in a container.
fn variables(container_id: String, user: Option<String>) -> Vec<(String, String)> {
    let mut variables = vec![(CONTAINER.to_owned(), container_id)];
    variables.extend(user.map(|user| (CONTAINER_USER.to_owned(), user)));
    variables
}

pub(crate) async fn run(
    args: &SshArgs,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let parent = rustix::process::getppid();
    // Whoever's parent has ended has that of everybody.
    let parent = parent.map_or(1, |parent| parent.as_raw_nonzero().get().unsigned_abs());
    let log = Log::create(args.log_dir.as_deref(), args.stdio.then_some(parent))?;
    log.line(format_args!("connecting to {}", connection.name));
    if !args.stdio {
        let args = args.inside(&*connection.conn).await?;
        return shell::run(&args, &*connection.conn, &log, out).await;
    }
    let create = |directory| NetworkInfo::create(directory, parent, args.network_info_interval);
    let info = args.network_info_dir.clone().map(create).transpose()?;
    stdio::run(&*connection.conn, info, &log, out).await
}
