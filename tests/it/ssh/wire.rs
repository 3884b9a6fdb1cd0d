//! Servers and conversations that forwarded connections lead to.

#![expect(clippy::disallowed_methods, reason = "servers of a test, which end with its runtime")]

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(60);

/// A server that sends back what it gets, until the client ends its half.
pub(crate) async fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    port
}

/// A port that nobody listens on.
pub(crate) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Sends, ends its half, and reads to the end.
pub(crate) async fn exchange(stream: impl AsyncRead + AsyncWrite, sent: &[u8]) -> Vec<u8> {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut received = Vec::new();
    let send = async {
        write.write_all(sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let both = async { tokio::join!(send, read.read_to_end(&mut received)) };
    timeout(LIMIT, both).await.unwrap().1.unwrap();
    received
}
