//! Orphans: processes whose parent is gone become children of agentd, which collects them when
//! they end; children that agentd started itself are left to whoever started them.

use std::io;

/// Whether a process id is that of a child somebody in agentd waits for.
///
/// It is asked after the child has ended, so an owner counts every child as its own while it is
/// starting one: then a child that ends at once is still found registered.
pub(crate) type Owns<'a> = dyn Fn(i32) -> bool + 'a;

/// Makes this process the parent of orphaned descendants; process 1 is that already.
///
/// # Errors
///
/// When the system has nothing of the kind.
#[cfg(target_os = "linux")]
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Makes this process the parent of orphaned descendants; process 1 is that already.
///
/// # Errors
///
/// When the system has nothing of the kind.
#[cfg(not(target_os = "linux"))]
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Collects the children that have ended and have no owner; answers how many.
///
/// Looks before it collects (`WNOWAIT`, waitid(2)), so that an owner's child stays for its owner.
/// The kernel shows ended children in a fixed order; behind one that its owner has not collected
/// yet the others wait for the next call, which is due when the owner has collected it.
#[cfg(target_os = "linux")]
pub(crate) fn reap_orphans(owns: &Owns<'_>) -> usize {
    use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let mut reaped = 0;
    loop {
        // Without a process id no child has ended; an error says that there is none.
        let Some(pid) = waitid(Id::All, look).ok().and_then(|status| status.pid()) else {
            return reaped;
        };
        if owns(pid.as_raw()) || waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_err() {
            return reaped;
        }
        reaped += 1;
    }
}

/// Collects nothing: without `waitid` nobody can look before collecting.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reap_orphans(_: &Owns<'_>) -> usize {
    0
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Child;

    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    use super::*;

    /// Starts a child that ends at once, and waits until it has.
    #[expect(clippy::disallowed_methods, reason = "a real child that nobody waits for")]
    fn ended_child() -> Child {
        let child = std::process::Command::new("true").spawn().expect("a child");
        let pid = Pid::from_child(&child);
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            .expect("an ended child");
        child
    }

    // One test, because children belong to the whole process.
    #[test]
    fn a_child_without_owner_is_collected_and_an_owned_one_is_left() {
        let owned = ended_child();
        let pid = i32::try_from(owned.id()).unwrap();
        let mut owned = owned;
        assert_eq!(reap_orphans(&move |asked| asked == pid), 0);
        assert!(owned.wait().unwrap().success(), "its owner still gets the status");

        let (mut first, mut second) = (ended_child(), ended_child());
        assert_eq!(reap_orphans(&|_| false), 2);
        assert!(first.wait().is_err() && second.wait().is_err());
        assert_eq!(reap_orphans(&|_| false), 0);
    }
}
