//! Event streams and lines: their head, events and comments, how fast they are read, and every end.

use std::{
    future::pending,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent_http::{Config, Event, EventStream, Streaming, StreamingOrLines};
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    time::{Instant, Interval, timeout},
};

use crate::{
    client::Client,
    streams::{PATH, Site},
};

type Events = Pin<Box<dyn Stream<Item = Event> + Send>>;

fn event(number: u64) -> Event {
    Event { event: "output", id: Some(number), data: format!("{{\"from\":{number}}}") }
}

/// Serves events that a function makes for each request.
fn site(config: Config, events: impl Fn() -> Events + Clone + Send + Sync + 'static) -> Site {
    let answer = move |streaming: EventStream| async move { streaming.of(events()) };
    Site::new(config, get(answer))
}

fn endless() -> Events {
    stream::iter(0..).map(event).boxed()
}

fn three_and_wait() -> Events {
    stream::iter(0..3).map(event).chain(stream::pending()).boxed()
}

async fn ask(site: &Site) -> Client<DuplexStream> {
    let mut client = site.client();
    client.send(format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    client
}

/// Reads the chunks of a body up to its last one, or the end of the connection.
async fn chunks(client: &mut Client<DuplexStream>) -> (String, bool) {
    let mut text = String::new();
    let mut byte = [0];
    loop {
        let mut line = String::new();
        while !line.ends_with("\r\n") {
            match client.stream.read(&mut byte).await {
                Ok(1) => line.push(char::from(byte[0])),
                _ => return (text, false),
            }
        }
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        client.stream.read_exact(&mut chunk).await.unwrap();
        if length == 0 {
            return (text, true);
        }
        text.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
    }
}

#[tokio::test]
async fn the_events_of_a_stream_are_its_body() {
    let site = site(Config::default(), || stream::iter(0..2).map(event).boxed());
    let mut client = ask(&site).await;
    let head = client.head().await.unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    for line in
        ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"]
    {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
    }
    let expected = "event: output\nid: 0\ndata: {\"from\":0}\n\n\
                    event: output\nid: 1\ndata: {\"from\":1}\n\n";
    assert_eq!(chunks(&mut client).await, (expected.to_owned(), true));
    assert_eq!(client.get("/healthz", "").await.status(), 200, "the connection goes on");
    assert_eq!(site.open_now(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_comment_comes_every_15_seconds() {
    let every_10_seconds = || {
        let period = Duration::from_secs(10);
        let clock = tokio::time::interval_at(Instant::now() + period, period);
        let next = |(mut clock, number): (Interval, u64)| async move {
            clock.tick().await;
            Some((event(number), (clock, number + 1)))
        };
        stream::unfold((clock, 0), next).take(3).boxed()
    };
    let site = site(Config::default(), every_10_seconds);
    let (text, is_whole) = {
        let mut client = ask(&site).await;
        client.head().await.unwrap();
        chunks(&mut client).await
    };
    let kinds: String = text.lines().filter_map(|line| line.chars().next()).collect();
    // Events after 10, 20 and 30 s, each `event`, `id`, `data`; comments after 15 and 30 s.
    assert!(matches!(&*kinds, "eid:eid:eid" | "eid:eideid"), "{text}");
    assert!(text.contains("\n\n: keepalive\n\n"), "{text}");
    assert!(is_whole);
}

#[tokio::test]
async fn a_stream_ends_when_the_stop_begins() {
    let site = site(Config::default(), three_and_wait);
    let mut client = ask(&site).await;
    client.head().await.unwrap();
    site.server.begin_drain();
    let (text, is_whole) = chunks(&mut client).await;
    assert!(is_whole, "{text}");
    site.server.drained().await;
    assert!(site.server.shutdown(Duration::from_secs(5)).await);
    site.all_gone().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut_soon_after_the_stop() {
    let site = site(Config::default(), endless);
    let mut client = ask(&site).await;
    client.head().await.unwrap();
    let began = Instant::now();
    site.server.begin_drain();
    site.server.drained().await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(site.server.shutdown(Duration::from_secs(1)).await);
    site.all_gone().await;
}

#[tokio::test(start_paused = true)]
async fn over_http2_the_stream_alone_is_cut() {
    let site = site(Config::default(), endless);
    let mut client = site.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    // GET over http from the static table (RFC 7541 appendix A), then path and authority in full.
    let host = "localhost";
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(PATH.len()).unwrap()];
    block.extend(PATH.bytes().chain([0x01, 9]).chain(host.bytes()));
    // HEADERS on stream 1 that end both the head and the stream (RFC 9113 section 6.2).
    let length = u8::try_from(block.len()).unwrap();
    client.send([0, 0, length, 1, 0x05, 0, 0, 0, 1]).await;
    client.send(block).await;
    // The window of the stream, 65535 bytes, is never widened.
    let mut received = 0;
    while received < 65_535 {
        let frame = frame(&mut client).await;
        received += if frame.0 == 0 { frame.1.len() } else { 0 };
    }
    assert_eq!(site.open_now(), (1, 1));
    let began = Instant::now();
    site.server.begin_drain();
    let reset = async { while frame(&mut client).await.0 != 3 {} };
    timeout(Duration::from_secs(6), reset).await.expect("RST_STREAM");
    site.server.drained().await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(site.open_now(), (1, 0));
}

/// Reads a frame of HTTP/2: its type and payload.
async fn frame(client: &mut Client<DuplexStream>) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    client.stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    client.stream.read_exact(&mut payload).await.unwrap();
    (head[3], payload)
}

#[tokio::test]
async fn events_are_made_only_as_fast_as_they_are_read() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let counted = move || {
        let made = Arc::clone(&counter);
        endless()
            .inspect(move |event| {
                made.fetch_add(event.data.len(), Ordering::SeqCst);
            })
            .boxed()
    };
    let site = site(Config::default(), counted);
    let mut client = ask(&site).await;
    client.head().await.unwrap();
    for _ in 0..100 {
        assert_eq!(site.client().get("/healthz", "").await.status(), 200);
    }
    let made = made.load(Ordering::SeqCst);
    assert!(made < 1024 * 1024, "{made} bytes of events are held for a reader that does not read");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_stream() {
    let site = site(Config::default(), three_and_wait);
    let mut client = ask(&site).await;
    client.head().await.unwrap();
    assert_eq!(site.open_now(), (1, 1));
    drop(client);
    site.all_gone().await;
}

#[tokio::test]
async fn event_streams_count_among_the_streams() {
    let site = site(Config { max_streams: 1, ..Config::default() }, three_and_wait);
    let mut first = ask(&site).await;
    first.head().await.unwrap();
    assert_eq!(site.client().get(PATH, "").await.status(), 429);
    drop(first);
    site.all_gone().await;
    assert!(ask(&site).await.head().await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_route_of_both_kinds_answers_what_is_asked_for() {
    let answer = |streaming: Streaming| async move {
        let last = streaming.last_event_id().unwrap_or("none").to_owned();
        let event = Event { event: "last", id: None, data: last };
        match streaming {
            Streaming::WebSocket(upgrade) => upgrade.on(|mut socket| async move {
                // Ends when the client has seen the answer and leaves.
                let _ = socket.until(pending::<()>()).await;
            }),
            Streaming::Events(events) => events.of(stream::iter([event])),
        }
    };
    let site = Site::new(Config::default(), get(answer));
    let mut client = site.client();
    for (accept, status) in [
        ("", 426),
        ("Accept: */*\r\n", 426),
        ("Accept: text/event-streams\r\n", 426),
        ("Accept: text/html, TEXT/Event-Stream;q=0.9\r\nLast-Event-ID: 42\r\n", 200),
    ] {
        client.send(format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n")).await;
        if status == 200 {
            client.head().await.unwrap();
            let expected = "event: last\ndata: 42\n\n".to_owned();
            assert_eq!(chunks(&mut client).await, (expected, true));
        } else {
            assert_eq!(client.answer().await.unwrap().status(), status, "{accept}");
        }
    }
    site.open().await;
}

#[tokio::test]
async fn a_route_that_has_lines_answers_with_them_when_nothing_else_is_asked_for() {
    let answer = |streaming: StreamingOrLines| async move {
        match streaming {
            StreamingOrLines::WebSocket(upgrade) => upgrade.on(|mut socket| async move {
                let _ = socket.until(pending::<()>()).await;
            }),
            StreamingOrLines::Events(events) => events.of(stream::iter([event(0)])),
            StreamingOrLines::Lines(lines) => {
                Ok(lines.of(stream::iter([Ok("1\n".to_owned()), Ok("2\n".to_owned())])))
            }
        }
    };
    let site = Site::new(Config::default(), get(answer));
    let mut client = site.client();
    for (accept, media_type, body) in [
        ("", "application/x-ndjson", "1\n2\n"),
        (
            "Accept: text/event-stream\r\n",
            "text/event-stream",
            "event: output\nid: 0\ndata: {\"from\":0}\n\n",
        ),
    ] {
        client.send(format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n")).await;
        let head = client.head().await.unwrap().to_lowercase();
        assert!(head.contains(&format!("\r\ncontent-type: {media_type}\r\n")), "{head}");
        assert_eq!(chunks(&mut client).await, (body.to_owned(), true));
    }
    site.open().await;
}

#[tokio::test]
async fn lines_end_when_the_stop_begins_and_are_no_event_stream() {
    let lines = |lines: StreamingOrLines| async move {
        let StreamingOrLines::Lines(lines) = lines else { panic!("{lines:?}") };
        lines.of(stream::iter([Ok("1\n".to_owned())]).chain(stream::pending()))
    };
    let site = Site::new(Config::default(), get(lines));
    let mut client = ask(&site).await;
    client.head().await.unwrap();
    assert_eq!(site.open_now(), (1, 0));
    site.server.begin_drain();
    let (text, is_whole) = chunks(&mut client).await;
    assert!(is_whole, "{text}");
    site.server.drained().await;
    assert!(site.server.shutdown(Duration::from_secs(5)).await);
    site.all_gone().await;
}
