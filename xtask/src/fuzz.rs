//! `fuzz`: finds the fuzz targets of all crates and runs them for a time. Targets live in `crates/*/fuzz`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{setup, shell};

/// Arguments of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask fuzz --list
  cargo xtask fuzz --seconds 300       every target for five minutes
  cargo xtask fuzz edits               one target, until it fails or is interrupted
")]
pub(crate) struct Args {
    /// Run this target alone
    target: Option<String>,
    /// How long each target runs; without it all targets run 60 s each, and a single one until interrupted
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Print the targets and run none
    #[arg(long)]
    list: bool,
}

/// A target and the folder of its manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    name: String,
    dir: PathBuf,
}

/// Runs the asked target, or all of them one after the other.
///
/// # Errors
///
/// There is no such target, `cargo-fuzz` is missing, or an input was found that fails; cargo-fuzz
/// tells where it put the input.
pub(crate) fn run(args: &Args) -> Result<()> {
    let all = targets()?;
    if args.list {
        for target in &all {
            let dir = target.dir.strip_prefix(shell::root()).unwrap_or(&target.dir);
            println!("{} ({})", target.name, dir.display());
        }
        return Ok(());
    }
    let chosen: Vec<_> = all
        .iter()
        .filter(|target| args.target.as_ref().is_none_or(|name| *name == target.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = all.iter().map(|target| target.name.as_str()).collect();
        bail!("no such fuzz target; there are: {}", names.join(", "));
    }
    setup::check(setup::Purpose::Fuzz)?;
    let seconds = args.seconds.or(args.target.is_none().then_some(60));
    for target in chosen {
        println!("\n==== {}", target.name);
        let mut command = shell::cargo();
        // The sanitizer flags are unstable; this lets the pinned stable compiler take them.
        command.env("RUSTC_BOOTSTRAP", "1").args(["fuzz", "run", "--fuzz-dir"]);
        command.arg(&target.dir).arg(&target.name);
        if let Some(seconds) = seconds {
            command.args(["--".to_owned(), format!("-max_total_time={seconds}")]);
        }
        shell::run(&mut command).with_context(|| format!("fuzz target `{}`", target.name))?;
    }
    Ok(())
}

/// Returns every `[[bin]]` of every fuzz manifest, sorted by name.
fn targets() -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(shell::root().join("crates"))? {
        let dir = entry?.path().join("fuzz");
        let manifest = dir.join("Cargo.toml");
        if manifest.is_file() {
            let text = fs::read_to_string(&manifest)?;
            let found = parse(&text, &dir)
                .with_context(|| format!("cannot read {}", manifest.display()))?;
            targets.extend(found);
        }
    }
    targets.sort();
    Ok(targets)
}

fn parse(manifest: &str, dir: &Path) -> Result<Vec<Target>> {
    let manifest: toml::Table = manifest.parse()?;
    let bins = manifest.get("bin").and_then(toml::Value::as_array);
    bins.into_iter()
        .flatten()
        .map(|bin| {
            let name = bin
                .get("name")
                .and_then(toml::Value::as_str)
                .context("a `[[bin]]` without a name")?;
            Ok(Target { name: name.to_owned(), dir: dir.to_owned() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_programs_of_a_fuzz_manifest() {
        let manifest =
            "[package]\nname = \"x-fuzz\"\n[[bin]]\nname = \"edits\"\n[[bin]]\nname = \"paths\"\n";
        let names: Vec<_> = parse(manifest, Path::new("f"))
            .unwrap()
            .into_iter()
            .map(|target| target.name)
            .collect();
        assert_eq!(names, ["edits", "paths"]);
        assert_eq!(parse("[package]\nname = \"x-fuzz\"\n", Path::new("f")).unwrap(), []);
    }
}
