//! Signals, timeouts, deletes and the shutdown: what ends, and what is left to run.

use std::time::{Duration, Instant};

use agent_api::{ErrorCode, GetProcessOutputRequest, ProcessId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, eventually, is_alive, nobody, refused, with};

/// Starts a process that prints the ids of processes, and answers them.
async fn with_members(f: &Fixture, json: Value, count: usize) -> (ProcessId, Vec<u32>) {
    let id = f.start(json).await;
    f.printed(id, "up\n").await;
    let text = f.output(id, GetProcessOutputRequest::default()).await.unwrap().output;
    let pids: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(pids.len(), count, "{text}");
    (id, pids)
}

async fn gone(pids: &[u32]) {
    eventually("processes are left", || !pids.iter().any(|pid| is_alive(*pid))).await;
}

#[test]
fn a_signal_reaches_the_tree_the_group_or_the_leader() {
    with(|f| async move {
        let script = "sleep 300 & echo $!
            setsid sh -c 'echo $$; echo up; exec sleep 300' & exec sleep 300";
        let (id, pids) = with_members(&f, json!({"command": script}), 2).await;
        f.signal(id, json!({"signal": "terminate", "scope": "leader"})).await.unwrap();
        f.at_exit(id).await;
        assert!(pids.iter().all(|pid| is_alive(*pid)));
        let leader = f.signal(id, json!({"signal": "TERM", "scope": "leader"})).await;
        refused(leader, ErrorCode::Conflict, "exited");
        f.signal(id, json!({"signal": "SIGTERM", "scope": "group"})).await.unwrap();
        gone(&pids[..1]).await;
        assert!(is_alive(pids[1]));
        let message = f.signal(id, json!({"signal": "int"})).await.unwrap();
        assert!(message.contains("SIGINT"), "{message}");
        f.signal(id, json!({"signal": "kill"})).await.unwrap();
        assert!(!is_alive(pids[1]));
        let nobody = f.signal(id, json!({"signal": "kill"})).await;
        refused(nobody, ErrorCode::Conflict, "no process is left");
    });
}

#[test]
fn a_kill_leaves_nothing_of_a_tree_that_detached() {
    with(|f| async move {
        let script = "setsid sh -c 'sleep 300 & echo $!; exec sleep 300' & echo $!;
            (setsid sh -c '(sleep 300 & echo $!)' &); sleep 1; echo up; sleep 300";
        let (id, pids) = with_members(&f, json!({"command": script}), 3).await;
        f.signal(id, json!({"signal": "kill"})).await.unwrap();
        assert!(!pids.iter().any(|pid| is_alive(*pid)));
        assert_eq!(f.at_close(id).await.exit_code, Some(137));
    });
}

#[test]
fn signals_are_checked_in_order() {
    with(|f| async move {
        let unknown = ProcessId::from_uuid(Uuid::from_u128(7)).unwrap();
        for (json, code, fragment) in [
            (json!({}), ErrorCode::InvalidArgument, "Signal is required"),
            (
                json!({"signal": "", "scope": "all"}),
                ErrorCode::InvalidArgument,
                "Signal is required",
            ),
            (
                json!({"signal": "SIGFOO", "scope": "all"}),
                ErrorCode::InvalidArgument,
                "Unsupported signal",
            ),
            (json!({"signal": "9"}), ErrorCode::InvalidArgument, "Unsupported signal"),
            (json!({"signal": "kill", "scope": "all"}), ErrorCode::InvalidArgument, "scope"),
            (json!({"signal": "kill"}), ErrorCode::NotFound, "not found"),
        ] {
            refused(f.signal(unknown, json).await, code, fragment);
        }
    });
}

#[test]
fn a_timeout_ends_the_tree_and_is_told() {
    with(|f| async move {
        let started = Instant::now();
        let json =
            json!({"command": "sleep 300 & echo $!; echo up; exec sleep 60", "timeout_ms": 200});
        let (id, pids) = with_members(&f, json, 1).await;
        let text = f.at_close(id).await;
        assert!((200..2000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
        assert_eq!(
            (text.timed_out, text.exit_code, text.signal.as_deref()),
            (true, Some(143), Some("SIGTERM"))
        );
        gone(&pids).await;
        assert!(f.get(id).await.timed_out);
    });
}

#[test]
fn a_timeout_kills_what_does_not_listen() {
    with(|f| async move {
        let script = "trap '' TERM; echo up; while :; do sleep 0.1; done";
        let id = f.start(json!({"command": script, "timeout_ms": 100})).await;
        let text = f.at_close(id).await;
        assert_eq!((text.timed_out, text.exit_code), (true, Some(137)));
    });
}

#[test]
fn a_timeout_that_does_not_come_is_not_told() {
    with(|f| async move {
        let id = f.start(json!({"command": "sleep 0.3 & exit 4", "timeout_ms": 100_000})).await;
        let text = f.at_close(id).await;
        assert_eq!((text.timed_out, text.exit_code), (false, Some(4)));
    });
}

#[test]
fn a_delete_kills_and_forgets() {
    with(|f| async move {
        let script = "sleep 300 & echo $!; echo up; exec sleep 300";
        let (id, pids) = with_members(&f, json!({"command": script}), 1).await;
        let leader = f.get(id).await.pid;
        f.delete(id).await.unwrap();
        assert!(!is_alive(leader) && !is_alive(pids[0]));
        refused(f.processes.get_process(&nobody(), id).await, ErrorCode::Gone, "deleted");
        refused(f.delete(id).await, ErrorCode::Gone, "deleted");
        let files = std::fs::read_dir(f.root.join("state/processes")).unwrap();
        let left = files.filter(|file| {
            file.as_ref().unwrap().file_name().to_string_lossy().contains(&id.to_string())
        });
        assert_eq!(left.count(), 0);
    });
}

#[test]
fn a_delete_after_the_exit_kills_survivors_unless_they_are_kept() {
    with(|f| async move {
        for keep in [false, true] {
            let json = json!({"command": "yes & echo $!; echo up", "keep_children": keep});
            let id = f.start(json).await;
            f.at_exit(id).await;
            let text = f.output(id, GetProcessOutputRequest::default()).await.unwrap().output;
            let pid = text.lines().find_map(|line| line.parse().ok()).unwrap();
            f.delete(id).await.unwrap();
            assert_eq!(is_alive(pid), keep);
            if keep {
                // Its output is discarded, so that it does not wait for anybody.
                let written = || {
                    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
                    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
                    line.unwrap().parse::<u64>().unwrap()
                };
                let before = written();
                eventually("the survivor waits", || written() > before + 16 * 1024 * 1024).await;
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            }
        }
    });
}

#[test]
fn the_shutdown_ends_every_tree_but_kept_survivors_of_the_dead() {
    with(|f| async move {
        let survivors = "sleep 300 > /dev/null 2>&1 & echo $!; echo up";
        let (exited, ended) = with_members(&f, json!({"command": survivors}), 1).await;
        let kept = json!({"command": survivors, "keep_children": true});
        let (kept_id, kept) = with_members(&f, kept, 1).await;
        let running = "trap '' TERM; sleep 300 & echo $!; echo up; while :; do sleep 0.1; done";
        let (running, members) =
            with_members(&f, json!({"command": running, "keep_children": true}), 1).await;
        f.at_close(exited).await;
        f.at_close(kept_id).await;
        let leader = f.get(running).await.pid;
        let started = Instant::now();
        f.processes.shutdown().await;
        assert!(started.elapsed() < f.config.kill_grace + Duration::from_secs(3));
        assert!(!is_alive(leader) && !is_alive(ended[0]) && !is_alive(members[0]));
        assert!(is_alive(kept[0]));
        let record = f.get(running).await;
        assert_eq!(
            (record.running, record.output_closed, record.exit_code),
            (false, true, Some(137))
        );
        let pid = rustix::process::Pid::from_raw(i32::try_from(kept[0]).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    });
}

#[test]
fn killing_all_waits_for_no_grace() {
    with(|f| async move {
        let script = "trap '' TERM; echo up; while :; do sleep 0.1; done";
        let (id, _) = with_members(&f, json!({"command": script}), 0).await;
        let leader = f.get(id).await.pid;
        f.processes.kill_all().await;
        assert!(!is_alive(leader));
    });
}
