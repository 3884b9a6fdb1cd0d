//! Renaming that never replaces.

use rustix::fs::{CWD, RenameFlags, lstat, rename, renameat_with};
use rustix::io::Errno;

/// Gives a file or a directory another name, unless something has that name.
///
/// Without a moment in which both names or none exist where the file system can do that.
///
/// # Errors
///
/// [`Errno::EXIST`], also for a dangling link; else those of rename(2).
pub(super) fn rename_new(from: &[u8], to: &[u8]) -> Result<(), Errno> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Of a file system that does not know the flag, and of some wrong renames, which fail
        // again below.
        Err(Errno::INVAL | Errno::NOSYS) => {
            lstat(from)?;
            match lstat(to) {
                Ok(_) => Err(Errno::EXIST),
                Err(Errno::NOENT) => rename(from, to),
                Err(error) => Err(error),
            }
        }
        outcome => outcome,
    }
}
