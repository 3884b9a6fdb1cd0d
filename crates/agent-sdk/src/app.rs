//! Requests to an HTTP server of the workspace, each over a tunnel of its own; not those to the agent
//! itself.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderValue, Method, Request, Response, Uri, header, uri::Authority};
use http_body::Body;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;

use crate::{
    AgentConn, ByteStream, DialStream, Error,
    client::{Upload, content_length, lost},
};

const OPERATION: &str = "app_http_client";

/// Answer of [`app_http_client`](AgentConn::app_http_client): a client of what listens on one port of
/// the workspace.
///
/// Each request has a connection of its own, through [`dial`](AgentConn::dial), and dropping its
/// future or the body of its answer closes that. The agent's token and extra headers are not sent,
/// redirects are answers like others, and nothing is taken from the environment.
#[derive(Clone)]
pub struct AppHttpClient {
    agent: Arc<dyn AgentConn>,
    port: u16,
}

impl AppHttpClient {
    /// Makes a client of a port; sends nothing.
    pub fn new(agent: Arc<dyn AgentConn>, port: u16) -> Self {
        Self { agent, port }
    }

    /// Sends a request, and gives the answer as soon as its head is there, whatever its status.
    ///
    /// The URL's scheme is `http`, its host `localhost`, `127.0.0.1` or `[::1]`, and its port missing or
    /// that of this client. A body of known length is announced with it, any other is sent in chunks.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for another URL and for `CONNECT`, before anything is dialed; those
    /// of [`dial`](AgentConn::dial); [`Error::Closed`] when the connection ends before the head, or in
    /// the body; [`Error::Protocol`] for what is no HTTP; whatever ended the request's body early.
    pub async fn request(
        &self,
        request: Request<ByteStream>,
    ) -> Result<Response<ByteStream>, Error> {
        let request = self.prepare(request)?;
        let progress = request.body().progress();
        let stream = self.agent.dial(self.port).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
        let mut exchange = Exchange { connection: Some(connection) };
        let mut response = std::pin::pin!(sender.send_request(request));
        let response = poll_fn(|ctx| {
            // What the connection ends with reaches the response, too.
            let _ = exchange.poll(ctx);
            response.as_mut().poll(ctx)
        });
        let response = response.await.map_err(|error| {
            let why = || agent_api::causes(Some(&error)).unwrap_or_default();
            let failed = if error.is_parse() {
                Error::protocol(OPERATION, why())
            } else {
                Error::closed(why())
            };
            progress.take_failure().unwrap_or(failed)
        })?;
        let length = content_length(response.headers());
        Ok(response
            .map(|body| ByteStream::from_stream(AppBody { body, exchange }).with_length(length)))
    }

    /// Checks the URL and turns it into what an HTTP/1.1 server is sent.
    fn prepare(&self, request: Request<ByteStream>) -> Result<Request<Upload>, Error> {
        let (mut head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            return Err(Error::invalid("`CONNECT` is no request to a server"));
        }
        let authority = self.check(&head.uri)?;
        if !head.headers.contains_key(header::HOST) {
            let host = HeaderValue::from_str(authority.as_str())
                .map_err(|_| Error::invalid("the host of the URL is malformed"))?;
            head.headers.insert(header::HOST, host);
        }
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri =
            Uri::try_from(path).map_err(|_| Error::invalid("the path of the URL is malformed"))?;
        head.version = http::Version::HTTP_11;
        Ok(Request::from_parts(head, Upload::stream(body)))
    }

    fn check(&self, uri: &Uri) -> Result<Authority, Error> {
        let refuse = |why: String| Err(Error::invalid(format!("the URL `{uri}` {why}")));
        if uri.scheme_str() != Some("http") {
            return refuse("does not begin with `http://`".to_owned());
        }
        let Some(authority) = uri.authority() else { return refuse("has no host".to_owned()) };
        if authority.as_str().contains('@') {
            return Err(Error::invalid("the URL has a user in it, which no server is sent"));
        }
        let host = authority.host();
        if !(host.eq_ignore_ascii_case("localhost") || matches!(host, "127.0.0.1" | "[::1]")) {
            return refuse("leads to another host than this workspace".to_owned());
        }
        let written = &authority.as_str()[host.len()..];
        if !written.is_empty() && authority.port_u16() != Some(self.port) {
            return refuse(format!("leads to another port than {}", self.port));
        }
        Ok(authority.clone())
    }
}

impl fmt::Debug for AppHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppHttpClient").field("port", &self.port).finish_non_exhaustive()
    }
}

/// The connection of one request, which moves while its answer is waited for and read.
struct Exchange {
    /// `None` when it has ended.
    connection: Option<http1::Connection<TokioIo<DialStream>, Upload>>,
}

impl Exchange {
    fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        if let Some(connection) = &mut self.connection {
            let _ended = ready!(Pin::new(connection).poll(ctx));
            self.connection = None;
        }
        Poll::Ready(())
    }
}

/// The body of an answer, and the connection that it comes over.
struct AppBody {
    body: Incoming,
    exchange: Exchange,
}

impl Stream for AppBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let _ = self.exchange.poll(ctx);
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(ctx)) {
                // Trailers are left out.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Poll::Ready(Some(Ok(bytes))),
                    _ => {}
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(lost(&error)))),
                None => return Poll::Ready(None),
            }
        }
    }
}
