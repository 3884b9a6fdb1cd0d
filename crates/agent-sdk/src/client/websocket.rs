//! The handshake of a WebSocket, by hand over the client's own connections (RFC 6455 section 4.1);
//! not the frames.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use super::{AgentClient, call::Call};
use crate::{
    Error,
    transport::{Limits, Messages, Pool, TextSender},
};

impl AgentClient {
    /// Opens a WebSocket on a connection of its own, with messages up to these limits.
    ///
    /// # Errors
    ///
    /// What the agent answered instead of an upgrade, and [`Error::Protocol`] for an upgrade to
    /// something else.
    pub(super) async fn open_websocket(
        &self,
        pool: &Arc<Pool>,
        call: Call,
        limits: Limits,
    ) -> Result<(TextSender, Messages), Error> {
        let operation = call.operation;
        let key = generate_key();
        let reply = self.exchange(call.long().headers(handshake(&key))).await?;
        if reply.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(reply.refused().await);
        }
        check(reply.headers(), &key).map_err(|why| Error::protocol(operation, why))?;
        let stream = self.unless_closed(reply.upgrade()).await?;
        Ok(Messages::open(operation, stream, limits, pool).await)
    }
}

fn handshake(key: &str) -> HeaderMap {
    let key = HeaderValue::from_str(key).expect("base64 is visible ASCII");
    HeaderMap::from_iter([
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (header::SEC_WEBSOCKET_KEY, key),
    ])
}

/// Checks that the answer is to this handshake and adds nothing that was not asked for.
fn check(headers: &HeaderMap, key: &str) -> Result<(), String> {
    let has_token = |name: &HeaderName, token: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|t| t.trim().eq_ignore_ascii_case(token))
    };
    if !has_token(&header::UPGRADE, "websocket") || !has_token(&header::CONNECTION, "upgrade") {
        return Err("the upgrade is not to a WebSocket".to_owned());
    }
    let accept = derive_accept_key(key.as_bytes());
    if headers.get(header::SEC_WEBSOCKET_ACCEPT).is_none_or(|value| *value != accept) {
        return Err("the upgrade answers another handshake".to_owned());
    }
    for name in [header::SEC_WEBSOCKET_EXTENSIONS, header::SEC_WEBSOCKET_PROTOCOL] {
        if headers.get(&name).is_some_and(|value| !value.is_empty()) {
            return Err(format!("the upgrade has a `{name}` that was not asked for"));
        }
    }
    Ok(())
}
