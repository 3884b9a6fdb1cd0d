//! A client over one in-memory stream: calls still run at the same time, and one that is dropped
//! takes nothing with it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use agent_sdk::{
    AgentClient, AgentConn, ByteStream, Config, Error, PingPath,
    api::{ErrorCode, MakeDirectoryRequest, ReadFileRequest, WriteFileRequest},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{io::DuplexStream, sync::mpsc, task::JoinSet, time::timeout};

use crate::peer::{Flag, SOON};

type Reply = Response<Full<Bytes>>;

/// Serves HTTP/2 on the other end of a stream.
pub(crate) fn serve<F, B>(
    service: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
) -> (DuplexStream, JoinSet<()>)
where
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let (near, far) = tokio::io::duplex(64 * 1024);
    let service = Arc::new(service);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let service = service_fn(move |request| {
            let service = Arc::clone(&service);
            async move { Ok::<_, Infallible>(service(request).await) }
        });
        let server = http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(far), service).await;
    });
    (near, tasks)
}

fn reply(status: u16, body: &str) -> Reply {
    let body = Full::new(Bytes::from(body.to_owned()));
    Response::builder().status(status).body(body).unwrap()
}

fn make() -> MakeDirectoryRequest {
    MakeDirectoryRequest { path: "/a".into(), mode: None }
}

#[tokio::test]
async fn calls_over_one_stream_run_at_the_same_time() {
    let second = Flag::new();
    let raise = second.clone();
    let (stream, _tasks) = serve(move |request| {
        let second = raise.clone();
        async move {
            match request.uri().path() {
                "/" => second.raised().await,
                _ => second.raise(),
            }
            reply(200, r#"{"message": "hello", "path": "/a", "created": true}"#)
        }
    });
    let client = AgentClient::from_stream(stream);
    // The greeting is answered only when the directory was asked for, which is later.
    let calls = async { tokio::join!(client.get_greeting(), client.make_directory(make())) };
    let (greeting, made) = timeout(SOON, calls).await.unwrap();
    assert_eq!(greeting.unwrap().message, "hello");
    assert!(made.unwrap().created);
}

#[tokio::test]
async fn a_request_names_a_host_that_a_local_agent_accepts() {
    let (tx, mut requests) = mpsc::unbounded_channel();
    let (stream, _tasks) = serve(move |request| {
        let tx = tx.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            tx.send((parts, body)).unwrap();
            reply(200, r#"{"state": "ready", "path": "/a", "created": true}"#)
        }
    });
    let extra_headers = agent_sdk::headers_from([("x-a", "1")]).unwrap();
    let config = Config { extra_headers, ..Config::default() };
    let client = AgentClient::from_stream_with(stream, config).unwrap();
    assert_eq!(client.ping().await.unwrap().path, PingPath::Local);
    let (parts, _) = requests.recv().await.unwrap();
    assert_eq!(parts.uri.authority().unwrap(), "localhost");
    assert_eq!(parts.headers["x-a"], "1");
    assert!(parts.headers.get("authorization").is_none());
    client.make_directory(make()).await.unwrap();
    let (_, body) = requests.recv().await.unwrap();
    assert_eq!(body, r#"{"path":"/a"}"#);
}

#[tokio::test]
async fn a_dropped_call_ends_alone() {
    let (reached, left) = (Flag::new(), Flag::new());
    let flags = (reached.clone(), left.clone());
    let (stream, _tasks) = serve(move |request| {
        let (reached, left) = flags.clone();
        async move {
            if request.uri().path() == "/" {
                let _left = Defer(left);
                reached.raise();
                std::future::pending::<()>().await;
            }
            reply(200, r#"{"path": "/a", "created": true}"#)
        }
    });
    let client = AgentClient::from_stream(stream);
    let mut call = client.get_greeting();
    tokio::select! {
        _ = &mut call => unreachable!("nobody answers"),
        () = reached.raised() => {}
    }
    drop(call);
    left.raised_at_once().await;
    assert!(client.make_directory(make()).await.unwrap().created);
}

/// Raises a flag when the server drops what it does.
struct Defer(Flag);

impl Drop for Defer {
    fn drop(&mut self) {
        self.0.raise();
    }
}

#[tokio::test]
async fn a_first_call_that_is_dropped_does_not_take_the_stream_with_it() {
    let (stream, _tasks) = serve(|_| async { reply(200, r#"{"message": "hello"}"#) });
    let client = AgentClient::from_stream(stream);
    assert!(client.get_greeting().now_or_never().is_none());
    assert_eq!(timeout(SOON, client.get_greeting()).await.unwrap().unwrap().message, "hello");
}

#[tokio::test]
async fn contents_go_both_ways() {
    const CHUNKS: usize = 512;
    let (stream, _tasks) = serve(|request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(Full::new(body))
    });
    let client = AgentClient::from_stream(stream);
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    let body = ByteStream::from_stream(futures_util::stream::iter(vec![chunk; CHUNKS]).map(Ok));
    let write = WriteFileRequest { path: "/a".into(), ..Default::default() };
    // The peer sends the content back, which is no answer of an agent, but shows that all came.
    let error = client.write_file(write, body).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");

    let (stream, _tasks) = serve(|_| async { Response::new(Full::new(vec![7; 32 << 20].into())) });
    let client = AgentClient::from_stream(stream);
    let read = ReadFileRequest { path: "/a".into(), ..Default::default() };
    let mut body = client.read_file(read).await.unwrap().body;
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        length += chunk.unwrap().len();
    }
    assert_eq!(length, 32 << 20);
}

#[tokio::test]
async fn downloads_that_nobody_reads_hold_nothing_up() {
    let (stream, _tasks) = serve(|request| async move {
        match request.uri().path() {
            "/" => reply(200, r#"{"message": "hello"}"#),
            _ => Response::new(Full::new(vec![7; 8 << 20].into())),
        }
    });
    let client = AgentClient::from_stream(stream);
    let mut unread = Vec::new();
    for _ in 0..16 {
        let read = ReadFileRequest { path: "/a".into(), ..Default::default() };
        let mut body = client.read_file(read).await.unwrap().body;
        // Enough to know that the agent has begun to fill the window.
        timeout(SOON, body.next()).await.unwrap().unwrap().unwrap();
        unread.push(body);
    }
    for _ in 0..8 {
        timeout(SOON, client.get_greeting()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_early_answer_to_an_upload_is_the_result() {
    let (stream, _tasks) = serve(|_| async { reply(409, r#"{"message": "precondition"}"#) });
    let client = AgentClient::from_stream(stream);
    for _ in 0..25 {
        let chunk = Bytes::from(vec![0; 64 * 1024]);
        let endless = ByteStream::from_stream(futures_util::stream::repeat(chunk).map(Ok));
        let write = WriteFileRequest { path: "/a".into(), ..Default::default() };
        let error = timeout(SOON, client.write_file(write, endless)).await.unwrap().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Conflict, "{error:?}");
    }
}

#[tokio::test]
async fn the_end_of_the_stream_ends_every_call() {
    let reached = Flag::new();
    let raise = reached.clone();
    let (stream, mut tasks) = serve(move |_| {
        raise.raise();
        std::future::pending::<Reply>()
    });
    let client = AgentClient::from_stream(stream);
    let call = client.get_greeting();
    let end = async {
        reached.raised().await;
        tasks.shutdown().await;
    };
    let (result, ()) = timeout(SOON, async { tokio::join!(call, end) }).await.unwrap();
    assert!(matches!(result, Err(Error::Closed { .. })), "{result:?}");
    let later = timeout(SOON, client.get_greeting()).await.unwrap();
    assert!(matches!(later, Err(Error::Closed { .. })), "{later:?}");
}

#[tokio::test]
async fn close_ends_calls_and_the_stream() {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let client = AgentClient::from_stream(near);
    let call = client.get_greeting();
    let close = async {
        use tokio::io::AsyncReadExt;
        far.read_u8().await.unwrap();
        client.close();
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
    };
    let (result, ()) = timeout(SOON, async { tokio::join!(call, close) }).await.unwrap();
    assert!(matches!(result, Err(Error::Closed { code: None, .. })), "{result:?}");
}

#[tokio::test]
async fn a_stream_that_nobody_reads_ends_after_the_time_for_connections() {
    let (near, _far) = tokio::io::duplex(8);
    let after = Duration::from_millis(50);
    let config = Config { connect_timeout: after, ..Config::default() };
    let client = AgentClient::from_stream_with(near, config).unwrap();
    let error = timeout(SOON, client.get_greeting()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Timeout { after: passed, .. } if passed == after), "{error:?}");
}
