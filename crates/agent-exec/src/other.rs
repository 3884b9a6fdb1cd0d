//! A process that was not started here: when it is gone, how it is killed, and what its children are.

use std::io;
#[cfg(not(target_os = "linux"))]
use std::time::Duration;

use rustix::process::Pid;

/// A process that somebody else started, such as a server that a command left behind.
///
/// On Linux it is held by a descriptor, so that no later process of the same id is taken for it.
#[derive(Debug)]
pub struct OtherProcess {
    pid: Pid,
    #[cfg(target_os = "linux")]
    process: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
impl OtherProcess {
    /// Watches the process of this id; needs a runtime with I/O around it.
    ///
    /// # Errors
    ///
    /// There is no such process, or no room to watch it.
    pub fn watch(pid: u32) -> io::Result<Self> {
        let pid = of_raw(pid)?;
        Self::held(pid, rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?)
    }

    fn held(pid: Pid, process: std::os::fd::OwnedFd) -> io::Result<Self> {
        let process = crate::sys::watch(process, tokio::io::Interest::READABLE)?;
        Ok(Self { pid, process })
    }

    /// The processes whose parent it is now; none when it has ended.
    ///
    /// Reads `/proc`, which may block; needs a runtime with I/O around it.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted, or there is no room to watch them.
    pub fn children(&self) -> io::Result<Vec<Self>> {
        let parent = self.pid.as_raw_nonzero().get().cast_unsigned();
        let entries = crate::proc_table::held_entries(parent)?;
        let held = entries.filter(|(entry, _)| entry.parent == parent && entry.is_alive);
        let children = held.map(|(entry, process)| Self::held(of_raw(entry.pid)?, process));
        let children = children.collect::<io::Result<Vec<_>>>()?;
        // What was found under the id of one that has ended may be a later process's.
        Ok(if self.has_ended()? { Vec::new() } else { children })
    }

    fn has_ended(&self) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        Ok(poll(&mut [PollFd::new(&self.process, PollFlags::IN)], Some(&Timespec::default()))? > 0)
    }

    /// Waits until the process has ended.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn ended(&self) {
        // Readable for ever once the process has ended; an error says that the runtime stops.
        let _ = self.process.readable().await;
    }

    /// Kills the process; one that has ended is as good.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn kill(&self) -> io::Result<()> {
        let sent = rustix::process::pidfd_send_signal(&self.process, rustix::process::Signal::KILL);
        gone_is_fine(sent)
    }
}

#[cfg(not(target_os = "linux"))]
impl OtherProcess {
    /// Watches the process of this id.
    ///
    /// # Errors
    ///
    /// There is no such process.
    pub fn watch(pid: u32) -> io::Result<Self> {
        let pid = of_raw(pid)?;
        rustix::process::test_kill_process(pid)?;
        Ok(Self { pid })
    }

    /// The processes whose parent it is, which this system is not asked for: none.
    ///
    /// # Errors
    ///
    /// None here.
    pub fn children(&self) -> io::Result<Vec<Self>> {
        Ok(Vec::new())
    }

    /// Waits until the process has ended.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn ended(&self) {
        while rustix::process::test_kill_process(self.pid).is_ok() {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Kills the process; one that has ended is as good.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn kill(&self) -> io::Result<()> {
        gone_is_fine(rustix::process::kill_process(self.pid, rustix::process::Signal::KILL))
    }
}

fn of_raw(pid: u32) -> io::Result<Pid> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn gone_is_fine(sent: rustix::io::Result<()>) -> io::Result<()> {
    match sent {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
