//! Contents on their way: large ones, broken ones, and answers that come before their end.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use agent_sdk::{
    AgentConn, ByteStream, Error,
    api::{ErrorCode, ReadFileRequest, WriteFileRequest},
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{io::AsyncReadExt, time::timeout};

use crate::peer::{Flag, Peer, SOON, response};

const CHUNK: usize = 64 * 1024;
const WRITTEN: &str = r#"{"message": "written", "etag": "0123456789abcdef", "size_bytes": 7,
    "created": true, "in_place": false}"#;

fn read() -> ReadFileRequest {
    ReadFileRequest { path: "/a".into(), ..Default::default() }
}

fn write() -> WriteFileRequest {
    WriteFileRequest { path: "/a".into(), ..Default::default() }
}

/// A body of `count` chunks of zeros, and how many bytes were taken of it.
fn zeros(count: usize) -> (ByteStream, Arc<AtomicU64>) {
    let taken = Arc::<AtomicU64>::default();
    let counter = Arc::clone(&taken);
    let chunk = Bytes::from(vec![0; CHUNK]);
    let chunks = futures_util::stream::repeat_with(move || {
        counter.fetch_add(CHUNK as u64, Ordering::SeqCst);
        Ok(chunk.clone())
    });
    (ByteStream::from_stream(chunks.take(count)), taken)
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error_and_no_short_content() {
    for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let peer = Peer::start(move |_, mut conn| async move {
            conn.request().await;
            let rest = if head.contains("chunked") { "3\r\nabc\r\n" } else { "abc" };
            conn.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{rest}")).await;
        })
        .await;
        let mut body = peer.client().read_file(read()).await.unwrap().body;
        assert_eq!(body.next().await.unwrap().unwrap(), "abc", "{head}");
        let error = body.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Closed { .. }), "{head}: {error:?}");
        assert!(body.next().await.is_none(), "nothing follows an error");

        let error = peer.client().read_file(read()).await.unwrap().body.collect(100).await;
        assert!(matches!(error, Err(Error::Closed { .. })), "{head}: {error:?}");
    }
}

#[tokio::test]
async fn a_large_download_arrives_whole() {
    const CHUNKS: usize = 2048;
    let peer = Peer::start(|_, mut conn| async move {
        conn.request().await;
        let length = CHUNKS * CHUNK;
        conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).await;
        for n in 0..CHUNKS {
            conn.send(vec![u8::try_from(n % 251).unwrap(); CHUNK]).await;
        }
    })
    .await;
    let content = peer.client().read_file(read()).await.unwrap();
    assert_eq!(content.length, Some((CHUNKS * CHUNK) as u64));
    let mut reader = content.body.into_reader();
    let mut chunk = vec![0; CHUNK];
    for n in 0..CHUNKS {
        reader.read_exact(&mut chunk).await.unwrap();
        let expected = u8::try_from(n % 251).unwrap();
        assert!(chunk.iter().all(|byte| *byte == expected), "chunk {n}");
    }
    assert_eq!(reader.read(&mut chunk).await.unwrap(), 0);
}

#[tokio::test]
async fn a_large_upload_arrives_whole() {
    const CHUNKS: usize = 2048;
    let peer = Peer::start(|_, mut conn| async move {
        let request = conn.request().await.unwrap();
        let is_whole = request.body.len() == CHUNKS * CHUNK && request.body.iter().all(|b| *b == 0);
        let status = if is_whole { "200 OK" } else { "500 x" };
        conn.send(response(status, "", WRITTEN)).await;
    })
    .await;
    let (body, _) = zeros(CHUNKS);
    let written = peer.client().write_file(write(), body).await.unwrap();
    assert!(written.created && !written.in_place);
}

#[tokio::test]
async fn a_peer_that_does_not_read_slows_the_source_down() {
    let resume = Flag::new();
    let may_resume = resume.clone();
    let peer = Peer::start(move |_, mut conn| {
        let may_resume = may_resume.clone();
        async move {
            conn.head().await.unwrap();
            may_resume.raised().await;
            while conn.takes_some().await {}
        }
    })
    .await;
    let client = peer.client();
    let (body, taken) = zeros(usize::MAX);
    let mut call = client.write_file(write(), body);
    // The system's socket buffers and one of the client's own are all that fills up.
    const MOST: u64 = 16 * 1024 * 1024;
    let mut before = 0;
    while before == 0 || before != taken.load(Ordering::SeqCst) {
        before = taken.load(Ordering::SeqCst);
        assert!(timeout(std::time::Duration::from_millis(50), &mut call).await.is_err());
    }
    assert!(before < MOST, "{before} bytes were taken");
    resume.raise();
    while taken.load(Ordering::SeqCst) < 4 * MOST {
        assert!(timeout(std::time::Duration::from_millis(1), &mut call).await.is_err());
    }
}

#[tokio::test]
async fn a_caller_that_does_not_read_slows_the_peer_down() {
    let sent = Arc::<AtomicU64>::default();
    let counter = Arc::clone(&sent);
    let peer = Peer::start(move |_, mut conn| {
        let counter = Arc::clone(&counter);
        async move {
            conn.request().await;
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n").await;
            loop {
                conn.send(vec![0; CHUNK]).await;
                counter.fetch_add(CHUNK as u64, Ordering::SeqCst);
            }
        }
    })
    .await;
    let mut body = peer.client().read_file(read()).await.unwrap().body;
    const MOST: u64 = 32 * 1024 * 1024;
    let stands = async {
        let mut before = 0;
        while before == 0 || before != sent.load(Ordering::SeqCst) {
            before = sent.load(Ordering::SeqCst);
            let wait = std::time::Duration::from_millis(50);
            let _ = timeout(wait, std::future::pending::<()>()).await;
        }
        before
    };
    let before = timeout(SOON, stands).await.unwrap();
    assert!(before < MOST, "{before} bytes were sent");
    let mut read = 0;
    while read < 4 * MOST {
        read += body.next().await.unwrap().unwrap().len() as u64;
    }
}

/// Uploads without end to a peer that answers after `head` alone and then does as `after` says.
async fn refused_early(status: &'static str, closes: bool) -> Error {
    let refusal = response(status, "", r#"{"message": "precondition failed"}"#);
    let peer = Peer::start(move |_, mut conn| {
        let refusal = refusal.clone();
        async move {
            conn.head().await.unwrap();
            conn.send(refusal).await;
            // Closing with unread bytes in the socket makes the system send a reset.
            if !closes {
                conn.gone().await;
            }
        }
    })
    .await;
    let (body, _) = zeros(usize::MAX);
    let error = timeout(SOON, peer.client().write_file(write(), body)).await.unwrap();
    error.unwrap_err()
}

#[tokio::test]
async fn an_answer_before_the_end_of_an_upload_is_the_result() {
    for (status, code) in [
        ("409 Conflict", ErrorCode::Conflict),
        ("413 Content Too Large", ErrorCode::TooLarge),
        ("403 Forbidden", ErrorCode::PermissionDenied),
        ("400 Bad Request", ErrorCode::InvalidArgument),
    ] {
        // The reset may overtake or be overtaken, so once is not enough.
        for nth in 0..25 {
            for closes in [true, false] {
                let error = refused_early(status, closes).await;
                assert_eq!(error.code(), code, "{nth} {closes}: {error:?}");
                let expected = "write_file: precondition failed";
                assert_eq!(error.to_string(), expected, "{nth} {closes}");
            }
        }
    }
}

#[tokio::test]
async fn a_connection_with_an_unfinished_upload_is_not_used_again() {
    let (peer, count) = {
        let count = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&count);
        let peer = Peer::start(move |_, mut conn| {
            let counter = Arc::clone(&counter);
            async move {
                counter.fetch_add(1, Ordering::SeqCst);
                conn.head().await.unwrap();
                conn.send(response("409 x", "", r#"{"message": "m"}"#)).await;
                conn.gone().await;
            }
        })
        .await;
        (peer, count)
    };
    let client = peer.client();
    for _ in 0..2 {
        let endless = ByteStream::from_stream(futures_util::stream::pending());
        let error = client.write_file(write(), endless).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Conflict);
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_error_of_a_source_is_the_result_and_the_upload_does_not_end_well() {
    let ended = Flag::new();
    let raise = ended.clone();
    let peer = Peer::start(move |_, mut conn| {
        let raise = raise.clone();
        async move {
            assert!(conn.request().await.is_none(), "the body has no end");
            raise.raise();
        }
    })
    .await;
    let chunks = futures_util::stream::iter([
        Ok(Bytes::from_static(b"abc")),
        Err(Error::InvalidArgument { detail: "the source broke".to_owned() }),
    ]);
    let error = peer.client().write_file(write(), ByteStream::from_stream(chunks)).await;
    match error {
        Err(Error::InvalidArgument { detail }) => assert_eq!(detail, "the source broke"),
        other => panic!("{other:?}"),
    }
    ended.raised().await;
}

#[tokio::test]
async fn an_upload_has_a_length_when_its_source_has_one() {
    let (peer, mut requests) = Peer::recording(WRITTEN).await;
    let client = peer.client();
    for (body, length) in [
        (ByteStream::from("content"), Some("7")),
        (ByteStream::empty(), Some("0")),
        (ByteStream::from(b"content".to_vec()), Some("7")),
        (ByteStream::from_reader(&b"content"[..]), None),
    ] {
        client.write_file(write(), body).await.unwrap();
        let request = requests.recv().await.unwrap();
        assert_eq!(request.header("content-length"), length);
        assert_eq!(request.header("content-type"), Some("application/octet-stream"));
        let expected = if length == Some("0") { "" } else { "content" };
        assert_eq!(request.body, expected.as_bytes());
    }
    assert_eq!(peer.accepted(), 1, "complete uploads leave the connection in order");
}

#[tokio::test]
async fn a_stream_is_collected_up_to_a_limit() {
    let chunks = |count: usize| {
        ByteStream::from_stream(futures_util::stream::iter(vec![Bytes::from("abc"); count]).map(Ok))
    };
    for (count, expected) in [(0, ""), (1, "abc"), (3, "abcabcabc")] {
        assert_eq!(chunks(count).collect(9).await.unwrap(), expected);
    }
    let error = chunks(4).collect(11).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_bytes: 11 }), "{error:?}");
}

#[tokio::test]
async fn a_broken_download_keeps_its_error_as_a_reader() {
    let peer = Peer::answering(response("200 OK", "", "abc")).await;
    let body = peer.client().read_file(read()).await.unwrap().body;
    let mut text = String::new();
    body.into_reader().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "abc");

    let failing = ByteStream::from_stream(futures_util::stream::iter([
        Ok(Bytes::from("ab")),
        Err(Error::Closed { code: None, reason: "gone".to_owned() }),
    ]));
    let error = failing.into_reader().read_to_string(&mut text).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("gone"), "{error}");
}
