//! `ps`: the processes of the agent as a table, or all that is known of some.

use std::{fmt, time::SystemTime};

use agent_sdk::{
    AgentConn,
    api::{
        ListProcessesRequest, ProcessRecord,
        limits::{DEFAULT_PROCESS_LIST, MAX_PROCESS_LIST},
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::{each, process_id, ps_table};
use crate::{Error, output::Output, palette::Part};

const EXAMPLES: &str = "\
Running processes come first, then the others, each with the latest start first. STATE is running,
exited when something still holds the output of a process that has ended, or closed. With --json
there is the agent's response, and with ids the record of each process.

Examples:
  agentctl ps
  agentctl ps -n 50
  agentctl ps 5f0c2a3e
  agentctl ps --all --json | jq -r '.processes[] | select(.running) | .id'";

/// Arguments of `ps`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PsArgs {
    /// Show all that is known of these processes: ids, or beginnings that no other id has
    #[arg(value_name = "ID", value_parser = process_id::check)]
    #[arg(conflicts_with_all = ["limit", "all"])]
    ids: Vec<String>,
    /// Most processes, up to 2000
    #[arg(long, short = 'n', value_name = "LIMIT", default_value_t = DEFAULT_PROCESS_LIST)]
    limit: u64,
    /// As many as the agent lists: 2000
    #[arg(long, short, conflicts_with = "limit")]
    all: bool,
}

pub(crate) async fn run(
    args: &PsArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    if args.ids.is_empty() {
        return list(args, conn, out).await;
    }
    let mut is_first = true;
    each(&args.ids, out, async |text, out| {
        let id = process_id::find(conn, text).await?;
        let record = conn.get_process(id).await?;
        if out.json {
            return out.json(&record).await;
        }
        if !std::mem::take(&mut is_first) {
            out.line("").await?;
        }
        describe(&record, out).await
    })
    .await
}

async fn list(args: &PsArgs, conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    let limit = if args.all { MAX_PROCESS_LIST } else { args.limit };
    let list = conn.list_processes(ListProcessesRequest { limit }).await?;
    if out.json {
        return out.json(&list).await;
    }
    let width = out.io.screen.as_ref().map(|screen| usize::from(screen.size().cols));
    let mut lines = ps_table::lines(&list.processes, SystemTime::now(), width).into_iter();
    if let Some(head) = lines.next() {
        out.line(out.paint(Part::Heading, head)).await?;
    }
    for line in lines {
        out.line(line).await?;
    }
    let shown = list.processes.len() as u64;
    if shown == limit && limit < MAX_PROCESS_LIST {
        out.flush().await?;
        out.note("there may be more processes; --all shows them");
    }
    Ok(())
}

/// Prints a record, a line for each field under its name of the protocol and in that order.
async fn describe(record: &ProcessRecord, out: &mut Output<'_>) -> Result<(), Error> {
    let fields = serde_json::to_string(record).and_then(|json| serde_json::from_str(&json));
    let Fields(fields) = fields.map_err(|e| Error::Stdout(std::io::Error::other(e)))?;
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in fields {
        let text = match value {
            Value::String(text) => text,
            Value::Array(args) => ps_table::command(None, Some(&strings(&args))),
            other => other.to_string(),
        };
        let name = format!("{name:width$}");
        let line = format!("{}  {}", out.paint(Part::Heading, name), out.name(&text));
        out.line(line).await?;
    }
    Ok(())
}

fn strings(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// The fields of a JSON object in their order, which a map of JSON values does not keep.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
