//! The live stream of a process as an event stream: over one shared stream, and through a proxy.
//!
//! Sleeps because a paused clock moves on only when everybody waits for it; no time passes.

use std::{convert::Infallible, time::Duration};

use agent_sdk::{
    AgentClient, AgentConn, Config, Error, ProcessStream, ProcessStreamItem, Proxies, Target,
    api::{ErrorCode, GapReason, OutputGap, StreamProcessOutputRequest},
};
use bytes::Bytes;
use futures_util::StreamExt;
use http::Response;
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    peer::{Flag, Peer, SOON, response},
    shared::serve,
    streams::{ID, from, id, printed},
};

const ALL: &str = ": keepalive\n\nevent: output\nid: 3\ndata: {\"from\":0,\"to\":3,\"text\":\"hé\"}\n\n\
    event: of_tomorrow\ndata: {\"type\":\"of_tomorrow\"}\n\n\
    event: output\ndata: {\"from\":3,\"to\":5,\"base64\":\"gP8=\"}\n\n\
    event: gap\ndata: {\"type\":\"gap\",\"from\":5,\"to\":9,\"reason\":\"disk\"}\n\n\
    event: exited\ndata: {\"type\":\"exited\",\"exit_code\":143,\"signal\":\"SIGTERM\",\
    \"exited_at\":\"2026-01-31T12:01:00.000Z\"}\n\n\
    event: closed\ndata: {\"type\":\"closed\",\"end_bytes\":9}\n\n";

fn event_stream(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(Full::new(body.into())).unwrap()
}

async fn items(mut stream: ProcessStream) -> (Vec<ProcessStreamItem>, Option<Error>) {
    let mut items = Vec::new();
    while let Some(item) = timeout(SOON, stream.next()).await.unwrap() {
        match item {
            Ok(item) => items.push(item),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return (items, Some(error));
            }
        }
    }
    (items, None)
}

async fn stream_of(body: &str) -> (Vec<ProcessStreamItem>, Option<Error>) {
    let body = Bytes::from(body.to_owned());
    let (near, _tasks) = serve(move |_| {
        let body = body.clone();
        async move { event_stream(body) }
    });
    let client = AgentClient::from_stream(near);
    items(client.stream_process_output(id(), from(0)).await.unwrap()).await
}

fn check_all(items: &[ProcessStreamItem]) {
    let [first, second, gap, exited, closed] = items else { panic!("{items:?}") };
    assert_eq!(*first, printed(0, "hé"));
    assert_eq!(*second, printed(3, &b"\x80\xff"[..]));
    let lost = OutputGap { from: 5, to: 9, reason: GapReason::Disk };
    assert_eq!(*gap, ProcessStreamItem::Gap(lost));
    assert!(matches!(exited, ProcessStreamItem::Exited(exit)
        if exit.exit_code == 143 && exit.signal.as_deref() == Some("SIGTERM")));
    assert_eq!(*closed, ProcessStreamItem::Closed { end_bytes: 9 });
}

#[tokio::test]
async fn a_shared_stream_carries_events() {
    let (tx, mut requests) = mpsc::unbounded_channel();
    let (near, _tasks) = serve(move |request| {
        tx.send(request.into_parts().0).unwrap();
        async { event_stream(ALL) }
    });
    let client = AgentClient::from_stream(near);
    let stream = client.stream_process_output(id(), from(7)).await.unwrap();
    // It begins elsewhere than was asked for.
    let (found, error) = items(stream).await;
    assert!(found.is_empty() && matches!(error, Some(Error::Protocol { .. })));
    let request = requests.recv().await.unwrap();
    let path = format!("/api/v0/processes/{ID}/output/stream?from=7");
    assert_eq!(request.uri.path_and_query().unwrap().as_str(), path);
    assert_eq!(request.headers["accept"], "text/event-stream");

    let (found, error) = stream_of(ALL).await;
    assert!(error.is_none(), "{error:?}");
    check_all(&found);
}

#[tokio::test]
async fn a_proxy_that_reads_requests_carries_events_on_a_connection_of_its_own() {
    let (tx, mut requests) = mpsc::unbounded_channel();
    let proxy = Peer::start(move |_, mut conn| {
        let tx = tx.clone();
        async move {
            tx.send(conn.request().await.unwrap()).unwrap();
            let head = "Content-Type: text/event-stream; charset=utf-8\r\n";
            conn.send(response("200 OK", head, ALL)).await;
            conn.gone().await;
        }
    })
    .await;
    let all = Some(format!("http://{}", proxy.address));
    let proxies = Proxies { all, ..Proxies::default() };
    let target: Target = "http://agent.invalid:4040".parse().unwrap();
    let client = AgentClient::connect(target.with_proxies(proxies), Config::default()).unwrap();
    let (found, error) = items(client.stream_process_output(id(), from(0)).await.unwrap()).await;
    assert!(error.is_none(), "{error:?}");
    check_all(&found);
    let line = requests.recv().await.unwrap().line;
    assert!(line.starts_with("GET http://agent.invalid:4040/api/v0/processes/"), "{line}");
}

#[tokio::test]
async fn an_answer_other_than_events_is_refused() {
    let (near, _tasks) = serve(|_| async {
        let body = r#"{"message": "no"}"#;
        Response::builder().status(404).body(Full::new(Bytes::from(body))).unwrap()
    });
    let call = async { AgentClient::from_stream(near).stream_process_output(id(), from(0)).await };
    assert_eq!(call.await.unwrap_err().code(), ErrorCode::NotFound);
    let (near, _tasks) = serve(|_| async { Response::new(Full::new(Bytes::from("{}"))) });
    let call = async { AgentClient::from_stream(near).stream_process_output(id(), from(0)).await };
    assert!(matches!(call.await.unwrap_err(), Error::Protocol { .. }));
}

#[tokio::test]
async fn events_that_end_or_do_not_join_are_an_error() {
    let output = "event: output\ndata: {\"from\":0,\"to\":2,\"text\":\"ab\"}\n\n";
    let (found, error) = stream_of(output).await;
    assert_eq!(found, [printed(0, "ab")]);
    assert!(matches!(error, Some(Error::Closed { code: None, .. })), "{error:?}");
    for wrong in [
        r#"output|{"from":3,"to":4,"text":"c"}"#,
        r#"output|{"from":2,"to":4,"text":"c"}"#,
        r#"output|{"from":2,"to":2,"text":""}"#,
        r#"output|{"from":2,"to":3}"#,
        r#"output|{"from":2,"to":3,"text":"c","base64":"Yw=="}"#,
        r#"output|{"from":2,"to":3,"base64":"?"}"#,
        r#"output|{"from":2,"to":"#,
        r#"gap|{"from":3,"to":4,"reason":"quota"}"#,
        r#"closed|{"type":"closed","end_bytes":3}"#,
        r#"closed|{"type":"gap","from":2,"to":3,"reason":"quota"}"#,
    ] {
        let (name, data) = wrong.split_once('|').unwrap();
        let (found, error) = stream_of(&format!("{output}event: {name}\ndata: {data}\n\n")).await;
        assert_eq!(found.len(), 1, "{wrong}");
        assert!(matches!(error, Some(Error::Protocol { .. })), "{wrong}: {error:?}");
    }
}

#[tokio::test]
async fn an_event_over_the_limit_is_too_large() {
    let (near, _tasks) = serve(|_| async { event_stream("data: 0123456789\n".repeat(8)) });
    let config = Config { max_message_bytes: 64, ..Config::default() };
    let client = AgentClient::from_stream_with(near, config).unwrap();
    let (_, error) = items(client.stream_process_output(id(), from(0)).await.unwrap()).await;
    assert!(matches!(error, Some(Error::TooLarge { limit_bytes: 64 })), "{error:?}");
}

/// A client whose peer sends what the test sends, and a flag for when the peer is left.
fn by_hand() -> (AgentClient, mpsc::Sender<Bytes>, Flag, tokio::task::JoinSet<()>) {
    struct Leaves(mpsc::Receiver<Bytes>, Flag);
    impl Drop for Leaves {
        fn drop(&mut self) {
            self.1.raise();
        }
    }
    let (tx, rx) = mpsc::channel(1);
    let left = Flag::new();
    let rest = std::sync::Mutex::new(Some(Leaves(rx, left.clone())));
    let (near, tasks) = serve(move |_| {
        let rest = rest.lock().unwrap().take().unwrap();
        async move {
            let chunks = futures_util::stream::unfold(rest, |mut rest| async move {
                let chunk = rest.0.recv().await?;
                Some((Ok::<_, Infallible>(Frame::data(chunk)), rest))
            });
            let response = Response::builder().header("content-type", "text/event-stream");
            response.body(StreamBody::new(chunks)).unwrap()
        }
    });
    (AgentClient::from_stream(near), tx, left, tasks)
}

#[tokio::test]
async fn events_may_be_cut_anywhere() {
    let (client, tx, _, _tasks) = by_hand();
    let request = StreamProcessOutputRequest::default();
    let stream = client.stream_process_output(id(), request).await.unwrap();
    let send = async {
        for byte in ALL.bytes() {
            tx.send(Bytes::copy_from_slice(&[byte])).await.unwrap();
        }
    };
    let ((found, error), ()) = tokio::join!(items(stream), send);
    assert!(error.is_none(), "{error:?}");
    check_all(&found);
}

#[tokio::test]
async fn dropping_events_ends_them_at_once_and_close_too() {
    for closes in [false, true] {
        let (client, tx, left, _tasks) = by_hand();
        let request = StreamProcessOutputRequest::default();
        let mut stream = client.stream_process_output(id(), request).await.unwrap();
        tx.send(Bytes::from("event: output\ndata: {\"from\":0,\"to\":1,\"text\":\"x\"}\n\n"))
            .await
            .unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), printed(0, "x"));
        if closes {
            client.close();
            let error = timeout(SOON, stream.next()).await.unwrap().unwrap().unwrap_err();
            assert!(matches!(error, Error::Closed { code: None, .. }), "{error:?}");
        } else {
            drop(stream);
        }
        left.raised_at_once().await;
    }
}

#[tokio::test]
async fn silent_events_are_given_up_and_keepalives_are_not_silence() {
    let (client, tx, _, _tasks) = by_hand();
    let request = StreamProcessOutputRequest::default();
    let mut stream = client.stream_process_output(id(), request).await.unwrap();
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    let keep = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(40)).await;
            tx.send(Bytes::from(": keepalive\n\n")).await.unwrap();
        }
    };
    let (error, ()) = tokio::join!(stream.next(), keep);
    let error = error.unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed { code: None, .. }), "{error:?}");
    let (least, most) = (Duration::from_secs(164), Duration::from_secs(167));
    assert!((least..most).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}
