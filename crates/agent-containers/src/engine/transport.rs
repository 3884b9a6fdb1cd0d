//! One HTTP exchange with the engine, each on a connection of its own; what is asked is no matter
//! here.
//!
//! A connection per request costs little on a Unix socket, and none is left that a restarted engine
//! does not know.

use std::io;

use bollard::{BollardRequest, errors::Error};
use hyper::{
    Response, Uri,
    body::Incoming,
    client::conn::http1,
    header::{HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_util::task::TaskTracker;

use super::address::Address;

/// The way to an engine.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    pub(super) address: Address,
    /// Holds the connections; each ends with the request or the answer that is let go.
    pub(super) tasks: TaskTracker,
}

impl Transport {
    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(&self, request: BollardRequest) -> Result<Response<Incoming>, Error> {
        match &self.address {
            Address::Unix(path) => self.over(UnixStream::connect(path).await?, request).await,
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                self.over(stream, request).await
            }
        }
    }

    async fn over<S>(
        &self,
        stream: S,
        mut request: BollardRequest,
    ) -> Result<Response<Incoming>, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let host = match &self.address {
            Address::Unix(_) => HeaderValue::from_static("localhost"),
            Address::Tcp { .. } => {
                let text = self.address.to_string();
                HeaderValue::from_str(text.trim_start_matches("tcp://"))
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?
            }
        };
        request.headers_mut().insert(HOST, host);
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn(async move {
            // What ends a connection is told by its request.
            let _ = connection.with_upgrades().await;
        });
        Ok(sender.send_request(request).await?)
    }
}
