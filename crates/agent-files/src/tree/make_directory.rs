//! `make_directory`: a directory and its missing parents.

use std::{ffi::CStr, io, os::fd::BorrowedFd};

use agent_api::{AbsolutePath, MakeDirectoryRequest, MakeDirectoryResponse};
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

use super::{
    TreeError,
    place::{self, Place},
};
use crate::{
    Error, Files,
    service::{blocking, parse_path},
    version,
};

impl Files {
    /// Makes a directory and its missing parents; one that exists, or a link to one, is left as it
    /// is.
    ///
    /// A new directory has exactly the mode asked for, or 0777 less the mask, which new parents
    /// have always. It is never open to more than it will be.
    ///
    /// # Errors
    ///
    /// [`Error::Path`]; [`TreeError::Exists`] when something else is there, also a link to
    /// nothing; [`TreeError::Io`].
    #[tracing::instrument(level = "debug", name = "files.make_directory", skip_all, fields(path = req.path))]
    pub async fn make_directory(
        &self,
        req: MakeDirectoryRequest,
    ) -> Result<MakeDirectoryResponse, Error> {
        let path = parse_path("path", &req.path)?;
        let umask = self.shared.config.umask;
        self.change(async move {
            let mode = req.mode.map(agent_api::FileMode::bits);
            let created = if path == AbsolutePath::root() {
                false
            } else {
                let resolved = place::resolve(path.clone()).await?;
                let path = path.clone();
                blocking(move || Ok(make(&path, resolved, mode, umask)?)).await?
            };
            Ok(MakeDirectoryResponse { path: path.to_string(), created })
        })
        .await
    }
}

/// Makes the directory unless it exists; answers whether it is new.
fn make(
    path: &AbsolutePath,
    resolved: std::path::PathBuf,
    mode: Option<u32>,
    umask: u32,
) -> Result<bool, TreeError> {
    if is_there(path)? {
        return Ok(false);
    }
    let place = Place::make(resolved, umask)?;
    match create(place.directory(), &place.name, mode, umask) {
        Ok(()) => Ok(true),
        // Somebody else was faster; what they made may be no directory.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_there(path)? => Ok(false),
        Err(error) => Err(TreeError::io("make directory", path.as_path())(error)),
    }
}

/// Whether a directory is there, links followed; an error when something else is.
fn is_there(path: &AbsolutePath) -> Result<bool, TreeError> {
    let found = match rustix::fs::stat(path.as_path()) {
        // A link to nothing is something.
        Err(Errno::NOENT) => rustix::fs::lstat(path.as_path()),
        found => found,
    };
    match found {
        Ok(stat) if version::file_type(&stat) == FileType::Directory => Ok(true),
        Ok(_) => Err(TreeError::Exists { path: path.as_path().to_owned() }),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(TreeError::io("make directory", path.as_path())(errno)),
    }
}

fn create(parent: BorrowedFd<'_>, name: &CStr, mode: Option<u32>, umask: u32) -> io::Result<()> {
    let Some(mode) = mode else {
        return Ok(rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777 & !umask))?);
    };
    // Nobody else gets in before the mode is exact. The owner, who is the agent's user, must be
    // able to open the directory to set it.
    let narrow = Mode::from_raw_mode(mode & 0o700 | 0o400);
    rustix::fs::mkdirat(parent, name, narrow)?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let set = rustix::fs::openat(parent, name, flags, Mode::empty())
        .and_then(|made| rustix::fs::fchmod(&made, Mode::from_raw_mode(mode)));
    set.map_err(|errno| {
        let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        errno.into()
    })
}
