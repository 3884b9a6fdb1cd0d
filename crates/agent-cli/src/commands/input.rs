//! `input`: a file or stdin goes into the input of a process that is running.

use std::path::{Path, PathBuf};

use agent_sdk::AgentConn;
use bytes::BytesMut;

use super::{feed, process_id};
use crate::{Error, body::take_stdin, format::human_size, io::Input, output::Output};

const EXAMPLES: &str = "\
For a process that was started with `exec --detach -i`. The bytes are sent as fast as the process
reads them. On a terminal the input ends with Ctrl-D (byte 4), not with --close.

Examples:
  agentctl input 5f0c2a3e commands.sql
  generate | agentctl input 5f0c2a3e --close
  agentctl input 5f0c2a3e /dev/null --close";

/// Arguments of `input`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InputArgs {
    /// Process: its id, or a beginning that no other id has
    #[arg(value_parser = process_id::check)]
    id: String,
    /// File on this machine that has the bytes; - is stdin
    #[arg(default_value = "-", value_name = "FILE")]
    from: PathBuf,
    /// End the input afterwards
    #[arg(long)]
    close: bool,
}

pub(crate) async fn run(
    args: &InputArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let id = process_id::find(conn, &args.id).await?;
    let is_stdin = args.from == Path::new("-");
    let mut source: Input = if is_stdin {
        take_stdin(out.io)?
    } else {
        let file = tokio::fs::File::open(&args.from).await;
        Box::new(file.map_err(Error::local("read", &args.from))?)
    };
    let mut buffer = BytesMut::new();
    let mut written = 0;
    loop {
        let piece =
            feed::read_piece(&mut source, &mut buffer).await.map_err(|e| match is_stdin {
                true => Error::Stdin(e),
                false => Error::local("read", &args.from)(e),
            })?;
        if piece.is_empty() {
            break;
        }
        let mut answers = Vec::new();
        let result = feed::write(conn, id, piece, |answer| answers.push(answer)).await;
        for answer in answers {
            written += answer.written_bytes;
            if out.json {
                out.json(&answer).await?;
            }
        }
        result?;
    }
    if args.close {
        let response = conn.close_process_input(id).await?;
        if out.json {
            return out.json(&response).await;
        }
    }
    if out.json || out.quiet {
        return Ok(());
    }
    let end = if args.close { ", and ended the input" } else { "" };
    out.line(format_args!("wrote {}{end}", human_size(written))).await
}
