//! The repositories that the bench watches, and what the real `git` says of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::save;
use crate::bench::files::trees::make_sources;
use crate::shell;

/// Files of the generated repository.
pub(super) const FILES: usize = 50_000;
/// Files that are changed in it.
pub(super) const CHANGED: usize = 50;

/// A repository, and the files in it that the bench changes.
pub(super) struct Repository {
    root: PathBuf,
    /// Path and committed contents.
    files: Vec<(PathBuf, String)>,
}

impl Repository {
    /// A small one.
    pub(super) fn small(root: &Path) -> Result<Self> {
        make_sources(root, 100)?;
        Self::committed(root)
    }

    /// One of [`FILES`] files.
    pub(super) fn generated(root: &Path) -> Result<Self> {
        make_sources(root, FILES)?;
        Self::committed(root)
    }

    /// A clone of the repository that this task belongs to.
    pub(super) fn clone_of_this(root: &Path) -> Result<Self> {
        let mut clone = shell::command("git");
        clone.args(["clone", "-q", "--no-hardlinks"]).arg(shell::root()).arg(root);
        shell::run(&mut clone)?;
        Self::open(root)
    }

    fn committed(root: &Path) -> Result<Self> {
        for args in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-q", "-m", "x"]]
        {
            shell::run(git(root).args(args))?;
        }
        Self::open(root)
    }

    /// Picks the files to be changed: spread over the repository, of its sources.
    fn open(root: &Path) -> Result<Self> {
        let listed = shell::output(git(root).args(["ls-files", "-z", "*.rs"]))?;
        let names: Vec<_> = listed.split('\0').filter(|name| !name.is_empty()).collect();
        let step = names.len().div_ceil(CHANGED).max(1);
        let read = |name: &&str| {
            let path = root.join(name);
            let contents = fs::read_to_string(&path)?;
            Ok((path, contents))
        };
        let files = names.iter().step_by(step).map(read).collect::<Result<Vec<_>>>()?;
        // The index knows when the files were written, as that of a repository in use does.
        shell::run(git(root).args(["status", "-s"]).stdout(Stdio::null()))?;
        Ok(Self { root: root.to_owned(), files })
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// The line that a change puts into a file.
    pub(super) fn line(&self, version: usize) -> String {
        format!("// version {version} of this file")
    }

    /// Changes one of the files to another version.
    pub(super) fn change(&self, file: usize, version: usize) -> Result<()> {
        let (path, contents) = &self.files[file % self.files.len()];
        save(path, &format!("{contents}{}\n", self.line(version)))
    }

    /// Asks git what the snapshot answers.
    pub(super) fn ask_git(&self) -> Result<()> {
        shell::run(git(&self.root).arg("status").stdout(Stdio::null()))?;
        shell::run(git(&self.root).args(["diff", "HEAD"]).stdout(Stdio::null()))
    }

    /// Checks that an answer is git's: the same diff and as many files.
    pub(super) fn check(&self, answer: &Value) -> Result<()> {
        let theirs = shell::output(git(&self.root).args(["diff", "HEAD"]))?;
        let ours = &answer["repository"];
        ensure!(ours["unified_diff"] == theirs, "the diff is git's");
        let files = ours["files"].as_array().context("there are files")?;
        ensure!(files.len() == self.files.len(), "{} files differ", files.len());
        Ok(())
    }
}

/// `git` in a repository, without what the user has configured.
fn git(root: &Path) -> std::process::Command {
    let mut git = shell::command("git");
    git.arg("-C").arg(root).envs([
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "bench"),
        ("GIT_AUTHOR_EMAIL", "bench@example.com"),
        ("GIT_COMMITTER_NAME", "bench"),
        ("GIT_COMMITTER_EMAIL", "bench@example.com"),
    ]);
    git
}
