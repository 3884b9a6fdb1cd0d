//! `read_process_output`: ranges, waits, and what is forgotten.

use agent_api::{ErrorCode, OutputStreamName, ProcessId, ReadProcessOutputRequest};
use agent_proc::{Error, ReadProcessOutputResponse};
use futures_util::TryStreamExt;
use serde_json::json;
use tokio::time::timeout;

use crate::fixture::{Fixture, LONG, nobody, refused, with, with_config};

async fn read(
    f: &Fixture,
    id: ProcessId,
    req: ReadProcessOutputRequest,
) -> Result<ReadProcessOutputResponse, Error> {
    timeout(LONG, f.processes.read_process_output(&nobody(), id, req)).await.unwrap()
}

async fn body(answer: ReadProcessOutputResponse) -> Vec<u8> {
    let length = answer.end - answer.start;
    let pieces: Vec<_> = answer.body.into_stream().try_collect().await.unwrap();
    let bytes = pieces.concat();
    assert_eq!(bytes.len() as u64, length);
    bytes
}

fn range(from: u64, limit: u64) -> ReadProcessOutputRequest {
    ReadProcessOutputRequest { from, limit, ..ReadProcessOutputRequest::default() }
}

#[test]
fn a_range_is_answered_as_far_as_there_are_bytes() {
    with(|f| async move {
        let id = f.start(json!({"command": "printf abcdef"})).await;
        f.at_close(id).await;
        for (from, limit, expected) in
            [(2, 3, "cde"), (0, 0, "abcdef"), (4, 100, "ef"), (6, 5, ""), (0, u64::MAX, "abcdef")]
        {
            let answer = read(&f, id, range(from, limit)).await.unwrap();
            assert_eq!((answer.start, answer.journal_start, answer.journal_end), (from, 0, 6));
            assert!(!answer.running && answer.output_closed);
            assert_eq!(body(answer).await, expected.as_bytes());
        }
        refused(read(&f, id, range(7, 1)).await, ErrorCode::RangeNotSatisfiable, "beyond");
        let waits = ReadProcessOutputRequest { wait: true, ..range(7, 1) };
        refused(read(&f, id, waits).await, ErrorCode::RangeNotSatisfiable, "beyond");
    });
}

#[test]
fn a_stream_that_the_process_does_not_have_is_refused() {
    with(|f| async move {
        let id = f.start(json!({"command": "true"})).await;
        for stream in [OutputStreamName::Stderr, OutputStreamName::Unknown] {
            let req = ReadProcessOutputRequest { stream, ..range(0, 0) };
            refused(read(&f, id, req).await, ErrorCode::InvalidArgument, r#""field":"stream""#);
        }
        let json = json!({"command": "echo x; echo y >&2", "separate_stderr": true});
        let id = f.start(json).await;
        f.at_close(id).await;
        let req = ReadProcessOutputRequest { stream: OutputStreamName::Stderr, ..range(0, 0) };
        assert_eq!(body(read(&f, id, req).await.unwrap()).await, b"y\n");
    });
}

#[test]
fn a_wait_ends_with_a_byte_the_close_or_its_time() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec cat", "stdin": "open"})).await;
        let waits = |from, wait_ms| {
            read(&f, id, ReadProcessOutputRequest { wait: true, wait_ms, ..range(from, 0) })
        };
        let (answer, _) = tokio::join!(waits(0, 0), f.write(id, "abc", 0));
        let answer = answer.unwrap();
        assert!(answer.running);
        assert!(b"abc".starts_with(&body(answer).await));
        let answer = waits(3, 50).await.unwrap();
        assert_eq!((answer.start, answer.end, answer.running), (3, 3, true));
        let closes = f.close_input(id);
        let (answer, _) = tokio::join!(waits(3, 0), closes);
        let answer = answer.unwrap();
        assert_eq!((answer.end, answer.output_closed), (3, true));
        let answer = read(&f, id, range(3, 0)).await.unwrap();
        assert_eq!((answer.start, answer.end), (3, 3));
    });
}

#[test]
fn what_is_forgotten_is_told_with_the_next_offset() {
    let small = |config: &mut agent_proc::Config| config.output_quota_bytes = 1024 * 1024;
    with_config(small, |f| async move {
        let id = f.start(json!({"command": "yes | head -c 3000000"})).await;
        let text = f.at_close(id).await;
        let truncated = text.truncated.unwrap();
        assert_eq!((truncated.original_bytes, truncated.retained_bytes), (3_000_000, 32_768));
        let record = f.get(id).await;
        assert_eq!((record.output_head_bytes, record.output_end_bytes), (16_384, 3_000_000));
        let start = record.output_start_bytes;
        assert!((3_000_000 - 1_048_576 + 16_384..=3_000_000 - 1_048_576 + 81_920).contains(&start));
        let head = read(&f, id, range(0, 0)).await.unwrap();
        assert_eq!((head.start, head.end, head.journal_start), (0, 16_384, start));
        let lost = read(&f, id, range(16_384, 1000)).await;
        refused(lost, ErrorCode::Gone, &start.to_string());
        // Behind the gap the range begins later than it was asked for.
        let tail = read(&f, id, range(start - 10, 16 * 1024 * 1024)).await.unwrap();
        assert_eq!((tail.start, tail.end), (start, 3_000_000));
        let bytes = body(tail).await;
        let expected = if start % 2 == 0 { b"y\n" } else { b"\ny" };
        assert!(bytes.chunks(2).all(|pair| expected.starts_with(pair)));
    });
}
