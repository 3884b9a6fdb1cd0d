//! `cargo xtask`: every task of this repository, so that one command is the same on every machine.
//!
//! Each task is a module; this file is the command line only. Nothing here is part of what is released.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what a task prints is its result")]

mod bench;
mod ci;
mod deny;
mod dist;
mod features;
mod fuzz;
mod leftovers;
mod setup;
mod shell;
mod tests_run;
mod tidy;
mod tokens;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                      everything the tests need, then all tests
  cargo xtask test -p agent-files       the tests of one crate
  cargo xtask ci                        what CI runs
  cargo xtask ci --skip test,deny       the same without two of its steps
  cargo xtask tidy                      one step of it alone
  cargo xtask setup --for dist          install what building and proving the static binary needs
  cargo xtask dist                      one static agentd, proved in containers
  cargo xtask bench files --print       figures beside their references
  cargo xtask fuzz --seconds 60         every fuzz target for a minute";

/// Every task of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES, disable_version_flag = true)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what a task needs: by package name, and only what is missing
    Setup(setup::Args),
    /// Install what the tests need, then run every test
    Test(tests_run::Args),
    /// Run the steps of CI in order: fmt, clippy, tidy, features, test, doc, deny
    Ci(ci::Args),
    /// Check the formatting
    Fmt,
    /// Lint every target with every feature; a warning is an error
    Clippy,
    /// Check layers, manifests, dependency trees, sizes, file heads, tests and links
    Tidy,
    /// Check each crate alone: without features, with each, with all
    Features,
    /// Build the documentation; a warning is an error
    Doc,
    /// Check licences, sources, bans and, where its database can be had, advisories
    Deny,
    /// Build one static agentd and prove it in containers
    Dist(dist::Args),
    /// Measure beside a reference in the same run
    Bench(bench::Args),
    /// What `bench` lets the agent start
    #[command(hide = true)]
    BenchTicker(bench::TickerArgs),
    /// What `bench` lets a session print
    #[command(hide = true)]
    BenchFlood(bench::FloodArgs),
    /// Run the fuzz targets
    Fuzz(fuzz::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Setup(args) => setup::run(&args),
        Task::Test(args) => tests_run::run(&args),
        Task::Ci(args) => ci::run(&args),
        Task::Fmt => ci::fmt(),
        Task::Clippy => ci::clippy(),
        Task::Tidy => tidy::run(),
        Task::Features => features::run(),
        Task::Doc => ci::doc(),
        Task::Deny => deny::run(),
        Task::Dist(args) => dist::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::BenchTicker(args) => bench::ticker(&args),
        Task::BenchFlood(args) => bench::flood(&args),
        Task::Fuzz(args) => fuzz::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure:#}");
            ExitCode::FAILURE
        }
    }
}
