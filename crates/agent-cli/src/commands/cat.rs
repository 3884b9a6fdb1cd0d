//! `cat`: a file's bytes, copied to stdout as they arrive.

use agent_sdk::{AgentConn, api::ReadFileRequest};
use futures_util::StreamExt as _;

use super::each;
use crate::{Error, output::Output, values};

const EXAMPLES: &str = "\
The bytes are printed as they are, with --json too.

Examples:
  agentctl cat /etc/os-release
  agentctl cat --offset 1MiB --limit 64KiB /var/log/app.log
  agentctl cat /srv/app/dump.sql.zst | zstd -d | less";

/// Arguments of `cat`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CatArgs {
    /// Files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// First byte
    #[arg(long, value_name = "BYTES", value_parser = values::size, default_value = "0")]
    offset: u64,
    /// Most bytes; 0 is to the end
    #[arg(long, value_name = "BYTES", value_parser = values::size, default_value = "0")]
    limit: u64,
}

pub(crate) async fn run(
    args: &CatArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let (offset, limit) = (args.offset, args.limit);
    each(&args.paths, out, async |path, out| cat(path, offset, limit, conn, out).await).await
}

/// Copies one file, or a part of it, to stdout.
pub(crate) async fn cat(
    path: &str,
    offset: u64,
    limit: u64,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let request =
        ReadFileRequest { path: path.to_owned(), offset, limit, ..ReadFileRequest::default() };
    let mut content = conn.read_file(request).await?;
    while let Some(chunk) = content.body.next().await {
        out.bytes(&chunk?).await?;
    }
    if content.cut {
        out.problem(format_args!("{path}: the agent reads no more of such a file"));
    }
    out.flush().await
}
