//! `bench`: our figures beside a reference measured in the same run, as a table for `docs/PERFORMANCE.md`.
//!
//! This is the frame: names, output, where it is kept. What is measured is in one file a bench.

mod agent;
mod client;
mod containers;
mod files;
mod git;
mod machine;
mod proc;
mod ssh;
mod table;
mod term;
mod times;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{setup, shell};
use table::Table;

/// Where the results of the last run are kept.
const RESULTS: &str = "docs/PERFORMANCE.md";

/// Something that can be measured.
struct Bench {
    name: &'static str,
    /// Measures the agent that is this program.
    measure: fn(&Path) -> Result<Table>,
}

/// Every bench.
const BENCHES: &[Bench] = &[
    Bench { name: "files", measure: files::measure },
    Bench { name: "proc", measure: proc::measure },
    Bench { name: "git", measure: git::measure },
    Bench { name: "ssh", measure: ssh::measure },
    Bench { name: "term", measure: term::measure },
    Bench { name: "containers", measure: containers::measure },
];

/// Arguments of the program that a bench lets the agent start.
#[derive(Debug, clap::Args)]
pub(crate) struct TickerArgs {
    /// How many lines
    lines: usize,
}

/// Prints the time again and again, for the bench that measures how long a line travels.
///
/// # Errors
///
/// Nobody reads.
pub(crate) fn ticker(args: &TickerArgs) -> Result<()> {
    proc::ticker(args.lines)
}

/// Arguments of the program that floods a session while another one is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct FloodArgs {
    /// Bytes a second
    rate: u64,
}

/// Prints bytes at a steady rate until nobody reads, for the bench of a session beside a flood.
///
/// # Errors
///
/// Nobody reads.
pub(crate) fn flood(args: &FloodArgs) -> Result<()> {
    ssh::flood(args.rate)
}

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask bench files            measure, and keep the table in docs/PERFORMANCE.md
  cargo xtask bench files --print    measure, and print the table only
  cargo xtask bench proc             the same for processes
  cargo xtask bench git              the same for git repositories
  cargo xtask bench ssh term         SSH, then terminals and tunnels
  cargo xtask bench containers       containers and dev containers")]
pub(crate) struct Args {
    /// Which benches, one after another
    #[arg(required = true)]
    names: Vec<String>,
    /// Print the table and leave docs/PERFORMANCE.md as it is
    #[arg(long)]
    print: bool,
    /// Measure this program instead of building the one that is shipped; its table is only printed
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Measures, prints the table, and keeps it unless told otherwise.
///
/// A figure that misses its target is shown as such; it is no failure of the run.
///
/// # Errors
///
/// There is no such bench, a reference tool is missing, or measuring failed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let find = |name: &String| {
        BENCHES.iter().find(|bench| bench.name == *name).with_context(|| {
            let names: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
            format!("no bench is named `{name}`; there are: {}", names.join(", "))
        })
    };
    let benches = args.names.iter().map(find).collect::<Result<Vec<_>>>()?;
    setup::require(setup::Purpose::Bench)?;
    let program = match &args.program {
        Some(program) => {
            program.canonicalize().with_context(|| format!("there is no {}", program.display()))?
        }
        // What is measured is what is shipped.
        None => crate::dist::build()?,
    };
    let is_kept = !args.print && args.program.is_none();
    for bench in benches {
        measure(bench, &program, is_kept)?;
    }
    Ok(())
}

/// Measures one bench, prints its table, and keeps it if told so.
fn measure(bench: &Bench, program: &Path, is_kept: bool) -> Result<()> {
    let table = (bench.measure)(program)?;
    let result = format!("{}\n{}", machine::describe(), table.markdown());
    println!("{result}");
    if is_kept {
        let path = shell::root().join(RESULTS);
        let document =
            fs::read_to_string(&path).with_context(|| format!("cannot read {RESULTS}"))?;
        let document = replace_between(&document, bench.name, &result)
            .with_context(|| format!("cannot update {RESULTS}"))?;
        fs::write(&path, document)?;
        println!("kept in {RESULTS}");
    }
    Ok(())
}

/// Returns the document with new text between the markers of a bench.
///
/// # Errors
///
/// A marker is missing.
fn replace_between(document: &str, name: &str, text: &str) -> Result<String> {
    let (start, end) = (format!("<!-- bench {name} -->"), format!("<!-- end bench {name} -->"));
    let missing = || format!("it has no line `{start}` with a line `{end}` below");
    let (before, rest) = document.split_once(&start).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    Ok(format!("{before}{start}\n\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_between_their_markers() {
        let document = "# P\n<!-- bench a -->\nold\n<!-- end bench a -->\ntail\n";
        let new = replace_between(document, "a", "new\n").unwrap();
        assert_eq!(new, "# P\n<!-- bench a -->\n\nnew\n\n<!-- end bench a -->\ntail\n");
        assert_eq!(replace_between(&new, "a", "new").unwrap(), new);
        assert!(replace_between(document, "b", "new").is_err());
    }
}
