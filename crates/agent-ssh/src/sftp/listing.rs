//! Listing a directory, some entries at a time.

use agent_ssh_protocol::wire::Put as _;
use rustix::fs::{AtFlags, Dir, statat};
use rustix::io::Errno;

use super::attributes::Attributes;
use super::names::Names;

/// No entry is begun behind this many bytes, so that a reply stays under the 34,000 bytes that
/// every client must take.
const ENOUGH_BYTES: usize = 32_000;

/// Appends the next entries of a directory to `entries` and returns how many.
///
/// As in OpenSSH `.` and `..` are among them, links are not followed, and what can not be examined
/// is left out. 0 means that all have been told.
///
/// # Errors
///
/// The directory can not be read on.
pub(super) fn next_entries(
    directory: &mut Dir,
    names: &mut Names,
    entries: &mut Vec<u8>,
) -> Result<u32, Errno> {
    let now = chrono::Utc::now().timestamp();
    let mut line = Vec::new();
    let mut count = 0;
    while entries.len() < ENOUGH_BYTES
        && let Some(entry) = directory.read()
    {
        let entry = match entry {
            Ok(entry) => entry,
            // Next time the error comes again, or the end.
            Err(_) if count > 0 => break,
            Err(error) => return Err(error),
        };
        let name = entry.file_name();
        let Ok(stat) = statat(directory.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        line.clear();
        names.line(name.to_bytes(), &stat, now, &mut line);
        entries.put_string(name.to_bytes());
        entries.put_string(&line);
        Attributes::from(&stat).encode(entries);
        count += 1;
    }
    Ok(count)
}
