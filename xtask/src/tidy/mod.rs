//! `tidy`: the rules of `docs/STYLE.md` that a machine can check and no other tool does.
//!
//! The checks are pure and have tables of cases; this file only feeds them and prints.

mod layers;
mod links;
mod manifests;
mod sources;
mod trees;

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::shell;
use crate::workspace::{self, Workspace};

/// What a check has to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Broken rules; one is enough to fail.
    pub(crate) problems: Vec<String>,
    /// What is allowed and worth a look.
    pub(crate) notes: Vec<String>,
    /// How many files were looked at.
    pub(crate) files: usize,
}

impl Findings {
    fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    fn add(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.notes.extend(other.notes);
        self.files += other.files;
    }
}

/// Runs every check, prints what they found, and fails if a rule is broken.
///
/// # Errors
///
/// A broken rule, or a file that cannot be read.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut findings = Findings::default();
    findings.problems.extend(layers::check(&workspace.packages));
    findings.problems.extend(trees::check(&workspace)?);
    findings.add(check_manifests(&workspace)?);
    findings.add(check_files()?);
    // Elsewhere an edited manifest changes it all the time; a fresh clone shows that it was not committed.
    if shell::is_ci()
        && !shell::succeeds(shell::command("git").args(["diff", "--quiet", "--", "Cargo.lock"]))
    {
        findings
            .problem("Cargo.lock: building changes it; commit it with the manifests".to_owned());
    }

    for note in &findings.notes {
        println!("note: {note}");
    }
    for problem in &findings.problems {
        println!("problem: {problem}");
    }
    match findings.problems.len() {
        0 => {
            println!("{} crates, {} files", workspace.packages.len(), findings.files);
            Ok(())
        }
        1 => bail!("1 rule is broken"),
        number => bail!("{number} rules are broken"),
    }
}

fn check_manifests(workspace: &Workspace) -> Result<Findings> {
    let mut findings = Findings::default();
    let root = shell::root().join("Cargo.toml");
    findings.problems.extend(manifests::check_root(&read(&root)?)?);
    for package in &workspace.packages {
        let text = read(&package.manifest)?;
        findings.problems.extend(manifests::check_member(&package.name, &text)?);
    }
    Ok(findings)
}

fn check_files() -> Result<Findings> {
    let mut findings = Findings::default();
    for path in &workspace::files()? {
        let file = shell::root().join(path);
        findings.files += 1;
        if path.ends_with(".rs") {
            findings.add(sources::check(path, &read(&file)?));
        } else if path.ends_with(".md") {
            let dir = file.parent().expect("a file is in a folder");
            findings.problems.extend(links::check(path, &read(&file)?, |link| {
                fs::read_to_string(dir.join(link))
                    .ok()
                    .or_else(|| dir.join(link).exists().then(String::new))
            }));
        }
    }
    Ok(findings)
}

fn read(path: &std::path::Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
