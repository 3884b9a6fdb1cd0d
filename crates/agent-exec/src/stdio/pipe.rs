//! Makes the pipes between agentd and a command, as large as the system and fairness allow.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::ioctl_fionbio;

/// The size pipes are raised to: the most the system gives to anybody (pipe(7)).
///
/// A large pipe lets a command go on while agentd is busy, and lets agentd move more at a time.
#[cfg(target_os = "linux")]
const LARGE: usize = 1 << 20;

/// Most pipes that are raised at a time.
///
/// A user's pipes may have 64 MiB in all by default; above that even new pipes of his other
/// programs shrink to one page (pipe(7), `pipe-user-pages-soft`). Half of it is left to them.
const MOST_LARGE: usize = 32;

/// Counts the pipes that were raised.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    large: Arc<AtomicUsize>,
}

/// One raised pipe; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    large: Arc<AtomicUsize>,
}

impl Budget {
    /// A share for one more pipe, if one is left.
    fn share(&self) -> Option<Share> {
        let more = |large: usize| (large < MOST_LARGE).then_some(large + 1);
        self.large.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Share { large: self.large.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.large.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A pipe that a command reads: its end, and ours, which never blocks, with the share it took.
pub(crate) fn input(budget: &Budget) -> io::Result<(OwnedFd, OwnedFd, Option<Share>)> {
    let (theirs, ours) = io::pipe()?;
    ioctl_fionbio(&ours, true)?;
    let share = budget.share().filter(|_| raise(&ours));
    Ok((theirs.into(), ours.into(), share))
}

/// A pipe that a command writes: its end, and ours, which never blocks, with the share it took.
pub(crate) fn output(budget: &Budget) -> io::Result<(OwnedFd, OwnedFd, Option<Share>)> {
    let (ours, theirs) = io::pipe()?;
    ioctl_fionbio(&ours, true)?;
    let share = budget.share().filter(|_| raise(&ours));
    Ok((theirs.into(), ours.into(), share))
}

#[cfg(target_os = "linux")]
fn raise(pipe: &impl AsFd) -> bool {
    rustix::pipe::fcntl_setpipe_size(pipe, LARGE).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn raise(_: &impl AsFd) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::pipe::fcntl_getpipe_size;

    use super::*;

    #[test]
    fn pipes_are_large_until_the_budget_is_used_and_again_when_one_is_gone() {
        let budget = Budget::default();
        let mut pipes: Vec<_> = (0..MOST_LARGE).map(|_| output(&budget).unwrap()).collect();
        assert_eq!(fcntl_getpipe_size(&pipes[0].1).unwrap(), LARGE);
        let (_, small, share) = output(&budget).unwrap();
        assert!(share.is_none() && fcntl_getpipe_size(&small).unwrap() < LARGE);
        pipes.pop();
        assert!(output(&budget).unwrap().2.is_some());
    }
}
