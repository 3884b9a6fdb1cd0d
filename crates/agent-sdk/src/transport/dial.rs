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

/// Connects to the first address of a name that answers, trying them in order, each a little
/// later, so that one that swallows packets does not use up the time.
async fn tcp(host: &str, port: u16) -> io::Result<(BoxedStream, SocketAddr)> {
    let addresses = tokio::net::lookup_host((host, port)).await?;
    let mut attempts: FuturesUnordered<_> = (0..)
        .zip(addresses)
        .map(|(nth, address): (u32, SocketAddr)| async move {
            tokio::time::sleep(ADDRESS_DELAY * nth).await;
            TcpStream::connect(address).await.map(|stream| (stream, address))
        })
        .collect();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok((stream, address)) => {
                stream.set_nodelay(true)?;
                return Ok((Box::new(stream), address));
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
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
mod tests;
