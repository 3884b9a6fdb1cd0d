//! The client's end of the authentication.

use tokio::io::{AsyncRead, AsyncWrite};

use super::link::Link;
use crate::config::{ClientConfig, Identity};
use crate::connection::{Connection, Driver, Incoming, establish};
use crate::error::{HandshakeError, ProtocolError};
use crate::key::{HostKey, PublicKey};
use crate::message::{
    AuthRequest, CONNECTION, Method, PublicKeyRequest, USERAUTH, disconnect, name_list_of_ext_info,
    number, signed_data,
};
use crate::transport::Side;
use crate::wire::{Put, Reader};

/// A server that let this client in.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub connection: Connection,
    /// What the server asks of it.
    pub incoming: Incoming,
    /// What moves its bytes; nothing happens until it runs.
    pub driver: Driver,
    /// The key that the server proved to have.
    pub host_key: PublicKey,
    /// The identification of the server, `SSH-2.0-agentd_0.1.0`.
    pub server_id: Vec<u8>,
}

/// Becomes the client of a server: identification, key exchange and authentication.
///
/// `verify` decides whether the key that the server proved is the right one. There is no limit on
/// the time it takes: wrap it in one.
///
/// # Errors
///
/// [`HandshakeError::HostKeyRefused`] when `verify` says no,
/// [`HandshakeError::AuthenticationRefused`] when the server does, and as
/// [`accept`](super::accept).
///
/// # Cancellation
///
/// Dropping the future drops the stream.
pub async fn connect<S>(
    stream: S,
    config: ClientConfig,
    verify: impl FnOnce(&PublicKey) -> bool + Send,
) -> Result<Connected, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let side = Side::Client { host_key: None };
    let (mut link, server_id) = Link::identify(Box::new(stream), &config.software, side).await?;
    link.secure().await?;
    let host_key = link.exchange.host_key().cloned().ok_or_else(no_host_key)?;
    if !verify(&host_key) {
        link.disconnect(disconnect::HOST_KEY_NOT_VERIFIABLE, "host key not accepted").await;
        return Err(HandshakeError::HostKeyRefused);
    }
    authenticate(&mut link, &config).await?;
    let (connection, incoming, driver) = establish(link, config.connection);
    Ok(Connected { connection, incoming, driver, host_key, server_id })
}

fn no_host_key() -> HandshakeError {
    HandshakeError::Protocol("the server proved no host key".to_owned())
}

/// What the server answered to a request.
enum Answer {
    LetIn,
    Refused(Vec<String>),
}

async fn authenticate(link: &mut Link, config: &ClientConfig) -> Result<(), HandshakeError> {
    let mut service = vec![number::SERVICE_REQUEST];
    service.put_string(USERAUTH);
    link.send(service);
    // The server answers in order, so one way there and back is saved by not waiting.
    let (user, service) = (config.user.as_bytes(), CONNECTION);
    link.send(AuthRequest { user, service, method: Method::None }.encode());
    let mut algorithms = Vec::new();
    let methods = match next_answer(link, &mut algorithms).await? {
        Answer::LetIn => return Ok(()),
        Answer::Refused(methods) => methods,
    };
    let (key, certificate) = match &config.identity {
        Identity::None => return Err(HandshakeError::AuthenticationRefused { methods }),
        Identity::Key(key) => (key, None),
        Identity::Certificate { key, certificate } => (key, Some(certificate.as_slice())),
    };
    link.send(signed_request(link, user, key, certificate, &algorithms)?);
    match next_answer(link, &mut algorithms).await? {
        Answer::LetIn => Ok(()),
        Answer::Refused(methods) => Err(HandshakeError::AuthenticationRefused { methods }),
    }
}

/// Waits for the answer to a request; learns which signatures the server takes if it says so.
async fn next_answer(
    link: &mut Link,
    algorithms: &mut Vec<String>,
) -> Result<Answer, HandshakeError> {
    loop {
        let packet = link.receive().await?;
        match packet.number() {
            number::USERAUTH_SUCCESS => return Ok(Answer::LetIn),
            number::USERAUTH_FAILURE => {
                let mut reader = Reader::new(&packet.payload[1..]);
                let methods = reader.name_list().map_err(ProtocolError::from)?;
                return Ok(Answer::Refused(methods.into_iter().map(str::to_owned).collect()));
            }
            number::EXT_INFO => {
                let listed = name_list_of_ext_info(&packet.payload).map_err(ProtocolError::from)?;
                *algorithms = listed.unwrap_or_default();
            }
            number::SERVICE_ACCEPT | number::USERAUTH_BANNER => {}
            number => {
                let error = format!("message {number} during authentication");
                return Err(link.refuse(&ProtocolError::broken(error)).await);
            }
        }
    }
}

/// Proves to have `key` with the first of its signatures that the server takes.
fn signed_request(
    link: &Link,
    user: &[u8],
    key: &HostKey,
    certificate: Option<&[u8]>,
    algorithms: &[String],
) -> Result<Vec<u8>, HandshakeError> {
    let is_taken = |name: &&&str| algorithms.iter().any(|taken| taken == *name);
    let names = key.algorithms();
    let name = names.iter().find(is_taken).or(names.first()).copied().unwrap_or_default();
    let (algorithm, blob) = match certificate {
        None => (name.to_owned(), key.public().encode()),
        Some(certificate) => (format!("{name}-cert-v01@openssh.com"), certificate.to_vec()),
    };
    let session_id = link.exchange.session_id().ok_or_else(no_host_key)?;
    let data = signed_data(session_id.as_ref(), user, algorithm.as_bytes(), &blob);
    let signature =
        key.sign(name, &data).map_err(|error| HandshakeError::Protocol(error.to_string()))?;
    let method = Method::PublicKey(PublicKeyRequest {
        algorithm: algorithm.as_bytes(),
        blob: &blob,
        signature: Some(&signature),
    });
    Ok(AuthRequest { user, service: CONNECTION, method }.encode())
}
