//! `test`: what the tests need, then every test, then the total. Which component a test needs is in `setup`.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::{leftovers, setup, shell};

/// The variable that tells the tests which components exist: names from `setup`, separated by commas.
const COMPONENTS: &str = "AGENT_TEST_COMPONENTS";

/// Arguments of `cargo xtask test`.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask test
  cargo xtask test -p agent-files
  cargo xtask test -p agent-files --test it -- a_missing_directory
  cargo xtask test -- --nocapture")]
pub(crate) struct Args {
    /// Arguments for `cargo test`; with `-p` only those packages are tested
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CARGO_TEST_ARGS")]
    extra: Vec<String>,
}

/// Runs the tests, shows what they print, and closes with `N passed, N failed`.
///
/// # Errors
///
/// A component that cannot be had in CI, a test that fails or does not build, a process left behind,
/// or no test at all where all were asked for.
pub(crate) fn run(args: &Args) -> Result<()> {
    let components = setup::for_tests()?;
    leftovers::adopt()?;
    let mut command = shell::cargo();
    command.args(["test", "--all-features", "--no-fail-fast"]);
    if !names_packages(&args.extra) {
        command.arg("--workspace");
    }
    command
        .args(arguments(&args.extra, &components.missing))
        .env(COMPONENTS, components.present.join(","))
        .stdout(Stdio::piped());

    let mut cargo = shell::spawn(&mut command)?;
    let output = cargo.child.stdout.take().expect("standard output is piped");
    let total = show_and_count(BufReader::new(output), &mut std::io::stdout())?;
    // Its output has ended, so it is about to.
    let status = cargo.wait(Duration::from_secs(60))?.with_context(|| {
        format!("`{}` closed its output and did not end", shell::line(&command))
    })?;
    drop(cargo);
    let left = leftovers::end();

    println!("\n{}", total.line());
    if !left.is_empty() {
        bail!("the tests left processes behind (now ended): {}", left.join("; "));
    }
    if !status.success() {
        bail!("`{}` failed: {status}", shell::line(&command));
    }
    if args.extra.is_empty() && total.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Adds to the given arguments what leaves out the tests of missing components.
fn arguments(extra: &[String], missing: &[&str]) -> Vec<String> {
    let mut arguments = extra.to_vec();
    if !missing.is_empty() && !extra.iter().any(|arg| arg == "--") {
        arguments.push("--".to_owned());
    }
    for component in missing {
        arguments.extend(["--skip".to_owned(), format!("{}::", setup::module(component))]);
    }
    arguments
}

/// Tells whether cargo is asked for certain packages; what follows `--` is for the test runner.
fn names_packages(extra: &[String]) -> bool {
    extra.iter().take_while(|arg| *arg != "--").any(|arg| {
        arg == "-p" || arg == "--package" || arg.starts_with("-p=") || arg.starts_with("--package=")
    })
}

/// Copies lines as they come and adds up the runner's closing lines.
fn show_and_count(mut lines: impl BufRead, shown: &mut impl Write) -> Result<Total> {
    let mut total = Total::default();
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        shown.write_all(&line)?;
        total.add(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(total)
}

/// Sums over all test programs of one run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Total {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Total {
    /// Adds a closing line of libtest, `test result: ok. 3 passed; 0 failed; …`; other lines add nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split(';') {
            let mut words = count.split_whitespace();
            let (Some(Ok(number)), Some(what)) =
                (words.next().map(str::parse::<u64>), words.next())
            else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    fn line(&self) -> String {
        let Self { passed, failed, ignored } = self;
        let skipped = if *ignored == 0 { String::new() } else { format!(", {ignored} skipped") };
        format!("{passed} passed, {failed} failed{skipped}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up_and_nothing_else() {
        let output = "running 3 tests\n\
            test a ... ok\n\
            test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 4 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out; finished in 1.50s\n\
            I say test result: ok. 100 passed; no\n\
            test result: odd\n";
        let mut shown = Vec::new();
        let total = show_and_count(output.as_bytes(), &mut shown).unwrap();
        assert_eq!(shown, output.as_bytes());
        assert_eq!(total, Total { passed: 7, failed: 2, ignored: 1 });
        assert_eq!(total.line(), "7 passed, 2 failed, 1 skipped");
        assert_eq!(Total { ignored: 0, ..total }.line(), "7 passed, 2 failed");
    }

    #[test]
    fn tests_of_missing_components_are_left_out() {
        let check = |extra: &[&str], missing: &[&str], expected: &[&str]| {
            let extra: Vec<_> = extra.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(arguments(&extra, missing), expected);
        };
        check(&["--test", "it"], &[], &["--test", "it"]);
        check(&["--test", "it"], &["tmpfs"], &["--test", "it", "--", "--skip", "needs_tmpfs::"]);
        check(
            &["--", "a"],
            &["curl", "root"],
            &["--", "a", "--skip", "needs_curl::", "--skip", "needs_root::"],
        );
    }

    #[test]
    fn packages_are_looked_for_before_the_runners_arguments() {
        let check = |args: &[&str], expected| {
            let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(names_packages(&args), expected, "{args:?}");
        };
        check(&[], false);
        check(&["--test", "it"], false);
        check(&["-p", "agent-api"], true);
        check(&["--package=agent-api"], true);
        check(&["--", "-p"], false);
    }
}
