//! Which proxy the environment names for a target; not how a connection goes through it.

use std::fmt;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use crate::{Error, target::Address};

/// Proxies as the variables `HTTP_PROXY` and its relatives name them; none by default.
///
/// Each may hold a user name and a password, which `Debug` does not show.
#[derive(Clone, Default)]
pub struct Proxies {
    /// `HTTP_PROXY`: for `http:` targets.
    pub http: Option<String>,
    /// `HTTPS_PROXY`: for `https:` targets.
    pub https: Option<String>,
    /// `ALL_PROXY`: for those of either kind that have none of their own.
    pub all: Option<String>,
    /// `NO_PROXY`: host names, addresses and networks that are reached directly, or `*`.
    pub none_for: Option<String>,
}

/// A proxy to go through.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Proxies {
    /// The proxy on the way to `address`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] when it is not an HTTP proxy.
    pub(crate) fn toward(&self, address: &Address) -> Result<Option<Proxy>, Error> {
        let Address::Tcp { tls, .. } = address else { return Ok(None) };
        if !tls && address.is_loopback() {
            return Ok(None);
        }
        let uri: Uri = format!("{address}/").parse().expect("a target is a URL");
        let Some(found) = self.matcher().intercept(&uri) else { return Ok(None) };
        let tls = match found.uri().scheme_str() {
            Some("http") => false,
            Some("https") => true,
            scheme => {
                let scheme = scheme.unwrap_or_default();
                return Err(Error::invalid(format!(
                    "proxies of scheme `{scheme}` are not supported"
                )));
            }
        };
        let Some(host) = found.uri().host() else {
            return Err(Error::invalid("the proxy has no host"));
        };
        Ok(Some(Proxy {
            tls,
            host: host.to_owned(),
            port: found.uri().port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authorization: found.basic_auth().cloned(),
        }))
    }

    fn matcher(&self) -> Matcher {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Matcher::builder()
            .http(text(&self.http))
            .https(text(&self.https))
            .all(text(&self.all))
            .no(text(&self.none_for))
            .build()
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("all", &self.all.is_some())
            .field("none_for", &self.none_for)
            .finish()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies {
            http: Some("http://user:secret@proxy.example:3128".to_owned()),
            https: Some("secure.example:8443".to_owned()),
            all: None,
            none_for: Some("direct.example, 10.0.0.0/8".to_owned()),
        }
    }

    fn check(target: &str, expected: Option<&str>) {
        let address = target.parse::<crate::Target>().unwrap();
        let found = proxies().toward(address.address()).unwrap();
        assert_eq!(found.map(|proxy| proxy.to_string()).as_deref(), expected, "{target}");
    }

    #[test]
    fn a_proxy_is_used_but_for_loopback_sockets_and_exceptions() {
        check("http://agent.example:4040", Some("http://proxy.example:3128"));
        check("https://agent.example", Some("http://secure.example:8443"));
        check("http://192.0.2.1", Some("http://proxy.example:3128"));
        for direct in ["localhost", "127.0.0.1", "127.9.9.9:1", "[::1]:4040", "LOCALHOST:1"] {
            check(&format!("http://{direct}"), None);
        }
        check("https://127.0.0.1:4040", Some("http://secure.example:8443"));
        check("http://direct.example", None);
        check("http://a.direct.example", None);
        check("http://10.1.2.3", None);
        check("unix:/run/agentd.sock", None);
    }

    #[test]
    fn a_socks_proxy_is_refused_instead_of_ignored() {
        let proxies = Proxies { all: Some("socks5://h:1".to_owned()), ..Proxies::default() };
        let target: crate::Target = "http://agent.example".parse().unwrap();
        let error = proxies.toward(target.address()).unwrap_err();
        assert!(error.to_string().contains("socks5"), "{error}");
    }

    #[test]
    fn the_password_of_a_proxy_is_sent_and_not_shown() {
        let target: crate::Target = "http://agent.example".parse().unwrap();
        let proxy = proxies().toward(target.address()).unwrap().unwrap();
        // The base64 of `user:secret`.
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic dXNlcjpzZWNyZXQ=");
        let shown = format!("{:?} {proxy:?} {proxy}", proxies());
        assert!(!shown.contains("secret") && !shown.contains("dXNl"), "{shown}");
    }
}
