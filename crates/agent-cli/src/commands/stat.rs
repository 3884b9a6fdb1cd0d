//! `stat`: what one path names.

use agent_sdk::{
    AgentConn,
    api::{DirEntry, StatPathRequest},
};

use super::each;
use crate::{
    Error,
    format::{human_size, human_time, mode_letters},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  agentctl stat /srv/app/main.c
  agentctl stat --follow /srv/app/current
  agentctl stat --json /srv/app/main.c | jq -r .etag";

/// Arguments of `stat`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct StatArgs {
    /// Files, directories or links
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Describe what a symbolic link leads to
    #[arg(long, short = 'L')]
    follow: bool,
}

pub(crate) async fn run(
    args: &StatArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    each(&args.paths, out, async |path, out| {
        let request = StatPathRequest { path: path.to_owned(), follow: args.follow };
        let entry = conn.stat_path(request).await?;
        if out.json { out.json(&entry).await } else { print(&entry, out).await }
    })
    .await
}

async fn print(entry: &DirEntry, out: &mut Output<'_>) -> Result<(), Error> {
    for (name, value) in rows(entry) {
        let value = out.name(&value).into_owned();
        out.line(format_args!("{name:<9}{value}")).await?;
    }
    Ok(())
}

fn rows(entry: &DirEntry) -> Vec<(&'static str, String)> {
    let size = entry.size_bytes.map(|bytes| match bytes {
        0..1024 => format!("{bytes} bytes"),
        _ => format!("{bytes} bytes ({})", human_size(bytes)),
    });
    let mode = entry.mode.map(|mode| format!("{mode} ({})", mode_letters(mode)));
    let rows = [
        ("path", Some(entry.absolute_path_string.clone())),
        ("kind", Some(entry.kind.as_str().replace('_', " "))),
        ("target", entry.symlink_target.clone()),
        ("size", size),
        ("mode", mode),
        ("modified", entry.modified_at.map(human_time)),
        ("etag", entry.etag.map(|etag| etag.to_string())),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
