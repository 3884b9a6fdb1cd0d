//! `devcontainer`: dev containers listed, brought up, rebuilt, entered and removed.

mod bring_up;
mod list;

use std::ffi::OsString;

use agent_sdk::{
    AgentConn,
    api::{DevContainer, DevContainerLogEntry, ListContainersRequest},
    find_dev_container,
};
use futures_util::StreamExt as _;

use super::ssh::{self, SshArgs};
use crate::{Connection, Error, format::without_controls, output::Output};

const EXAMPLES: &str = "\
NAME is the name of a dev container, its id or a beginning of that, its folder, or the name or id of
its container. To ask the agent inside one, any other command takes --dev-container NAME.

Examples:
  agentctl devcontainer ls
  agentctl devcontainer up web
  agentctl devcontainer exec web -- make test
  agentctl devcontainer logs -f /home/dev/web
  agentctl --dev-container web ls /workspaces/web";

const LS_EXAMPLES: &str = "\
By folder. DIRTY says that the configuration changed after the container was created, AGENT that
there is an agent inside. With --json each dev container is a line.

Examples:
  agentctl devcontainer ls
  agentctl devcontainer ls --json | jq -r 'select(.dirty) | .name'";

const UP_EXAMPLES: &str = "\
Does nothing for one that runs, and otherwise makes its container anew and prints the log meanwhile.
Exit code 1 says that there is no container in the end.

Examples:
  agentctl devcontainer up web
  agentctl devcontainer up /home/dev/web && agentctl devcontainer exec web";

const RECREATE_EXAMPLES: &str = "\
Removes the container, makes another one, and prints the log meanwhile; volumes stay. It goes on when
this program is ended.

Examples:
  agentctl devcontainer recreate web
  agentctl devcontainer recreate --detach web";

const RM_EXAMPLES: &str = "\
Stops and removes the containers, and forgets the dev containers; volumes and folders stay.

Examples:
  agentctl devcontainer rm web
  agentctl devcontainer rm 644843b5 /home/dev/db";

const LOGS_EXAMPLES: &str = "\
The log of the last time that the container was made. Errors are on stderr. With --json each entry
is a line.

Examples:
  agentctl devcontainer logs web
  agentctl devcontainer logs --follow web
  agentctl devcontainer logs --json web | jq -r 'select(.level == \"error\") | .text'";

const EXEC_EXAMPLES: &str = "\
Runs a command over SSH in the container, word by word as it is given; without one a login shell. The
exit code is that of the command, and 255 when the connection could not be made or was lost.

Examples:
  agentctl devcontainer exec web -- make test
  agentctl devcontainer exec web
  agentctl devcontainer exec --user root -t web -- apt-get install strace
  agentctl devcontainer exec web -- tar c -C /workspaces/web . > web.tar";

/// Arguments of `devcontainer`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct DevContainerArgs {
    /// What to do.
    #[command(subcommand)]
    command: DevContainerCommand,
}

/// What can be done with dev containers.
#[derive(Clone, Debug, clap::Subcommand)]
enum DevContainerCommand {
    /// List dev containers
    #[command(after_help = LS_EXAMPLES)]
    Ls {},
    /// Bring up a dev container that does not run
    #[command(after_help = UP_EXAMPLES)]
    Up(NameArgs),
    /// Make the container of a dev container anew
    #[command(after_help = RECREATE_EXAMPLES)]
    Recreate {
        #[command(flatten)]
        name: NameArgs,
        /// Return as soon as it has begun
        #[arg(long, short = 'd')]
        detach: bool,
    },
    /// Remove dev containers with their containers
    #[command(after_help = RM_EXAMPLES)]
    Rm {
        /// The dev containers
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Print the log of the last time one was brought up
    #[command(after_help = LOGS_EXAMPLES)]
    Logs {
        #[command(flatten)]
        name: NameArgs,
        /// Go on until what is being brought up is up
        #[arg(long, short)]
        follow: bool,
    },
    /// Run a command, or a shell, in a dev container
    Exec(ExecArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct NameArgs {
    /// The dev container
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXEC_EXAMPLES)]
struct ExecArgs {
    /// The dev container
    #[arg(value_name = "NAME")]
    name: String,
    /// Program and arguments [default: a login shell]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    command: Vec<OsString>,
    /// As this user of the container [default: that of the dev container]
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// Give a command a terminal, too
    #[arg(long, short = 't')]
    tty: bool,
    /// Agent: http://HOST:PORT, https://HOST, unix:/PATH, or a configured name [env: AGENTCTL_TARGET]
    // It shadows the global option, so that `-t` can be the terminal here.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
}

impl DevContainerArgs {
    /// Whether the command ends with the exit code of another one.
    pub(crate) fn is_exec(&self) -> bool {
        matches!(self.command, DevContainerCommand::Exec(_))
    }
}

pub(crate) async fn run(
    args: &DevContainerArgs,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let conn = &*connection.conn;
    match &args.command {
        DevContainerCommand::Ls {} => list::run(conn, out).await,
        DevContainerCommand::Up(args) => bring_up::up(&args.name, conn, out).await,
        DevContainerCommand::Recreate { name, detach } => {
            bring_up::recreate(&name.name, *detach, conn, out).await
        }
        DevContainerCommand::Rm { names } => {
            super::each(names, out, async |text, out| remove(text, conn, out).await).await
        }
        DevContainerCommand::Logs { name, follow } => {
            let found = find(conn, &name.name).await?;
            let mut entries = conn.dev_container_logs(found.id, *follow).await?;
            while let Some(entry) = entries.next().await.transpose()? {
                print_entry(&entry, out).await?;
            }
            Ok(())
        }
        DevContainerCommand::Exec(args) => exec(args, connection, out).await,
    }
}

async fn remove(text: &str, conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    let found = find(conn, text).await?;
    conn.delete_dev_container(found.id).await?;
    let shown = out.name(name(&found)).into_owned();
    if out.json || out.quiet { Ok(()) } else { out.line(format_args!("removed {shown}")).await }
}

async fn exec(args: &ExecArgs, connection: &Connection, out: &mut Output<'_>) -> Result<(), Error> {
    let found = find(&*connection.conn, &args.name).await?;
    let Some(container) = found.container.filter(|container| container.running) else {
        let message = format!(
            "`{0}` has no container that runs; `agentctl devcontainer up {0}` brings it up",
            args.name
        );
        return Err(Error::Refused { operation: "devcontainer exec", message });
    };
    let args = SshArgs::in_container(
        container.id,
        args.user.clone(),
        args.command.iter().map(quoted).collect(),
        args.tty,
    );
    ssh::run(&args, connection, out).await
}

/// A word that every shell reads as this one.
fn quoted(word: &OsString) -> OsString {
    let bytes = word.as_encoded_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return word.clone();
    }
    use std::os::unix::ffi::OsStringExt;
    let mut quoted = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    OsString::from_vec(quoted)
}

/// Finds the dev container that a person means.
///
/// # Errors
///
/// [`Error::Refused`] when none or several are meant, with the names there are.
pub(crate) async fn find(conn: &dyn AgentConn, text: &str) -> Result<DevContainer, Error> {
    let list = conn.list_containers(ListContainersRequest::default()).await?;
    match find_dev_container(&list.devcontainers, text) {
        Ok(found) => Ok(found.clone()),
        // What is wrong is not how it was typed, but what there is.
        Err(agent_sdk::Error::InvalidArgument { detail }) => {
            Err(Error::Refused { operation: "devcontainer", message: detail })
        }
        Err(error) => Err(error.into()),
    }
}

/// What a person calls it.
pub(super) fn name(dev: &DevContainer) -> &str {
    if dev.name.is_empty() { &dev.workspace_folder } else { &dev.name }
}

/// Its status in words, with what went wrong.
pub(super) fn state(dev: &DevContainer) -> String {
    let dirty = if dev.dirty { ", dirty" } else { "" };
    let agent = if dev.agent.is_some() { ", with an agent" } else { "" };
    let error = dev.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{}{dirty}{agent}{error}", dev.status.as_str())
}

/// Prints an entry of a log: what was written as an error to stderr.
async fn print_entry(entry: &DevContainerLogEntry, out: &mut Output<'_>) -> Result<(), Error> {
    use agent_sdk::api::DevContainerLogLevel;
    if out.json {
        out.json(entry).await?;
        return out.flush().await;
    }
    match entry.level {
        DevContainerLogLevel::Error => {
            let mut text = without_controls_in_lines(&entry.text, out.io.stderr_is_terminal);
            text.push('\n');
            // What nobody reads is nobody's loss.
            let _ = out.io.stderr.write_all(text.as_bytes());
            Ok(())
        }
        _ => {
            let text = without_controls_in_lines(&entry.text, out.io.stdout_is_terminal);
            out.line(text).await?;
            out.flush().await
        }
    }
}

/// The lines of a text, to a terminal without what could move the cursor.
fn without_controls_in_lines(text: &str, is_terminal: bool) -> String {
    if !is_terminal {
        return text.to_owned();
    }
    text.lines().map(without_controls).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_shell_as_they_are() {
        for (word, expected) in [
            ("make", "make"),
            ("--jobs=2", "--jobs=2"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$HOME;", "'$HOME;'"),
            ("~", "'~'"),
        ] {
            assert_eq!(quoted(&word.into()), expected, "{word}");
        }
    }
}
