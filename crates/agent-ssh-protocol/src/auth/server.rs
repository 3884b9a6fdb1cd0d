//! The server's end of the authentication.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::link::{Link, NO_SERVICE};
use crate::config::ServerConfig;
use crate::connection::{Connection, Driver, Incoming, establish};
use crate::error::{HandshakeError, ProtocolError};
use crate::key::{Certificate, PublicKey, Verified, is_certificate_algorithm, signature_algorithm};
use crate::message::{
    AuthRequest, CONNECTION, Method, PublicKeyRequest, USERAUTH, disconnect, number, signed_data,
};
use crate::transport::Side;
use crate::wire::{Put, Reader};

/// Decides who is let in.
pub trait Authenticator: Send {
    /// Decides about a client that proves nothing.
    fn none(&mut self, user: &[u8]) -> impl Future<Output = bool> + Send;

    /// Decides about a client that names a key, and maybe proves to have it.
    fn public_key(&mut self, offer: Offer<'_>) -> impl Future<Output = bool> + Send;
}

/// A key that a client wants to be let in with.
///
/// The key can be decoded and belongs to the algorithm, and the signature, if there is one, is
/// right. Nothing of a certificate was checked but its form.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The user the client wants to be; not necessarily UTF-8.
    pub user: &'a [u8],
    /// The key, or the key that the certificate is about.
    pub key: &'a PublicKey,
    /// The certificate, if the client has one.
    pub certificate: Option<&'a Certificate>,
    /// The name the client used, `rsa-sha2-512-cert-v01@openssh.com`.
    pub algorithm: &'a str,
    /// What the signature shows; absent when the client only asks whether the key would do.
    pub verified: Option<Verified>,
}

/// A client that was let in.
#[derive(Debug)]
pub struct Accepted<A> {
    /// The connection.
    pub connection: Connection,
    /// What the client asks of it.
    pub incoming: Incoming,
    /// What moves its bytes; nothing happens until it runs.
    pub driver: Driver,
    /// Who let the client in.
    pub authenticator: A,
    /// The user the client wants to be; not necessarily UTF-8.
    pub user: Vec<u8>,
    /// The identification of the client, `SSH-2.0-OpenSSH_9.2`.
    pub client_id: Vec<u8>,
}

/// Takes a client: identification, key exchange and authentication.
///
/// There is no limit on the time it takes: wrap it in one.
///
/// # Errors
///
/// The client is told, within a second, and the stream is dropped:
/// [`HandshakeError::Protocol`] and [`HandshakeError::NoCommonAlgorithm`] when it breaks a rule,
/// [`HandshakeError::TooManyAuthenticationFailures`] when it failed as often as it may.
/// [`HandshakeError::ConnectionLost`], [`HandshakeError::Disconnected`] and
/// [`HandshakeError::Io`] when it goes.
///
/// # Cancellation
///
/// Dropping the future drops the stream.
pub async fn accept<S, A>(
    stream: S,
    config: Arc<ServerConfig>,
    authenticator: A,
) -> Result<Accepted<A>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Authenticator,
{
    accept_until(stream, config, authenticator, pending()).await
}

/// Takes a client as [`accept`] does, unless `stop` comes first: its reason and text are what the
/// client is told then.
///
/// # Errors
///
/// As [`accept`], and [`HandshakeError::Stopped`]. A client that has not identified itself by then
/// is told nothing.
///
/// # Cancellation
///
/// Dropping the future drops the stream.
pub async fn accept_until<S, A>(
    stream: S,
    config: Arc<ServerConfig>,
    mut authenticator: A,
    stop: impl Future<Output = (u32, &'static str)> + Send,
) -> Result<Accepted<A>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Authenticator,
{
    let mut stop = pin!(stop);
    let side = Side::Server { host_keys: config.host_keys.clone() };
    let (mut link, client_id) = tokio::select! {
        identified = Link::identify(Box::new(stream), &config.software, side) => identified?,
        _ = &mut stop => return Err(HandshakeError::Stopped),
    };
    let user = tokio::select! {
        entered = enter(&mut link, &mut authenticator, config.max_auth_tries) => entered?,
        (reason, text) = &mut stop => {
            link.disconnect(reason, text).await;
            return Err(HandshakeError::Stopped);
        }
    };
    let (connection, incoming, driver) = establish(link, config.connection.clone());
    Ok(Accepted { connection, incoming, driver, authenticator, user, client_id })
}

/// Key exchange and authentication; answers who the client wants to be.
async fn enter(
    link: &mut Link,
    authenticator: &mut impl Authenticator,
    max_tries: u32,
) -> Result<Vec<u8>, HandshakeError> {
    link.secure().await?;
    offer_service(link).await?;
    let user = authenticate(link, authenticator, max_tries).await?;
    link.send(vec![number::USERAUTH_SUCCESS]);
    // A key exchange of the client would hold it back.
    link.secure().await?;
    link.flush().await?;
    Ok(user)
}

/// Waits until the client asks to be authenticated.
async fn offer_service(link: &mut Link) -> Result<(), HandshakeError> {
    loop {
        let packet = link.receive().await?;
        match packet.number() {
            number::EXT_INFO => {}
            number::SERVICE_REQUEST => {
                let mut reader = Reader::new(&packet.payload[1..]);
                if reader.string().is_ok_and(|name| name == USERAUTH) {
                    link.send(accept_service());
                    return Ok(());
                }
                link.disconnect(NO_SERVICE, "service not available").await;
                return Err(HandshakeError::Protocol("service not available".to_owned()));
            }
            number => return Err(link.refuse(&unexpected(number)).await),
        }
    }
}

fn accept_service() -> Vec<u8> {
    let mut message = vec![number::SERVICE_ACCEPT];
    message.put_string(USERAUTH);
    message
}

fn unexpected(number: u8) -> ProtocolError {
    ProtocolError::broken(format!("message {number} before authentication"))
}

/// What is left of the client's attempts, and who it wants to be.
struct Attempts {
    user: Option<Vec<u8>>,
    failed: u32,
    has_tried_none: bool,
}

/// How a request is answered.
enum Answer {
    LetIn,
    Refused,
    /// Not counted: the client asks what there is.
    Told,
    /// The key would do.
    WouldDo(Vec<u8>),
}

async fn authenticate(
    link: &mut Link,
    authenticator: &mut impl Authenticator,
    max_tries: u32,
) -> Result<Vec<u8>, HandshakeError> {
    let mut attempts = Attempts { user: None, failed: 0, has_tried_none: false };
    loop {
        let packet = link.receive().await?;
        match packet.number() {
            number::USERAUTH_REQUEST => {}
            number::EXT_INFO => continue,
            // Asked once more, it is granted once more.
            number::SERVICE_REQUEST => {
                link.send(accept_service());
                continue;
            }
            number => return Err(link.refuse(&unexpected(number)).await),
        }
        let request = match AuthRequest::decode(&packet.payload) {
            Ok(request) => request,
            Err(error) => return Err(link.refuse(&error.into()).await),
        };
        if let Err(error) = attempts.admit(&request) {
            return Err(link.refuse(&error).await);
        }
        if request.service != CONNECTION {
            link.disconnect(NO_SERVICE, "service not available").await;
            return Err(HandshakeError::Protocol("service not available".to_owned()));
        }
        let session_id = link.exchange.session_id().copied();
        let session_id = session_id.as_ref().map_or(&[][..], |id| id.as_ref());
        match decide(session_id, authenticator, &request, &mut attempts).await {
            Answer::LetIn => return Ok(request.user.to_vec()),
            Answer::WouldDo(message) => link.send(message),
            Answer::Told => link.send(failure()),
            Answer::Refused => {
                attempts.failed += 1;
                if attempts.failed >= max_tries {
                    const TEXT: &str = "Too many authentication failures";
                    link.disconnect(disconnect::PROTOCOL_ERROR, TEXT).await;
                    return Err(HandshakeError::TooManyAuthenticationFailures);
                }
                link.send(failure());
            }
        }
    }
}

impl Attempts {
    /// Checks that the client stays who it wanted to be, as OpenSSH asks.
    fn admit(&mut self, request: &AuthRequest<'_>) -> Result<(), ProtocolError> {
        let user = self.user.get_or_insert_with(|| request.user.to_vec());
        let error = || ProtocolError::broken("change of user name during authentication");
        (user == request.user).then_some(()).ok_or_else(error)
    }
}

async fn decide(
    session_id: &[u8],
    authenticator: &mut impl Authenticator,
    request: &AuthRequest<'_>,
    attempts: &mut Attempts,
) -> Answer {
    match &request.method {
        Method::None => {
            let is_first = !std::mem::replace(&mut attempts.has_tried_none, true);
            match authenticator.none(request.user).await {
                true => Answer::LetIn,
                false if is_first => Answer::Told,
                false => Answer::Refused,
            }
        }
        Method::PublicKey(key) => match check_key(session_id, request.user, key) {
            Some((offered, verified)) => {
                let offer = offered.offer(request.user, verified);
                match (authenticator.public_key(offer).await, key.signature) {
                    (false, _) => Answer::Refused,
                    (true, Some(_)) => Answer::LetIn,
                    (true, None) => Answer::WouldDo(would_do(key)),
                }
            }
            None => Answer::Refused,
        },
        Method::Other => Answer::Refused,
    }
}

/// A key as the client sent it.
struct Offered {
    algorithm: String,
    identity: KeyOrCertificate,
}

enum KeyOrCertificate {
    Key(PublicKey),
    Certificate(Box<Certificate>),
}

impl Offered {
    fn decode(request: &PublicKeyRequest<'_>) -> Option<Self> {
        let algorithm = std::str::from_utf8(request.algorithm).ok()?;
        let signed_with = signature_algorithm(algorithm)?;
        let identity = if is_certificate_algorithm(algorithm) {
            KeyOrCertificate::Certificate(Box::new(Certificate::decode(request.blob).ok()?))
        } else {
            KeyOrCertificate::Key(PublicKey::decode(request.blob).ok()?)
        };
        let offered = Self { algorithm: algorithm.to_owned(), identity };
        let is_of_key = offered.key().signature_algorithms().contains(&signed_with);
        is_of_key.then_some(offered)
    }

    fn key(&self) -> &PublicKey {
        match &self.identity {
            KeyOrCertificate::Key(key) => key,
            KeyOrCertificate::Certificate(certificate) => &certificate.key,
        }
    }

    fn offer<'a>(&'a self, user: &'a [u8], verified: Option<Verified>) -> Offer<'a> {
        let certificate = match &self.identity {
            KeyOrCertificate::Key(_) => None,
            KeyOrCertificate::Certificate(certificate) => Some(&**certificate),
        };
        Offer { user, key: self.key(), certificate, algorithm: &self.algorithm, verified }
    }
}

/// Reads a key and checks its signature; `None` when either is wrong.
fn check_key(
    session_id: &[u8],
    user: &[u8],
    request: &PublicKeyRequest<'_>,
) -> Option<(Offered, Option<Verified>)> {
    let offered = Offered::decode(request)?;
    let Some(signature) = request.signature else { return Some((offered, None)) };
    let data = signed_data(session_id, user, request.algorithm, request.blob);
    let verified = offered.key().verify(&offered.algorithm, &data, signature).ok()?;
    Some((offered, Some(verified)))
}

fn would_do(key: &PublicKeyRequest<'_>) -> Vec<u8> {
    let mut message = vec![number::USERAUTH_PK_OK];
    message.put_string(key.algorithm);
    message.put_string(key.blob);
    message
}

fn failure() -> Vec<u8> {
    let mut message = vec![number::USERAUTH_FAILURE];
    message.put_name_list(&["publickey"]);
    message.put_bool(false);
    message
}
