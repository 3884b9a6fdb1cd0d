//! Output under readers that stall, leave and come back.

use agent_api::{ErrorCode, WaitFor};
use agent_sdk::{AgentConn, ProcessStreamItem};
use agent_tests::{Daemon, TestAgent, Transport};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{Numbers, follow_to_the_end, output_when, read_all, shell, start, stream_from, within};

const GIB: u64 = 1024 * 1024 * 1024;
/// Most that the agent's memory may grow by, whatever is printed.
const GROWTH: u64 = 32 * 1024 * 1024;
/// What the printing child repeats; eight bytes, so that an offset says which byte stands there.
const PATTERN: &[u8; 8] = b"0123456\n";

fn assert_pattern(bytes: &[u8], from: u64) {
    let start = usize::try_from(from % 8).unwrap();
    let expected = PATTERN.iter().cycle().skip(start);
    assert!(bytes.iter().zip(expected).all(|(got, wanted)| got == wanted), "at {from}");
}

/// Begins to follow a process over a raw connection and never reads.
async fn stalled_reader(daemon: &Daemon, id: agent_api::ProcessId) -> UnixStream {
    let mut stream = UnixStream::connect(&daemon.info().http_unix[0]).await.unwrap();
    let request = format!(
        "GET /api/v0/processes/{id}/output/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    stream
}

#[tokio::test]
async fn a_reader_that_never_reads_holds_up_nobody() {
    let quota = ["--processes-output-quota-bytes", "2GiB"];
    let total = ["--processes-total-output-quota-bytes", "4GiB"];
    let daemon = Daemon::start(&[quota, total].concat()).await;
    let client = daemon.client();
    client.check_health().await.unwrap();
    let before = daemon.resident_bytes();
    let command = format!("read go; yes 0123456 | head -c {GIB}");
    let request =
        agent_api::StartProcessRequest { stdin: Some(agent_api::Stdin::Open), ..shell(command) };
    let id = start(&client, request).await;
    let stalled = stalled_reader(&daemon, id).await;
    let mut stream = stream_from(&client, id, 0).await;
    client.write_process_input(id, Default::default(), "go\n".into()).await.unwrap();
    let (mut next, mut most) = (0_u64, before);
    while let Some(item) = within(stream.next()).await {
        match item.unwrap() {
            ProcessStreamItem::Output { offset, bytes } => {
                assert_eq!(offset, next);
                assert_pattern(&bytes, offset);
                next += bytes.len() as u64;
                if next % (32 * 1024 * 1024) < 32 * 1024 {
                    most = most.max(daemon.resident_bytes());
                }
            }
            ProcessStreamItem::Exited(exited) => assert_eq!(exited.exit_code, 0),
            ProcessStreamItem::Closed { end_bytes } => assert_eq!(end_bytes, GIB),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(next, GIB);
    assert!(most < before + GROWTH, "from {before} to {most} bytes");
    drop(stalled);
    client.delete_process(id).await.unwrap();
}

#[tokio::test]
async fn a_thousand_reconnects_at_random_offsets_lose_and_repeat_nothing() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    let id = start(&client, shell("seq 1 400000; seq 400001 500000 &")).await;
    let mut numbers = Numbers(7);
    let (mut received, mut reconnects) = (Vec::new(), 0);
    loop {
        let from = received.len() as u64;
        let mut stream = stream_from(&client, id, from).await;
        let wanted = numbers.below(6000);
        let mut is_closed = false;
        while (received.len() as u64) < from + wanted {
            match within(stream.next()).await.unwrap().unwrap() {
                ProcessStreamItem::Output { offset, bytes } => {
                    assert_eq!(offset, received.len() as u64);
                    // The connection breaks in the middle of a message.
                    let left = usize::try_from(from + wanted - offset).unwrap();
                    received.extend_from_slice(&bytes[..bytes.len().min(left)]);
                }
                ProcessStreamItem::Exited(_) => {}
                ProcessStreamItem::Closed { end_bytes } => {
                    assert_eq!(end_bytes, received.len() as u64);
                    is_closed = true;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        if is_closed {
            break;
        }
        reconnects += 1;
        if reconnects == 1000 {
            let rest = stream_from(&client, id, received.len() as u64).await;
            received.extend(follow_to_the_end(rest, received.len() as u64).await.bytes);
            break;
        }
    }
    assert!(reconnects >= 500, "{reconnects}");
    assert!(read_all(&client, id, 0).await == received);
    let expected: String = (1..=500_000).map(|number| format!("{number}\n")).collect();
    assert!(received == expected.into_bytes());
}

#[tokio::test]
async fn a_survivor_delays_no_answer_and_its_later_output_is_kept() {
    let agent = TestAgent::start().await;
    for transport in Transport::ALL {
        let client = agent.client(transport);
        let gate = agent.path("gate");
        let _ = std::fs::remove_file(&gate);
        assert!(rustix::fs::mkfifoat(rustix::fs::CWD, &gate, 0o600.into()).is_ok());
        let id = start(&client, shell(format!("echo a; (cat {gate}; echo b) & sleep 300 &"))).await;
        let answer = output_when(&client, id, WaitFor::Exit).await;
        assert_eq!((answer.running, answer.output_closed), (false, false), "{transport:?}");
        assert_eq!((answer.exit_code, answer.output.as_str()), (Some(0), "a\n"));
        let stream = stream_from(&client, id, 0).await;
        std::fs::write(&gate, "gate ").unwrap();
        while within(client.get_process_output(id, Default::default())).await.unwrap().output
            != "a\ngate b\n"
        {
            tokio::task::yield_now().await;
        }
        client
            .signal_process(
                id,
                agent_api::SignalProcessRequest { signal: "kill".to_owned(), ..Default::default() },
            )
            .await
            .unwrap();
        let followed = follow_to_the_end(stream, 0).await;
        assert_eq!(followed.bytes, b"a\ngate b\n");
        assert_eq!((followed.exited_at, followed.end), (Some(2), 9));
    }
}

#[tokio::test]
async fn a_gap_is_told_and_everything_around_it_is_there() {
    let agent = TestAgent::start_with(|config| {
        config.processes.output_quota_bytes = 1024 * 1024;
    })
    .await;
    let client = agent.client(Transport::Tcp);
    let printed = 5 * 1024 * 1024;
    let id = start(&client, shell(format!("yes 0123456 | head -c {printed}"))).await;
    output_when(&client, id, WaitFor::Closed).await;
    let record = client.get_process(id).await.unwrap();
    assert_eq!((record.output_head_bytes, record.output_end_bytes), (16_384, printed));
    assert_eq!(record.output_start_bytes % 65_536, 0);
    assert!(printed - record.output_start_bytes >= 1024 * 1024 - 81_920);
    for transport in Transport::ALL {
        let client = agent.client(transport);
        let followed = follow_to_the_end(stream_from(&client, id, 5).await, 5).await;
        let [gap] = followed.gaps[..] else { panic!("{:?}", followed.gaps) };
        assert_eq!((gap.from, gap.to), (16_384, record.output_start_bytes), "{transport:?}");
        let (head, tail) = followed.bytes.split_at(16_384 - 5);
        assert_pattern(head, 5);
        assert_pattern(tail, gap.to);
        assert_eq!(tail.len() as u64, printed - gap.to);
    }
}

#[tokio::test]
async fn five_hundred_processes_at_once_are_all_right() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Unix);
    let one = |number: usize| {
        let client = client.clone();
        async move {
            let id = start(&client, shell(format!("echo {number}; exit {}", number % 100))).await;
            let answer = output_when(&client, id, WaitFor::Closed).await;
            assert_eq!(answer.output, format!("{number}\n"));
            assert_eq!(answer.exit_code, i32::try_from(number % 100).ok());
        }
    };
    within(futures_util::future::join_all((0..500).map(one))).await;
}

#[tokio::test]
async fn a_deleted_process_is_gone_for_its_readers_too() {
    let agent = TestAgent::start().await;
    for transport in Transport::ALL {
        let client = agent.client(transport);
        let id = start(&client, shell("echo a; sleep 300")).await;
        let mut stream = stream_from(&client, id, 0).await;
        let first = within(stream.next()).await.unwrap().unwrap();
        assert!(matches!(first, ProcessStreamItem::Output { offset: 0, .. }), "{first:?}");
        client.delete_process(id).await.unwrap();
        if transport != Transport::Duplex {
            let error = within(stream.next()).await.unwrap().unwrap_err();
            assert_eq!(error.code(), ErrorCode::NotFound, "{transport:?}: {error}");
        }
        let error = client.get_process(id).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Gone, "{transport:?}: {error}");
    }
}

mod needs_tmpfs {
    use agent_api::{GapReason, WaitFor};
    use agent_test::Mount;
    use agent_tests::{TestAgent, Transport};

    use super::super::{follow_to_the_end, output_when, shell, start, stream_from};
    use agent_sdk::AgentConn;

    #[tokio::test]
    async fn a_full_disk_costs_bytes_and_no_process() {
        let disk = Mount::tmpfs(4 * 1024 * 1024).unwrap();
        let state = disk.path().join("state");
        let agent = TestAgent::start_with(|config| config.state_dir.clone_from(&state)).await;
        let client = agent.client(Transport::Unix);
        let filler = disk.path().join("filler");
        assert!(std::fs::write(&filler, vec![0; 8 * 1024 * 1024]).is_err());

        let id = start(&client, shell("yes 0123456 | head -c 2000000; echo; echo the end")).await;
        let answer = output_when(&client, id, WaitFor::Closed).await;
        assert_eq!((answer.exit_code, answer.output_end_bytes), (Some(0), 2_000_009));
        assert!(answer.output.ends_with("0123456\n\nthe end\n"), "the tail is in memory");
        let followed = follow_to_the_end(stream_from(&client, id, 0).await, 0).await;
        assert_eq!(followed.end, 2_000_009);
        assert!(!followed.gaps.is_empty());
        assert!(followed.gaps.iter().all(|gap| gap.reason == GapReason::Disk));

        // With room again, the next process is kept whole.
        std::fs::remove_file(&filler).unwrap();
        let id = start(&client, shell("seq 1 10000")).await;
        output_when(&client, id, WaitFor::Closed).await;
        let record = client.get_process(id).await.unwrap();
        assert_eq!(record.output_head_bytes, record.output_end_bytes);
    }
}
