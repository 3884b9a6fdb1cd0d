//! The routes in somebody else's server: a bare hyper connection, nothing of the agent's around.

use agent_api::{
    FRAME_HEADER_BYTES, GetProcessOutputRequest, ProcessStreamMessage, StartProcessResponse,
    WaitFor, close_codes,
};
use agent_proc::http::routes;
use futures_util::StreamExt;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::fixture::{Fixture, LONG, wait_for, with};

/// Serves one connection of a foreign server while a client uses its other end.
async fn served<T>(f: &Fixture, client: impl AsyncFnOnce(DuplexStream) -> T) -> T {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let service = TowerToHyperService::new(routes(f.processes.clone()));
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(far), service)
        .with_upgrades();
    let (_, answer) = tokio::join!(connection, client(near));
    answer
}

#[test]
fn a_foreign_server_starts_processes() {
    with(|f| async move {
        let body = json!({"command": "echo hi"}).to_string();
        let length = body.len();
        let request = format!(
            "POST /processes/start HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let answer = served(&f, async |mut near: DuplexStream| {
            near.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            near.read_to_string(&mut answer).await.unwrap();
            answer
        })
        .await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let started: StartProcessResponse = serde_json::from_str(body).unwrap();
        assert_eq!(f.at_close(started.id).await.output, "hi\n");
    });
}

/// What a WebSocket said until its close: the bytes, the messages, and the code.
async fn read(
    mut socket: WebSocketStream<DuplexStream>,
    from: u64,
) -> (Vec<u8>, Vec<ProcessStreamMessage>, u16) {
    let (mut bytes, mut messages) = (Vec::new(), Vec::new());
    loop {
        match timeout(LONG, socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Binary(frame) => {
                let (head, more) = frame.split_at(FRAME_HEADER_BYTES);
                let offset = u64::from_be_bytes(head.try_into().unwrap());
                assert_eq!(offset, from + bytes.len() as u64);
                assert!((1..=32_768).contains(&more.len()));
                bytes.extend_from_slice(more);
            }
            Message::Text(text) => messages.push(serde_json::from_str(&text).unwrap()),
            Message::Close(close) => return (bytes, messages, close.unwrap().code.into()),
            _ => {}
        }
    }
}

#[test]
fn a_foreign_server_streams_output_over_a_websocket() {
    with(|f| async move {
        let id = f.start(json!({"command": "head -c 1000000 /dev/zero; exit 3"})).await;
        let req = GetProcessOutputRequest { from: Some(5), ..wait_for(WaitFor::Output) };
        f.output(id, req).await.unwrap();
        let url = format!("ws://other/processes/{id}/output/stream?from=5");
        let (bytes, messages, code) = served(&f, async |near| {
            let (socket, response) = client_async(url, near).await.unwrap();
            assert!(response.headers().get("sec-websocket-extensions").is_none());
            read(socket, 5).await
        })
        .await;
        assert_eq!((bytes.len(), code), (999_995, close_codes::COMPLETE));
        let [ProcessStreamMessage::Exited(exited), ProcessStreamMessage::Closed { end_bytes }] =
            &messages[..]
        else {
            panic!("{messages:?}")
        };
        assert_eq!((exited.exit_code, *end_bytes), (3, 1_000_000));
    });
}

#[test]
fn a_delete_closes_a_websocket_with_its_code() {
    with(|f| async move {
        let id = f.start(json!({"command": "echo a; exec sleep 300"})).await;
        let url = format!("ws://other/processes/{id}/output/stream");
        let (_, _, code) = served(&f, async |near| {
            let (socket, _) = client_async(url, near).await.unwrap();
            let deletes = async { f.delete(id).await.unwrap() };
            let (read, _) = tokio::join!(read(socket, 0), deletes);
            read
        })
        .await;
        assert_eq!(code, close_codes::DELETED);
    });
}
