//! What an agent finds that was ended without a word, and disks that take nothing.

use std::time::Duration;

use agent_api::{ErrorCode, GapReason, ProcessId, Stdin, StreamProcessOutputRequest};
use agent_proc::{Config, OutputItem, Processes};
use serde_json::json;

use crate::fixture::{Fixture, next, nobody, refused, request, runtime, service, with_config};

const ID: &str = "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01";

/// Works with a service that then disappears as if the agent had been killed.
fn killed_after<T: Send + 'static>(config: &Config, work: impl AsyncFnOnce(Processes) -> T) -> T {
    let runtime = runtime();
    let outcome = runtime.block_on(async { work(service(config)).await });
    runtime.shutdown_timeout(Duration::from_secs(10));
    outcome
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).unwrap();
}

/// The fixture with another service over the same directories.
fn again(f: &Fixture) -> Fixture {
    Fixture { processes: service(&f.config), ..f.clone() }
}

#[test]
fn what_ran_is_lost_and_what_was_printed_is_kept() {
    with_config(
        |_| (),
        |f| async move {
            let config = f.config.clone();
            let json = json!({
                "id": ID, "stdin": "open", "timeout_ms": 1_000_000,
                "command": "yes | head -c 100001; echo up; exec sleep 300",
            });
            let start = json.clone();
            let first = f.clone();
            let pid = tokio::task::spawn_blocking(move || {
                killed_after(&config, async |processes| {
                    let first = Fixture { processes, ..first };
                    let id = first.start(start).await;
                    first.printed(id, "up\n").await;
                    first.get(id).await.pid
                })
            })
            .await
            .unwrap();
            let second = again(&f);
            second.processes.start().await.unwrap();
            let id: ProcessId = ID.parse().unwrap();
            let record = second.get(id).await;
            assert_eq!((record.running, record.output_closed, record.lost), (false, true, true));
            assert_eq!(
                (record.exit_code, record.pid, record.stdin),
                (Some(-1), pid, Stdin::Closed)
            );
            assert_eq!((record.output_end_bytes, record.timeout_ms), (100_004, Some(1_000_000)));
            assert_eq!(record.exited_at, record.closed_at);
            let attached = second.try_start(json).await.unwrap();
            assert_eq!((attached.attached, attached.pid), (true, pid));
            let other = json!({"id": ID, "command": "true"});
            refused(second.try_start(other).await, ErrorCode::Conflict, "another request");
            assert!(second.at_close(id).await.output.ends_with("up\n"));
            let req = StreamProcessOutputRequest::default();
            let mut stream =
                second.processes.stream_process_output(&nobody(), id, req).await.unwrap();
            let mut read = 0;
            loop {
                match next(&mut stream).await {
                    OutputItem::Bytes { bytes, .. } => read += bytes.len(),
                    OutputItem::Exited(exited) => {
                        assert_eq!((exited.exit_code, read), (-1, 100_004))
                    }
                    OutputItem::Closed { end_bytes } => break assert_eq!(end_bytes, 100_004),
                    other => panic!("{other:?}"),
                }
            }
            let signal = second.signal(id, json!({"signal": "kill"})).await;
            refused(signal, ErrorCode::Conflict, "not known");
            refused(second.write(id, "x", 0).await, ErrorCode::Conflict, "input");
            assert!(crate::fixture::is_alive(pid), "the children of an agent that died live on");
            kill(pid);
            second.processes.shutdown().await;
        },
    );
}

#[test]
fn what_had_ended_is_as_it_was_and_its_time_goes_on() {
    with_config(
        |config| config.retention = Duration::from_secs(3),
        |f| async move {
            let config = f.config.clone();
            let first = f.clone();
            let (ended, exited, deleted, pid) = tokio::task::spawn_blocking(move || {
                killed_after(&config, async |processes| {
                    let first = Fixture { processes, ..first };
                    let ended = first.start(json!({"command": "echo x; exit 9"})).await;
                    first.at_close(ended).await;
                    let exited =
                        first.start(json!({"command": "echo y; sleep 300 & exit 8"})).await;
                    first.at_exit(exited).await;
                    let deleted = first.start(json!({"command": "true"})).await;
                    first.delete(deleted).await.unwrap();
                    let record = first.get(ended).await;
                    (record, exited, deleted, first.get(exited).await.pid)
                })
            })
            .await
            .unwrap();
            let second = again(&f);
            assert_eq!(second.get(ended.id).await, ended);
            let record = second.get(exited).await;
            assert_eq!((record.exit_code, record.lost), (Some(8), false));
            assert!(record.output_closed && record.retained_until.is_some());
            assert_eq!(second.at_close(exited).await.output, "y\n");
            refused(
                second.processes.get_process(&nobody(), deleted).await,
                ErrorCode::Gone,
                "deleted",
            );
            let req = request(json!({"id": deleted, "command": "true"}));
            let repeated = second.processes.start_process(&nobody(), req).await;
            refused(repeated, ErrorCode::Gone, "deleted");
            let path = f.root.join(format!("state/processes/{}.record", ended.id));
            crate::fixture::eventually("it is kept", || !path.exists()).await;
            refused(
                second.processes.get_process(&nobody(), ended.id).await,
                ErrorCode::Gone,
                "expired",
            );
            kill(pid);
            second.processes.shutdown().await;
        },
    );
}

#[test]
fn a_state_directory_that_cannot_be_used_fails_each_operation() {
    with_config(
        |config| config.state_dir = "/proc/none".into(),
        |f| async move {
            let started = f.processes.start().await.unwrap_err();
            assert!(started.to_string().contains("state directory"), "{started}");
            assert!(f.try_start(json!({"command": "true"})).await.is_err());
        },
    );
}

mod needs_tmpfs {
    use super::*;

    #[test]
    fn a_full_disk_is_a_gap_and_stops_nobody() {
        let disk = agent_test::Mount::tmpfs(4 * 1024 * 1024).unwrap();
        let state_dir = disk.path().to_owned();
        with_config(
            |config| config.state_dir = state_dir,
            |f| async move {
                let id = f.start(json!({"command": "yes | head -c 20000000; echo end"})).await;
                let text = f.at_close(id).await;
                assert_eq!((text.exit_code, text.output_end_bytes), (Some(0), 20_000_004));
                assert!(text.output.ends_with("y\nend\n"));
                let req = StreamProcessOutputRequest::default();
                let mut stream =
                    f.processes.stream_process_output(&nobody(), id, req).await.unwrap();
                let (mut at, mut has_gap) = (0, false);
                loop {
                    match next(&mut stream).await {
                        OutputItem::Bytes { offset, bytes } => {
                            assert_eq!(offset, at);
                            at += bytes.len() as u64;
                        }
                        OutputItem::Gap(gap) => {
                            assert_eq!((gap.from, gap.reason), (at, GapReason::Disk));
                            (at, has_gap) = (gap.to, true);
                        }
                        OutputItem::Exited(_) => {}
                        last => break assert_eq!(last, OutputItem::Closed { end_bytes: at }),
                    }
                }
                assert!(has_gap && at == 20_000_004);
                // A start is not refused for it, and its end of output is in memory.
                assert_eq!(f.run(json!({"command": "echo later"})).await, "later\n");
                assert!(f.processes.statistics().disk_gap_bytes_total > 0);
            },
        );
        drop(disk);
    }

    #[test]
    fn a_process_that_a_full_disk_refused_is_written_with_the_room_that_another_made() {
        let disk = agent_test::Mount::tmpfs(4 * 1024 * 1024).unwrap();
        let state_dir = disk.path().to_owned();
        with_config(
            |config| config.state_dir = state_dir,
            |f| async move {
                let large = f.start(json!({"command": "yes | head -c 8000000"})).await;
                f.at_close(large).await;
                let later = f.start(json!({"command": "exit 7"})).await;
                f.at_close(later).await;
                f.processes.delete_process(&nobody(), large).await.unwrap();
                f.processes.shutdown().await;
                let found = again(&f).get(later).await;
                assert_eq!((found.exit_code, found.lost), (Some(7), false));
            },
        );
        drop(disk);
    }
}
