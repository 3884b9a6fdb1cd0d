//! `ci` and its shortest steps. It orders the steps and times them; what a step checks is the step's business.

use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::{deny, features, shell, tests_run, tidy};

/// Arguments of `cargo xtask ci`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask ci
  cargo xtask ci --skip test      for `.ci/run`, which runs the tests last and by their own command")]
pub(crate) struct Args {
    /// Steps to leave out, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEP")]
    skip: Vec<Step>,
}

/// A step of CI, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Fmt,
    Clippy,
    Tidy,
    Features,
    Test,
    Doc,
    Deny,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Tidy => "tidy",
            Self::Features => "features",
            Self::Test => "test",
            Self::Doc => "doc",
            Self::Deny => "deny",
        }
    }

    fn run(self) -> Result<()> {
        match self {
            Self::Fmt => fmt(),
            Self::Clippy => clippy(),
            Self::Tidy => tidy::run(),
            Self::Features => features::run(),
            Self::Test => tests_run::run(&tests_run::Args::default()),
            Self::Doc => doc(),
            Self::Deny => deny::run(),
        }
    }
}

/// Runs every step that is not skipped, in order, and stops at the first that fails.
///
/// # Errors
///
/// The failure of that step, with its name.
pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    for step in Step::value_variants() {
        if args.skip.contains(step) {
            continue;
        }
        let name = step.name();
        println!("\n==== {name}");
        let begin = Instant::now();
        step.run().with_context(|| {
            format!(
                "step `{name}` failed after {:.1} s (again alone: `cargo xtask {name}`)",
                begin.elapsed().as_secs_f64()
            )
        })?;
        println!("==== {name}: ok, {:.1} s", begin.elapsed().as_secs_f64());
    }
    let skipped: Vec<_> = args.skip.iter().map(|step| step.name()).collect();
    let note = if skipped.is_empty() {
        String::new()
    } else {
        format!(", without {}", skipped.join(", "))
    };
    println!("\n==== ci: ok, {:.1} s{note}", start.elapsed().as_secs_f64());
    Ok(())
}

/// Checks that every member is formatted.
pub(crate) fn fmt() -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
        .context("`cargo fmt --all` repairs this")
}

/// Lints every target of every member with every feature.
pub(crate) fn clippy() -> Result<()> {
    shell::run(shell::cargo().args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Builds the documentation of every member; broken links and the like are errors.
///
/// The examples in it are run by the step `test`.
pub(crate) fn doc() -> Result<()> {
    shell::run(
        shell::cargo()
            .args(["doc", "--quiet", "--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}
