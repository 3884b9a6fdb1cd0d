//! `deny`: licences, sources and bans always; advisories where their database can be had.
//!
//! The rules are in `deny.toml`. A check that could not be made is said, not passed over.

use anyhow::Result;

use crate::{setup, shell};

/// Runs `cargo deny`, installed first where it is missing.
///
/// # Errors
///
/// It cannot be installed, or a rule is broken.
pub(crate) fn run() -> Result<()> {
    setup::require(setup::Purpose::Deny)?;
    shell::run(shell::cargo().args([
        "deny",
        "--all-features",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    // Fetched on its own, so that a finding is never taken for a database that could not be had.
    match shell::output(
        shell::cargo().args(["deny", "fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0"),
    ) {
        Ok(_) => shell::run(shell::cargo().args([
            "deny",
            "--all-features",
            "check",
            "--disable-fetch",
            "advisories",
        ])),
        Err(failure) => {
            let failure = failure.to_string();
            let cause =
                failure.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
            println!("advisories: NOT CHECKED, their database could not be fetched: {cause}");
            Ok(())
        }
    }
}
