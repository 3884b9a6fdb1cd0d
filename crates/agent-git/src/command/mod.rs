//! The `git` command line as the source of what differs from HEAD, for repositories that this
//! agent does not read itself.
//!
//! Git is told to run nothing that the repository configures, to take no lock, to write nothing
//! and to fetch nothing; see [`environment`].

mod batch;
mod environment;
#[cfg(test)]
mod needs_git;
mod run;
mod status;

pub(crate) use run::Program;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use agent_api::limits::MAX_GIT_FILE_BYTES;

use crate::convert::{Conversion, blob_id, blob_id_of_reader};
use crate::fs::Root;
use crate::model::{Change, Head, Mode, ObjectId, Standing, Stat, Version, WorkFile};
use crate::repository::{
    Abbreviations, AttributeFiles, Attributes, Location, Settings, Source, SourceError, User,
    branch_name, checked_out_commit,
};

use batch::Batch;
use run::Runner;
use status::{Record, Status};

/// Arguments of `git ls-tree` are given in portions of this size, far below the system's limit.
const MAX_ARGUMENT_BYTES: usize = 64 * 1024;

/// A repository as an installed `git` reads it, for one scan.
///
/// Methods block; they need a thread of a Tokio runtime's blocking pool. Every program has ended
/// when the value is dropped.
pub(crate) struct Command<'a> {
    runner: Runner<'a>,
    settings: Settings,
    status: Option<Arc<Status>>,
    sizes: Option<Batch>,
    blobs: Option<Batch>,
    abbreviations: Abbreviations,
    attributes: Attributes,
    has_attributes_in_index: bool,
}

impl<'a> Command<'a> {
    /// Finds out whether an installed `git` can read a repository safely.
    ///
    /// # Errors
    ///
    /// [`SourceError::Unsupported`] when there is no `git`, when it is older than 2.32, or when it
    /// does not know the repository's format.
    pub(crate) fn open(
        location: &Location,
        user: &User,
        program: &Program,
        stop: &'a AtomicBool,
    ) -> Result<Self, SourceError> {
        let settings = Settings::read(location, user)?;
        let mut runner = Runner::new(program, location, user, &settings, stop);
        runner.check_version()?;
        runner.disarm_filters()?;
        Ok(Self {
            abbreviations: Abbreviations::new(&location.common_dir.join("objects")),
            attributes: Attributes::new(location, &settings)?,
            has_attributes_in_index: false,
            status: None,
            sizes: None,
            blobs: None,
            runner,
            settings,
        })
    }

    /// Everything at which HEAD and the work tree differ.
    ///
    /// # Errors
    ///
    /// Git fails, says what is not understood, or more than 256 MiB, or takes longer than a minute.
    pub(crate) fn changes(&mut self, root: &Root) -> Result<Vec<Change>, SourceError> {
        let status = self.status()?;
        let conflicted: Vec<&[u8]> = status
            .records
            .iter()
            .filter(|record| matches!(record, Record::Unmerged { .. }))
            .map(Record::path)
            .collect();
        let mut in_head = self.versions_in_head(&status, &conflicted)?;
        let mut changes = Vec::with_capacity(status.records.len());
        for record in &status.records {
            let head = match record {
                Record::Ordinary { head, .. } => *head,
                Record::Unmerged { path, .. } => in_head.remove(path),
                Record::Untracked { .. } => None,
            };
            changes.extend(self.change(root, record, head)?);
        }
        changes.sort_by(|one, other| {
            let key = |change: &Change| change.standing == Standing::Untracked;
            (&one.path, key(one)).cmp(&(&other.path, key(other)))
        });
        Ok(changes)
    }

    /// What is tracked, as `git ls-files --stage -z` lists it.
    ///
    /// # Errors
    ///
    /// As for [`Self::changes`].
    pub(crate) fn list_index(&mut self) -> Result<Vec<u8>, SourceError> {
        self.runner.run(&["ls-files", "--stage", "-z"])
    }

    /// What a record says; `None` if it is no change after all.
    fn change(
        &mut self,
        root: &Root,
        record: &Record,
        head: Option<Version>,
    ) -> Result<Option<Change>, SourceError> {
        let path = record.path();
        let (standing, work) = match record {
            Record::Ordinary { indexed, is_as_indexed: true, .. } => {
                let file = |version: &Version| WorkFile {
                    mode: version.mode,
                    id: Some(version.id),
                    indexed: true,
                    stat: Stat::default(),
                };
                (Standing::Tracked, indexed.as_ref().map(file))
            }
            Record::Ordinary { work, indexed, .. } => {
                (Standing::Tracked, self.work_file(root, path, *work, head, *indexed)?)
            }
            Record::Unmerged { work, ours, .. } => {
                (Standing::Conflicted, self.work_file(root, path, *work, head, *ours)?)
            }
            Record::Untracked { .. } => {
                let stat = stat(root, path)?;
                let mode = stat.and_then(|stat| self.untracked_mode(&stat));
                let file = stat.zip(mode).map(|(stat, mode)| WorkFile {
                    mode,
                    id: None,
                    indexed: false,
                    stat,
                });
                (Standing::Untracked, file)
            }
        };
        // Gone again, or the same again.
        let is_none = head.is_none() && work.is_none() && standing != Standing::Conflicted;
        let is_same = standing == Standing::Tracked
            && head.is_some_and(|head| {
                work.is_some_and(|work| (work.mode, work.id) == (head.mode, Some(head.id)))
            });
        let path = path.to_vec();
        Ok((!is_none && !is_same).then_some(Change { path, standing, head, work }))
    }

    fn untracked_mode(&self, stat: &Stat) -> Option<Mode> {
        match stat.file_mode()? {
            Mode::Executable if !self.settings.file_mode => Some(Mode::File),
            mode => Some(mode),
        }
    }

    /// The file of the work tree, whose mode git has told.
    fn work_file(
        &mut self,
        root: &Root,
        path: &[u8],
        mode: Option<Mode>,
        head: Option<Version>,
        indexed: Option<Version>,
    ) -> Result<Option<WorkFile>, SourceError> {
        let (Some(mode), Some(stat)) = (mode, stat(root, path)?) else { return Ok(None) };
        let id = match mode {
            Mode::Submodule => checked_out_commit(&root.join(path)),
            Mode::Link => self.id_of_small(root, path, mode, indexed)?,
            Mode::File | Mode::Executable if stat.size <= MAX_GIT_FILE_BYTES => {
                self.id_of_small(root, path, mode, indexed)?
            }
            Mode::File | Mode::Executable => self.id_of_large(root, path, stat.size, head)?,
        };
        Ok(Some(WorkFile { mode, id, indexed: false, stat }))
    }

    fn id_of_small(
        &mut self,
        root: &Root,
        path: &[u8],
        mode: Mode,
        indexed: Option<Version>,
    ) -> Result<Option<ObjectId>, SourceError> {
        let mut read = root.read(path, mode, MAX_GIT_FILE_BYTES);
        if matches!(read, Ok(None)) && mode == Mode::Link && !self.settings.symlinks {
            // There the target of a link is the contents of a file.
            read = root.read(path, Mode::File, MAX_GIT_FILE_BYTES);
        }
        let contents = match read {
            Ok(Some(contents)) => contents.bytes,
            Ok(None) => return Ok(None),
            Err(error) if is_unreadable(&error) => return Ok(None),
            Err(error) => return Err(unread(path)(error)),
        };
        let conversion = match mode {
            Mode::Link => Conversion::default(),
            _ => self.conversion(path)?,
        };
        let indexed = match conversion.asks_the_index() {
            true => self.indexed(indexed)?,
            false => None,
        };
        let contents = conversion.to_git(contents, || indexed);
        Ok(Some(blob_id(self.settings.object_format, &contents)))
    }

    /// The id of a file that is not shown: needed only where it may be HEAD's.
    fn id_of_large(
        &mut self,
        root: &Root,
        path: &[u8],
        size: u64,
        head: Option<Version>,
    ) -> Result<Option<ObjectId>, SourceError> {
        let Some(head) = head.filter(|head| head.mode != Mode::Submodule) else { return Ok(None) };
        if !self.conversion(path)?.is_none() || self.blob_size(head.id)? != size {
            return Ok(None);
        }
        let Ok(Some(file)) = root.open_file(path) else { return Ok(None) };
        // A file that changes meanwhile differs for now.
        Ok(blob_id_of_reader(self.settings.object_format, size, file).ok())
    }

    /// What the index has of a path, for conversions that depend on it.
    fn indexed(&mut self, indexed: Option<Version>) -> Result<Option<Vec<u8>>, SourceError> {
        match indexed.filter(|version| version.mode.is_same_kind(Mode::File)) {
            Some(version) => self.blob_up_to(version.id, MAX_GIT_FILE_BYTES),
            None => Ok(None),
        }
    }

    fn status(&mut self) -> Result<Arc<Status>, SourceError> {
        if let Some(status) = &self.status {
            return Ok(status.clone());
        }
        const ARGUMENTS: [&str; 9] = [
            "status",
            "--porcelain=v2",
            "-z",
            "--branch",
            "--untracked-files=all",
            "--no-renames",
            // Programs that a submodule configures would be run to look into it.
            "--ignore-submodules=dirty",
            "--ahead-behind",
            "--no-show-stash",
        ];
        let output = self.runner.run(&ARGUMENTS)?;
        let status = status::parse(&output).map_err(SourceError::failed(READ_STATUS))?;
        Ok(self.status.insert(Arc::new(status)).clone())
    }

    /// What HEAD has of these paths.
    fn versions_in_head(
        &mut self,
        status: &Status,
        paths: &[&[u8]],
    ) -> Result<HashMap<Vec<u8>, Version>, SourceError> {
        let mut versions = HashMap::new();
        let (Some(commit), false) = (status.commit, paths.is_empty()) else { return Ok(versions) };
        let commit = commit.to_string();
        let mut rest = paths;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|path| {
                bytes += path.len() + 1;
                bytes <= MAX_ARGUMENT_BYTES
            });
            let (now, later) = rest.split_at(fitting.count().max(1));
            rest = later;
            let options = ["ls-tree", "-z", "--full-tree", &commit, "--"];
            let output = self.runner.run_on(&options, now)?;
            let parsed = status::parse_tree(&output).map_err(SourceError::failed(READ_STATUS))?;
            versions.extend(parsed);
        }
        Ok(versions)
    }

    fn attributes_in_index(&mut self) -> Result<AttributeFiles, SourceError> {
        let options = ["ls-files", "-z", "--stage", "--", ":(glob)**/.gitattributes"];
        let output = self.runner.run_with_globs(&options)?;
        let files = status::parse_index(&output).map_err(SourceError::failed("read the index"))?;
        Ok(Arc::new(files))
    }
}

const READ_STATUS: &str = "read what git says";

impl Source for Command<'_> {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn head(&mut self) -> Result<Head, SourceError> {
        let status = self.status()?;
        // A branch may have such a name too, and git shows refs outside of `refs/heads/` like it.
        let is_in_doubt = status.branch.as_deref().is_none_or(|name| name.starts_with(b"("));
        let branch = if is_in_doubt {
            let name = self.runner.run_or(&["symbolic-ref", "--quiet", "HEAD"], 1)?;
            name.map(|name| branch_name(name.trim_ascii_end()))
        } else {
            status.branch.as_deref().map(branch_name)
        };
        Ok(Head {
            detached: branch.is_none(),
            branch,
            commit: status.commit,
            remote_origin: self.settings.remote_origin.clone(),
            upstream: status.upstream.clone(),
        })
    }

    fn blob_size(&mut self, id: ObjectId) -> Result<u64, SourceError> {
        let batch = match &mut self.sizes {
            Some(batch) => batch,
            none => none.insert(Batch::start(&self.runner, batch::SIZES)?),
        };
        self.runner.wait(batch.size(id))
    }

    fn blob(&mut self, id: ObjectId) -> Result<Vec<u8>, SourceError> {
        blob(&self.runner, &mut self.blobs, id)
    }

    fn abbreviations(&mut self, ids: &[ObjectId]) -> Result<Vec<usize>, SourceError> {
        self.abbreviations.digits(ids)
    }

    fn conversion(&mut self, path: &[u8]) -> Result<Conversion, SourceError> {
        if !self.has_attributes_in_index {
            let files = self.attributes_in_index()?;
            self.attributes.set_in_index(files);
            self.has_attributes_in_index = true;
        }
        let indexed = |id| match blob(&self.runner, &mut self.blobs, id) {
            // As for git, they say nothing then.
            Err(SourceError::Missing { .. }) => Ok(Vec::new()),
            read => read,
        };
        let states = self.attributes.of(path, indexed)?;
        Ok(Conversion::new(&states, self.settings.conversion))
    }
}

fn blob(
    runner: &Runner<'_>,
    batch: &mut Option<Batch>,
    id: ObjectId,
) -> Result<Vec<u8>, SourceError> {
    let batch = match batch {
        Some(batch) => batch,
        none => none.insert(Batch::start(runner, batch::CONTENTS)?),
    };
    runner.wait(batch.contents(id))
}

fn stat(root: &Root, path: &[u8]) -> Result<Option<Stat>, SourceError> {
    root.stat(path).map_err(unread(path))
}

fn is_unreadable(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, PermissionDenied};
    matches!(error.kind(), FileTooLarge | PermissionDenied)
}

fn unread(path: &[u8]) -> impl FnOnce(std::io::Error) -> SourceError {
    SourceError::failed(format!("read `{}`", String::from_utf8_lossy(path)))
}
