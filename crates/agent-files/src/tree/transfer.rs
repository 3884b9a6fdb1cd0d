//! A move to another file system, which the system does not do: copied beside the new place,
//! published by a rename, then the original is removed.

use std::ffi::CString;

use rustix::{
    fs::{FileType, Stat},
    io::Errno,
};

use super::{
    TreeError,
    copy::copy,
    place::Place,
    removal::{Stopped, remove_any},
    rename::{Renamed, Source, rename},
    survey::survey,
};
use crate::{temporary, version};

/// What is moved to where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer<'a> {
    pub(super) source: &'a Place,
    /// The source as it was found.
    pub(super) stat: &'a Stat,
    pub(super) target: &'a Place,
    /// Whether something at the target may be replaced.
    pub(super) overwrite: bool,
    /// Whether something is there to be replaced.
    pub(super) replaces: bool,
}

impl Transfer<'_> {
    /// Does all of it; after a failure the original is whole and the copy is gone.
    ///
    /// # Errors
    ///
    /// Among others [`TreeError::Left`], the exception: the original could not be removed, and the
    /// copy stays because it is the only complete one or has replaced something.
    pub(super) fn run(self) -> Result<(), TreeError> {
        let Self { source, target, .. } = self;
        survey(source, self.stat, target)?;
        let staged = Staged { target, name: Some(temporary::name()), is_dir: self.is_dir() };
        copy(source, target.directory(), target.directory_path(), staged.name())?;
        staged.publish(source, self.overwrite)?;
        self.remove_source()
    }

    fn is_dir(self) -> bool {
        version::file_type(self.stat) == FileType::Directory
    }

    fn remove_source(self) -> Result<(), TreeError> {
        let Self { source, target, .. } = self;
        let left = |removed, error| TreeError::Left {
            from: source.path.clone(),
            to: target.path.clone(),
            removed,
            source: Box::new(error),
        };
        match source.look() {
            Ok(Some(now)) if version::is_same_file(&now, self.stat) => {}
            // Somebody else removed it, which is what was left to do.
            Ok(None) => return Ok(()),
            Ok(Some(_)) => return Err(left(0, TreeError::Changed { path: source.path.clone() })),
            Err(error) => return Err(left(0, error)),
        }
        match remove(source, self.is_dir()) {
            Ok(_) => Ok(()),
            Err(Stopped { removed: 0, error }) if !self.replaces => {
                // The original is whole. A copy that cannot be removed either is told of by the
                // name it has.
                let _ = remove(target, self.is_dir());
                Err(error)
            }
            Err(Stopped { removed, error }) => Err(left(removed, error)),
        }
    }
}

fn remove(place: &Place, is_dir: bool) -> Result<u64, Stopped> {
    remove_any(place.directory(), place.directory_path(), &place.name, is_dir)
}

/// A copy beside the target; removed when dropped unpublished.
#[derive(Debug)]
struct Staged<'a> {
    target: &'a Place,
    name: Option<CString>,
    is_dir: bool,
}

impl Staged<'_> {
    fn name(&self) -> &CString {
        self.name.as_ref().expect("taken by `publish` alone, which consumes the copy")
    }

    fn publish(mut self, source: &Place, overwrite: bool) -> Result<(), TreeError> {
        let staged =
            Source { directory: self.target.directory(), name: self.name(), path: &source.path };
        match rename(staged, self.target, overwrite)? {
            Renamed::Done => self.name = None,
            Renamed::OtherFileSystem => {
                return Err(TreeError::io("move", &source.path)(Errno::XDEV));
            }
        }
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let (directory, path) = (self.target.directory(), self.target.directory_path());
            // The failure that led here is the one to tell of.
            let _ = remove_any(directory, path, &name, self.is_dir);
        }
    }
}
