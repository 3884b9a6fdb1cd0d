//! Bytes into a container and out of it: complete, in order, apart, and never more than somebody
//! takes.

use bytes::{Bytes, BytesMut};

use super::{session, world};
use crate::harness::{Heard, fifo, soon, until};

/// A mebibyte in which no place looks like another, nor like the same of the next one.
fn block(number: usize) -> Bytes {
    let mut state = number as u64 + 1;
    let mut block = BytesMut::with_capacity(1 << 20);
    while block.len() < 1 << 20 {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    block.freeze()
}

#[tokio::test]
async fn both_outputs_stay_apart_and_every_byte_is_what_it_was() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let session = session(&client).await;
    let script = r"printf 'a\r\nb\n\000\377c'; printf 'e\n' >&2; exit 7";
    assert!(session.exec(script).await);
    let heard = session.heard().await;
    assert_eq!(heard.output, "a\r\nb\n\0\u{fffd}c");
    assert_eq!((heard.errors.as_str(), heard.status), ("e\n", Some(7)));
    assert_eq!(heard.before, heard.output.len() + heard.errors.len(), "all of it came first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_mebibytes_come_back_as_they_went() {
    const BLOCKS: usize = 100;
    let (world, _fleet) = world();
    let client = world.client().await;
    let mut session = session(&client).await;
    assert!(session.exec("exec cat").await);
    let output = session.0.output.clone();
    let write = async {
        for number in 0..BLOCKS {
            let block = block(number);
            for at in (0..block.len()).step_by(1 << 16) {
                output.write(block.slice(at..at + (1 << 16))).await.unwrap();
            }
        }
        output.eof();
    };
    let read = async {
        let (mut number, mut left) = (0, block(0));
        while let Some(data) = session.0.input.read().await {
            assert_eq!(data.stream, 0);
            let mut bytes = data.bytes;
            while !bytes.is_empty() {
                let length = bytes.len().min(left.len());
                assert!(bytes.split_to(length) == left.split_to(length), "in block {number}");
                if left.is_empty() {
                    number += 1;
                    left = block(number);
                }
            }
        }
        (number, left.len())
    };
    let both = async { tokio::join!(write, read) };
    let limit = std::time::Duration::from_secs(120);
    let ((), read) = tokio::time::timeout(limit, both).await.unwrap();
    assert_eq!(read, (BLOCKS, 1 << 20));
    assert_eq!(session.heard().await, Heard { status: Some(0), ..Heard::default() });
}

#[tokio::test]
async fn the_end_of_input_closes_it_and_output_goes_on() {
    let (world, _fleet) = world();
    let go = world.path("go");
    fifo(&go);
    let client = world.client().await;
    let mut session = session(&client).await;
    let script = format!("cat; echo end; read -r line < {}; echo $line", go.display());
    assert!(session.exec(&script).await);
    session.write("a\nb").await;
    session.0.output.eof();
    assert_eq!(session.read_until("end\n").await, "a\nbend\n");
    tokio::task::spawn_blocking(move || std::fs::write(go, "more\n").unwrap()).await.unwrap();
    session.heard().await.check("more\n", 0);
}

#[tokio::test]
async fn a_client_that_reads_late_gets_every_line_once_and_in_order() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let session = session(&client).await;
    let file = world.path("written");
    let script = format!("seq 1 600000; echo end >&2; touch {}", file.display());
    assert!(session.exec(&script).await);
    // Everything is asked of another session meanwhile, which is not kept waiting.
    for number in 0..20 {
        let other = super::session(&client).await;
        assert!(other.exec(&format!("echo {number}")).await);
        other.heard().await.check(&format!("{number}\n"), 0);
    }
    assert!(!file.exists(), "more was taken than the client has room for");
    let heard = session.heard().await;
    let expected: String = (1..=600_000).map(|number| format!("{number}\n")).collect();
    assert!(heard.output == expected, "the output differs");
    assert_eq!((heard.errors.as_str(), heard.status), ("end\n", Some(0)));
    assert!(file.exists());
}

#[tokio::test]
async fn the_exit_is_told_though_others_hold_the_output_which_goes_on() {
    let (world, _fleet) = world();
    let go = world.path("go");
    fifo(&go);
    let client = world.client().await;
    let mut session = session(&client).await;
    let script = format!("(read -r word < {}; echo $word) & echo first; exit 5", go.display());
    assert!(session.exec(&script).await);
    let heard = session.heard_of_end().await;
    assert_eq!((heard.output.as_str(), heard.status), ("first\n", Some(5)));
    tokio::task::spawn_blocking(move || std::fs::write(go, "later\n").unwrap()).await.unwrap();
    let heard = session.heard().await;
    assert_eq!((heard.output.as_str(), heard.status), ("later\n", None));
}

#[tokio::test]
async fn output_without_end_of_others_does_not_keep_the_exit_back() {
    let (world, _fleet) = world();
    let client = world.client().await;
    let mut session = session(&client).await;
    assert!(session.exec("(echo $$; exec yes) & exit 6").await);
    let heard = session.heard_of_end().await;
    assert_eq!(heard.status, Some(6));
    // Without a client its pipes close, and that ends it.
    session.0.output.close();
    until(|| world.ssh.statistics().sessions.values().all(|open| *open == 0)).await;
}

#[tokio::test]
async fn input_that_a_command_does_not_want_is_no_reason_to_wait() {
    let (world, _fleet) = world();
    let go = world.path("go");
    fifo(&go);
    let client = world.client().await;
    let mut session = session(&client).await;
    let script = format!("exec <&-; echo closed; read -r line < {}; echo $line", go.display());
    assert!(session.exec(&script).await);
    session.read_until("closed\n").await;
    let chunk = Bytes::from(vec![b'x'; 1024 * 1024]);
    for _ in 0..8 {
        soon(session.0.output.write(chunk.clone())).await.unwrap();
    }
    tokio::task::spawn_blocking(move || std::fs::write(go, "went\n").unwrap()).await.unwrap();
    session.heard().await.check("went\n", 0);
}
