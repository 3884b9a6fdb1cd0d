//! `read`: numbered lines of a text, within the budgets of the operation.

use agent_sdk::{
    AgentConn,
    api::{ReadFileLinesRequest, ReadFileLinesResponse},
};

use crate::{Error, output::Output, palette::Part, values};

const EXAMPLES: &str = "\
Each line is printed after its number and a tab. A line longer than --max-line-bytes is cut.

Examples:
  agentctl read /srv/app/main.c
  agentctl read --offset 120 --limit 40 /srv/app/main.c
  agentctl read --partial --max-response-bytes 1MiB /var/log/app.log";

/// Arguments of `read`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReadArgs {
    /// Text file
    path: String,
    /// First line, counted from 1
    #[arg(long, value_name = "LINE", default_value_t = 0, hide_default_value = true)]
    offset: u64,
    /// Most lines [default: --max-response-lines]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    limit: u64,
    /// Cut the answer at a budget instead of failing
    #[arg(long)]
    partial: bool,
    /// Largest file [default: 1MiB]
    #[arg(long, value_name = "BYTES", value_parser = values::size, default_value = "0", hide_default_value = true)]
    max_file_size: u64,
    /// Longest line [default: 1024]
    #[arg(long, value_name = "BYTES", value_parser = values::size, default_value = "0", hide_default_value = true)]
    max_line_bytes: u64,
    /// Most lines of an answer [default: 2000]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    max_response_lines: u64,
    /// Most bytes of an answer [default: 32KiB]
    #[arg(long, value_name = "BYTES", value_parser = values::size, default_value = "0", hide_default_value = true)]
    max_response_bytes: u64,
}

impl ReadArgs {
    fn request(&self) -> ReadFileLinesRequest {
        ReadFileLinesRequest {
            path: self.path.clone(),
            offset: self.offset,
            limit: self.limit,
            partial: self.partial,
            max_file_size: self.max_file_size,
            max_line_bytes: self.max_line_bytes,
            max_response_lines: self.max_response_lines,
            max_response_bytes: self.max_response_bytes,
        }
    }
}

pub(crate) async fn run(
    args: &ReadArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let response = conn.read_file_lines(args.request()).await?;
    if out.json {
        out.json(&response).await?;
    }
    if !response.success {
        let message = response.error;
        return Err(Error::Refused { operation: "read_file_lines", message });
    }
    if !out.json {
        print(&response, out).await?;
    }
    Ok(())
}

async fn print(response: &ReadFileLinesResponse, out: &mut Output<'_>) -> Result<(), Error> {
    // An empty answer is no line; an answer of one empty line still has that line's number.
    if !response.content.is_empty() {
        for line in response.content.split('\n') {
            match line.split_once('\t') {
                Some((number, text)) => {
                    let number = out.paint(Part::Number, number.to_owned());
                    out.line(format_args!("{number}\t{text}")).await?;
                }
                None => out.line(line).await?,
            }
        }
    }
    if response.truncated {
        out.note(rest(response));
    }
    if response.lossy {
        out.note("bytes that are not UTF-8 are shown as U+FFFD");
    }
    Ok(())
}

/// Says how to get the lines that a budget cut off.
fn rest(response: &ReadFileLinesResponse) -> String {
    let next = response.next_offset;
    match response.total_lines {
        0 => format!("there are more lines; go on with --offset {next}"),
        total => format!("the file has {total} lines; go on with --offset {next}"),
    }
}
