//! `git`: repositories as they differ from their HEAD, once and watched.

mod diff;
mod status;
mod view;
mod watch;
mod words;

use std::path::{Path, PathBuf};

use crate::{Connection, Error, GlobalArgs, output::Output};

const EXAMPLES: &str = "\
Both commands compare the commit of HEAD with the work tree: staged and unstaged changes together,
and untracked files. They run nothing that a repository configures, and change nothing.

Examples:
  agentctl git status
  agentctl git status /srv/app --diff
  agentctl git watch /srv/app /srv/lib";

/// Arguments of `git`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct GitArgs {
    /// What to do.
    #[command(subcommand)]
    command: GitCommand,
}

/// What can be done with repositories.
#[derive(Clone, Debug, clap::Subcommand)]
enum GitCommand {
    /// Show what differs from HEAD
    Status(status::StatusArgs),
    /// Show what differs from HEAD, and go on with every change
    Watch(watch::WatchArgs),
}

impl GitArgs {
    /// Whether exit code 1 says something else than that the command failed.
    pub(crate) fn compares(&self) -> bool {
        matches!(&self.command, GitCommand::Status(args) if args.exit_code)
    }
}

pub(crate) async fn run(
    args: &GitArgs,
    global: &GlobalArgs,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    match &args.command {
        GitCommand::Status(args) => status::run(args, connection, out).await,
        GitCommand::Watch(args) => watch::run(args, global, connection, out).await,
    }
}

/// A path as the agent has to be told it: a relative one begins where this program was started,
/// which means something only to an agent of the same machine.
///
/// # Errors
///
/// [`Error::Usage`] for a relative path where that is not known to be so.
fn absolute(path: &Path, connection: &Connection) -> Result<String, Error> {
    let path = match (path.is_absolute(), &connection.directory) {
        (true, _) => path.to_owned(),
        // What is only `.` goes away with that.
        (false, Some(directory)) => directory.join(path).components().collect(),
        (false, None) => {
            let reason = "must be absolute: the agent is not known to be on this machine";
            return Err(Error::usage(format!("`{}` {reason}", path.display())));
        }
    };
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::usage(format!("`{}` is not UTF-8", path.display())))
}

/// The directory in which this program was started, as a path.
fn here() -> PathBuf {
    PathBuf::from(".")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agent_sdk::AgentClient;

    use super::*;

    #[tokio::test]
    async fn a_relative_path_begins_in_the_directory_of_this_machine() {
        let (stream, _agent) = tokio::io::duplex(1);
        let mut connection = Connection::new(Arc::new(AgentClient::from_stream(stream)), "x");
        for path in [".", "a"] {
            let error = absolute(Path::new(path), &connection).unwrap_err();
            assert_eq!(error.exit_code(), 64);
        }
        assert_eq!(absolute(Path::new("/a/./b"), &connection).unwrap(), "/a/./b");
        connection.directory = Some(PathBuf::from("/srv/app"));
        for (path, expected) in [
            (".", "/srv/app"),
            ("", "/srv/app"),
            ("a/./b/", "/srv/app/a/b"),
            ("../x", "/srv/app/../x"),
            ("/x", "/x"),
        ] {
            assert_eq!(absolute(Path::new(path), &connection).unwrap(), expected, "{path}");
        }
    }
}
