//! Files of configuration in git's syntax, read without git; nothing that they name is run.
//!
//! Source: git-config(1), "CONFIGURATION FILE".

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::wildmatch::{self, Case};

mod parse;

/// Files that include each other deeper than git lets them are not read.
const MAX_DEPTH: usize = 10;
/// Larger files are read up to here.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Entries beyond these, of all files together, are not read.
const MAX_ENTRIES: usize = 100_000;

/// Entries of configuration in the order of reading: of several values of one name the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries(Vec<Entry>);

/// One line of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// `section.name` or `section.subsection.name`; section and name in lower case.
    name: Vec<u8>,
    /// `None` for a name alone, which means true.
    value: Option<Vec<u8>>,
}

/// What decides which further files are included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Including<'a> {
    /// Stands for `~`.
    pub(super) home: &'a Path,
    pub(super) git_dir: &'a Path,
    /// The branch that HEAD names, without `refs/heads/`.
    pub(super) branch: Option<&'a [u8]>,
}

impl Entries {
    /// What one file says by itself; nothing if it cannot be read, and up to the first line that
    /// git would refuse.
    pub(super) fn of_file(path: &Path) -> Self {
        let mut entries = Self::default();
        let _ = entries.read(path, None, 0);
        entries
    }

    /// What a repository's own files say, without the files that they include: that of all its
    /// work trees, and that of this one where it is in use.
    ///
    /// Git asks these alone which format a repository has, and where its work tree is.
    pub(super) fn of_repository(git_dir: &Path, common_dir: &Path) -> Self {
        let mut entries = Self::of_file(&common_dir.join("config"));
        if entries.bool("extensions.worktreeconfig") == Some(true) {
            entries.0.extend(Self::of_file(&git_dir.join("config.worktree")).0);
        }
        entries
    }

    /// The same with included files, and after the other entries.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or has a line that git would refuse; never that one is missing.
    pub(super) fn read_repository(common_dir: &Path, including: Including<'_>) -> io::Result<Self> {
        let mut entries = Self::default();
        entries.add(&common_dir.join("config"), including)?;
        if entries.bool("extensions.worktreeconfig") == Some(true) {
            entries.add(&including.git_dir.join("config.worktree"), including)?;
        }
        Ok(entries)
    }

    /// Reads one more file and what it includes.
    ///
    /// # Errors
    ///
    /// As [`Entries::read_repository`].
    pub(super) fn add(&mut self, path: &Path, including: Including<'_>) -> io::Result<()> {
        self.read(path, Some(including), 0)
    }

    /// The last value of a name; empty for a name alone.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.last(name).map(|entry| entry.value.as_deref().unwrap_or_default())
    }

    /// Every name that begins with these bytes, without them, and its value.
    pub(super) fn below<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.0.iter().filter_map(|entry| {
            let rest = entry.name.strip_prefix(prefix.as_bytes())?;
            Some((rest, entry.value.as_deref().unwrap_or_default()))
        })
    }

    /// The last value of a name as a boolean; `None` also for what is none.
    pub(super) fn bool(&self, name: &str) -> Option<bool> {
        let Some(value) = &self.last(name)?.value else { return Some(true) };
        match value.to_ascii_lowercase().as_slice() {
            b"true" | b"yes" | b"on" => Some(true),
            b"" | b"false" | b"no" | b"off" => Some(false),
            number => {
                std::str::from_utf8(number).ok()?.parse::<i64>().ok().map(|number| number != 0)
            }
        }
    }

    /// The last value of a name as a path.
    ///
    /// `~/` is the home directory; a relative path is one below `base`.
    pub(super) fn path(&self, name: &str, home: &Path, base: &Path) -> Option<PathBuf> {
        let value = self.get(name).filter(|value| !value.is_empty())?;
        Some(base.join(expand(value, home)))
    }

    fn last(&self, name: &str) -> Option<&Entry> {
        self.0.iter().rfind(|entry| entry.name == name.as_bytes())
    }

    fn read(
        &mut self,
        path: &Path,
        including: Option<Including<'_>>,
        depth: usize,
    ) -> io::Result<()> {
        let contents = match contents(path) {
            Ok(contents) => contents,
            Err(error) if super::discover::is_missing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in parse::Lines::new(&contents) {
            let entry = entry.map_err(|line| {
                let what = format!("line {line} of {} is no configuration", path.display());
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?;
            if self.0.len() == MAX_ENTRIES {
                return Ok(());
            }
            let included = including.and_then(|including| including.named(&entry, path));
            self.0.push(entry);
            if let Some(included) = included.filter(|_| depth < MAX_DEPTH) {
                self.read(&included, including, depth + 1)?;
            }
        }
        Ok(())
    }
}

impl FromIterator<(Vec<u8>, Option<Vec<u8>>)> for Entries {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(name, value)| Entry { name, value }).collect())
    }
}

impl Including<'_> {
    /// The file that an entry of another file includes, if that is what it does.
    fn named(&self, entry: &Entry, from: &Path) -> Option<PathBuf> {
        let value = entry.value.as_deref().filter(|value| !value.is_empty())?;
        let directory = from.parent()?;
        let is_wanted = entry.name == b"include.path" || {
            let condition = entry.name.strip_prefix(b"includeif.")?.strip_suffix(b".path")?;
            self.holds(condition, directory)
        };
        is_wanted.then(|| directory.join(expand(value, self.home)))
    }

    fn holds(&self, condition: &[u8], directory: &Path) -> bool {
        if let Some(pattern) = condition.strip_prefix(b"gitdir:") {
            self.is_git_dir(pattern, directory, Case::Sensitive)
        } else if let Some(pattern) = condition.strip_prefix(b"gitdir/i:") {
            self.is_git_dir(pattern, directory, Case::Ignored)
        } else if let (Some(pattern), Some(branch)) =
            (condition.strip_prefix(b"onbranch:"), self.branch)
        {
            wildmatch::matches(&open_ended(pattern.to_vec()), branch, Case::Sensitive)
        } else {
            false
        }
    }

    fn is_git_dir(&self, pattern: &[u8], directory: &Path, case: Case) -> bool {
        let pattern = match pattern {
            [b'~', b'/', ..] => expand(pattern, self.home).as_os_str().as_bytes().to_vec(),
            [b'.', b'/', rest @ ..] => [directory.as_os_str().as_bytes(), b"/", rest].concat(),
            [b'/', ..] => pattern.to_vec(),
            _ => [b"**/", pattern].concat(),
        };
        wildmatch::matches(&open_ended(pattern), self.git_dir.as_os_str().as_bytes(), case)
    }
}

/// A pattern that ends with `/` means everything below.
fn open_ended(mut pattern: Vec<u8>) -> Vec<u8> {
    if pattern.ends_with(b"/") {
        pattern.extend(b"**");
    }
    pattern
}

fn expand(value: &[u8], home: &Path) -> PathBuf {
    // No `join`, which would drop a slash at the end.
    match value.strip_prefix(b"~/") {
        Some(rest) => {
            let whole = [home.as_os_str().as_bytes(), b"/", rest].concat();
            PathBuf::from(OsStr::from_bytes(&whole))
        }
        None => PathBuf::from(OsStr::from_bytes(value)),
    }
}

/// Reads a regular file; never waits for the writer of a pipe.
pub(super) fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let mut contents = Vec::new();
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() {
        // libgit2 would wait for a writer.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe"));
    }
    // Git takes anything that is no directory, such as `/dev/null`.
    if kind.is_file() {
        file.take(MAX_BYTES).read_to_end(&mut contents)?;
    }
    Ok(contents)
}

#[cfg(test)]
mod tests;
