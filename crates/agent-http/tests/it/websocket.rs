//! WebSockets: the handshake and its refusals, messages both ways, control frames, and every end.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent_api::{ErrorBody, close_codes, limits::MAX_WEBSOCKET_MESSAGE_BYTES};
use agent_http::{Close, Closed, Config, Listener, Message as Received, Trust, WebSocket};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::streams::{PATH, Site, close_of, next};

const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Extensions: permessage-deflate\r\n";

async fn echo(mut socket: WebSocket) {
    while let Ok(message) = socket.recv().await {
        let sent = match message {
            Received::Text(text) => socket.send_text(&text).await,
            Received::Binary(bytes) => socket.send_binary(&[&bytes]).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Waits for something that never comes.
async fn idle(mut socket: WebSocket) {
    socket.ignore_messages();
    let Err(Closed) = socket.until(pending::<()>()).await else { return };
}

/// Sends pieces as fast as they go, and never asks for messages.
async fn flood(mut socket: WebSocket) {
    let piece = vec![7; 32 * 1024];
    while socket.feed_binary(&[&[0; 8], &piece]).await.is_ok() {}
}

#[tokio::test]
async fn a_handshake_is_answered_as_rfc_6455_says() {
    let site = Site::talking(Config::default(), idle);
    let answer = site.client().get(PATH, HANDSHAKE).await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("connection"), Some("upgrade"));
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    site.all_gone().await;
}

#[tokio::test]
async fn any_other_request_is_told_to_upgrade() {
    let site = Site::talking(Config::default(), idle);
    let mut client = site.client();
    let without = |line: &str| HANDSHAKE.replace(line, "");
    let cases = [
        ("GET", String::new()),
        ("HEAD", HANDSHAKE.to_owned()),
        ("GET", without("Connection: keep-alive, Upgrade\r\n")),
        ("GET", without("Upgrade: WebSocket\r\n")),
        ("GET", without("Sec-WebSocket-Version: 13\r\n")),
        ("GET", without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
        ("GET", HANDSHAKE.replace("WebSocket\r\n", "h2c\r\n")),
        ("GET", HANDSHAKE.replace(": 13", ": 8")),
        ("GET", HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==")),
        ("GET", format!("{HANDSHAKE}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
    ];
    for (method, headers) in cases {
        client.send(format!("{method} {PATH} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await;
        if method == "HEAD" {
            let head = client.head().await.unwrap();
            assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
            continue;
        }
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status(), 426, "{headers}");
        assert_eq!(answer.header("upgrade"), Some("websocket"), "{headers}");
        let body: ErrorBody = serde_json::from_str(&answer.body).unwrap();
        assert!(body.message.contains("WebSocket"), "{body:?}");
    }
    client.send(format!("GET {PATH} HTTP/1.0\r\nHost: localhost\r\n{HANDSHAKE}\r\n")).await;
    assert_eq!(client.answer().await.unwrap().status(), 426);
}

#[tokio::test]
async fn messages_go_both_ways_and_pings_are_answered() {
    let site = Site::talking(Config::default(), echo);
    let mut socket = site.open().await;
    let largest = Bytes::from(vec![9; MAX_WEBSOCKET_MESSAGE_BYTES]);
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::binary(vec![1, 2, 3]),
        Message::binary(vec![5; 70_000]),
        Message::Binary(largest),
    ] {
        let (mut sink, mut source) = (&mut socket).split();
        let (sent, echoed) = tokio::join!(sink.send(message.clone()), source.next());
        sent.unwrap();
        assert_eq!(echoed.unwrap().unwrap(), message);
    }
    socket.send(Message::Ping(Bytes::from_static(b"are you there"))).await.unwrap();
    let pong = socket.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"are you there")));
    socket.close(None).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
    assert!(socket.next().await.is_none());
    site.all_gone().await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_until_one_ends() {
    let site = Site::talking(Config { max_streams: 1, ..Config::default() }, idle);
    let mut first = site.open().await;
    let url = || format!("ws://localhost{PATH}");
    let refused = tokio_tungstenite::client_async(url(), site.stream()).await.unwrap_err();
    let Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 429);
    assert_eq!(site.open_now().1, 1);
    first.close(None).await.unwrap();
    while first.next().await.is_some() {}
    site.all_gone().await;
    site.open().await;
}

#[tokio::test]
async fn an_upgraded_connection_is_counted_to_its_end() {
    let site = Site::talking(Config::default(), echo);
    let mut socket = site.open().await;
    socket.send(Message::text("x")).await.unwrap();
    next(&mut socket).await;
    assert_eq!(site.open_now(), (1, 1));
    drop(socket);
    site.all_gone().await;
}

#[tokio::test(start_paused = true)]
async fn the_stop_closes_with_1001_and_waits_for_it() {
    for talk in [0, 1] {
        let site = Site::talking(Config::default(), move |socket| async move {
            if talk == 0 { idle(socket).await } else { flood(socket).await }
        });
        let mut socket = site.open().await;
        let began = Instant::now();
        site.server.begin_drain();
        let close = close_of(&mut socket).await;
        assert_eq!(close.0, close_codes::GOING_AWAY);
        assert!(socket.next().await.is_none());
        site.server.drained().await;
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert!(site.server.shutdown(Duration::from_secs(1)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_gone_soon_after_the_stop() {
    let site = Site::talking(Config::default(), flood);
    let socket = site.open().await;
    let began = Instant::now();
    site.server.begin_drain();
    site.server.streams_ended().await;
    assert_eq!(site.open_now().1, 0);
    site.server.drained().await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(site.server.shutdown(Duration::from_secs(1)).await);
    site.all_gone().await;
    drop(socket);
}

#[tokio::test]
async fn an_abort_ends_it_at_once() {
    let site = Site::talking(Config::default(), flood);
    let mut socket = site.open().await;
    site.server.abort();
    while !matches!(socket.next().await, None | Some(Err(_))) {}
    site.all_gone().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_then_dropped() {
    let site = Site::talking(Config::default(), idle);
    let mut client = site.client();
    assert_eq!(client.get(PATH, HANDSHAKE).await.status(), 101);
    let began = Instant::now();
    for seconds in [15, 30] {
        let mut ping = [0; 2];
        client.stream.read_exact(&mut ping).await.unwrap();
        assert_eq!(ping, [0x89, 0]);
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
    let mut rest = Vec::new();
    client.stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 45);
    site.all_gone().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_stays() {
    let site = Site::talking(Config::default(), idle);
    let mut socket = site.open().await;
    let an_hour = Duration::from_secs(3600);
    let ended = timeout(an_hour, async { while socket.next().await.is_some() {} }).await;
    assert!(ended.is_err(), "dropped although it answers");
    assert_eq!(site.open_now(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_and_is_silent_is_dropped_while_it_is_sent_to() {
    let site = Site::talking(Config::default(), flood);
    let socket = site.open().await;
    let began = Instant::now();
    site.all_gone().await;
    assert_eq!(began.elapsed().as_secs(), 45);
    drop(socket);
}

#[tokio::test]
async fn a_message_over_4_mib_closes_with_1009() {
    let site = Site::talking(Config::default(), echo);
    let whole = [0x82, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 1, 0, 0, 0, 0];
    let fragment = [0x02, 0xff, 0, 0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0];
    let last = [0x80, 0xff, 0, 0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0];
    let part = vec![0; 3 * 1024 * 1024];
    let cases = [
        [&whole[..], &vec![0; MAX_WEBSOCKET_MESSAGE_BYTES + 1]].concat(),
        [&fragment[..], &part, &last, &part].concat(),
    ];
    for message in cases {
        let mut client = site.client();
        assert_eq!(client.get(PATH, HANDSHAKE).await.status(), 101);
        // The client sends all of it before it reads anything.
        client.send(message).await;
        client.stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!((rest[0], &rest[2..4]), (0x88, &close_codes::TOO_LARGE.to_be_bytes()[..]));
    }
    site.all_gone().await;
}

#[tokio::test]
async fn a_message_of_ours_over_4_mib_closes_with_1009() {
    let site = Site::talking(Config::default(), |mut socket: WebSocket| async move {
        let message = vec![0; MAX_WEBSOCKET_MESSAGE_BYTES + 1];
        assert_eq!(socket.send_binary(&[&message]).await, Err(Closed));
    });
    assert_eq!(close_of(&mut site.open().await).await.0, close_codes::TOO_LARGE);
}

#[tokio::test]
async fn frames_that_no_client_may_send_close_it() {
    let site = Site::talking(Config::default(), echo);
    let cases: [(&[u8], u16); 4] = [
        (&[0x81, 1, b'x'], close_codes::PROTOCOL),
        (&[0x83, 0x80, 0, 0, 0, 0], close_codes::PROTOCOL),
        (&[0xc1, 0x80, 0, 0, 0, 0], close_codes::PROTOCOL),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], close_codes::INVALID_TEXT),
    ];
    for (frame, code) in cases {
        let mut client = site.client();
        assert_eq!(client.get(PATH, HANDSHAKE).await.status(), 101);
        client.send(frame).await;
        let mut close = [0; 4];
        client.stream.read_exact(&mut close).await.unwrap();
        assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, code));
    }
    site.all_gone().await;
}

#[tokio::test]
async fn control_frames_are_answered_while_the_handler_only_sends() {
    let site = Site::talking(Config::default(), flood);
    let mut socket = site.open().await;
    socket.send(Message::Ping(Bytes::from_static(b"now"))).await.unwrap();
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Pong(payload) => break assert_eq!(payload, "now"),
            message => assert_eq!(message.len(), 32 * 1024 + 8),
        }
    }
    socket.close(None).await.unwrap();
    while !matches!(next(&mut socket).await, Message::Close(_)) {}
    site.all_gone().await;
}

#[tokio::test]
async fn pings_without_end_of_a_peer_that_does_not_read_cost_nothing() {
    let site = Site::talking(Config::default(), flood);
    let mut client = site.client();
    assert_eq!(client.get(PATH, HANDSHAKE).await.status(), 101);
    // Taken although no answer can be written: only the newest is owed one.
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[1; 125]].concat();
    let pings = ping.repeat(100_000);
    timeout(Duration::from_secs(60), client.send(pings)).await.expect("they are read");
    client.send([0x88, 0x80, 0, 0, 0, 0]).await;
    let mut rest = Vec::new();
    client.stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest[rest.len() - 2..], [0x88, 0], "the answer to the close is the last frame");
    site.all_gone().await;
}

#[tokio::test]
async fn messages_that_arrive_while_it_sends_are_kept_in_order() {
    let site = Site::talking(Config::default(), |mut socket: WebSocket| async move {
        let piece = vec![7; 1024 * 1024];
        for _ in 0..4 {
            socket.feed_binary(&[&piece]).await.unwrap();
        }
        socket.flush().await.unwrap();
        for expected in ["a", "b"] {
            assert_eq!(socket.recv().await, Ok(Received::Text(expected.to_owned())));
        }
        socket.close(Close::new(close_codes::DELETED, "x".repeat(200)));
    });
    let mut socket = site.open().await;
    socket.send(Message::text("a")).await.unwrap();
    socket.send(Message::text("b")).await.unwrap();
    let close = close_of(&mut socket).await;
    assert_eq!(close, (close_codes::DELETED, "x".repeat(123)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_everything_before_the_close() {
    let site = Site::talking(Config::default(), |mut socket: WebSocket| async move {
        for number in 0_u64..100 {
            socket.feed_binary(&[&number.to_be_bytes(), &[7; 4096]]).await.unwrap();
        }
        socket.close(Close::complete());
    });
    let mut socket = site.open().await;
    for number in 0_u64..100 {
        tokio::time::advance(Duration::from_millis(200)).await;
        let Message::Binary(bytes) = next(&mut socket).await else { panic!("at {number}") };
        assert_eq!((&bytes[..8], bytes.len()), (&number.to_be_bytes()[..], 4104));
    }
    assert_eq!(close_of(&mut socket).await.0, close_codes::COMPLETE);
    assert!(socket.next().await.is_none());
    site.all_gone().await;
}

#[tokio::test]
async fn a_handler_that_panics_closes_with_1011() {
    let site = Site::talking(Config::default(), |mut socket: WebSocket| async move {
        socket.feed_text("before").await.unwrap();
        panic!("a defect in a handler");
    });
    let mut socket = site.open().await;
    assert_eq!(next(&mut socket).await, Message::text("before"));
    assert_eq!(close_of(&mut socket).await.0, close_codes::INTERNAL);
    assert!(socket.next().await.is_none());
    site.all_gone().await;
}

#[tokio::test]
async fn what_a_peer_does_not_read_waits_at_the_handler() {
    let fed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fed);
    let site = Site::talking(Config::default(), move |mut socket: WebSocket| {
        let fed = Arc::clone(&counter);
        async move {
            while socket.feed_binary(&[&vec![7; 32 * 1024]]).await.is_ok() {
                fed.fetch_add(32 * 1024, Ordering::SeqCst);
            }
        }
    });
    let mut socket = site.open().await;
    next(&mut socket).await;
    // Everything that could be fed has been when a later connection was served.
    for _ in 0..100 {
        assert_eq!(site.client().get("/healthz", "").await.status(), 200);
    }
    let fed = fed.load(Ordering::SeqCst);
    assert!(fed < 1024 * 1024, "{fed} bytes are held for a reader that does not read");
}

#[tokio::test]
async fn a_foreign_server_upgrades_too() {
    let route = axum::routing::get(|upgrade: agent_http::Upgrade| async { upgrade.on(echo) });
    let router = axum::Router::new().route("/ws", route);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let service = hyper_util::service::TowerToHyperService::new(router);
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(hyper_util::rt::TokioIo::new(far), service)
        .with_upgrades();
    let client = async {
        let (mut socket, _) = tokio_tungstenite::client_async("ws://localhost/ws", near).await?;
        socket.send(Message::text("hello")).await?;
        assert_eq!(socket.next().await.unwrap()?, Message::text("hello"));
        socket.close(None).await?;
        while socket.next().await.is_some() {}
        Ok::<_, Error>(())
    };
    let (served, talked) = tokio::join!(served, client);
    served.unwrap();
    talked.unwrap();
}

#[tokio::test]
async fn no_handshake_is_answered_during_the_drain() {
    let site = Site::talking(Config::default(), idle);
    let mut socket = site.open().await;
    site.server.begin_drain();
    let refused = site.client().get(PATH, HANDSHAKE).await;
    assert_eq!((refused.status(), refused.header("connection")), (503, Some("close")));
    assert_eq!(close_of(&mut socket).await.0, close_codes::GOING_AWAY);
}

#[tokio::test]
async fn over_tcp_frames_join_without_a_hole_up_to_the_close() {
    let site = Site::talking(Config::default(), |mut socket: WebSocket| async move {
        let piece = vec![7; 32 * 1024];
        for number in 0_u64.. {
            if socket.feed_binary(&[&number.to_be_bytes(), &piece]).await.is_err() {
                return;
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    site.server.listen(Listener::tcp(listener, Trust::Granted).unwrap());
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let url = format!("ws://localhost{PATH}");
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let mut count = 0_u64;
    let close = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => {
                assert_eq!((&bytes[..8], bytes.len()), (&count.to_be_bytes()[..], 32 * 1024 + 8));
                count += 1;
            }
            Message::Close(close) => break close.unwrap(),
            _ => {}
        }
        if count == 1000 {
            site.server.begin_drain();
        }
    };
    assert_eq!(u16::from(close.code), close_codes::GOING_AWAY);
    assert!(count >= 1000, "{count}");
    assert!(socket.next().await.is_none());
    assert!(site.server.shutdown(Duration::from_secs(5)).await);
    site.all_gone().await;
}
