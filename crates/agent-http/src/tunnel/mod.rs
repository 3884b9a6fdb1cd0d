//! A connection that stops being HTTP and becomes a plain byte stream (RFC 9110 section 7.8); what
//! the bytes mean is the handler's matter.

mod stream;

use std::{convert::Infallible, sync::Arc, time::Duration};

use agent_api::{Classify, ErrorCode};
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, Version, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use tracing::{Instrument, info_span};

pub use stream::{TunnelReader, TunnelStream, TunnelWriter};

use crate::serve::StreamHost;

/// Longest time from the answer 101 to the stream being ours.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that may ask for a tunnel.
///
/// Extracted from every request, so that the operation decides which of its checks comes when;
/// [`Tunnel::to`] checks what the request asks for. Nothing happens until the handler answers with
/// [`Tunnel::on`] or [`Tunnel::hand_over`].
pub struct Tunnel {
    /// `None` when the request asks for no upgrade, or cannot have one.
    upgrade: Option<OnUpgrade>,
    /// The value of `Upgrade`, if there is exactly one.
    protocol: Option<HeaderValue>,
    host: StreamHost,
}

/// Why a request can have no tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TunnelError {
    /// It does not ask for an upgrade, or not by `GET` over HTTP/1.1.
    Missing {
        /// The protocol of the route.
        protocol: &'static str,
    },
    /// It asks for something else.
    Invalid {
        /// The protocol of the route.
        protocol: &'static str,
    },
}

impl Tunnel {
    /// Checks that the request asks for an upgrade to this one protocol, in any case.
    ///
    /// # Errors
    ///
    /// [`TunnelError::Missing`] without `Upgrade` or without `Connection: Upgrade`, over another
    /// version than HTTP/1.1 and with another method than `GET`; then [`TunnelError::Invalid`].
    pub fn to(self, protocol: &'static str) -> Result<Self, TunnelError> {
        if self.upgrade.is_none() {
            return Err(TunnelError::Missing { protocol });
        }
        let is_this =
            |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(protocol.as_bytes());
        if !self.protocol.as_ref().is_some_and(is_this) {
            return Err(TunnelError::Invalid { protocol });
        }
        Ok(Self { protocol: Some(HeaderValue::from_static(protocol)), ..self })
    }

    /// Answers 101 and runs `talk` with the stream, as a task of the server that counts as an open
    /// request.
    ///
    /// At the server's stop it goes on like an open request, until its end or until the server
    /// cuts what is left; then the future is dropped at its await. It is dropped without having run
    /// if the client is gone before the answer.
    pub fn on<F, T>(self, talk: F) -> Response
    where
        F: FnOnce(TunnelStream) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let streams = Arc::clone(&self.host.streams);
        let open = streams.requests.as_ref().map(|requests| requests.open());
        let (abort, response) = (streams.abort.clone(), self.response());
        let work = async move {
            if let Some(stream) = self.stream().await {
                Box::pin(talk(stream)).await;
            }
            drop(open);
        };
        streams.tasks.spawn(async move { abort.run_until_cancelled(work).await });
        response
    }

    /// Answers 101 and gives the stream to `take`, whose matter its end is then: the server neither
    /// waits for it nor cuts it.
    ///
    /// Its connection still counts as one of its listener's.
    pub fn hand_over<F>(self, take: F) -> Response
    where
        F: FnOnce(TunnelStream) + Send + 'static,
    {
        let (streams, response) = (Arc::clone(&self.host.streams), self.response());
        let abort = streams.abort.clone();
        let work = async move {
            if let Some(stream) = self.stream().await {
                take(stream);
            }
        };
        streams.tasks.spawn(async move { abort.run_until_cancelled(work).await });
        response
    }

    fn response(&self) -> Response {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.extend(self.protocol.clone().map(|protocol| (header::UPGRADE, protocol)));
        response
    }

    /// The stream, once the answer is written; `None` when the client left before.
    async fn stream(self) -> Option<TunnelStream> {
        let span = info_span!("http.tunnel", operation = self.host.operation);
        let upgrade = tokio::time::timeout(UPGRADE_TIMEOUT, self.upgrade?).instrument(span);
        let upgraded = upgrade.await.ok()?.ok()?;
        Some(TunnelStream::new(upgraded, self.host.link.held))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Tunnel {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let mut protocols = parts.headers.get_all(header::UPGRADE).iter();
        let (first, second) = (protocols.next().cloned(), protocols.next());
        let can_be = parts.method == Method::GET && parts.version == Version::HTTP_11;
        let is_asked = can_be && first.is_some() && names_upgrade(parts);
        let protocol = first.filter(|_| second.is_none());
        let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| is_asked);
        let host = StreamHost::from_request_parts(parts, state).await?;
        Ok(Self { upgrade, protocol, host })
    }
}

/// Whether a `Connection` header has the token `upgrade`, in any case.
fn names_upgrade(parts: &Parts) -> bool {
    let values = parts.headers.get_all(header::CONNECTION).iter();
    let mut tokens = values.flat_map(|value| value.as_bytes().split(|b| *b == b','));
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

impl std::fmt::Display for TunnelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { protocol } => write!(
                f,
                "missing upgrade: this takes GET over HTTP/1.1 with `Connection: Upgrade` and \
                 `Upgrade: {protocol}`"
            ),
            Self::Invalid { protocol } => {
                write!(f, "invalid upgrade: `Upgrade` must be the one word `{protocol}`")
            }
        }
    }
}

impl std::error::Error for TunnelError {}

impl Classify for TunnelError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Missing { .. } | Self::Invalid { .. } => ErrorCode::InvalidArgument,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    async fn asked(version: Version, method: Method) -> Result<(), TunnelError> {
        let request = Request::builder()
            .method(method)
            .version(version)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "tcp");
        let mut request = request.body(()).expect("a sound request");
        let upgrade = hyper::upgrade::on(&mut request);
        request.extensions_mut().insert(upgrade);
        let (mut parts, ()) = request.into_parts();
        let Ok(tunnel) = Tunnel::from_request_parts(&mut parts, &()).await;
        tunnel.to("tcp").map(drop)
    }

    #[tokio::test]
    async fn only_get_over_http_1_1_can_be_upgraded() {
        let missing = Err(TunnelError::Missing { protocol: "tcp" });
        assert_eq!(asked(Version::HTTP_11, Method::GET).await, Ok(()));
        assert_eq!(asked(Version::HTTP_2, Method::GET).await, missing);
        assert_eq!(asked(Version::HTTP_10, Method::GET).await, missing);
        assert_eq!(asked(Version::HTTP_11, Method::HEAD).await, missing);
    }
}
