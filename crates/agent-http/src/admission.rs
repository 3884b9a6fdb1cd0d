//! Which requests are let in: peer, host, origin, token; the order of the checks is the
//! protocol's.

use std::net::IpAddr;

use agent_api::{Classify, ErrorCode};
use http::{HeaderMap, HeaderValue, Method, Uri, header};

use crate::{Peer, Token, Trust};

/// Whom the server lets in.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The token that peers of [`Trust::Token`] present; `None` lets them in without.
    pub token: Option<Token>,
    /// Browser origins that may call, compared exactly; every other origin is refused.
    pub allowed_origins: Vec<String>,
}

/// Why a request was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdmissionError {
    /// The peer on a Unix socket is another user.
    ForeignPeer,
    /// A request to a loopback listener names another host.
    ForeignHost,
    /// The request comes from a page of an origin that is not allowed.
    ForeignOrigin,
    /// The token is missing, malformed or wrong.
    Unauthenticated,
    /// The body is compressed.
    ContentEncoding,
    /// The server is shutting down.
    ShuttingDown,
}

/// Checks everything that comes before authentication; answers the allowed origin, if any.
pub(crate) fn check_source(
    access: &Access,
    peer: &Peer,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Option<HeaderValue>, AdmissionError> {
    if peer.trust == Trust::Refused {
        return Err(AdmissionError::ForeignPeer);
    }
    if peer.is_loopback && !names_this_machine(uri, headers) {
        return Err(AdmissionError::ForeignHost);
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(None) };
    let is_allowed = access.allowed_origins.iter().any(|allowed| origin == allowed);
    if origins.next().is_some() || !is_allowed {
        return Err(AdmissionError::ForeignOrigin);
    }
    Ok(Some(origin.clone()))
}

/// Checks the token of a peer that needs one.
pub(crate) fn check_token(
    access: &Access,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<(), AdmissionError> {
    let (Trust::Token, Some(token)) = (peer.trust, &access.token) else { return Ok(()) };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next().and_then(bearer), values.next()) {
        (Some(presented), None) if token.matches(presented) => Ok(()),
        _ => Err(AdmissionError::Unauthenticated),
    }
}

/// Checks the headers that every route reads alike.
pub(crate) fn check_headers(headers: &HeaderMap) -> Result<(), AdmissionError> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        Ok(())
    } else {
        Err(AdmissionError::ContentEncoding)
    }
}

/// Whether the request of an allowed origin asks what its pages may send (Fetch, CORS-preflight).
///
/// `OPTIONS` has no other use here, so it need not name the method that is to follow.
pub(crate) fn is_preflight(method: &Method) -> bool {
    method == Method::OPTIONS
}

/// The credentials after `Bearer` and spaces (RFC 6750 section 2.1, RFC 9110 section 11.1).
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

/// Whether every host that the request names is this machine by a loopback name.
///
/// Stops a page whose own name resolves to the loopback address (DNS rebinding).
fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter().map(|value| value.to_str().ok());
    let first = hosts.next();
    let in_uri = uri.authority().map(http::uri::Authority::as_str);
    if (first.is_none() && in_uri.is_none()) || hosts.next().is_some() {
        return false;
    }
    let in_header = first.is_none_or(|host| host.is_some_and(is_loopback_name));
    in_header && in_uri.is_none_or(is_loopback_name)
}

fn is_loopback_name(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => matches!(host.parse(), Ok(IpAddr::V4(ip)) if ip.is_loopback()),
    }
}

impl std::fmt::Display for AdmissionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ForeignPeer => "this socket serves another user",
            Self::ForeignHost => "the host of the request is not this machine",
            Self::ForeignOrigin => "the origin of the request is not allowed",
            Self::Unauthenticated => "the request needs the agent's token",
            Self::ContentEncoding => "a compressed body is not accepted",
            Self::ShuttingDown => "the agent is shutting down",
        })
    }
}

impl std::error::Error for AdmissionError {}

impl Classify for AdmissionError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::ForeignPeer | Self::ForeignHost | Self::ForeignOrigin => {
                ErrorCode::PermissionDenied
            }
            Self::Unauthenticated => ErrorCode::Unauthenticated,
            Self::ContentEncoding => ErrorCode::InvalidArgument,
            Self::ShuttingDown => ErrorCode::Unavailable,
        }
    }

    fn detail(&self) -> Option<String> {
        let text = match self {
            Self::ForeignPeer => "only the user that runs the agent and root may connect",
            Self::ForeignHost => "use localhost, an address in 127.0.0.0/8 or [::1] as host",
            Self::ForeignOrigin => "the agent allows an origin with --allow-origin",
            Self::Unauthenticated => "send it as `Authorization: Bearer TOKEN`",
            Self::ContentEncoding => "send the body with Content-Encoding identity or none",
            Self::ShuttingDown => return None,
        };
        Some(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use http::request::Parts;

    use super::*;
    use crate::PeerAddress;

    fn check(peer: &Peer, parts: &Parts) -> Result<Option<HeaderValue>, AdmissionError> {
        check_source(&access(), peer, &parts.uri, &parts.headers)
    }

    fn peer(trust: Trust, is_loopback: bool) -> Peer {
        Peer { listener: "test", address: PeerAddress::InProcess, trust, is_loopback }
    }

    fn access() -> Access {
        Access {
            token: Token::from_file_content(b"secret").ok(),
            allowed_origins: vec!["https://ide.example".to_owned()],
        }
    }

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_loopback_listener_serves_loopback_hosts_alone() {
        let cases = [
            ("localhost", true),
            ("LOCALHOST:4040", true),
            ("127.0.0.1", true),
            ("127.8.9.1:80", true),
            ("[::1]", true),
            ("[::1]:4040", true),
            ("localhost.", false),
            ("localhost.evil.example", false),
            ("evil.example", false),
            ("128.0.0.1", false),
            ("0.0.0.0", false),
            ("[::]", false),
            ("::1", false),
            ("localhost:x", false),
            ("127.1", false),
            ("", false),
        ];
        for (host, allowed) in cases {
            let parts = parts("/", &[("host", host)]);
            let checked = check(&peer(Trust::Token, true), &parts);
            assert_eq!(checked.is_ok(), allowed, "{host}");
            assert!(check(&peer(Trust::Token, false), &parts).is_ok());
        }
    }

    #[test]
    fn every_named_host_counts_and_one_must_be_named() {
        let cases = [
            ("/", &[][..], false),
            ("http://localhost/", &[], true),
            ("http://evil.example/", &[("host", "localhost")], false),
            ("http://localhost/", &[("host", "evil.example")], false),
            ("/", &[("host", "localhost"), ("host", "localhost")], false),
        ];
        for (uri, headers, allowed) in cases {
            let checked = check(&peer(Trust::Token, true), &parts(uri, headers));
            assert_eq!(checked.is_ok(), allowed, "{uri} {headers:?}");
        }
    }

    #[test]
    fn an_origin_must_be_allowed_exactly() {
        let cases = [
            (&[][..], Ok(None)),
            (&["https://ide.example"], Ok(Some(HeaderValue::from_static("https://ide.example")))),
            (&["null"], Err(AdmissionError::ForeignOrigin)),
            (&["https://ide.example:443"], Err(AdmissionError::ForeignOrigin)),
            (&["https://IDE.example"], Err(AdmissionError::ForeignOrigin)),
            (&[""], Err(AdmissionError::ForeignOrigin)),
            (&["https://ide.example"; 2], Err(AdmissionError::ForeignOrigin)),
        ];
        for (origins, expected) in cases {
            let headers: Vec<_> = origins.iter().map(|o| ("origin", *o)).collect();
            let checked = check(&peer(Trust::Granted, false), &parts("/", &headers));
            assert_eq!(checked, expected, "{origins:?}");
        }
    }

    #[test]
    fn the_token_is_needed_where_trust_depends_on_it() {
        let cases = [
            (&["Bearer secret"][..], true),
            (&["bearer  secret"], true),
            (&["Bearer secret "], true),
            (&[], false),
            (&["secret"], false),
            (&["Bearer"], false),
            (&["Bearer "], false),
            (&["Bearer wrong"], false),
            (&["Basic secret"], false),
            (&["Bearer secret", "Bearer secret"], false),
        ];
        for (values, allowed) in cases {
            let headers: Vec<_> = values.iter().map(|v| ("authorization", *v)).collect();
            let parts = parts("/", &headers);
            let checked = check_token(&access(), &peer(Trust::Token, false), &parts.headers);
            assert_eq!(checked.is_ok(), allowed, "{values:?}");
            assert!(check_token(&access(), &peer(Trust::Granted, false), &parts.headers).is_ok());
        }
    }

    #[test]
    fn a_foreign_user_is_refused_before_anything_else() {
        let parts = parts("/", &[("origin", "null")]);
        let checked = check(&peer(Trust::Refused, true), &parts);
        assert_eq!(checked, Err(AdmissionError::ForeignPeer));
    }

    #[test]
    fn a_compressed_body_is_refused() {
        let cases = [(&[][..], true), (&["identity"], true), (&["gzip"], false)];
        for (values, allowed) in cases {
            let headers: Vec<_> = values.iter().map(|v| ("content-encoding", *v)).collect();
            assert_eq!(check_headers(&parts("/", &headers).headers).is_ok(), allowed);
        }
    }
}
