//! Missing parents of what is made or moved.

use std::{io, os::fd::OwnedFd, path::Path};

use rustix::{fs::Mode, io::Errno};

use super::TreeError;
use crate::sys;

/// Opens a directory by its resolved path; makes it and its parents with mode 0777 less the mask
/// where they are missing.
pub(super) fn open_or_make(resolved: &Path, umask: u32) -> Result<OwnedFd, TreeError> {
    let mut missing = Vec::new();
    let mut directory = resolved;
    let mut opened = loop {
        match (sys::open_directory(directory), directory.parent()) {
            (Ok(opened), _) => break opened,
            (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
                missing.push(directory);
                directory = parent;
            }
            (Err(error), _) => return Err(TreeError::io("open", directory)(error)),
        }
    };
    for path in missing.into_iter().rev() {
        let name = path.file_name().unwrap_or_default();
        match rustix::fs::mkdirat(&opened, name, Mode::from_raw_mode(0o777 & !umask)) {
            // Somebody else may have been faster.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(TreeError::io("make directory", path)(errno)),
        }
        opened = sys::open_directory(path).map_err(TreeError::io("open", path))?;
    }
    Ok(opened)
}
