//! Processes left behind by the programs a task ran. It ends its own descendants only, never by name.
//!
//! [`adopt`] makes this process the parent of every descendant whose own parent is gone (also of
//! daemons in sessions of their own), so whatever is a child after the work is done was left behind.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::shell;

/// How long a process that is ending anyway may take, such as one that takes a container engine down.
const ENDING: Duration = Duration::from_secs(20);
/// How long a killed process may take to go.
const KILLED: Duration = Duration::from_secs(10);

/// Makes this process inherit its orphaned descendants from now on (`PR_SET_CHILD_SUBREAPER`, prctl(2)).
///
/// # Errors
///
/// The kernel refuses.
pub(crate) fn adopt() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("cannot become the reaper of orphaned processes")
}

/// Ends every child that still runs and returns a line about each: id and command line.
///
/// Call it only when no child is expected any more.
pub(crate) fn end() -> Vec<String> {
    shell::wait_until(ENDING, || reap_and_list().is_empty());
    let mut ended = Vec::new();
    // A killed process hands its own children to this one, so one round is not enough.
    shell::wait_until(KILLED, || {
        let children = reap_and_list();
        for (pid, name) in &children {
            let about = format!("{} ({name})", pid.as_raw_nonzero());
            if !ended.contains(&about) {
                ended.push(about);
            }
            // A process that just ended is gone in the next round.
            let _ = rustix::process::kill_process(*pid, Signal::KILL);
        }
        children.is_empty()
    });
    ended
}

/// Collects the children that have ended and returns those that have not.
fn reap_and_list() -> Vec<(Pid, String)> {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|id| {
            // A process may end at any moment; then there is nothing to read and nothing to end.
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            (parent(&stat) == Some(own)).then_some(())?;
            Some((Pid::from_raw(id)?, command_line(id)))
        })
        .collect()
}

/// Returns the parent in a line of `/proc/PID/stat` (proc(5)); the command before it may hold anything.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn command_line(id: i32) -> String {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let words: Vec<_> = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    words.join(" ").trim().chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_command_name() {
        assert_eq!(parent("42 (sh) S 7 42 42 0"), Some(7));
        assert_eq!(parent("42 (a ) S 9 (b) R 8 1 1 0"), Some(8));
        assert_eq!(parent("nothing"), None);
    }
}
