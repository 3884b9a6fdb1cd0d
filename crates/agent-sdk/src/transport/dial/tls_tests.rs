//! Dialing with TLS: whom it trusts, and that a proxy in between sees nothing of it.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use rcgen::generate_simple_self_signed;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use super::*;
use crate::Proxies;

const GREETING: &[u8] = b"hello";

/// A TLS server for one name that greets every connection, and what trusts it.
struct Server {
    port: u16,
    roots: RootCertStore,
    _tasks: JoinSet<()>,
}

async fn serve(name: &str) -> Server {
    let own = generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = CertificateDer::from(own.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the server breaks the handshake off.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            stream.write_all(GREETING).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    Server { port, roots, _tasks: tasks }
}

/// A proxy that answers `status`, and after a 200 passes everything on to `port`; gives the heads
/// of the requests it got.
async fn proxy(
    status: &'static str,
    port: u16,
) -> (Proxies, tokio::sync::mpsc::UnboundedReceiver<String>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tx, heads) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            tx.send(String::from_utf8(head).unwrap()).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            client.write_all(answer.as_bytes()).await.unwrap();
            if status.starts_with("200") {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            } else {
                // A proxy that keeps the connection open must not keep the caller waiting.
                let _ = client.read_u8().await;
            }
        }
    });
    let all = Some(format!("http://user:secret@{address}"));
    (Proxies { all, ..Proxies::default() }, heads, tasks)
}

fn dialer(target: &str, proxies: &Proxies, roots: RootCertStore) -> Dialer {
    let target: Target = target.parse().unwrap();
    let proxy = proxies.toward(target.address()).unwrap();
    Dialer { address: target.address().clone(), proxy, tls: Some(Tls::trusting(roots)) }
}

async fn greeting(dialer: &Dialer) -> io::Result<Vec<u8>> {
    let mut greeting = Vec::new();
    dialer.dial().await?.stream.read_to_end(&mut greeting).await?;
    Ok(greeting)
}

#[tokio::test]
async fn a_trusted_certificate_for_the_host_is_accepted() {
    for host in ["localhost", "127.0.0.1"] {
        let server = serve(host).await;
        let target = format!("https://{host}:{}", server.port);
        let dialer = dialer(&target, &Proxies::default(), server.roots.clone());
        assert_eq!(greeting(&dialer).await.unwrap(), GREETING, "{host}");
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_match_is_refused() {
    let (server, other) = (serve("localhost").await, serve("localhost").await);
    let refused = async |target: String, roots: RootCertStore| {
        let dialer = dialer(&target, &Proxies::default(), roots);
        greeting(&dialer).await.unwrap_err().kind()
    };
    let untrusted = format!("https://localhost:{}", server.port);
    assert_eq!(refused(untrusted, other.roots.clone()).await, io::ErrorKind::InvalidData);
    let wrong_name = format!("https://127.0.0.1:{}", server.port);
    assert_eq!(refused(wrong_name, server.roots.clone()).await, io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_tunnel_hides_everything_from_the_proxy() {
    let server = serve("agent.invalid").await;
    let (proxies, mut heads, _tasks) = proxy("200 Connection established", server.port).await;
    let dialer = dialer("https://agent.invalid", &proxies, server.roots.clone());
    assert_eq!(greeting(&dialer).await.unwrap(), GREETING);
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("CONNECT agent.invalid:443 HTTP/1.1\r\n"), "{head}");
    let head = head.to_lowercase();
    assert!(head.contains("\r\nhost: agent.invalid:443\r\n"), "{head}");
    assert!(head.contains("\r\nproxy-authorization: basic dxnlcjpzzwnyzxq=\r\n"), "{head}");
}

#[tokio::test]
async fn a_proxy_that_refuses_a_tunnel_is_named_without_its_password() {
    let server = serve("agent.invalid").await;
    let (proxies, _heads, _tasks) = proxy("407 Proxy Authentication Required", 0).await;
    let dialer = dialer("https://agent.invalid:8443", &proxies, server.roots.clone());
    let error = greeting(&dialer).await.unwrap_err();
    let shown = format!("{error} {error:?} {dialer:?}");
    assert!(shown.contains("407") && !shown.contains("secret"), "{shown}");
}
