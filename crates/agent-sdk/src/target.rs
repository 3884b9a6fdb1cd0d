//! Where an agent is: the text of a target and what it means; not where the text comes from.

use std::{
    fmt,
    net::IpAddr,
    os::unix::net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use http::Uri;

use crate::{Error, Proxies, Token};

/// An agent's address, with the token and the proxies to use.
///
/// Parsed from `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:/PATH`; an
/// [`Environment`](crate::Environment) also knows names and the local agent. `Display` gives the
/// address back.
///
/// ```
/// use agent_sdk::{Target, Token};
///
/// let target: Target = "http://127.0.0.1:4040".parse()?;
/// let target = target.with_token(Token::new("hunter2")?);
/// assert_eq!(target.to_string(), "http://127.0.0.1:4040");
/// assert!("http://user:password@host".parse::<Target>().is_err());
/// # Ok::<(), agent_sdk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Target {
    address: Address,
    token: Option<Token>,
    proxies: Proxies,
}

/// An address alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// HTTP or HTTPS over TCP.
    Tcp {
        /// Whether it is HTTPS.
        tls: bool,
        /// Host, IPv6 in brackets, and the port where it was given: the value of `Host`.
        authority: String,
    },
    /// HTTP over a Unix socket.
    Unix(PathBuf),
}

impl Target {
    /// Sends this token; a Unix socket needs none and never gets one.
    pub fn with_token(self, token: Token) -> Self {
        Self { token: Some(token), ..self }
    }

    /// Goes through the proxy that fits, where one does.
    pub fn with_proxies(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    pub(crate) fn unix(path: &Path) -> Result<Self, Error> {
        let refuse = |why: &str| Error::invalid(format!("socket path `{}`: {why}", path.display()));
        if !path.is_absolute() {
            return Err(refuse("must be absolute"));
        }
        SocketAddr::from_pathname(path).map_err(|_| refuse("too long, or contains NUL"))?;
        Ok(Address::Unix(path.to_owned()).into())
    }

    /// Whether a token would be sent there.
    pub(crate) fn takes_token(&self) -> bool {
        matches!(self.address, Address::Tcp { .. })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// The token, if one is to be sent there.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref().filter(|_| self.takes_token())
    }
}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        Self { address, token: None, proxies: Proxies::default() }
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::unix(Path::new(path));
        }
        if text.starts_with("mesh:") {
            return Err(Error::invalid(format!("target {text:?}: this client has no mesh")));
        }
        if text.contains('@') {
            // Not repeated in the error, because what precedes it may be a password.
            return Err(Error::invalid("a target must not contain a user name or password"));
        }
        let refuse = |why: &str| Error::invalid(format!("target {text:?}: {why}"));
        if text.contains('#') {
            return Err(refuse("must not have a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| refuse("not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refuse("must begin with `http://`, `https://` or `unix:/`")),
        };
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(refuse("must end after the host and port"));
        }
        match uri.authority() {
            Some(authority) if is_sound(authority) => {
                Ok(Address::Tcp { tls, authority: authority.as_str().to_owned() }.into())
            }
            _ => Err(refuse("the host or port is malformed")),
        }
    }
}

/// `Uri` takes an empty host, an empty port and ports above 65535.
fn is_sound(authority: &http::uri::Authority) -> bool {
    let after_host = &authority.as_str()[authority.host().len()..];
    let port_is_sound = match after_host.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port != 0),
        None => after_host.is_empty(),
    };
    !authority.host().is_empty() && port_is_sound
}

impl Address {
    /// Host without brackets, and port, of a TCP address.
    pub(crate) fn host_and_port(&self) -> Option<(&str, u16)> {
        let Self::Tcp { tls, authority } = self else { return None };
        let default = if *tls { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(default)),
            _ => (authority.as_str(), default),
        };
        Some((without_brackets(host), port))
    }

    /// Whether the host is this machine by its name or address alone.
    pub(crate) fn is_loopback(&self) -> bool {
        let Some((host, _)) = self.host_and_port() else { return false };
        let is_loopback_address = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        is_loopback_address || host.eq_ignore_ascii_case("localhost")
    }
}

pub(crate) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { tls: true, authority } => write!(f, "https://{authority}"),
            Self::Tcp { tls: false, authority } => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, u16)>) {
        let target = text.parse::<Target>();
        let found = target.as_ref().ok().and_then(|target| target.address().host_and_port());
        assert_eq!(found, expected, "{text}: {target:?}");
        assert!(target.is_ok() || matches!(target, Err(Error::InvalidArgument { .. })));
    }

    #[test]
    fn a_target_is_an_address_and_nothing_more() {
        check("http://127.0.0.1:4040", Some(("127.0.0.1", 4040)));
        check("http://host/", Some(("host", 80)));
        check("https://host", Some(("host", 443)));
        check("HTTPS://Host:65535", Some(("Host", 65535)));
        check("http://[::1]:4040", Some(("::1", 4040)));
        check("http://[::1]", Some(("::1", 80)));
        for text in [
            "",
            "host",
            "host:1",
            "/path",
            "ftp://host",
            "http://",
            "http://:80",
            "http:///x",
            "http://host:",
            "http://host:0",
            "http://host:65536",
            "http://host:x",
            "http://host/x",
            "http://host?x",
            "http://host#x",
            "http://a b",
            "http://host:1:2",
            "http://[::1",
            "http://h\r\nx",
            "http://[::1]x",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_socket_path_is_absolute_and_short_enough() {
        for (text, is_sound) in [
            ("unix:/run/agentd.sock", true),
            ("unix:///run/agentd.sock", true),
            ("unix:run/agentd.sock", false),
            ("unix:", false),
            ("unix:/a\0b", false),
            (&format!("unix:/{}", "x".repeat(200)), false),
        ] {
            assert_eq!(text.parse::<Target>().is_ok(), is_sound, "{text}");
        }
    }

    #[test]
    fn a_mesh_target_is_refused_by_name() {
        let error = "mesh:ae58?addr=192.0.2.1:1".parse::<Target>().unwrap_err();
        assert!(error.to_string().contains("mesh"), "{error}");
    }

    #[test]
    fn a_password_in_a_target_is_not_repeated() {
        let error = "http://user:hunter2@host".parse::<Target>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }

    #[test]
    fn a_unix_socket_never_gets_a_token() {
        let token = Token::new("hunter2").unwrap();
        let unix: Target = "unix:/run/agentd.sock".parse().unwrap();
        assert!(unix.with_token(token.clone()).token().is_none());
        let tcp: Target = "http://host".parse().unwrap();
        let tcp = tcp.with_token(token);
        assert!(tcp.token().is_some());
        assert!(!format!("{tcp:?} {tcp}").contains("hunter2"));
    }
}
