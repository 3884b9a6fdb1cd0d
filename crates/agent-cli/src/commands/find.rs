//! `find`: files by name.

use agent_sdk::{
    AgentConn,
    api::{EntryKind, FindFilesRequest, FindFilesResponse, TruncatedBy},
};
use clap::ValueEnum;

use crate::{Error, output::Output, palette::Part, values};

const EXAMPLES: &str = "\
QUERY is fuzzy and ignores case: names equal to it come first, then names that begin with it, that
contain it, paths that contain it, and paths that have its characters in order. Without a QUERY, or
with an empty one, everything is found. A first argument that begins with / is a PATH.

Examples:
  agentctl find main
  agentctl find /srv/app --glob '*.rs' --glob '!target/'
  agentctl find logs /srv --kind directory --json";

/// Arguments of `find`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct FindArgs {
    /// Name, or a part of it [default: every name]
    query: Option<String>,
    /// Directories to look in [default: the agent's working directory]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Names must match one of these; with ! in front, none of these (gitignore syntax)
    #[arg(long, short, value_name = "GLOB")]
    glob: Vec<String>,
    /// Kind of entry, may be repeated [default: file]
    #[arg(long, short, value_enum, value_name = "KIND")]
    kind: Vec<Kind>,
    /// Look at hidden files and directories too
    #[arg(long)]
    hidden: bool,
    /// Do not honor ignore files
    #[arg(long)]
    no_ignore: bool,
    /// Most results, at most 10000 [default: 100]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    limit: u64,
    /// Most time on the agent, at most 60s [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    time_budget: Option<std::time::Duration>,
}

/// A kind of entry that can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    BlockDevice,
    CharDevice,
}

impl From<Kind> for EntryKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Self::File,
            Kind::Directory => Self::Directory,
            Kind::Symlink => Self::Symlink,
            Kind::Fifo => Self::Fifo,
            Kind::Socket => Self::Socket,
            Kind::BlockDevice => Self::BlockDevice,
            Kind::CharDevice => Self::CharDevice,
        }
    }
}

impl FindArgs {
    /// The query and the paths: a name never begins with a slash, so such a query is a path.
    fn query_and_paths(&self) -> (Option<String>, Vec<String>) {
        match self.query.clone().filter(|query| !query.is_empty()) {
            Some(path) if path.starts_with('/') => {
                (None, std::iter::once(path).chain(self.paths.iter().cloned()).collect())
            }
            query => (query, self.paths.clone()),
        }
    }

    fn request(&self) -> FindFilesRequest {
        let (query, paths) = self.query_and_paths();
        FindFilesRequest {
            query,
            paths,
            globs: self.glob.clone(),
            hidden: self.hidden,
            no_ignore: self.no_ignore,
            kinds: self.kind.iter().copied().map(EntryKind::from).collect(),
            limit: self.limit,
            time_budget_ms: values::budget_ms(self.time_budget),
        }
    }
}

pub(crate) async fn run(
    args: &FindArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let response = conn.find_files(args.request()).await?;
    if out.json {
        return out.json(&response).await;
    }
    for found in &response.results {
        let path = out.name(&found.path).into_owned();
        let path = out.paint(Part::Name(found.kind), path);
        out.line(path).await?;
    }
    if let Some(hint) = hint(&response) {
        out.note(hint);
    }
    Ok(())
}

/// Says what to do about results that are missing.
fn hint(response: &FindFilesResponse) -> Option<&'static str> {
    if !response.truncated {
        return None;
    }
    Some(match response.truncated_by {
        Some(TruncatedBy::Limit) => "there are more results; --limit raises their number",
        Some(TruncatedBy::Time) => {
            "the time was over before everything was seen; --time-budget raises it"
        }
        _ => "there are more results",
    })
}
