//! Clients from the registries of Python and Node, in pinned versions, in folders below `target/`.
//!
//! It touches nothing outside these folders; which of the clients are asked for is the table's business.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::shell;

/// A package from Node's registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NodePackage {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Its folder below `target/`, where the tests look for it.
    pub(super) folder: &'static str,
}

impl NodePackage {
    fn path(&self) -> PathBuf {
        shell::root().join("target").join(self.folder)
    }
}

/// The versions of the Python packages, and of those that they need.
const REQUIREMENTS: &str = include_str!("../../../tests/clients/requirements.txt");

/// Tells whether Python is there with what makes a folder of its own for packages.
pub(super) fn has_python() -> bool {
    shell::succeeds(shell::command("python3").args(["-c", "import ensurepip, venv"]))
}

/// Tells whether a package of the requirements is installed, in the version they name.
pub(super) fn has_python_package(name: &str) -> bool {
    let Some(version) = required(name) else {
        return false;
    };
    // PEP 427: the folder of a package's metadata has underscores for hyphens.
    let metadata = format!("{}-{version}.dist-info", name.replace('-', "_"));
    let folders = fs::read_dir(python_folder().join("lib")).into_iter().flatten().flatten();
    python().is_file()
        && folders.into_iter().any(|lib| lib.path().join("site-packages").join(&metadata).is_dir())
}

/// Installs every package of the requirements.
///
/// # Errors
///
/// The folder cannot be made, or a package cannot be had.
pub(super) fn install_python_packages() -> Result<()> {
    println!("installing Python packages in {}", python_folder().display());
    if !python().is_file() {
        let mut make = shell::command("python3");
        shell::output(make.args(["-m", "venv", "--clear"]).arg(python_folder()))?;
    }
    let requirements = shell::root().join("tests/clients/requirements.txt");
    let mut pip = shell::command(python());
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--timeout", "20", "--retries", "2", "--requirement"])
        .arg(requirements);
    shell::output(&mut pip).context("cannot install the Python packages")?;
    Ok(())
}

/// Tells whether a Node package is installed in its version.
pub(super) fn has_node_package(package: &NodePackage) -> bool {
    let manifest = package.path().join("node_modules").join(package.name).join("package.json");
    fs::read_to_string(manifest)
        .is_ok_and(|text| text.contains(&format!("\"version\": \"{}\"", package.version)))
}

/// Installs a Node package in its version.
///
/// # Errors
///
/// It cannot be had.
pub(super) fn install_node_package(package: &NodePackage) -> Result<()> {
    let NodePackage { name, version, .. } = package;
    let folder = package.path();
    println!("installing {name} {version} in {}", folder.display());
    fs::create_dir_all(&folder)?;
    let mut npm = shell::command("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--save-exact"])
        .args(["--fetch-retries", "2", "--fetch-timeout", "20000", "--prefix"])
        .arg(folder)
        .arg(format!("{name}@{version}"));
    shell::output(&mut npm).with_context(|| format!("cannot install {name}"))?;
    Ok(())
}

fn required(name: &str) -> Option<&'static str> {
    REQUIREMENTS.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="))
}

fn python_folder() -> PathBuf {
    shell::root().join("target/python")
}

fn python() -> PathBuf {
    python_folder().join("bin/python")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_requirements() {
        assert!(required("paramiko").is_some_and(|version| version.starts_with("5.")));
        assert_eq!(required("para"), None);
        let is_pinned = |line: &str| line.starts_with('#') || line.contains("==");
        assert!(REQUIREMENTS.lines().all(is_pinned));
    }
}
