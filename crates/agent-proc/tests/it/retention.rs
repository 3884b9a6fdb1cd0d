//! How long processes are kept, and what is known of them afterwards.

use std::time::Duration;

use agent_api::ErrorCode;
use agent_proc::Config;
use serde_json::json;

use crate::fixture::{
    CHAT, OTHER_CHAT, chat, eventually, is_alive, nobody, refused, request, with_config,
};

#[test]
fn a_closed_process_is_forgotten_after_its_time() {
    let short = |config: &mut Config| config.retention = Duration::from_millis(200);
    with_config(short, |f| async move {
        let req = request(json!({"command": "true"}));
        let id = f.processes.start_process(&chat(CHAT), req).await.unwrap().id;
        let open = f.start(json!({"command": "sleep 300 &"})).await;
        f.at_exit(open).await;
        let path = f.root.join(format!("state/processes/{id}.record"));
        eventually("the record stays", || !path.exists()).await;
        refused(f.processes.get_process(&nobody(), id).await, ErrorCode::Gone, "expired");
        refused(f.processes.get_process(&chat(CHAT), id).await, ErrorCode::Gone, "expired");
        let other = f.processes.get_process(&chat(OTHER_CHAT), id).await;
        refused(other, ErrorCode::NotFound, "not found");
        // Retention begins with the close.
        assert!(!f.get(open).await.output_closed);
    });
}

#[test]
fn too_many_are_evicted_the_longest_closed_first() {
    let few = |config: &mut Config| config.max_exited = 2;
    with_config(few, |f| async move {
        let held = f.start(json!({"command": "sleep 300 & echo $!"})).await;
        let pid = f.at_exit(held).await.output.trim().parse().unwrap();
        let mut closed = Vec::new();
        for _ in 0..3 {
            let id = f.start(json!({"command": "true"})).await;
            f.at_close(id).await;
            closed.push(id);
        }
        let gone = |id| f.root.join(format!("state/processes/{id}.record"));
        eventually("two are kept", || !gone(closed[1]).exists()).await;
        refused(f.processes.get_process(&nobody(), closed[0]).await, ErrorCode::Gone, "evicted");
        refused(f.processes.get_process(&nobody(), closed[1]).await, ErrorCode::Gone, "evicted");
        f.get(closed[2]).await;
        f.get(held).await;
        // One whose output is open goes only when no closed one is left.
        for _ in 0..2 {
            let id = f.start(json!({"command": "sleep 300 &"})).await;
            f.at_exit(id).await;
        }
        eventually("the oldest is kept", || !gone(held).exists()).await;
        refused(f.processes.get_process(&nobody(), held).await, ErrorCode::Gone, "evicted");
        assert!(is_alive(pid), "survivors run on");
        f.processes.shutdown().await;
        assert!(!is_alive(pid), "until the agent ends");
    });
}

#[test]
fn statistics_count_processes_by_how_they_stand() {
    with_config(
        |_| (),
        |f| async move {
            let closed = f.start(json!({"command": "echo 12345"})).await;
            f.at_close(closed).await;
            let exited = f.start(json!({"command": "sleep 300 &"})).await;
            f.at_exit(exited).await;
            f.start(json!({"command": "exec sleep 300"})).await;
            let now = f.processes.statistics();
            assert_eq!((now.running, now.exited, now.closed, now.started_total), (1, 1, 1, 3));
            assert_eq!((now.output_bytes_total, now.journal_bytes), (6, 6));
            assert_eq!((now.quota_gap_bytes_total, now.disk_gap_bytes_total), (0, 0));
        },
    );
}

#[test]
fn closed_processes_hold_no_descriptors_and_silent_ones_made_no_file_of_output() {
    with_config(
        |_| (),
        |f| async move {
            let mut ids = Vec::new();
            for _ in 0..60 {
                let id = f.start(json!({"command": "true", "separate_stderr": true})).await;
                f.at_close(id).await;
                ids.push(id);
            }
            let names = std::fs::read_dir(f.root.join("state/processes")).unwrap();
            let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            assert!(names.all(|name| !name.ends_with("output") && !name.ends_with("stderr")));
            // Other tests in this program have some for a moment.
            eventually("descriptors of processes that are gone stay open", || {
                let infos = std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
                let infos = infos.filter_map(|info| std::fs::read_to_string(info.path()).ok());
                infos.filter(|info| info.contains("Pid:\t-1\n")).count() < ids.len() / 2
            })
            .await;
        },
    );
}
