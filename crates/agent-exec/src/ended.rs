//! Tells that a child has ended, without collecting it.

#[cfg(target_os = "linux")]
pub(crate) use linux::Ended;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::Ended;

/// By the descriptor of the process.
#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use crate::sys::watch;

    #[derive(Debug)]
    pub(crate) struct Ended {
        pidfd: AsyncFd<Arc<OwnedFd>>,
    }

    impl Ended {
        /// Watches a process; needs a runtime with I/O around it.
        pub(crate) fn of(pidfd: Arc<OwnedFd>) -> io::Result<Self> {
            Ok(Self { pidfd: watch(pidfd, Interest::READABLE)? })
        }

        /// Whether the process has ended by now.
        pub(crate) fn is_over(&self) -> bool {
            let mut polled = [PollFd::new(self.pidfd.get_ref(), PollFlags::IN)];
            matches!(poll(&mut polled, Some(&Timespec::default())), Ok(1..))
        }

        /// Waits until the process has ended and `collect` has an answer.
        ///
        /// It may have none for a while yet when a debugger has the process.
        pub(crate) async fn until<T>(&self, collect: impl Fn() -> Option<T>) -> io::Result<T> {
            loop {
                // Readable for ever once the process has ended, so that every waiter passes.
                let mut ready = self.pidfd.readable().await?;
                match collect() {
                    Some(collected) => return Ok(collected),
                    None => ready.clear_ready(),
                }
            }
        }
    }
}

/// By a thread that waits.
#[cfg(not(target_os = "linux"))]
mod portable {
    use std::io;

    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    use tokio::sync::watch;

    #[derive(Debug)]
    pub(crate) struct Ended {
        ended: watch::Receiver<bool>,
    }

    impl Ended {
        /// Watches a child of this process.
        pub(crate) fn of(child: Pid) -> io::Result<Self> {
            let (tell, ended) = watch::channel(false);
            let wait = move || {
                let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while matches!(waitid(WaitId::Pid(child), look), Err(rustix::io::Errno::INTR)) {}
                let _ = tell.send(true);
            };
            std::thread::Builder::new().name("wait for a child".into()).spawn(wait)?;
            Ok(Self { ended })
        }

        /// Whether the process is known to have ended.
        pub(crate) fn is_over(&self) -> bool {
            *self.ended.borrow()
        }

        /// Waits until the process has ended and `collect` has an answer.
        pub(crate) async fn until<T>(&self, collect: impl Fn() -> Option<T>) -> io::Result<T> {
            let mut ended = self.ended.clone();
            ended.wait_for(|ended| *ended).await.map_err(io::Error::other)?;
            collect().ok_or_else(|| io::Error::other("somebody else waits for the child"))
        }
    }
}
