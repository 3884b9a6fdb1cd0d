//! `get_process_output`: the text, and what it waits for.

use std::time::{Duration, Instant};

use agent_api::{ErrorCode, GetProcessOutputRequest, WaitFor};
use futures_util::future::join_all;
use serde_json::json;

use crate::fixture::{LONG, refused, wait_for, with};

#[test]
fn a_text_is_whole_or_head_and_tail() {
    with(|f| async move {
        let line = "x".repeat(79);
        let lines = |bytes: u64| format!("yes {line} | head -c {bytes}");
        let id = f.start(json!({"command": lines(32_768)})).await;
        let whole = f.at_close(id).await;
        assert_eq!((whole.output.len(), whole.truncated), (32_768, None));
        for (bytes, omitted, retained) in [(32_769, 1, 32_768), (100_000, 67_232, 32_768)] {
            let id = f.start(json!({"command": lines(bytes)})).await;
            let text = f.at_close(id).await;
            let truncated = text.truncated.unwrap();
            assert_eq!((truncated.omitted_bytes, truncated.retained_bytes), (omitted, retained));
            assert_eq!(
                (truncated.original_bytes, truncated.strategy.as_str()),
                (bytes, "head_tail")
            );
            let marker = format!("\n\n... [omitted {omitted} bytes] ...\n\n");
            assert_eq!(&text.output[16_384..16_384 + marker.len()], marker);
        }
        let long = "echo a; head -c 2148 /dev/zero | tr '\\0' x; echo; echo b";
        let text = f.at_close(f.start(json!({"command": long})).await).await;
        let shown: Vec<_> = text.output.lines().collect();
        assert_eq!((shown[0], shown[1].len(), shown[2], text.cut_lines), ("a", 2048, "b", 1));
        let text = f.at_close(f.start(json!({"command": "printf '\\377'"})).await).await;
        assert_eq!((text.output.as_str(), text.lossy), ("\u{FFFD}", true));
    });
}

#[test]
fn a_separate_stderr_is_a_text_of_its_own() {
    with(|f| async move {
        let json = json!({"command": "echo out; echo err >&2", "separate_stderr": true});
        let text = f.at_close(f.start(json).await).await;
        assert_eq!((text.output.as_str(), text.stderr.as_deref()), ("out\n", Some("err\n")));
        let text = f.at_close(f.start(json!({"command": "echo err >&2"})).await).await;
        assert_eq!((text.output.as_str(), text.stderr), ("err\n", None));
    });
}

#[test]
fn a_wait_for_the_exit_has_all_output_before_it() {
    with(|f| async move {
        for _ in 0..50 {
            let id = f.start(json!({"command": "head -c 200000 /dev/zero; echo x"})).await;
            let text = f.at_exit(id).await;
            assert_eq!((text.output_end_bytes, text.exit_code), (200_002, Some(0)));
            assert!(!text.running && !text.wait_expired);
        }
        let id = f.start(json!({"command": "sleep 0.2; echo x"})).await;
        assert_eq!(f.at_exit(id).await.output, "x\n");
        assert_eq!(f.at_exit(id).await.output, "x\n", "after the exit at once");
    });
}

#[test]
fn a_survivor_that_prints_without_end_does_not_delay_the_exit() {
    with(|f| async move {
        let id = f.start(json!({"command": "yes & echo $!; exit 3"})).await;
        let text = f.at_exit(id).await;
        assert_eq!((text.running, text.output_closed, text.exit_code), (false, false, Some(3)));
        f.signal(id, json!({"signal": "kill"})).await.unwrap();
        assert!(f.at_close(id).await.output_closed);
    });
}

#[test]
fn an_output_that_every_writer_closed_is_closed_while_the_leader_runs_on() {
    with(|f| async move {
        let json =
            json!({"command": "echo a; exec > /dev/null 2>&1; read x; exit 6", "stdin": "open"});
        let id = f.start(json).await;
        let from = Some(2);
        let text =
            f.output(id, GetProcessOutputRequest { from, ..wait_for(WaitFor::Output) }).await;
        let text = text.unwrap();
        assert_eq!((text.running, text.output_closed, text.wait_expired), (true, true, false));
        let record = f.get(id).await;
        assert_eq!(
            (record.output_closed, record.closed_at, record.retained_until),
            (true, None, None)
        );
        f.write(id, "\n", 0).await.unwrap();
        let text = f.at_close(id).await;
        assert_eq!((text.output.as_str(), text.exit_code), ("a\n", Some(6)));
        assert!(f.get(id).await.closed_at.is_some());
    });
}

#[test]
fn a_survivor_that_holds_the_output_leaves_it_open() {
    with(|f| async move {
        let id = f.start(json!({"command": "echo a; sleep 300 &"})).await;
        let text = f.at_exit(id).await;
        assert_eq!((text.output.as_str(), text.exit_code), ("a\n", Some(0)));
        assert_eq!((text.running, text.output_closed), (false, false));
        let req = GetProcessOutputRequest { wait_ms: 50, ..wait_for(WaitFor::Closed) };
        let text = f.output(id, req).await.unwrap();
        assert!(text.wait_expired && !text.output_closed);
    });
}

#[test]
fn a_wait_ends_with_its_time_and_answers_the_present_state() {
    with(|f| async move {
        let id = f.start(json!({"command": "echo a; exec sleep 300"})).await;
        f.printed(id, "a\n").await;
        let started = Instant::now();
        let req = GetProcessOutputRequest { wait_ms: 100, ..wait_for(WaitFor::Exit) };
        let text = f.output(id, req).await.unwrap();
        assert!(text.running && text.wait_expired && text.output == "a\n");
        assert!(started.elapsed() >= Duration::from_millis(100));
        let text = f.output(id, GetProcessOutputRequest { wait: false, ..req }).await.unwrap();
        assert!(text.running && !text.wait_expired);
    });
}

#[test]
fn a_wait_for_output_ends_with_a_byte_behind_the_offset_or_the_close() {
    with(|f| async move {
        let json = json!({"command": "echo ab; cat >&2", "stdin": "open", "separate_stderr": true});
        let id = f.start(json).await;
        f.printed(id, "ab").await;
        let from = |from| GetProcessOutputRequest { from, ..wait_for(WaitFor::Output) };
        assert_eq!(f.output(id, from(Some(2))).await.unwrap().output, "ab\n");
        // From the end at arrival on; stderr counts too.
        let waits = f.output(id, from(None));
        let writes = f.write(id, "c\n", 0);
        let (text, _) = tokio::join!(waits, writes);
        assert_eq!(text.unwrap().stderr.as_deref(), Some("c\n"));
        let waits = f.output(id, from(Some(1000)));
        let closes = f.close_input(id);
        let (text, _) = tokio::join!(waits, closes);
        let text = text.unwrap();
        assert!(text.output_closed && !text.wait_expired);
    });
}

#[test]
fn all_waiters_answer_and_a_delete_is_told_to_them() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec sleep 300"})).await;
        let waiters = join_all((0..5).map(|_| f.at_exit(id)));
        let kill = async {
            f.signal(id, json!({"signal": "kill"})).await.unwrap();
        };
        let (answers, ()) = tokio::join!(waiters, kill);
        assert!(answers.iter().all(|text| !text.running && text.exit_code == Some(137)));

        let id = f.start(json!({"command": "exec sleep 300"})).await;
        let waits = f.output(id, wait_for(WaitFor::Exit));
        let deletes = f.delete(id);
        let (waited, deleted) = tokio::join!(biased(waits), deletes);
        deleted.unwrap();
        refused(waited, ErrorCode::Gone, "deleted");
    });
}

/// Gives others their turn before it is asked again.
async fn biased<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, work).await.unwrap()
}

#[test]
fn waits_end_when_the_agent_lets_none_wait() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec sleep 300"})).await;
        let waits = f.output(id, wait_for(WaitFor::Exit));
        let ends = async { f.processes.end_waits() };
        let (waited, ()) = tokio::join!(waits, ends);
        refused(waited, ErrorCode::Unavailable, "shutting down");
        assert!(f.output(id, GetProcessOutputRequest::default()).await.unwrap().running);
    });
}

#[test]
fn an_unknown_condition_is_refused() {
    with(|f| async move {
        let id = f.start(json!({"command": "true"})).await;
        refused(
            f.output(id, wait_for(WaitFor::Unknown)).await,
            ErrorCode::InvalidArgument,
            "wait_for",
        );
    });
}
