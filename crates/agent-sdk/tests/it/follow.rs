//! Following a process across lost connections: every byte once, and no waiting where it cannot
//! help.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use agent_sdk::{
    AgentConn, Error, ProcessStream, ProcessStreamItem, Reconnect,
    api::{
        ErrorCode, GapReason, OutputGap, OutputStreamName, ProcessExited,
        StreamProcessOutputRequest, StreamStart, close_codes,
    },
    follow,
    mock::{Call, MockAgent},
};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    exec::record,
    peer::Peer,
    socket::{close, closed, output},
    streams::{from, id, printed},
};

type Item = Result<ProcessStreamItem, Error>;

fn lost(code: Option<u16>) -> Error {
    Error::Closed { code, reason: "lost".to_owned() }
}

fn refused() -> Error {
    let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    Error::Connect { target: "http://h:1".to_owned(), source }
}

fn api(code: ErrorCode) -> Error {
    let message = "no".to_owned();
    Error::Api { operation: "stream_process_output", code, message, detail: None, fields: vec![] }
}

fn exited() -> ProcessStreamItem {
    ProcessStreamItem::Exited(ProcessExited {
        exit_code: 0,
        exited_at: Default::default(),
        signal: None,
        timed_out: false,
        oom_killed: false,
    })
}

/// A mock whose connections are these, one after the other.
fn connections(connections: impl IntoIterator<Item = Result<Vec<Item>, Error>>) -> MockAgent {
    let mock = MockAgent::new();
    let connections = Mutex::new(connections.into_iter().collect::<VecDeque<_>>());
    mock.on_stream_process_output(move |_, _| {
        let items = connections.lock().pop_front().expect("no further connection")?;
        Ok(ProcessStream::from_stream(futures_util::stream::iter(items)))
    });
    mock
}

/// Follows to the end.
async fn all(
    mock: &MockAgent,
    request: StreamProcessOutputRequest,
    reconnect: Reconnect,
) -> (Vec<ProcessStreamItem>, Option<Error>) {
    let mut stream = follow(mock, id(), request, reconnect);
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(item) => items.push(item),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return (items, Some(error));
            }
        }
    }
    assert!(stream.next().await.is_none());
    (items, None)
}

/// Where the connections began.
fn begins(mock: &MockAgent) -> Vec<StreamStart> {
    let calls = mock.calls().into_iter();
    calls
        .filter_map(|call| match call {
            Call::StreamProcessOutput(_, request) => Some(request.from),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_byte_and_gap_comes_once_and_so_does_the_exit() {
    let gap = ProcessStreamItem::Gap(OutputGap { from: 5, to: 9, reason: GapReason::Quota });
    let end = ProcessStreamItem::Closed { end_bytes: 11 };
    let mock = connections([
        Ok(vec![Ok(printed(3, "ab")), Err(lost(None))]),
        Err(refused()),
        Err(api(ErrorCode::Unavailable)),
        Ok(vec![Err(lost(Some(close_codes::GOING_AWAY)))]),
        Ok(vec![Ok(gap.clone()), Ok(exited()), Err(lost(None))]),
        // An end without an error is a loss too.
        Ok(vec![Ok(exited()), Ok(printed(9, "c"))]),
        Err(Error::Timeout { operation: "stream_process_output", after: Duration::ZERO }),
        Ok(vec![Ok(exited()), Ok(printed(10, "d")), Ok(end.clone())]),
    ]);
    let (items, error) = all(&mock, from(3), Reconnect::default()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(items, [printed(3, "ab"), gap, exited(), printed(9, "c"), printed(10, "d"), end]);
    let expected = [3, 5, 5, 5, 5, 9, 10, 10].map(StreamStart::Offset);
    assert_eq!(begins(&mock), expected);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_a_number_before_the_first_connection() {
    for (stream, end) in [(OutputStreamName::Output, 70), (OutputStreamName::Stderr, 7)] {
        let mock = connections([
            Ok(vec![Err(lost(None))]),
            Ok(vec![Ok(printed(end, "x")), Ok(ProcessStreamItem::Closed { end_bytes: end + 1 })]),
        ]);
        mock.on_get_process(|_| {
            let mut record = record();
            record.output_end_bytes = 70;
            record.stderr_end_bytes = Some(7);
            Ok(record)
        });
        let request = StreamProcessOutputRequest { stream, from: StreamStart::End };
        let (items, _) = all(&mock, request, Reconnect::default()).await;
        assert_eq!(items.len(), 2, "what was printed while nobody was connected is not lost");
        assert_eq!(begins(&mock), [StreamStart::Offset(end); 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_is_made_once() {
    for error in [refused(), lost(None), api(ErrorCode::Unavailable), api(ErrorCode::NotFound)] {
        let mock = connections([Err(error)]);
        let (items, error) = all(&mock, from(0), Reconnect::default()).await;
        assert!(items.is_empty() && error.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn what_waiting_cannot_help_is_an_error_at_once() {
    let first = || Ok(vec![Ok(printed(0, "a")), Err(lost(None))]);
    for error in [
        api(ErrorCode::NotFound),
        api(ErrorCode::Gone),
        api(ErrorCode::Unauthenticated),
        Error::TooLarge { limit_bytes: 1 },
        lost(Some(close_codes::DELETED)),
        lost(Some(close_codes::INTERNAL)),
        lost(Some(close_codes::COMPLETE)),
    ] {
        let expected = error.to_string();
        let mock = connections([first(), Err(error)]);
        let (items, error) = all(&mock, from(0), Reconnect::default()).await;
        assert_eq!(items, [printed(0, "a")]);
        assert_eq!(error.unwrap().to_string(), expected);
    }
    // A connection that goes on elsewhere would lose or repeat bytes.
    for offset in [0, 2] {
        let mock = connections([first(), Ok(vec![Ok(printed(offset, "b"))])]);
        let (items, error) = all(&mock, from(0), Reconnect::default()).await;
        assert_eq!(items, [printed(0, "a")]);
        assert!(matches!(error, Some(Error::Protocol { .. })), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_and_waiting_ends() {
    let mock = MockAgent::new();
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let note = Arc::clone(&times);
    mock.on_stream_process_output(move |_, _| {
        let mut times = note.lock();
        times.push(Instant::now());
        match times.len() {
            1 => {
                let items = [Ok(printed(0, "a")), Err(lost(None))];
                Ok(ProcessStream::from_stream(futures_util::stream::iter(items)))
            }
            // Some connections are made and give nothing, which is no progress.
            even if even % 2 == 0 => Ok(ProcessStream::from_items([])),
            _ => Err(refused()),
        }
    });
    let reconnect = Reconnect {
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_millis(400),
        give_up_after: Duration::from_secs(2),
    };
    let (items, error) = all(&mock, from(0), reconnect).await;
    assert_eq!(items, [printed(0, "a")]);
    assert!(error.is_some());
    let times = times.lock().clone();
    let pauses: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(pauses[..2], [0, 50]);
    assert!(pauses[2..].iter().all(|pause| (50..=401).contains(pause)), "{pauses:?}");
    assert!(pauses.is_sorted(), "{pauses:?}");
    let whole = times.last().unwrap().duration_since(times[0]);
    assert!(whole >= Duration::from_secs(2) && whole < Duration::from_secs(3), "{whole:?}");

    let mock = connections([Ok(vec![Ok(printed(0, "a")), Err(lost(None))])]);
    let (items, error) = all(&mock, from(0), Reconnect::never()).await;
    assert_eq!(items.len(), 1);
    assert!(matches!(error, Some(Error::Closed { .. })), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_is_not_waited_for() {
    let mock = MockAgent::new();
    mock.on_stream_process_output(|_, _| {
        Ok(ProcessStream::from_stream(futures_util::stream::pending()))
    });
    let agent: Arc<dyn AgentConn> = Arc::new(mock.clone());
    let mut stream = follow(agent, id(), from(0), Reconnect::default());
    let begin = Instant::now();
    let (item, ()) = tokio::join!(stream.next(), async { mock.close() });
    assert!(matches!(item, Some(Err(Error::Closed { .. }))), "{item:?}");
    assert!(begin.elapsed().is_zero());
    assert_eq!(mock.calls().len(), 1);
}

#[tokio::test]
async fn a_thousand_lost_connections_lose_nothing() {
    const BYTES: u64 = 40_000;
    fn byte(offset: u64) -> u8 {
        (offset % 251) as u8
    }
    let peer = Peer::start(|nth, mut conn| async move {
        let request = conn.agree().await;
        let query = request.line.split_once("from=").map_or("0", |(_, rest)| rest);
        let from: u64 = query.split([' ', '&']).next().unwrap().parse().unwrap();
        // Of any size, and cut anywhere: between messages, within one, or with a close.
        let to = (from + 1 + nth as u64 * 7919 % 80).min(BYTES);
        let middle = from + (to - from) / 2;
        let part =
            |range: std::ops::Range<u64>| output(range.start, &range.map(byte).collect::<Vec<_>>());
        let mut frames = if middle > from { part(from..middle) } else { Vec::new() };
        frames.extend(part(middle..to));
        match nth % 3 {
            _ if to == BYTES => frames.extend([closed(BYTES), close(1000, "")].concat()),
            0 => frames.extend(close(1001, "")),
            1 => frames.truncate(frames.len() - 1),
            _ => {}
        }
        conn.send(frames).await;
    })
    .await;
    let client = peer.client();
    let reconnect = Reconnect { first_pause: Duration::from_millis(1), ..Reconnect::default() };
    let mut stream = follow(&client, id(), from(0), reconnect);
    let mut next = 0;
    let read = async {
        while let Some(item) = stream.next().await {
            if let ProcessStreamItem::Output { offset, bytes } = item.unwrap() {
                assert_eq!(offset, next);
                assert!(bytes.iter().zip(next..).all(|(found, offset)| *found == byte(offset)));
                next += bytes.len() as u64;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.unwrap();
    assert_eq!(next, BYTES);
    assert!(peer.accepted() > 1000, "{} connections", peer.accepted());
}
