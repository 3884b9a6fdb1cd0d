//! `git status`: what differs from HEAD at one moment.

use std::path::PathBuf;

use agent_sdk::api::{GetGitStatusRequest, Repository};

use super::{absolute, diff, here, words};
use crate::{
    Connection, Error,
    columns::{cut_front, plain, plain_line, width},
    format::without_controls,
    output::Output,
    palette::Part,
};

const EXAMPLES: &str = "\
The repository is the nearest one that encloses PATH. Each file is a line: A added, M modified,
D deleted, R renamed, T another type, ? untracked, U not merged, S submodule; the lines added and
deleted; the path. With --exit-code a failure is 125, since 1 is a difference.

Examples:
  agentctl git status
  agentctl git status --diff /srv/app | less -R
  agentctl git status --exit-code --quiet /srv/app >/dev/null || echo changed
  agentctl git status --json /srv/app | jq -r '.repository.files[].path'";

/// Arguments of `git status`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatusArgs {
    /// Path in the repository [default: the current directory]
    path: Option<PathBuf>,
    /// Show the differences too, as a unified diff
    #[arg(long)]
    diff: bool,
    /// End with 1 if something differs, with 0 if nothing does, and with 125 after a failure
    #[arg(long)]
    pub(super) exit_code: bool,
}

pub(super) async fn run(
    args: &StatusArgs,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let path = absolute(&args.path.clone().unwrap_or_else(here), connection)?;
    let request = GetGitStatusRequest { path, diff: args.diff };
    let response = connection.conn.get_git_status(request).await?;
    let repository = &response.repository;
    if out.json {
        out.json(&response).await?;
    } else {
        print(repository, out).await?;
    }
    let differs = !repository.files.is_empty() || repository.files_left_out > 0;
    if args.exit_code && differs { Err(Error::Differs) } else { Ok(()) }
}

async fn print(repository: &Repository, out: &mut Output<'_>) -> Result<(), Error> {
    let heading = name(&repository.repo_root, out);
    out.line(out.paint(Part::Heading, heading)).await?;
    let head = name(&words::head(repository), out);
    let is_branch = repository.branch.is_some();
    let head = out.paint(Part::Path, head).to_string();
    out.line(if is_branch { format!("branch {head}") } else { head }).await?;
    if let Some(tracking) = words::tracking(repository) {
        let tracking = name(&tracking, out);
        out.line(format_args!("upstream {tracking}")).await?;
    }
    let cols = out.io.screen.as_ref().map(|screen| usize::from(screen.size().cols));
    let widths = words::widths(&repository.files);
    for file in &repository.files {
        let pieces = words::columns(file, widths);
        let used: usize = pieces.iter().map(|(_, text)| width(text)).sum();
        let mut line = String::new();
        for (part, text) in pieces {
            line.push_str(&part.map_or(text.clone(), |part| out.paint(part, &text).to_string()));
        }
        let name = name(&words::name(file), out);
        let room = cols.map_or(usize::MAX, |cols| cols.saturating_sub(used));
        out.line(format_args!("{line}{}", cut_front(&name, room))).await?;
    }
    if let Some(left_out) = words::left_out(repository) {
        out.line(out.paint(Part::Aside, left_out)).await?;
    }
    out.line(words::totals(repository)).await?;
    print_diff(repository, out).await
}

/// Prints the diff of a snapshot that has one: to a terminal without what could control it, and
/// elsewhere byte by byte, so that `git apply` can read it.
pub(super) async fn print_diff(repository: &Repository, out: &mut Output<'_>) -> Result<(), Error> {
    let text = repository.unified_diff.as_deref().unwrap_or_default();
    for (part, line) in diff::lines(text) {
        let line = if out.io.stdout_is_terminal { plain_line(line) } else { line.to_owned() };
        match part {
            Some(part) => out.line(out.paint(part, line)).await?,
            None => out.line(line).await?,
        }
    }
    Ok(())
}

/// A name in a line of text, of which it must not make two.
pub(super) fn name(name: &str, out: &Output<'_>) -> String {
    if out.io.stdout_is_terminal { plain(name) } else { without_controls(name).into_owned() }
}
