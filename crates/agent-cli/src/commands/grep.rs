//! `grep`: matching lines, answer by answer, so that any number of them needs no more memory.

use std::time::Duration;

use agent_sdk::{
    AgentConn,
    api::{SearchCase, SearchFilesRequest, SearchFilesResponse},
};

use super::grep_lines::MatchLines;
use crate::{Error, output::Output, values};

const EXAMPLES: &str = "\
Lines are printed as PATH:LINE:TEXT, lines of context as PATH-LINE-TEXT. Ignore files are honored
and hidden files left out unless options say otherwise. A search that finds nothing is a success.
With --json there is one response a line, at most 1,000 matches each.

Examples:
  agentctl grep 'fn \\w+_test' /srv/app
  agentctl grep -F -i -C 2 'todo(' /srv/app -g '*.c' -g '!vendor/'
  agentctl grep --max-count 1 --json needle /srv | jq -r '.matches[].path'";

/// Arguments of `grep`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct GrepArgs {
    /// Regular expression in the syntax of Rust's regex crate, matched within single lines
    pattern: String,
    /// Files and directories to look in [default: the agent's working directory]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Ignore case
    #[arg(long, short, conflicts_with = "smart_case")]
    ignore_case: bool,
    /// Ignore case unless the pattern has an upper-case letter
    #[arg(long, short = 'S')]
    smart_case: bool,
    /// Take the pattern literally
    #[arg(long, short = 'F')]
    fixed_strings: bool,
    /// Files must match one of these; with ! in front, none of these (gitignore syntax)
    #[arg(long, short, value_name = "GLOB")]
    glob: Vec<String>,
    /// Show lines before and after each match, at most 20
    #[arg(long, short = 'C', value_name = "N", default_value_t = 0, hide_default_value = true)]
    context: u64,
    /// Show the column of the first match too
    #[arg(long)]
    column: bool,
    /// Look into hidden files and directories too
    #[arg(long)]
    hidden: bool,
    /// Do not honor ignore files
    #[arg(long)]
    no_ignore: bool,
    /// Stop after this many matching lines, over all files [default: no limit]
    #[arg(long, short, value_name = "N")]
    max_count: Option<u64>,
    /// Longest line in bytes; of a longer one the part around the match is shown [default: 1024]
    #[arg(long, value_name = "BYTES", value_parser = values::size, default_value = "0", hide_default_value = true)]
    max_line_bytes: u64,
    /// Most time on the agent for one answer, at most 60s [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    time_budget: Option<Duration>,
    /// Accepted for habit: numbers are always shown
    #[arg(long, short = 'n', hide = true)]
    line_number: bool,
    /// Accepted for habit: directories are always searched
    #[arg(long, short, hide = true)]
    recursive: bool,
}

impl GrepArgs {
    fn request(&self) -> SearchFilesRequest {
        SearchFilesRequest {
            pattern: self.pattern.clone(),
            fixed: self.fixed_strings,
            case: match (self.ignore_case, self.smart_case) {
                (true, _) => SearchCase::Insensitive,
                (false, true) => SearchCase::Smart,
                (false, false) => SearchCase::Sensitive,
            },
            paths: self.paths.clone(),
            globs: self.glob.clone(),
            hidden: self.hidden,
            no_ignore: self.no_ignore,
            context_lines: self.context,
            max_line_bytes: self.max_line_bytes,
            time_budget_ms: values::budget_ms(self.time_budget),
            max_matches: 0,
            cursor: None,
        }
    }
}

/// Matching lines that are asked for at once.
const PAGE: u64 = 1_000;

pub(crate) async fn run(
    args: &GrepArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let to_terminal = out.io.stdout_is_terminal;
    let mut lines = MatchLines::new(out.palette, to_terminal, args.column, args.context > 0);
    let mut request = args.request();
    let mut wanted = args.max_count.unwrap_or(u64::MAX);
    while wanted > 0 {
        request.max_matches = wanted.min(PAGE);
        let mut page = conn.search_files(request.clone()).await?;
        wanted = wanted.saturating_sub(page.matches.len() as u64);
        request.cursor = page.next_cursor.clone();
        report_skipped(&page, out);
        if out.json {
            out.json(&page).await?;
        } else {
            for found in page.matches.drain(..) {
                out.bytes(lines.push(found).as_bytes()).await?;
            }
        }
        out.flush().await?;
        if request.cursor.is_none() {
            break;
        }
    }
    out.bytes(lines.finish().as_bytes()).await?;
    if request.cursor.is_some() {
        out.note("there may be more matches; --max-count ended the search");
    }
    Ok(())
}

/// Names the paths that could not be searched: an answer without them is not the whole answer.
fn report_skipped(page: &SearchFilesResponse, out: &mut Output<'_>) {
    for skipped in &page.skipped {
        out.problem(format_args!("{}: {}", skipped.path, skipped.reason));
    }
    let unnamed = page.skipped_total.saturating_sub(page.skipped.len() as u64);
    if unnamed > 0 {
        out.problem(format_args!("{unnamed} more paths could not be searched"));
    }
}
