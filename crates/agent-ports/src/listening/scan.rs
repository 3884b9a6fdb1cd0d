//! One look at the listening sockets of Linux, and what is remembered for the next.

use std::{collections::HashSet, fs, io};

use agent_api::{ListeningPort, Network, limits::MIN_DIAL_PORT};

use super::{Owners, Socket, choose, holders::Holders, netlink, table};
use crate::Error;

/// Looks, and remembers who holds what.
#[derive(Default)]
pub(super) struct Scanner {
    holders: Holders,
}

impl Scanner {
    pub(super) fn ports(
        &mut self,
        ignore: &[u16],
        owners: &dyn Owners,
    ) -> Result<Vec<ListeningPort>, Error> {
        let mut sockets = sockets().map_err(Error::Scan)?;
        sockets.retain(|socket| socket.port >= MIN_DIAL_PORT && !ignore.contains(&socket.port));
        let inodes: HashSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
        self.holders.refresh(&inodes);
        sockets.retain(|socket| !self.holders.is_own(socket.inode));
        let held = sockets.into_iter().map(|socket| (socket, self.holders.pid(socket.inode)));
        let chosen = choose::by_port(held).into_values();
        Ok(chosen.map(|(socket, pid)| entry(socket, pid, owners)).collect())
    }
}

fn sockets() -> io::Result<Vec<Socket>> {
    netlink::listening_sockets().or_else(|refused| {
        tracing::debug!(error = %agent_api::io_text(&refused), "the kernel answers no socket table");
        table::listening_sockets()
    })
}

fn entry(socket: Socket, pid: Option<u32>, owners: &dyn Owners) -> ListeningPort {
    ListeningPort {
        process_name: pid.and_then(|pid| name(pid).ok()).unwrap_or_default(),
        network: Network::Tcp,
        port: socket.port,
        address: socket.address,
        pid,
        process_id: pid.and_then(|pid| owners.process_of(pid)),
    }
}

/// The kernel's name of a process (proc_pid_comm(5)), which any bytes may be.
fn name(pid: u32) -> io::Result<String> {
    let name = fs::read(format!("/proc/{pid}/comm"))?;
    let name = name.strip_suffix(b"\n").unwrap_or(&name);
    Ok(String::from_utf8_lossy(name).into_owned())
}
