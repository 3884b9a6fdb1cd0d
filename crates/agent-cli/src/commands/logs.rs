//! `logs`: the end of the agent's log, or what a process printed.

use std::pin::pin;

use agent_sdk::{
    AgentConn, ProcessStreamItem, Reconnect,
    api::{
        OutputStreamName, ProcessId, ProcessRecord, StreamProcessOutputRequest, StreamStart,
        Timestamp,
    },
    follow,
};
use futures_util::StreamExt as _;

use super::{
    process_id,
    stream_lines::{Lines, gap, output},
};
use crate::{Error, output::Output, values};

const EXAMPLES: &str = "\
Without an id the agent's own log is printed: one JSON object a line, and without --after up to
10 MiB from its end.

With the id of a process its output is printed byte by byte, from the beginning unless --from or
--tail says otherwise, and to its present end unless --follow is given. What cannot be read any
more is reported on stderr. With --json there is one object for each item of the stream.

Examples:
  agentctl logs | jq -r 'select(.level == \"WARN\") | .message'
  agentctl logs --after 2026-01-31T12:00:00Z
  agentctl logs 5f0c2a3e --tail 4KiB
  agentctl logs --follow --from end 5f0c2a3e
  agentctl logs 5f0c2a3e --stderr --json | jq -r .text";

/// Arguments of `logs`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LogsArgs {
    /// Process: its id, or a beginning that no other id has
    #[arg(value_parser = process_id::check)]
    id: Option<String>,
    /// Print rotated logs of the agent that were modified at this RFC 3339 time or later too
    #[arg(long, value_name = "TIME", conflicts_with = "id")]
    after: Option<Timestamp>,
    /// Go on with what the process prints, until nothing holds its output any more
    #[arg(long, short, requires = "id")]
    follow: bool,
    /// First byte: an offset, or `end` [default: 0]
    #[arg(long, value_name = "OFFSET", requires = "id")]
    from: Option<StreamStart>,
    /// Only the last bytes that are there
    #[arg(long, value_name = "BYTES", value_parser = values::size)]
    #[arg(requires = "id", conflicts_with = "from")]
    tail: Option<u64>,
    /// Stderr, where it is kept apart
    #[arg(long, requires = "id")]
    stderr: bool,
}

pub(crate) async fn run(
    args: &LogsArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    match &args.id {
        None => agent_log(args, conn, out).await,
        Some(id) => process_output(args, process_id::find(conn, id).await?, conn, out).await,
    }
}

async fn agent_log(
    args: &LogsArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let mut log = conn.get_debug_logs(args.after).await?;
    while let Some(chunk) = log.next().await {
        out.bytes(&chunk?).await?;
    }
    Ok(())
}

async fn process_output(
    args: &LogsArgs,
    id: ProcessId,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let stream = if args.stderr { OutputStreamName::Stderr } else { OutputStreamName::Output };
    let needs_end = !args.follow || args.tail.is_some();
    let end = if needs_end { end(&conn.get_process(id).await?, stream)? } else { u64::MAX };
    let from = match (args.tail, args.from) {
        (Some(tail), _) => StreamStart::Offset(end.saturating_sub(tail)),
        (None, from) => from.unwrap_or_default(),
    };
    let is_at_end = from == StreamStart::End || from == StreamStart::Offset(end);
    if is_at_end && !args.follow {
        return Ok(());
    }
    let request = StreamProcessOutputRequest { stream, from };
    let mut items = pin!(follow(conn, id, request, Reconnect::default()));
    let mut lines = Lines::new(stream);
    while let Some(item) = items.next().await {
        let item = item?;
        print(&item, stream, &mut lines, out).await?;
        let has_all = item.end().is_some_and(|offset| offset >= end);
        if has_all && !args.follow {
            break;
        }
    }
    if out.json {
        out.bytes(lines.take_held()?.as_bytes()).await?;
    }
    Ok(())
}

/// Where a stream ends at present.
fn end(record: &ProcessRecord, stream: OutputStreamName) -> Result<u64, Error> {
    match stream {
        OutputStreamName::Stderr => record.stderr_end_bytes.ok_or_else(|| {
            Error::unsuitable(record.id.to_string(), "its stderr is part of its output")
        }),
        _ => Ok(record.output_end_bytes),
    }
}

async fn print(
    item: &ProcessStreamItem,
    stream: OutputStreamName,
    lines: &mut Lines,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    if out.json {
        out.bytes(lines.write(item)?.as_bytes()).await?;
        return out.flush().await;
    }
    if let Some((_, remark)) = gap(item, stream) {
        out.flush().await?;
        out.problem(remark);
    }
    match output(item) {
        Some(bytes) => {
            out.bytes(bytes).await?;
            out.flush().await
        }
        None => Ok(()),
    }
}
