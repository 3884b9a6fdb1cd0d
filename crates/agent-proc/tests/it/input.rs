//! `write_process_input`, `close_process_input` and `resize_process`.

use agent_api::{ErrorCode, Stdin, TerminalSize};
use futures_util::future::join_all;
use serde_json::json;

use crate::fixture::{nobody, refused, with};

const SIZE: TerminalSize = TerminalSize { rows: 40, cols: 100 };

#[test]
fn what_is_written_arrives_and_the_close_ends_it() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec cat", "stdin": "open"})).await;
        let answer = f.write(id, "x\n", 0).await.unwrap();
        assert_eq!((answer.written_bytes, answer.complete), (2, true));
        for _ in 0..2 {
            f.close_input(id).await.unwrap();
        }
        let text = f.at_close(id).await;
        assert_eq!((text.output.as_str(), text.exit_code), ("x\n", Some(0)));
        assert_eq!(f.get(id).await.stdin, Stdin::Closed);
        refused(f.write(id, "y", 0).await, ErrorCode::Conflict, "input");
        f.close_input(id).await.unwrap();
    });
}

#[test]
fn an_input_that_is_not_there_conflicts() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec sleep 300"})).await;
        refused(f.write(id, "y", 0).await, ErrorCode::Conflict, "input");
        refused(f.close_input(id).await, ErrorCode::Conflict, "input");
        let id = f.start(json!({"command": "exec sleep 300", "stdin": "open"})).await;
        f.close_input(id).await.unwrap();
        refused(f.write(id, "y", 0).await, ErrorCode::Conflict, "input");
        assert_eq!(f.get(id).await.stdin, Stdin::Closed);
        // Nobody reads it any more.
        let json = json!({"command": "exec <&-; echo closed; exec sleep 300", "stdin": "open"});
        let id = f.start(json).await;
        f.printed(id, "closed").await;
        refused(f.write(id, "y", 0).await, ErrorCode::Conflict, "input");
        assert_eq!(f.get(id).await.stdin, Stdin::Closed);
    });
}

#[test]
fn writes_without_room_are_answered_when_the_agent_lets_none_wait() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec sleep 300", "stdin": "open"})).await;
        let writes = join_all((0..20).map(|_| f.write(id, vec![b'x'; 2_000_000], 300_000)));
        let ends = async { f.processes.end_waits() };
        let (answers, ()) = tokio::join!(writes, ends);
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert!(answers.iter().all(|answer| !answer.complete));
        assert!(answers[1..].iter().all(|answer| answer.written_bytes == 0));
    });
}

#[test]
fn bodies_arrive_whole_and_in_order() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec cat", "stdin": "open"})).await;
        let letters = b'a'..=b'j';
        let body = |letter: u8| vec![letter; 300_000];
        let writes = letters.clone().map(|letter| f.write(id, body(letter), 60_000));
        // Polled in this order, so they arrive in it.
        for answer in join_all(writes).await {
            assert!(answer.unwrap().complete);
        }
        f.close_input(id).await.unwrap();
        f.at_close(id).await;
        let expected: Vec<u8> = letters.flat_map(body).collect();
        let req = agent_api::ReadProcessOutputRequest {
            limit: u64::MAX,
            ..agent_api::ReadProcessOutputRequest::default()
        };
        let read = f.processes.read_process_output(&nobody(), id, req).await.unwrap();
        let pieces: Vec<_> =
            futures_util::TryStreamExt::try_collect(read.body.into_stream()).await.unwrap();
        assert!(pieces.concat() == expected);
    });
}

#[test]
fn a_write_without_room_says_how_much_was_taken() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec sleep 300", "stdin": "open"})).await;
        let long = f.write(id, vec![b'x'; 4 * 1024 * 1024], 2000);
        let behind = f.write(id, "y", 50);
        let (long, behind) = tokio::join!(long, behind);
        let long = long.unwrap();
        assert!(!long.complete && long.written_bytes > 0);
        let behind = behind.unwrap();
        assert_eq!((behind.written_bytes, behind.complete), (0, false));
        refused(f.write(id, vec![0; 4 * 1024 * 1024 + 1], 0).await, ErrorCode::TooLarge, "4194304");
    });
}

#[test]
fn writes_end_with_the_process() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec sleep 300", "stdin": "open"})).await;
        // The first is more than any pipe holds, so no other gets its turn.
        let sizes = std::iter::once(2 * 1024 * 1024).chain([100_000; 19]);
        let waiting = join_all(sizes.map(|size| f.write(id, vec![b'x'; size], 300_000)));
        let kill = async {
            f.signal(id, json!({"signal": "kill"})).await.unwrap();
        };
        let (answers, ()) = tokio::join!(waiting, kill);
        let mut refusals = 0;
        for answer in answers {
            match answer {
                Ok(answer) => assert!(!answer.complete),
                Err(error) => {
                    refusals += 1;
                    refused::<()>(Err(error), ErrorCode::Conflict, "input");
                }
            }
        }
        assert!(refusals >= 18, "{refusals}");
    });
}

#[test]
fn a_terminal_is_resized_and_ended_by_a_byte() {
    with(|f| async move {
        let script = "echo up; read x; stty size; exec cat";
        let size = json!({"rows": 24, "cols": 80});
        let id = f.start(json!({"command": script, "terminal": size})).await;
        f.printed(id, "up").await;
        assert_eq!(f.get(id).await.stdin, Stdin::Open);
        assert_eq!(f.processes.resize_process(&nobody(), id, SIZE).await.unwrap(), SIZE);
        assert_eq!(f.get(id).await.terminal, Some(SIZE));
        let closed = f.close_input(id).await;
        refused(closed, ErrorCode::Conflict, "byte 4");
        f.write(id, "\n", 0).await.unwrap();
        f.printed(id, "40 100").await;
        f.write(id, vec![4], 0).await.unwrap();
        assert_eq!(f.at_close(id).await.exit_code, Some(0));
        let late = f.processes.resize_process(&nobody(), id, SIZE).await;
        refused(late, ErrorCode::Conflict, "terminal");
        refused(f.write(id, "x", 0).await, ErrorCode::Conflict, "input");
    });
}

#[test]
fn only_terminals_have_a_size_and_only_sound_ones_are_accepted() {
    with(|f| async move {
        let id = f.start(json!({"command": "exec sleep 300"})).await;
        let none = f.processes.resize_process(&nobody(), id, SIZE).await;
        refused(none, ErrorCode::Conflict, "no terminal");
        for (size, field) in [
            (TerminalSize { rows: 0, ..SIZE }, "rows"),
            (TerminalSize { cols: 1001, ..SIZE }, "cols"),
        ] {
            let answer = f.processes.resize_process(&nobody(), id, size).await;
            refused(answer, ErrorCode::InvalidArgument, &format!(r#""field":"{field}""#));
        }
    });
}
