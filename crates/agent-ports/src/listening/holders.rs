//! Which process holds a socket: the smallest of those with a descriptor of it.
//!
//! To find out means to look at the descriptors of every process. So it is done only when a socket
//! is new, when a holder that was found has let go, and, for sockets without a holder that can be
//! seen, now and then.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a socket whose holder cannot be seen is left at that.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Holders of sockets, as found by the last look at all descriptors.
#[derive(Default)]
pub(super) struct Holders {
    known: HashMap<u64, Holder>,
    looked: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// This process, whoever else does.
    Own,
    /// Another process, and which descriptor of it shows the socket.
    Other { pid: u32, descriptor: PathBuf },
    /// Nobody that can be seen.
    Unseen,
}

impl Holders {
    /// Brings what is known to these sockets.
    pub(super) fn refresh(&mut self, inodes: &HashSet<u64>) {
        self.known.retain(|inode, _| inodes.contains(inode));
        let may_look_again = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN);
        let is_settled = |inode: &u64| match self.known.get(inode) {
            None => false,
            // Its descriptor may be closed while another process keeps the socket.
            Some(Holder::Own) => true,
            Some(Holder::Other { descriptor, .. }) => socket_of(descriptor) == Some(*inode),
            Some(Holder::Unseen) => !may_look_again,
        };
        if !inodes.iter().all(is_settled) {
            self.known = look(inodes);
            self.looked = Some(Instant::now());
        }
    }

    /// Whether the socket is this process's.
    pub(super) fn is_own(&self, inode: u64) -> bool {
        self.known.get(&inode) == Some(&Holder::Own)
    }

    pub(super) fn pid(&self, inode: u64) -> Option<u32> {
        match self.known.get(&inode) {
            Some(Holder::Other { pid, .. }) => Some(*pid),
            Some(Holder::Own | Holder::Unseen) | None => None,
        }
    }
}

/// Looks at the descriptors of all processes, this one first and then by id, until every socket
/// has a holder.
fn look(inodes: &HashSet<u64>) -> HashMap<u64, Holder> {
    let mut wanted = inodes.clone();
    let mut found = HashMap::new();
    // A process that ends meanwhile, or whose descriptors are not ours to see, holds nothing.
    let own = descriptors(Path::new("/proc/self/fd")).into_iter().flatten();
    let own = own.filter(|(inode, _)| wanted.remove(inode)).map(|(inode, _)| (inode, Holder::Own));
    found.extend(own);
    for pid in processes().unwrap_or_default() {
        if wanted.is_empty() {
            break;
        }
        let folder = PathBuf::from(format!("/proc/{pid}/fd"));
        for (inode, descriptor) in descriptors(&folder).into_iter().flatten() {
            if wanted.remove(&inode) {
                found.insert(inode, Holder::Other { pid, descriptor });
            }
        }
    }
    found.extend(wanted.into_iter().map(|inode| (inode, Holder::Unseen)));
    found
}

/// The processes of the system, ascending.
fn processes() -> io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?.filter_map(Result::ok);
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// The sockets among the descriptors of a process.
fn descriptors(folder: &Path) -> io::Result<impl Iterator<Item = (u64, PathBuf)> + use<>> {
    let entries = fs::read_dir(folder)?.filter_map(Result::ok);
    Ok(entries.filter_map(|entry| {
        let path = entry.path();
        Some((socket_of(&path)?, path))
    }))
}

/// The inode of the socket that a descriptor is.
fn socket_of(descriptor: &Path) -> Option<u64> {
    let target = fs::read_link(descriptor).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}
