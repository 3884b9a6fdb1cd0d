//! `git watch`: what differs from HEAD, again after every change; as lines, or as a live view on a
//! terminal.

use std::{path::PathBuf, time::Duration};

use agent_sdk::{
    Reconnect, RepositoryWatch,
    api::{ChatId, GitChanges, GitServerMessage, RepositoryChange, WatchGitRequest},
    watch_repositories,
};
use futures_util::StreamExt as _;

use super::{
    absolute, here,
    status::{name, print_diff},
    view, words,
};
use crate::{Connection, Error, GlobalArgs, output::Output};

/// How long a view goes on without a connection: a night, so that it is there when its machine
/// wakes up.
const VIEW_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

const EXAMPLES: &str = "\
On a terminal this is a live view: j, k and the arrows scroll, space and b by pages, g and G to the
ends; Tab selects the next repository, r scans again, q ends. Elsewhere, and with --once, each
repository that changed is a line, and with --json each message of the agent. A lost connection is
made anew.

Examples:
  agentctl git watch
  agentctl git watch /srv/app /srv/lib
  agentctl git watch --once --diff /srv/app
  agentctl git watch --chat 5f0c2a3e-8a8f-4d3c-9b53-6f5f6a0d2c11
  agentctl git watch --json /srv/app | jq -r '.repositories[]?.branch'";

/// Arguments of `git watch`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct WatchArgs {
    /// Paths in the repositories [default: the current directory, unless a chat is given]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Watch the repositories in which this chat wrote, too [default: the --chat-id]
    #[arg(long, value_name = "UUID")]
    chat: Option<ChatId>,
    /// Print the differences too, as a unified diff
    #[arg(long)]
    diff: bool,
    /// Print the first state and end
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(
    args: &WatchArgs,
    global: &GlobalArgs,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let has_chat = args.chat.is_some() || global.chat_id.is_some();
    let mut paths = args.paths.clone();
    if paths.is_empty() && !has_chat {
        paths.push(here());
    }
    let paths = paths.iter().map(|path| absolute(path, connection));
    let paths = paths.collect::<Result<Vec<_>, _>>()?;
    let screen = out.io.screen.clone().filter(|_| out.io.can_draw && !out.json && !args.once);
    let mut reconnect = Reconnect::default();
    if screen.is_some() {
        reconnect.give_up_after = VIEW_PATIENCE;
    }
    let request = WatchGitRequest { chat_id: args.chat };
    // Of a chat that wrote nowhere, an agent says nothing until it is asked.
    let must_ask = paths.is_empty();
    let watch = watch_repositories(&*connection.conn, request, paths, reconnect)?;
    if must_ask {
        watch.commands().refresh()?;
    }
    match screen {
        Some(screen) => Box::pin(view::run(watch, screen, out)).await,
        None => lines(args, watch, out).await,
    }
}

/// Prints messages until the watch ends, or the first state is there.
async fn lines(
    args: &WatchArgs,
    mut watch: RepositoryWatch<'_>,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let mut link = watch.link();
    loop {
        let message = tokio::select! {
            message = watch.next() => message,
            Ok(()) = link.changed() => {
                let is_there = *link.borrow_and_update();
                out.note(if is_there { "connected again" } else { "connection lost; reconnecting" });
                continue;
            }
        };
        let Some(message) = message.transpose()? else { return Ok(()) };
        if out.json {
            out.json(&message).await?;
        } else {
            print(args, &message, out).await?;
        }
        out.flush().await?;
        match message {
            GitServerMessage::Changes(_) if args.once => return Ok(()),
            // A notice may be all that is said about a repository which cannot be read.
            _ => {}
        }
    }
}

async fn print(
    args: &WatchArgs,
    message: &GitServerMessage,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    match message {
        GitServerMessage::Changes(changes) => {
            if args.once && changes.repositories.is_empty() {
                out.note("no repository is there");
            }
            print_changes(args, changes, out).await
        }
        GitServerMessage::Error { message } => {
            out.problem(message);
            Ok(())
        }
        GitServerMessage::Notice(notice) => {
            let root = notice.repo_root.as_ref().map(|root| format!("{root}: "));
            out.note(format_args!("{}{}", root.unwrap_or_default(), notice.message));
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn print_changes(
    args: &WatchArgs,
    changes: &GitChanges,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    for change in &changes.repositories {
        let root = name(change.repo_root(), out);
        match change {
            RepositoryChange::Removed(_) => out.line(format_args!("{root}: removed")).await?,
            RepositoryChange::Snapshot(repository) => {
                let head = name(&words::head(repository), out);
                let totals = words::totals(repository);
                out.line(format_args!("{root}: {totals}, {head}")).await?;
                if args.diff {
                    print_diff(repository, out).await?;
                }
            }
        }
    }
    Ok(())
}
