//! This machine's end of a download: files that appear as a whole, directories, links. Nothing here
//! follows a link, so what an agent names never leads out of the destination.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use agent_sdk::api::FileMode;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use crate::Error;

/// How the names of unfinished files begin.
const TEMPORARY: &str = ".agentctl-";

/// Bytes that wait in memory for the disk; larger than a chunk of the agent, so that receiving and
/// writing overlap.
const WRITE_BUFFER: usize = 1024 * 1024;

/// A file that is being received and that nobody sees under its name yet.
///
/// Dropping it before [`Self::publish`] removes it.
#[derive(Debug)]
pub(super) struct Received {
    temporary: NamedTempFile,
    writer: tokio::fs::File,
    target: PathBuf,
}

impl Received {
    /// Begins a file that will appear as `target`.
    ///
    /// `mode` is that of a new file, without the bits that change who a program runs as; `None`
    /// leaves it to the umask. An existing file keeps its own. A link is replaced, not followed.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuitable`] when something else than a regular file or a link is there,
    /// [`Error::Local`] when an existing file may not be written or the directory may not.
    pub(super) fn begin(target: &Path, mode: Option<FileMode>) -> Result<Self, Error> {
        let mode = match kept_mode(target)? {
            Some(kept) => Some(kept),
            None => mode.map(|mode| fs::Permissions::from_mode(mode.bits() & 0o777)),
        };
        let directory = match target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let by_umask = fs::Permissions::from_mode(0o666);
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY);
        if mode.is_none() {
            builder.permissions(by_umask);
        }
        let create = || -> io::Result<(NamedTempFile, fs::File)> {
            let temporary = builder.tempfile_in(directory)?;
            if let Some(mode) = mode {
                temporary.as_file().set_permissions(mode)?;
            }
            let writer = temporary.as_file().try_clone()?;
            Ok((temporary, writer))
        };
        let (temporary, writer) = create().map_err(Error::local("create", target))?;
        let mut writer = tokio::fs::File::from_std(writer);
        writer.set_max_buf_size(WRITE_BUFFER);
        Ok(Self { temporary, writer, target: target.to_owned() })
    }

    /// Appends bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.writer.write_all(bytes).await.map_err(Error::local("write", &self.target))
    }

    /// Makes the file visible under its name, replacing what was there.
    pub(super) async fn publish(mut self) -> Result<(), Error> {
        // A write is complete only after the flush: before it an error may still be under way.
        self.writer.flush().await.map_err(Error::local("write", &self.target))?;
        let published = self.temporary.persist(&self.target);
        published.map_err(|e| Error::local("create", self.target)(e.error))?;
        Ok(())
    }
}

/// The mode of the regular file at `target`; `None` when a new one will be there.
fn kept_mode(target: &Path) -> Result<Option<fs::Permissions>, Error> {
    let metadata = match fs::symlink_metadata(target) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::local("examine", target)(e)),
    };
    let kind = metadata.file_type();
    if kind.is_symlink() {
        return Ok(None);
    }
    if kind.is_dir() {
        return Err(Error::unsuitable(target.display().to_string(), "is a directory"));
    }
    if !kind.is_file() {
        return Err(Error::unsuitable(target.display().to_string(), "is not a regular file"));
    }
    // A rename would replace a file that its owner protected against writing.
    match fs::OpenOptions::new().write(true).open(target) {
        // A running program cannot be written, but its name can be given to another file.
        Err(e) if e.kind() != ErrorKind::ExecutableFileBusy => {
            return Err(Error::local("write", target)(e));
        }
        Ok(_) | Err(_) => {}
    }
    Ok(Some(metadata.permissions()))
}

/// The file that a destination typed by the person means: a link to a file means that file.
///
/// # Errors
///
/// [`Error::Unsuitable`] when the link leads nowhere.
pub(super) fn follow_named(target: PathBuf) -> Result<PathBuf, Error> {
    let is_link = fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_symlink());
    if !is_link {
        return Ok(target);
    }
    let leads_to = fs::canonicalize(&target);
    leads_to.map_err(|_| {
        Error::unsuitable(target.display().to_string(), "is a symbolic link that leads nowhere")
    })
}

/// Makes a directory, or accepts one that is there; tells whether it is new.
///
/// A new one with a `mode` belongs to its owner alone until [`finish_directory`]. A link to a
/// directory is accepted only for `named`, the directory that the person typed.
///
/// # Errors
///
/// [`Error::Unsuitable`] when something else is there, [`Error::Local`] when it cannot be made.
pub(super) fn make_directory(
    path: &Path,
    mode: Option<FileMode>,
    named: bool,
) -> Result<bool, Error> {
    let mut builder = fs::DirBuilder::new();
    if mode.is_some() {
        builder.mode(0o700);
    }
    match builder.create(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let metadata = if named { fs::metadata(path) } else { fs::symlink_metadata(path) };
            if metadata.is_ok_and(|metadata| metadata.is_dir()) {
                Ok(false)
            } else {
                Err(Error::unsuitable(path.display().to_string(), "exists and is not a directory"))
            }
        }
        Err(e) => Err(Error::local("create", path)(e)),
    }
}

/// Gives a new directory its mode, when everything is in it.
pub(super) fn finish_directory(path: &Path, mode: FileMode) -> Result<(), Error> {
    let mode = fs::Permissions::from_mode(mode.bits() & 0o777);
    fs::set_permissions(path, mode).map_err(Error::local("change the mode of", path))
}

/// Makes a symbolic link with the text `to`, replacing a file or link that is there.
///
/// # Errors
///
/// [`Error::Local`], also when a directory is there.
pub(super) fn make_link(to: &str, path: &Path) -> Result<(), Error> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let temporary =
        tempfile::Builder::new().prefix(TEMPORARY).make_in(directory, |new| symlink(to, new));
    let publish =
        |link: NamedTempFile<()>| link.into_temp_path().persist(path).map_err(|e| e.error);
    temporary.and_then(publish).map_err(Error::local("create", path))
}
