//! `stream_process_output`: order, seams, gaps, and readers that come, go and stop reading.

use agent_api::{
    ErrorCode, GapReason, OutputStreamName, ProcessId, StreamProcessOutputRequest, StreamStart,
};
use agent_proc::{Error, OutputItem, OutputStream};
use serde_json::json;

use crate::fixture::{Fixture, next, nobody, refused, with, with_config};

async fn open(f: &Fixture, id: ProcessId, from: StreamStart) -> Result<OutputStream, Error> {
    let req = StreamProcessOutputRequest { from, ..StreamProcessOutputRequest::default() };
    f.processes.stream_process_output(&nobody(), id, req).await
}

async fn from(f: &Fixture, id: ProcessId, offset: u64) -> OutputStream {
    open(f, id, StreamStart::Offset(offset)).await.unwrap()
}

/// Everything that a stream tells: the bytes and, in their place, the other items.
async fn all(stream: &mut OutputStream) -> (Vec<u8>, Vec<(u64, OutputItem)>) {
    let (mut bytes, mut others, mut at) = (Vec::new(), Vec::new(), stream.offset());
    loop {
        match next(stream).await {
            OutputItem::Bytes { offset, bytes: more } => {
                assert_eq!(offset, at);
                assert!((1..=32_768).contains(&more.len()));
                bytes.extend_from_slice(&more);
                at += more.len() as u64;
            }
            item => {
                if let OutputItem::Gap(gap) = &item {
                    assert!(gap.from == at && gap.to > at, "{gap:?} at {at}");
                    at = gap.to;
                }
                let is_last = matches!(item, OutputItem::Closed { .. } | OutputItem::Deleted);
                others.push((at, item));
                if is_last {
                    return (bytes, others);
                }
            }
        }
    }
}

fn names(others: &[(u64, OutputItem)]) -> Vec<(u64, &'static str)> {
    let name = |item: &OutputItem| match item {
        OutputItem::Gap(_) => "gap",
        OutputItem::Exited(_) => "exited",
        OutputItem::Closed { .. } => "closed",
        OutputItem::Deleted => "deleted",
        _ => "other",
    };
    others.iter().map(|(at, item)| (*at, name(item))).collect()
}

#[test]
fn the_exit_comes_behind_the_leaders_bytes_and_before_later_ones() {
    with(|f| async move {
        // The survivor waits for a line of a FIFO, so that the exit comes first.
        let fifo = f.root.join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
        let command = format!("echo a; (read x < {}; echo b) &", fifo.display());
        let id = f.start(json!({"command": command})).await;
        let mut live = from(&f, id, 0).await;
        let first = next(&mut live).await;
        assert!(matches!(first, OutputItem::Bytes { offset: 0, .. }), "{first:?}");
        let OutputItem::Exited(exited) = next(&mut live).await else { panic!("no exit") };
        assert_eq!((exited.exit_code, exited.signal), (0, None));
        std::fs::write(&fifo, "\n").unwrap();
        let (bytes, others) = all(&mut live).await;
        assert_eq!((bytes.as_slice(), names(&others)), (&b"b\n"[..], vec![(4, "closed")]));
        // One that comes later hears of it at the same place.
        let (bytes, others) = all(&mut from(&f, id, 0).await).await;
        assert_eq!(bytes, b"a\nb\n");
        assert_eq!(names(&others), [(2, "exited"), (4, "closed")]);
        let (bytes, others) = all(&mut from(&f, id, 3).await).await;
        assert_eq!(
            (bytes.as_slice(), names(&others)),
            (&b"\n"[..], vec![(3, "exited"), (4, "closed")])
        );
        let (bytes, others) = all(&mut open(&f, id, StreamStart::End).await.unwrap()).await;
        assert_eq!(
            (bytes.as_slice(), names(&others)),
            (&b""[..], vec![(4, "exited"), (4, "closed")])
        );
        refused(
            open(&f, id, StreamStart::Offset(5)).await,
            ErrorCode::RangeNotSatisfiable,
            "beyond",
        );
    });
}

#[test]
fn a_separate_stderr_hears_of_the_exit_at_its_own_place() {
    with(|f| async move {
        let json = json!({"command": "echo out; echo error >&2; exit 7", "separate_stderr": true});
        let id = f.start(json).await;
        let stream = OutputStreamName::Stderr;
        let req = StreamProcessOutputRequest { stream, from: StreamStart::default() };
        let mut errors = f.processes.stream_process_output(&nobody(), id, req).await.unwrap();
        let (bytes, others) = all(&mut errors).await;
        assert_eq!(
            (bytes.as_slice(), names(&others)),
            (&b"error\n"[..], vec![(6, "exited"), (6, "closed")])
        );
        let (bytes, others) = all(&mut from(&f, id, 0).await).await;
        assert_eq!(
            (bytes.as_slice(), names(&others)),
            (&b"out\n"[..], vec![(4, "exited"), (4, "closed")])
        );
    });
}

#[test]
fn a_stream_whose_output_ended_early_waits_for_the_exit() {
    with(|f| async move {
        let json = json!({"command": "echo a; exec > /dev/null 2>&1; read x", "stdin": "open"});
        let id = f.start(json).await;
        let mut stream = from(&f, id, 0).await;
        assert!(matches!(next(&mut stream).await, OutputItem::Bytes { .. }));
        let wait = agent_api::WaitFor::Output;
        let req =
            agent_api::GetProcessOutputRequest { from: Some(2), ..crate::fixture::wait_for(wait) };
        assert!(f.output(id, req).await.unwrap().output_closed);
        assert!(stream.try_next().await.is_none());
        f.close_input(id).await.unwrap();
        let (_, others) = all(&mut stream).await;
        assert_eq!(names(&others), [(2, "exited"), (2, "closed")]);
    });
}

#[test]
fn a_quota_is_a_gap_and_everything_else_comes() {
    let small = |config: &mut agent_proc::Config| config.output_quota_bytes = 1024 * 1024;
    with_config(small, |f| async move {
        let id = f.start(json!({"command": "yes | head -c 3000000"})).await;
        f.at_close(id).await;
        let (bytes, others) = all(&mut from(&f, id, 0).await).await;
        let OutputItem::Gap(gap) = &others[0].1 else { panic!("{others:?}") };
        assert_eq!((gap.from, gap.reason), (16_384, GapReason::Quota));
        assert_eq!(bytes.len() as u64 + gap.to - gap.from, 3_000_000);
        assert_eq!(names(&others[1..]), [(3_000_000, "exited"), (3_000_000, "closed")]);
    });
}

#[test]
fn a_reader_that_never_reads_costs_nobody_a_byte() {
    with(|f| async move {
        let bytes: u64 = 200 * 1024 * 1024;
        let id = f.start(json!({"command": format!("head -c {bytes} /dev/zero")})).await;
        let _never_read = from(&f, id, 0).await;
        let mut keeps_up = from(&f, id, 0).await;
        let (mut read, mut at) = (0, 0);
        loop {
            match next(&mut keeps_up).await {
                OutputItem::Bytes { offset, bytes } => {
                    assert_eq!(offset, at);
                    read += bytes.len() as u64;
                    at += bytes.len() as u64;
                }
                OutputItem::Gap(gap) => at = gap.to,
                OutputItem::Exited(exited) => assert_eq!(exited.exit_code, 0),
                last => {
                    assert_eq!(last, OutputItem::Closed { end_bytes: bytes });
                    break;
                }
            }
        }
        assert_eq!(at, bytes);
        // What it did not read was forgotten for the quota alone.
        assert!(read >= 64 * 1024 * 1024 - 81_920, "{read}");
    });
}

#[test]
fn readers_that_come_back_at_any_offset_get_the_same_bytes() {
    with(|f| async move {
        let script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
        let id = f.start(json!({"command": script})).await;
        let expected: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        let (mut got, mut seed) = (Vec::new(), 7_u64);
        let mut is_closed = false;
        while !is_closed {
            let mut stream = from(&f, id, got.len() as u64).await;
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            for _ in 0..=seed >> 62 {
                match next(&mut stream).await {
                    OutputItem::Bytes { offset, bytes } => {
                        assert_eq!(offset, got.len() as u64);
                        // As if the connection had been lost in the middle of it.
                        let kept = (seed as usize >> 3) % bytes.len() + 1;
                        got.extend_from_slice(&bytes[..kept]);
                        if kept < bytes.len() {
                            break;
                        }
                    }
                    OutputItem::Exited(_) => {}
                    OutputItem::Closed { end_bytes } => {
                        is_closed = true;
                        assert_eq!(end_bytes, got.len() as u64);
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(got == expected.as_bytes());
    });
}

#[test]
fn a_terminal_gives_everything_before_its_exit() {
    with(|f| async move {
        for _ in 0..20 {
            let size = json!({"rows": 24, "cols": 80});
            let command = "i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; exit 5";
            let id = f.start(json!({"command": command, "terminal": size})).await;
            let text = f.at_exit(id).await;
            let end = &text.output[text.output.len().saturating_sub(6)..];
            assert_eq!((end, text.exit_code), ("1999\r\n", Some(5)), "{:?}", f.get(id).await);
            let (_, others) = all(&mut from(&f, id, 0).await).await;
            let end = f.get(id).await.output_end_bytes;
            assert_eq!(names(&others), [(end, "exited"), (end, "closed")]);
        }
    });
}

#[test]
fn a_delete_ends_a_stream() {
    with(|f| async move {
        let id = f.start(json!({"command": "echo a; exec sleep 300"})).await;
        let mut stream = from(&f, id, 0).await;
        assert!(matches!(next(&mut stream).await, OutputItem::Bytes { .. }));
        let deletes = f.delete(id);
        let (item, deleted) = tokio::join!(next(&mut stream), deletes);
        deleted.unwrap();
        assert_eq!(item, OutputItem::Deleted);
    });
}
