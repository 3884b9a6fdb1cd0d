//! `dist`: one static `agentd` for any Linux of this processor, and the proof that it is one.
//!
//! The proof runs it for real in containers of an engine that this task starts and stops itself.

mod elf;
mod http;
mod images;
mod proofs;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::workspace::Workspace;
use crate::{leftovers, setup, shell};

const PACKAGE: &str = "agent-server";
const PROGRAM: &str = "agentd";
/// Largest size of the program: it is copied into every workspace. With SSH, terminals and ports it has
/// 15.7 MB; the client of container engines, with its generated types, makes it 20.9 MB.
const MAX_BYTES: u64 = 22_000_000;

/// Arguments of `cargo xtask dist`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask dist               build, then prove in busybox, in Debian 11 and as the only file of an image
  cargo xtask dist --no-prove    build and check the file only; needs neither root nor containers")]
pub(crate) struct Args {
    /// Build and check the file, and start no container
    #[arg(long)]
    no_prove: bool,
    /// Check and prove this program instead of building one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Builds the program, checks the file, and proves it.
///
/// # Errors
///
/// It does not build, is not static, is too large, or a proof fails; whatever was started is ended then too.
pub(crate) fn run(args: &Args) -> Result<()> {
    let program = match &args.program {
        // Containers are given it by its absolute path.
        Some(program) => {
            program.canonicalize().with_context(|| format!("there is no {}", program.display()))?
        }
        None => build()?,
    };
    check_file(&program)?;
    if !args.no_prove {
        ensure!(
            shell::is_root(),
            "the proofs start a container engine, which needs root; `--no-prove` does without"
        );
        setup::require(setup::Purpose::Dist)?;
        leftovers::adopt()?;
        let cache = Workspace::load()?.target_directory.join("dist-images");
        proofs::run(&program, &cache)?;
    }
    println!("{}", program.display());
    Ok(())
}

/// Builds the program against the C library's static archive and returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let workspace = Workspace::load()?;
    ensure!(workspace.find(PACKAGE).is_some(), "the workspace has no package `{PACKAGE}`");
    let host = host()?;
    let start = Instant::now();
    // The explicit target keeps the flag away from build scripts and proc macros, which must be dynamic.
    shell::run(
        shell::cargo()
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .args(["build", "--quiet", "--profile", "dist", "--target", &host])
            .args(["--package", PACKAGE, "--bin", PROGRAM]),
    )?;
    println!("built {PROGRAM} for {host} in {:.0} s", start.elapsed().as_secs_f64());
    Ok(workspace.target_directory.join(host).join("dist").join(PROGRAM))
}

fn host() -> Result<String> {
    let version = shell::output(shell::command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

fn check_file(program: &Path) -> Result<()> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let needs = elf::needs(&bytes).with_context(|| format!("{}", program.display()))?;
    if !needs.is_empty() {
        bail!("{} is not static: it needs {}", program.display(), needs.join(", "));
    }
    let (size, megabytes) = (bytes.len() as u64, bytes.len() as f64 / 1e6);
    ensure!(
        size <= MAX_BYTES,
        "{PROGRAM} has {megabytes:.1} MB, more than {} MB",
        MAX_BYTES / 1_000_000
    );
    println!("{PROGRAM} is static and has {megabytes:.1} MB ({size} bytes)");
    Ok(())
}
