//! Many commands at once, and callers that leave.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::mpsc::Sender;
use std::task::Poll;
use std::time::Duration;

use agent_exec::{Command, ExitStatus, Launcher};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use crate::harness::{LONG, Way, command, sh};

/// The processes with this id in their environment.
fn processes_of(id: Uuid) -> Vec<u32> {
    let wanted = format!("WORKSPACE_PROCESS_ID={id}");
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let env = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        env.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_start_at_once_and_each_gets_its_own_output() {
    for way in Way::ALL {
        let launcher = way.plain();
        let mut started = JoinSet::new();
        for number in 0..200 {
            let launcher = launcher.clone();
            started.spawn(async move {
                let child = launcher.spawn(command(&["echo", &number.to_string()])).await.unwrap();
                let pid = child.pid;
                let ran = crate::harness::finish(child).await;
                assert_eq!(ran.text(), format!("{number}\n"));
                pid
            });
        }
        let pids = timeout(LONG, started.join_all()).await.unwrap();
        assert_eq!(pids.iter().collect::<HashSet<_>>().len(), 200, "{way:?}");
        assert!(pids.iter().all(|pid| !launcher.children().owns(*pid)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_fail_and_commands_that_run_do_not_disturb_each_other() {
    let launcher = Way::Clone3.plain();
    let mut started = JoinSet::new();
    for number in 0..100 {
        let launcher = launcher.clone();
        started.spawn(async move {
            if number % 2 == 0 {
                launcher.spawn(command(&["no-such-program"])).await.unwrap_err();
            } else {
                let child = launcher.spawn(command(&["true"])).await.unwrap();
                assert_eq!(child.wait().await.status, ExitStatus::Exited(0));
            }
        });
    }
    timeout(LONG, started.join_all()).await.unwrap();
}

/// Waits until nothing of a launcher's command is left.
async fn settled(launcher: &Launcher, id: Uuid) {
    let settled = async {
        // Told at the end of the spawn, and when the leader was collected, which is the last.
        launcher.children().changed().await;
        while launcher.children().owns(1) || !processes_of(id).is_empty() {
            launcher.children().changed().await;
        }
    };
    timeout(LONG, settled).await.unwrap();
}

/// A command that does not end by itself, and tells its id to whoever looks for it.
fn endless(script: &str) -> Command {
    let mut endless = sh(script);
    endless.env.set("WORKSPACE_PROCESS_ID", endless.id.to_string());
    endless
}

/// Runs work with a single thread for what blocks.
fn on_one_blocking_thread(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(work);
}

/// Asks for a command; the spawn begins when the answered sender is dropped, so that it is under
/// way for certain. Needs [`on_one_blocking_thread`].
async fn held_back(spawn: Pin<&mut impl Future>) -> Sender<()> {
    let (begin, held) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || held.recv());
    let mut spawn = spawn;
    let polled = std::future::poll_fn(|cx| Poll::Ready(spawn.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    begin
}

#[test]
fn a_command_whose_caller_left_is_killed_and_collected() {
    for way in Way::ALL {
        on_one_blocking_thread(async {
            let launcher = way.plain();
            let command = endless("sleep 300 & echo; exec sleep 300");
            let id = command.id;
            let mut spawn = Box::pin(launcher.spawn(command));
            let begin = held_back(spawn.as_mut()).await;
            drop(spawn);
            drop(begin);
            settled(&launcher, id).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_leave_at_any_moment() {
    for way in Way::ALL {
        for delay in 0..40 {
            let launcher = way.plain();
            let command = endless("sleep 300 & exec sleep 300");
            let id = command.id;
            let delay = Duration::from_micros(delay * 50);
            if let Ok(spawned) = timeout(delay, launcher.spawn(command)).await {
                let child = spawned.unwrap();
                child.tree.kill().await;
                child.wait().await;
            }
            settled(&launcher, id).await;
        }
    }
}

#[test]
fn a_runtime_that_stops_leaves_no_command_that_nobody_took() {
    for way in Way::ALL {
        let launcher = way.plain();
        let command = endless("exec sleep 300");
        let id = command.id;
        on_one_blocking_thread(async {
            let mut spawn = Box::pin(launcher.spawn(command));
            drop(held_back(spawn.as_mut()).await);
            timeout(LONG, launcher.children().changed()).await.unwrap();
        });
        let began = std::time::Instant::now();
        while !processes_of(id).is_empty() {
            assert!(began.elapsed() < LONG, "{way:?}");
            std::thread::yield_now();
        }
    }
}
