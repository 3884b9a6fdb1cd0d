//! Linux: openat2(2), preadv2(2), getdents(2), renameat2(2), fallocate(2), holes of files and
//! extended attributes.

use std::{
    ffi::{CStr, CString},
    io,
    ops::Range,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::RwLock;
use rustix::{
    fs::{
        AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, RawDir, RenameFlags, ResolveFlags,
        SeekFrom, StatxFlags, XattrFlags,
    },
    io::{Errno, ReadWriteFlags},
};

/// Set when the kernel or a sandbox does not know the calls, which are then left alone.
static CACHED_CALLS_REFUSED: AtomicBool = AtomicBool::new(false);

/// Mounts of file systems that answer from memory without asking anybody; at most [`MAX_KNOWN`].
static LOCAL_MOUNTS: RwLock<Vec<Mounted>> = RwLock::new(Vec::new());

/// Mounts come and go while the process runs; beyond so many all are learned anew.
const MAX_KNOWN: usize = 256;

/// A mounted file system that answers from memory.
#[derive(Clone, Copy, Debug)]
struct Mounted {
    id: MountId,
    /// Whether its files are nothing but memory, so that reading them never waits for a disk.
    ///
    /// tmpfs refuses `RWF_NOWAIT` although it could not wait either, unless its pages were swapped
    /// out, which costs what any memory costs then.
    is_memory: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MountId {
    /// Never given to another mount.
    Unique(u64),
    /// Major and minor number, from a kernel that does not tell the other. A network mount may
    /// get that of a tmpfs that was unmounted.
    Device(u32, u32),
}

/// `STATX_MNT_ID_UNIQUE` (statx(2), since Linux 6.8).
const UNIQUE_MOUNT_ID: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// The number of tmpfs (statfs(2)).
const TMPFS: u64 = 0x0102_1994;

/// File systems whose `open` and cached reads never wait for a network or another process
/// (statfs(2) lists the numbers): ext2-4, XFS, Btrfs, tmpfs, overlayfs, F2FS, ZFS, bcachefs.
const LOCAL_FILE_SYSTEMS: [u64; 8] =
    [0xef53, 0x5846_5342, 0x9123_683e, TMPFS, 0x794c_7630, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e];

/// Opens a file for reading if that needs no waiting; `None` says to open it elsewhere.
///
/// The look-up uses cached entries alone (`RESOLVE_CACHED`), and the file must be a regular one,
/// because opening a device may wait or do something, on a file system that a blocking open has
/// found to be local: opening on a hung network mount would stop the thread.
pub(crate) fn open_cached(path: &Path) -> Option<OwnedFd> {
    if CACHED_CALLS_REFUSED.load(Ordering::Relaxed) {
        return None;
    }
    let place = open_in_cache(path, OFlags::PATH)?;
    let (mount, file_type) = examine(place.as_fd())?;
    if file_type != FileType::RegularFile || known(mount).is_none() {
        return None;
    }
    open_in_cache(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
}

fn open_in_cache(path: &Path, flags: OFlags) -> Option<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED) {
        Ok(fd) => Some(fd),
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
            CACHED_CALLS_REFUSED.store(true, Ordering::Relaxed);
            None
        }
        Err(_) => None,
    }
}

/// Learns whether the file system of an open file is local; may wait.
pub(crate) fn learn_locality(file: BorrowedFd<'_>) {
    let Some((id, _)) = examine(file) else { return };
    if known(id).is_some() {
        return;
    }
    let Ok(fs) = rustix::fs::fstatfs(file) else { return };
    let Ok(kind) = u64::try_from(fs.f_type) else { return };
    if LOCAL_FILE_SYSTEMS.contains(&kind) {
        let mut mounts = LOCAL_MOUNTS.write();
        if mounts.len() >= MAX_KNOWN {
            mounts.clear();
        }
        mounts.push(Mounted { id, is_memory: kind == TMPFS });
    }
}

/// The mount that a file lies on and its type, without asking the file system.
fn examine(file: BorrowedFd<'_>) -> Option<(MountId, FileType)> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = rustix::fs::statx(file, c"", flags, StatxFlags::TYPE | UNIQUE_MOUNT_ID).ok()?;
    let is_unique = stat.stx_mask & UNIQUE_MOUNT_ID.bits() != 0;
    let device = MountId::Device(stat.stx_dev_major, stat.stx_dev_minor);
    let mount = if is_unique { MountId::Unique(stat.stx_mnt_id) } else { device };
    Some((mount, FileType::from_raw_mode(stat.stx_mode.into())))
}

fn known(id: MountId) -> Option<Mounted> {
    LOCAL_MOUNTS.read().iter().find(|known| known.id == id).copied()
}

fn is_memory(file: BorrowedFd<'_>) -> bool {
    examine(file).and_then(|(id, _)| known(id)).is_some_and(|mount| mount.is_memory)
}

/// Reads what the page cache holds, at most the spare capacity of `buffer`, and appends it.
///
/// `Ok(None)` says that the disk would have to be asked.
pub(crate) fn read_cached(
    file: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<Option<usize>> {
    let mut parts = [io::IoSliceMut::new(buffer)];
    match rustix::io::preadv2(file, &mut parts, offset, ReadWriteFlags::NOWAIT) {
        Ok(count) => Ok(Some(count)),
        Err(Errno::OPNOTSUPP) if is_memory(file) => {
            Ok(Some(rustix::io::pread(file, buffer, offset)?))
        }
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a directory whose path was resolved before: a link that has appeared in it since is
/// `ELOOP`.
pub(crate) fn open_directory(resolved: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let how = ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(CWD, resolved, flags, Mode::empty(), how) {
        Err(Errno::NOSYS | Errno::PERM) => {
            // Without the call the last component alone is checked.
            Ok(rustix::fs::open(resolved, flags | OFlags::NOFOLLOW, Mode::empty())?)
        }
        // A directory that may be searched but not read still takes new entries.
        Err(Errno::ACCESS) => {
            let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
            Ok(rustix::fs::openat2(CWD, resolved, flags, Mode::empty(), how)?)
        }
        opened => Ok(opened?),
    }
}

/// Opens a subdirectory for listing, neither through a link nor into another mount (`EXDEV`).
pub(crate) fn open_beneath_mount(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let how = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(parent, name, flags, Mode::empty(), how) {
        Err(Errno::NOSYS | Errno::PERM) => {
            let child = rustix::fs::openat(parent, name, flags, Mode::empty())?;
            let devices = (rustix::fs::fstat(parent)?.st_dev, rustix::fs::fstat(&child)?.st_dev);
            if devices.0 == devices.1 { Ok(child) } else { Err(Errno::XDEV.into()) }
        }
        opened => Ok(opened?),
    }
}

/// Bytes of entries that one call asks for: about two thousand short names.
const ENTRIES_BYTES: usize = 64 * 1024;

/// Hands every entry of a directory but `.` and `..` to `visit`, in the file system's order, until
/// `visit` refuses one.
///
/// Reads from the beginning; a type that the file system does not list is `Unknown`. Entries made
/// or removed meanwhile may or may not be seen, all others are seen once, also when `visit`
/// removes them.
pub(crate) fn read_entries<E>(
    directory: BorrowedFd<'_>,
    mut visit: impl FnMut(&CStr, FileType) -> Result<(), E>,
) -> io::Result<Result<(), E>> {
    rustix::fs::seek(directory, SeekFrom::Start(0))?;
    let mut buffer = Vec::with_capacity(ENTRIES_BYTES);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            // The directory itself was removed: nothing is in it any more.
            Err(Errno::NOENT) => break,
            entry => entry?,
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if let Err(refusal) = visit(name, entry.file_type()) {
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(()))
}

/// Lets reading an open file or directory leave its time of access alone, which only its owner
/// may ask for.
pub(crate) fn keep_access_time(file: BorrowedFd<'_>) {
    if let Ok(flags) = rustix::fs::fcntl_getfl(file) {
        let _ = rustix::fs::fcntl_setfl(file, flags | OFlags::NOATIME);
    }
}

/// Finds the next bytes of a file, from `offset` on, that are no hole; `None` when there are none.
///
/// The end may lie beyond the end of the file where the file system knows no holes.
pub(crate) fn next_data(file: BorrowedFd<'_>, offset: u64) -> io::Result<Option<Range<u64>>> {
    let start = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(offset..u64::MAX)),
        found => found?,
    };
    Ok(Some(start..rustix::fs::seek(file, SeekFrom::Hole(start))?))
}

/// Renames unless the new name exists (`EEXIST`), decided in one step where the file system can.
pub(crate) fn rename_without_replacing(
    from_dir: BorrowedFd<'_>,
    from: &CStr,
    to_dir: BorrowedFd<'_>,
    to: &CStr,
) -> io::Result<()> {
    match rustix::fs::renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            match rustix::fs::statat(to_dir, to, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EXIST.into()),
                Err(Errno::NOENT) => Ok(rustix::fs::renameat(from_dir, from, to_dir, to)?),
                Err(error) => Err(error.into()),
            }
        }
        renamed => Ok(renamed?),
    }
}

/// Reserves room so that writing `length` bytes from `offset` cannot fail for want of it; a file
/// system that cannot reserve is left alone.
pub(crate) fn reserve(file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, offset, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => Ok(()),
        reserved => Ok(reserved?),
    }
}

/// Copies extended attributes, access control lists among them, as far as permitted.
pub(crate) fn copy_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    let Some(names) = attribute_names(from) else { return };
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = CString::new(name) else { continue };
        if let Some(value) = attribute(from, &name) {
            // Refused for attributes of the system's own (security.*, trusted.*): those stay as
            // the system sets them for a new file.
            let _ = rustix::fs::fsetxattr(to, &name, &value, XattrFlags::empty());
        }
    }
}

fn attribute_names(file: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let size = rustix::fs::flistxattr_query(file).ok().filter(|size| *size > 0)?;
    // Names may appear between the two calls; then they are missed, as if they came later.
    let mut names = vec![0_u8; size];
    let filled = rustix::fs::flistxattr(file, &mut names[..]).ok()?;
    names.truncate(filled);
    Some(names)
}

fn attribute(file: BorrowedFd<'_>, name: &CStr) -> Option<Vec<u8>> {
    let size = rustix::fs::fgetxattr_query(file, name).ok()?;
    let mut value = vec![0_u8; size];
    let filled = rustix::fs::fgetxattr(file, name, &mut value[..]).ok()?;
    value.truncate(filled);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_on_a_known_local_file_system_is_opened_and_read_from_the_cache() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("f");
        std::fs::write(&path, "content").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        learn_locality(file.as_fd());
        // A sandbox without the calls, or an unknown file system, answers `None`: nothing to see.
        let Some(cached) = open_cached(&path) else { return };
        let mut buffer = [0_u8; 64];
        let read = read_cached(cached.as_fd(), &mut buffer, 3).unwrap();
        assert!(read.is_none_or(|count| &buffer[..count] == b"tent"));
    }

    mod needs_tmpfs {
        use agent_test::Mount;

        use super::*;

        /// The two have the same device number in turn.
        #[test]
        fn what_is_known_of_a_mount_does_not_count_for_the_next_one() {
            for _ in 0..2 {
                let mount = Mount::tmpfs(64 * 1024).unwrap();
                let path = mount.path().join("f");
                std::fs::write(&path, "").unwrap();
                let file = std::fs::File::open(&path).unwrap();
                let (id, _) = examine(file.as_fd()).unwrap();
                if !matches!(id, MountId::Unique(_)) {
                    return;
                }
                assert!(known(id).is_none() && open_cached(&path).is_none());
                learn_locality(file.as_fd());
                assert!(known(id).is_some_and(|mount| mount.is_memory));
            }
        }
    }

    #[test]
    fn nothing_but_a_regular_file_is_opened_from_the_cache() {
        let temporary = tempfile::tempdir().unwrap();
        let (path, fifo) = (temporary.path().join("f"), temporary.path().join("fifo"));
        std::fs::write(&path, "").unwrap();
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        learn_locality(std::fs::File::open(&path).unwrap().as_fd());
        assert!(open_cached(&fifo).is_none());
        assert!(open_cached(temporary.path()).is_none());
    }

    #[test]
    fn holes_of_a_file_are_passed_over() {
        use std::os::unix::fs::FileExt;
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 << 20).unwrap();
        file.write_all_at(b"data", 2 << 20).unwrap();
        let (mut bytes, mut offset) = (0, 0);
        while let Some(data) = next_data(file.as_fd(), offset).unwrap() {
            bytes += data.end - data.start;
            offset = data.end;
        }
        // At least what was written; at most all, where the file system knows no holes.
        assert!((4..=4 << 20).contains(&bytes));
    }

    #[test]
    fn a_link_that_appeared_in_a_resolved_path_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        assert!(open_directory(&root.join("real")).is_ok());
        assert_eq!(
            open_directory(&root.join("link")).unwrap_err().raw_os_error(),
            Some(Errno::LOOP.raw_os_error())
        );
    }
}
