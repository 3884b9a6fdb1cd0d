//! `cp`: files and directories from one side to the other.

mod download;
mod local;
pub(crate) mod operand;
mod upload;

use std::{fmt::Display, path::Path};

use agent_sdk::AgentConn;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use serde::Serialize;

use crate::{
    Error,
    commands::{cat, is_final},
    copy::operand::{Operand, Plan},
    format::{human_duration, human_size},
    output::{Output, report},
    progress::Progress,
};

const EXAMPLES: &str = "\
A path that begins with : is on the agent, every other one is on this machine; - is stdin or stdout.
All sources are on one side and TO is on the other. If TO is a directory, or ends in /, sources get
their own names in it. A source that ends in /. stands for what is in it.

Files appear as a whole or not at all. New files and directories get the modes of their sources, less
the bits that change who a program runs as; existing files keep theirs. Links that are named are
followed. Links below a directory are copied as links to this machine; on the agent they cannot be
made, so --follow is needed for a copy of what they lead to. What cannot be copied is reported, and
the rest goes on.

Examples:
  agentctl cp report.txt :/home/me/report.txt
  agentctl cp :/var/log/app.log .
  agentctl cp -r ./site :/srv/
  agentctl cp -r :/srv/app/. ./app
  tar cz . | agentctl cp - :/tmp/work.tar.gz";

/// Arguments of `cp`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "agentctl cp [OPTIONS] <FROM>... <TO>")]
pub struct CopyArgs {
    /// Sources, then the destination
    #[arg(
        required = true,
        num_args = 2..,
        value_names = ["FROM", "TO"],
        value_parser = OsStringValueParser::new().try_map(Operand::parse)
    )]
    operands: Vec<Operand>,
    /// Copy directories with everything below them
    #[arg(long, short, visible_short_alias = 'R')]
    recursive: bool,
    /// Copy what links below a directory lead to
    #[arg(long, short = 'L')]
    follow: bool,
}

/// What `--json` prints for each entry that was copied.
#[derive(Debug, Serialize)]
struct Copied<'a> {
    /// `file`, `directory` or `symlink`.
    kind: &'static str,
    /// The source, with `:` in front when it is on the agent.
    from: &'a str,
    /// Its copy, likewise.
    to: &'a str,
    /// Bytes of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
}

/// A copy in progress.
struct Job<'j, 'o> {
    conn: &'j dyn AgentConn,
    out: &'j mut Output<'o>,
    progress: Progress,
    recursive: bool,
    follow: bool,
    copied: u64,
    failed: u64,
}

pub(crate) async fn run(
    args: &CopyArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let plan = operand::plan(&args.operands)?;
    if let Plan::DownloadToStdout { source } = &plan {
        return cat::cat(source, 0, 0, conn, out).await;
    }
    let progress = Progress::new(out.io.stderr_is_terminal && !out.quiet);
    let (recursive, follow) = (args.recursive, args.follow);
    let mut job = Job { conn, out, progress, recursive, follow, copied: 0, failed: 0 };
    let result = match plan {
        Plan::Upload { sources, to } => upload::upload(&mut job, &sources, &to).await,
        Plan::UploadStdin { to } => upload::upload_stdin(&mut job, &to).await,
        Plan::Download { sources, to } => download::download(&mut job, &sources, &to).await,
        Plan::DownloadToStdout { .. } => Ok(()),
    };
    job.finish(result)
}

impl Job<'_, '_> {
    /// Records an entry that arrived.
    async fn done(&mut self, copied: Copied<'_>) -> Result<(), Error> {
        self.copied += 1;
        if self.out.json { self.out.json(&copied).await } else { Ok(()) }
    }

    /// Reports an entry that did not arrive, and lets the rest go on unless that is pointless.
    fn failed(&mut self, path: impl Display, error: Error) -> Result<(), Error> {
        if is_final(&error) {
            return Err(error);
        }
        self.failed += 1;
        if let Some(text) = error.report() {
            // The other errors name the path themselves.
            let names_path = !matches!(error, Error::Agent(_));
            let io = &mut *self.out.io;
            self.progress.suspend(|| match names_path {
                true => report(io, text),
                false => report(io, format_args!("{path}: {text}")),
            });
        }
        Ok(())
    }

    fn finish(self, result: Result<(), Error>) -> Result<(), Error> {
        let took = self.progress.finish();
        result?;
        if let Some(took) = took {
            let (copied, size) = (self.copied, human_size(self.progress.bytes()));
            let entries = if copied == 1 { "entry" } else { "entries" };
            let took = human_duration(took);
            self.out.note(format_args!("copied {copied} {entries}, {size} in {took}"));
        }
        match (self.failed, self.copied) {
            (0, _) => Ok(()),
            (1, 0) => Err(Error::Reported),
            (failed, copied) => Err(Error::Incomplete { failed, total: failed + copied }),
        }
    }
}

/// A path of this machine as messages and results show it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A path of the agent as messages and results show it.
fn on_agent(path: &str) -> String {
    format!(":{path}")
}
