//! The processes of a container in this machine's table of processes, if that is the engine's too.

use std::sync::Arc;

#[cfg(target_os = "linux")]
pub(super) use agent_exec::OtherTree;
use tokio::task::spawn_blocking;

/// The process of this id with what it started, if it belongs to the container.
///
/// An engine elsewhere, or around the container that the agent is in, gives its processes other
/// numbers than the table here.
pub(super) async fn find(pid: u32, container: &str) -> Option<Arc<OtherTree>> {
    let container = container.to_owned();
    let found = spawn_blocking(move || look(pid, &container)).await;
    found.ok().flatten().map(Arc::new)
}

/// Whether commands of this user in the container can be seen and signaled from here; `pid` is the
/// container's first process.
pub(super) async fn reaches(pid: u32, container: &str, uid: Option<u32>) -> bool {
    let own = rustix::process::geteuid();
    (own.is_root() || Some(own.as_raw()) == uid) && find(pid, container).await.is_some()
}

#[cfg(target_os = "linux")]
fn look(pid: u32, container: &str) -> Option<OtherTree> {
    let tree = OtherTree::watch(pid).ok()?;
    let own = groups(pid)?;
    // Its parent is the engine's, outside the container. Within a container every process has a
    // parent inside, or one that cannot be seen.
    let is_inside = own.contains(container) && tree.parent() != 0;
    (is_inside && groups(tree.parent()).is_some_and(|outside| outside != own)).then_some(tree)
}

/// The control groups of a process, whose names contain the id of its container.
#[cfg(target_os = "linux")]
fn groups(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()
}

/// Elsewhere the engine is in a machine of its own.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) enum OtherTree {}

#[cfg(not(target_os = "linux"))]
fn look(_pid: u32, _container: &str) -> Option<OtherTree> {
    None
}

#[cfg(not(target_os = "linux"))]
impl OtherTree {
    pub(super) async fn ended(&self) {
        match *self {}
    }

    pub(super) fn signal(
        &self,
        _signal: agent_exec::Signal,
        _scope: agent_exec::Scope,
    ) -> std::io::Result<usize> {
        match *self {}
    }

    pub(super) fn signal_foreground(&self, _signal: agent_exec::Signal) -> std::io::Result<usize> {
        match *self {}
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_is_in_no_container_is_not_found() {
        let own = std::process::id();
        assert!(find(own, &"f".repeat(64)).await.is_none());
        assert!(find(u32::MAX, "").await.is_none());
        // A container's id is in the name of its control group, but so it is in its parent's.
        assert!(find(own, "/").await.is_none());
    }
}
