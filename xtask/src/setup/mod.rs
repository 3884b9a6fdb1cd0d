//! `setup`: brings what a task needs, only what is missing, and says what cannot be had.
//!
//! Running it again changes nothing. What there is to bring is the table in `components`.

mod components;
mod needing;
mod registries;

use anyhow::{Context as _, Result, bail};

pub(crate) use components::Purpose;
use components::{COMPONENTS, Component, Source};
pub(crate) use needing::module;

use crate::shell;

/// Arguments of `cargo xtask setup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask setup                      for the tests
  cargo xtask setup --for bench,dist     for both
  cargo xtask setup --list               what each task needs and whether it is there")]
pub(crate) struct Args {
    /// What to prepare for
    #[arg(
        long = "for",
        value_enum,
        value_delimiter = ',',
        value_name = "PURPOSE",
        default_value = "test"
    )]
    purposes: Vec<Purpose>,
    /// Show every component and install nothing
    #[arg(long)]
    list: bool,
}

/// Installs what the purposes need.
///
/// # Errors
///
/// Something cannot be installed; for the tests only in CI, elsewhere they do without.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.list {
        print!("{}", table());
        return Ok(());
    }
    for purpose in &args.purposes {
        if *purpose == Purpose::Test {
            for_tests()?;
        } else {
            require(*purpose)?;
        }
    }
    println!("setup: done");
    Ok(())
}

/// Names of the components that tests may need.
#[derive(Debug)]
pub(crate) struct ForTests {
    pub(crate) present: Vec<&'static str>,
    pub(crate) missing: Vec<&'static str>,
}

/// Brings what the tests need. A missing component is said, with the tests that go without it.
///
/// # Errors
///
/// In CI, a missing component; anywhere, an installation that fails.
pub(crate) fn for_tests() -> Result<ForTests> {
    let missing = install(Purpose::Test)?;
    for component in &missing {
        println!(
            "missing component `{}` ({}), so these are skipped: {}",
            component.name,
            component.remedy(),
            component.serves
        );
        for test in needing::tests(component.name)? {
            println!("  {test}");
        }
    }
    if shell::is_ci() && !missing.is_empty() {
        bail!("CI skips no test, and this is missing: {}", names(&missing));
    }
    let missing: Vec<_> = missing.into_iter().map(|component| component.name).collect();
    let present = of(Purpose::Test)
        .map(|component| component.name)
        .filter(|name| !missing.contains(name))
        .collect();
    Ok(ForTests { present, missing })
}

/// Brings what a purpose needs.
///
/// # Errors
///
/// Something is still missing afterwards.
pub(crate) fn require(purpose: Purpose) -> Result<()> {
    refuse(purpose, &install(purpose)?)
}

/// Looks whether what a purpose needs is there, and installs nothing.
///
/// # Errors
///
/// Something is missing; the text says how to get it.
pub(crate) fn check(purpose: Purpose) -> Result<()> {
    let missing: Vec<_> = of(purpose).filter(|component| !component.is_present()).collect();
    refuse(purpose, &missing)
}

fn refuse(purpose: Purpose, missing: &[&Component]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let remedies: Vec<_> = missing
        .iter()
        .map(|component| format!("{} ({})", component.remedy(), component.serves))
        .collect();
    let name = format!("{purpose:?}").to_lowercase();
    bail!(
        "missing: {}; try `cargo xtask setup --for {name}` as root, or: {}",
        names(missing),
        remedies.join("; ")
    );
}

fn of(purpose: Purpose) -> impl Iterator<Item = &'static Component> {
    COMPONENTS.iter().filter(move |component| component.purpose == purpose)
}

/// Installs what is missing and can be had, and returns what is missing afterwards.
fn install(purpose: Purpose) -> Result<Vec<&'static Component>> {
    let missing: Vec<_> = of(purpose).filter(|component| !component.is_present()).collect();
    let packages: Vec<_> = missing
        .iter()
        .filter_map(|component| match component.source {
            Source::Apt(package) => Some(package),
            _ => None,
        })
        .collect();
    if !packages.is_empty() && shell::is_root() && shell::find_program("apt-get").is_some() {
        apt_install(&packages)?;
    }
    for component in &missing {
        if let Source::Cargo(name) = component.source {
            cargo_install(name)?;
        }
    }
    install_from_registries(&missing);
    Ok(missing.into_iter().filter(|component| !component.is_present()).collect())
}

fn apt_install(packages: &[&str]) -> Result<()> {
    println!("installing {}", packages.join(", "));
    let apt = |args: &[&str]| {
        shell::output(
            shell::command("apt-get")
                .args(["-q", "-y"])
                .args(args)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    apt(&["update"])?;
    apt(&[&["install", "--no-install-recommends"], packages].concat())
        .with_context(|| format!("cannot install {}", packages.join(", ")))?;
    Ok(())
}

/// Gets clients from the registries of other languages. What cannot be had is said, and stays missing.
fn install_from_registries(missing: &[&Component]) {
    let mut results = Vec::new();
    if missing.iter().any(|component| component.source == Source::Pip) {
        results.push(registries::install_python_packages());
    }
    results.extend(missing.iter().filter_map(|component| match component.source {
        Source::Npm(package) => Some(registries::install_node_package(package)),
        _ => None,
    }));
    for failure in results.into_iter().filter_map(Result::err) {
        println!("{failure:#}");
    }
}

fn cargo_install(name: &str) -> Result<()> {
    println!("installing {name} with cargo, some minutes the first time");
    // A folder outside the workspace, whose `rust-toolchain.toml` and cargo settings are not the tool's.
    let dir = tempfile::tempdir()?;
    // The tool runs for a second at a time: building it quickly matters more than its speed.
    shell::run(
        shell::cargo()
            .args(["install", "--quiet", "--locked", name])
            .current_dir(dir.path())
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    )
}

fn names(components: &[&Component]) -> String {
    components.iter().map(|component| component.name).collect::<Vec<_>>().join(", ")
}

fn table() -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "{:<14}{:<8}{:<9}{:<47}without it is skipped\n",
        "component", "for", "state", "from"
    );
    for component in COMPONENTS {
        let purpose = format!("{:?}", component.purpose).to_lowercase();
        let state = if component.is_present() { "present" } else { "missing" };
        let (name, remedy) = (component.name, component.remedy());
        writeln!(text, "{name:<14}{purpose:<8}{state:<9}{remedy:<47}{}", component.serves)
            .expect("a String takes everything");
    }
    text
}
