//! Making one connection to a target, through a proxy where there is one; not keeping it.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use super::{BoxedStream, tls::Tls};
use crate::{
    Error, PingPath, Target,
    proxy::Proxy,
    target::{Address, without_brackets},
};

/// How much later than the one before it each address of a name is tried: the value that RFC 8305
/// section 8 recommends.
const ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// Knows the way to one target.
#[derive(Debug)]
pub(crate) struct Dialer {
    address: Address,
    proxy: Option<Proxy>,
    /// There when the target or the proxy needs it.
    tls: Option<Tls>,
}

/// A new connection and where it leads.
pub(crate) struct Dialed {
    pub(crate) stream: BoxedStream,
    pub(crate) path: PingPath,
}

impl Dialer {
    /// Checks that there is a way; dials nothing.
    pub(crate) fn new(target: &Target) -> Result<Self, Error> {
        let address = target.address().clone();
        let proxy = target.proxies().toward(&address)?;
        let target_is_tls = matches!(address, Address::Tcp { tls: true, .. });
        let needs_tls = target_is_tls || proxy.as_ref().is_some_and(|proxy| proxy.tls);
        let tls = if needs_tls { Some(Tls::new()?) } else { None };
        Ok(Self { address, proxy, tls })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The proxy that gets whole requests instead of a tunnel: one on the way to plain HTTP.
    pub(crate) fn forward_proxy(&self) -> Option<&Proxy> {
        match &self.address {
            Address::Tcp { tls: false, .. } => self.proxy.as_ref(),
            Address::Tcp { tls: true, .. } | Address::Unix(_) => None,
        }
    }

    pub(crate) async fn dial(&self) -> io::Result<Dialed> {
        let (tls, authority) = match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                return Ok(Dialed { stream: Box::new(stream), path: PingPath::Local });
            }
            Address::Tcp { tls, authority } => (*tls, authority),
        };
        let (host, port) = self.address.host_and_port().expect("a TCP address has both");
        let (mut stream, peer) = match &self.proxy {
            None => tcp(host, port).await?,
            Some(proxy) => self.dial_proxy(proxy).await?,
        };
        if let (true, Some(proxy)) = (tls, &self.proxy) {
            // Where `Host` may leave out the usual port, a tunnel needs it (RFC 9110 section 9.3.6).
            let host = authority.strip_suffix(&format!(":{port}")).unwrap_or(authority);
            stream = tunnel(stream, proxy, &format!("{host}:{port}")).await?;
        }
        if tls {
            stream = self.wrap(host, stream).await?;
        }
        Ok(Dialed { stream, path: PingPath::Direct { address: peer.to_string() } })
    }

    async fn dial_proxy(&self, proxy: &Proxy) -> io::Result<(BoxedStream, SocketAddr)> {
        let (stream, peer) = tcp(without_brackets(&proxy.host), proxy.port).await?;
        let stream = if proxy.tls { self.wrap(&proxy.host, stream).await? } else { stream };
        Ok((stream, peer))
    }

    async fn wrap(&self, host: &str, stream: BoxedStream) -> io::Result<BoxedStream> {
        self.tls.as_ref().expect("made where TLS is needed").connect(host, stream).await
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<(BoxedStream, SocketAddr)> {
    let (stream, address) = first_of(tokio::net::lookup_host((host, port)).await?).await?;
    stream.set_nodelay(true)?;
    Ok((Box::new(stream), address))
}

/// Connects to the first address that answers, in their order: the next one is tried when one
/// fails, and beside one that takes long, which may swallow packets until all time is over.
async fn first_of(
    mut addresses: impl Iterator<Item = SocketAddr>,
) -> io::Result<(TcpStream, SocketAddr)> {
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let next = addresses.next();
        let patience = if next.is_some() { ADDRESS_DELAY } else { Duration::MAX };
        attempts.extend(next.map(|address| async move {
            TcpStream::connect(address).await.map(|stream| (stream, address))
        }));
        match tokio::time::timeout(patience, attempts.next()).await {
            Ok(Some(Ok(connected))) => return Ok(connected),
            Ok(Some(Err(error))) => failure = error,
            Ok(None) => return Err(failure),
            Err(_) => {}
        }
    }
}

/// Asks a proxy to pass everything that follows on to `authority`.
async fn tunnel(stream: BoxedStream, proxy: &Proxy, authority: &str) -> io::Result<BoxedStream> {
    let host = HeaderValue::from_str(authority).map_err(io::Error::other)?;
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(authority)
        .header(header::HOST, host)
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    if let Some(authorization) = &proxy.authorization {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // The question owns the sender, because the connection of a refused one ends with it.
    let ask = async move {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        match response.status() {
            StatusCode::OK => hyper::upgrade::on(response).await.map_err(io::Error::other),
            status => Err(io::Error::other(format!("proxy {proxy} answered {status}"))),
        }
    };
    let connection = async { connection.with_upgrades().await.map_err(io::Error::other) };
    // The connection ends when it is handed over, not before; when it fails, so does the question.
    let (_, upgraded) = futures_util::future::join(connection, ask).await;
    Ok(Box::new(TokioIo::new(upgraded?)))
}

#[cfg(all(test, feature = "tls"))]
mod tls_tests;

#[cfg(test)]
mod tests {
    use tokio::{
        net::{TcpListener, TcpSocket},
        time::{Instant, timeout},
    };

    use super::*;

    /// An address where nobody listens.
    async fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let bad = refusing().await;
        tokio::time::pause();
        let begin = Instant::now();
        let (_, address) = first_of([bad, bad, good].into_iter()).await.unwrap();
        assert_eq!(address, good);
        assert!(begin.elapsed() < ADDRESS_DELAY * 2, "{:?}", begin.elapsed());
    }

    #[tokio::test]
    async fn an_address_that_swallows_packets_does_not_use_up_the_time() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let hole = socket.listen(1).unwrap();
        let swallows = hole.local_addr().unwrap();
        let mut queued = Vec::new();
        let attempt = || timeout(Duration::from_millis(100), TcpStream::connect(swallows));
        while let Ok(stream) = attempt().await {
            queued.push(stream.unwrap());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let connected = timeout(Duration::from_secs(10), first_of([swallows, good].into_iter()));
        assert_eq!(connected.await.unwrap().unwrap().1, good);
    }

    #[tokio::test]
    async fn the_last_failure_is_told_when_no_address_answers() {
        let bad = refusing().await;
        let error = first_of([bad, bad].into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first_of([].into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
