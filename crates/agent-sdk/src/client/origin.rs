//! What every request to one agent has in common: whom it names as its host, and who it says that
//! it is; not the headers that callers add.

use http::{HeaderMap, HeaderValue, header};

use crate::{Error, Target, proxy::Proxy, target::Address};

/// The name for an agent that is reached without one; agents on a loopback address accept it.
const LOCAL: &str = "localhost";

/// The fixed part of every request.
#[derive(Debug)]
pub(crate) struct Origin {
    /// What precedes the path in the request's target: nothing, or scheme and authority.
    prefix: String,
    headers: HeaderMap,
}

impl Origin {
    /// For HTTP/1.1 to a target; `proxy` is one that gets whole requests.
    pub(crate) fn of_target(target: &Target, proxy: Option<&Proxy>) -> Result<Self, Error> {
        let host = match target.address() {
            Address::Tcp { authority, .. } => HeaderValue::from_str(authority)
                .map_err(|_| Error::invalid("the host of the target is malformed"))?,
            Address::Unix(_) => HeaderValue::from_static(LOCAL),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host);
        if let Some(token) = target.token() {
            headers.insert(header::AUTHORIZATION, token.header());
        }
        if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.clone()) {
            headers.insert(header::PROXY_AUTHORIZATION, authorization);
        }
        let prefix = if proxy.is_some() { target.to_string() } else { String::new() };
        Ok(Self { prefix, headers })
    }

    /// For HTTP/1.1 to the agent in a dev container, which trusts whoever the one outside lets in.
    pub(crate) fn of_dev_container() -> Self {
        let host = (header::HOST, HeaderValue::from_static(LOCAL));
        Self { prefix: String::new(), headers: HeaderMap::from_iter([host]) }
    }

    /// For HTTP/2 over a stream, whose requests name scheme and authority instead of `Host`.
    pub(crate) fn of_stream() -> Self {
        Self { prefix: format!("http://{LOCAL}"), headers: HeaderMap::new() }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}
