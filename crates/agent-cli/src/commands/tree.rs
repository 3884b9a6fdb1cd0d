//! `mkdir`, `mv`, `rm`: the shape of the tree, not what is in its files.

use agent_sdk::{
    AgentConn,
    api::{FileMode, MakeDirectoryRequest, MovePathRequest, RemovePathRequest},
};

use super::each;
use crate::{Error, output::Output};

const MKDIR_EXAMPLES: &str = "\
A directory that exists already is a success.

Examples:
  agentctl mkdir /srv/app/logs/2026
  agentctl mkdir --mode 0700 /home/me/.ssh";

const MV_EXAMPLES: &str = "\
TO is the new path itself, never a directory to move into; its missing parents are created.

Examples:
  agentctl mv /srv/app/a.txt /srv/app/old/a.txt
  agentctl mv --overwrite /srv/app/new.json /srv/app/config.json";

const RM_EXAMPLES: &str = "\
Links are removed themselves, never what they lead to.

Examples:
  agentctl rm /srv/app/a.txt
  agentctl rm -r /srv/app/build /srv/app/dist";

/// Arguments of `mkdir`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = MKDIR_EXAMPLES)]
pub struct MkdirArgs {
    /// Directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Exact mode of a new directory, in octal digits [default: 0777 less the agent's umask]
    #[arg(long, short, value_name = "MODE")]
    mode: Option<FileMode>,
    /// Accepted for habit: missing parents are always created
    #[arg(long, short, hide = true)]
    parents: bool,
}

/// Arguments of `mv`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = MV_EXAMPLES)]
pub struct MvArgs {
    /// What to move
    from: String,
    /// Its new path
    to: String,
    /// Replace a file, or an empty directory, that is at the new path
    #[arg(long, short = 'f')]
    overwrite: bool,
}

/// Arguments of `rm`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = RM_EXAMPLES)]
pub struct RmArgs {
    /// Files, links or directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Remove directories with everything below them
    #[arg(long, short)]
    recursive: bool,
}

pub(crate) async fn mkdir(
    args: &MkdirArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    each(&args.paths, out, async |path, out| {
        let request = MakeDirectoryRequest { path: path.to_owned(), mode: args.mode };
        let response = conn.make_directory(request).await?;
        let what = if response.created { "created" } else { "already there:" };
        let path = out.name(&response.path).into_owned();
        out.done(&response, format_args!("{what} {path}")).await
    })
    .await
}

pub(crate) async fn mv(
    args: &MvArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let request =
        MovePathRequest { from: args.from.clone(), to: args.to.clone(), overwrite: args.overwrite };
    let response = conn.move_path(request).await?;
    let from = out.name(&response.from).into_owned();
    let to = out.name(&response.to).into_owned();
    out.done(&response, format_args!("moved {from} to {to}")).await
}

pub(crate) async fn rm(
    args: &RmArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    each(&args.paths, out, async |path, out| {
        let request = RemovePathRequest { path: path.to_owned(), recursive: args.recursive };
        let response = conn.remove_path(request).await?;
        let path = out.name(path).into_owned();
        let entries = match response.removed_entries {
            0 | 1 => String::new(),
            many => format!(", {many} entries"),
        };
        out.done(&response, format_args!("removed {path}{entries}")).await
    })
    .await
}
