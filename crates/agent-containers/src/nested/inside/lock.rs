//! The agent that has a folder, found by the lock on it: waited for, or ended.

use std::{
    fs::File,
    io::{self, Read},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::FlockOperation,
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::folder::Folder;

/// Name of the file that a running agent has locked, with its process id.
const LOCK: &str = "lock";
/// Longest wait for an agent that was asked to end, and for one that was killed.
const GRACE: Duration = Duration::from_secs(5);
const KILLED: Duration = Duration::from_secs(2);
/// Longest wait for one that ends by itself; an agent whose requests are answered takes less.
const ENDING: Duration = Duration::from_secs(5);
/// Pause between two looks at a lock.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits a moment for an agent of a folder that is about to end: it has lost the agent outside.
///
/// One that stays is somebody's, and whoever wants the lock fails with that.
pub(super) fn wait(folder: &Folder) -> io::Result<()> {
    let Some(lock) = folder.file(LOCK)? else { return Ok(()) };
    let start = Instant::now();
    while !is_free(&lock)? && start.elapsed() < ENDING {
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Ends the agent of a folder, if there is one, and returns when it is gone.
pub(super) fn end(folder: &Folder) -> io::Result<()> {
    end_within(folder, GRACE)
}

fn end_within(folder: &Folder, grace: Duration) -> io::Result<()> {
    let Some(mut lock) = folder.file(LOCK)? else { return Ok(()) };
    let start = Instant::now();
    for (signal, wait) in [(Signal::TERM, grace), (Signal::KILL, grace + KILLED)] {
        let mut is_told = false;
        while start.elapsed() < wait {
            if is_free(&lock)? {
                return Ok(());
            }
            let left = wait.saturating_sub(start.elapsed());
            match owner(&mut lock)?.filter(|_| !is_told) {
                Some(pid) => is_told = tell(pid, signal, &lock, left)?,
                None => std::thread::sleep(PAUSE),
            }
        }
    }
    if is_free(&lock)? {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the agent that runs here does not end"))
}

/// Signals the owner of the lock and waits for its end; answers whether there was one to signal.
fn tell(pid: Pid, signal: Signal, lock: &File, wait: Duration) -> io::Result<bool> {
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    // The lock is held still, so the process that is held now is its owner and no later one with the
    // same number.
    if is_free(lock)? {
        return Ok(true);
    }
    match pidfd_send_signal(&process, signal) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => return Err(error.into()),
    }
    let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
    let mut ends = [PollFd::new(&process, PollFlags::IN)];
    match rustix::event::poll(&mut ends, Some(&wait)) {
        Ok(_) | Err(Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether nobody has the lock.
fn is_free(lock: &File) -> io::Result<bool> {
    match rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            rustix::fs::flock(lock, FlockOperation::Unlock)?;
            Ok(true)
        }
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The process id in the lock; its owner may be about to write it.
fn owner(lock: &mut File) -> io::Result<Option<Pid>> {
    let mut text = String::new();
    io::Seek::rewind(lock)?;
    lock.take(32).read_to_string(&mut text)?;
    let pid = text.strip_suffix('\n').and_then(|text| text.parse().ok());
    Ok(pid.and_then(Pid::from_raw))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A process that has the lock of a folder, as an agent has it; ended when dropped.
    struct Owner(Child);

    impl Owner {
        /// `trap` is what it does when it is asked to end.
        #[expect(clippy::disallowed_methods, reason = "a process of the test's own")]
        fn start(lock: &std::path::Path, trap: &str) -> Self {
            let script = format!(
                "exec 2>/dev/null; trap '{trap}' TERM; echo $$ >{0}; exec 9<>{0}; flock 9; echo locked; \
                 while :; do sleep 0.05 9>&-; done",
                lock.display()
            );
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &script]).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "locked\n");
            Self(child)
        }

        fn signal(&mut self) -> Option<i32> {
            use std::os::unix::process::ExitStatusExt;
            self.0.wait().unwrap().signal()
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn folder() -> (tempfile::TempDir, Folder, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        let folder = Folder::make(&path).unwrap();
        (dir, folder, path.join(LOCK))
    }

    #[test]
    fn without_an_owner_there_is_nothing_to_end() {
        let (_dir, folder, lock) = folder();
        end(&folder).unwrap();
        // What an agent that was killed leaves behind names nobody.
        std::fs::write(lock, format!("{}\n", std::process::id())).unwrap();
        end(&folder).unwrap();
    }

    #[test]
    fn an_owner_is_asked_to_end_and_is_gone_then() {
        let (_dir, folder, lock) = folder();
        let mut owner = Owner::start(&lock, "exit 7");
        end(&folder).unwrap();
        assert_eq!(owner.0.wait().unwrap().code(), Some(7));
    }

    #[test]
    fn an_owner_that_does_not_listen_is_killed() {
        let (_dir, folder, lock) = folder();
        let mut owner = Owner::start(&lock, "");
        end_within(&folder, Duration::from_millis(200)).unwrap();
        assert_eq!(owner.signal(), Some(9));
    }
}
