//! TLS to a host whose certificate the system's roots vouch for; a refusal in a build without it.

#[cfg(feature = "tls")]
pub(crate) use with_tls::Tls;
#[cfg(not(feature = "tls"))]
pub(crate) use without_tls::Tls;

#[cfg(feature = "tls")]
mod with_tls {
    use std::{fmt, io, sync::Arc};

    use tokio_rustls::{
        TlsConnector,
        rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
    };

    use crate::{Error, target::without_brackets, transport::BoxedStream};

    /// A client's side of TLS.
    #[derive(Clone)]
    pub(crate) struct Tls(TlsConnector);

    impl Tls {
        /// Reads the system's roots; a broken one among them is left out.
        pub(crate) fn new() -> Result<Self, Error> {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            let (added, _) = roots.add_parsable_certificates(found.certs);
            match (added, found.errors.first()) {
                (0, Some(error)) => Err(Error::invalid(format!(
                    "the system's certificates cannot be read: {error}"
                ))),
                (0, None) => Err(Error::invalid("the system has no root certificates")),
                _ => Ok(Self::trusting(roots)),
            }
        }

        pub(crate) fn trusting(roots: RootCertStore) -> Self {
            let mut config =
                ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                    .with_safe_default_protocol_versions()
                    .expect("ring has the cipher suites of TLS 1.2 and 1.3")
                    .with_root_certificates(roots)
                    .with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Self(TlsConnector::from(Arc::new(config)))
        }

        /// Shakes hands with `host`, a name or an address.
        pub(crate) async fn connect(
            &self,
            host: &str,
            stream: BoxedStream,
        ) -> io::Result<BoxedStream> {
            let name = ServerName::try_from(without_brackets(host).to_owned())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            Ok(Box::new(self.0.connect(name, stream).await?))
        }
    }

    impl fmt::Debug for Tls {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Tls")
        }
    }
}

#[cfg(not(feature = "tls"))]
mod without_tls {
    use std::io;

    use crate::{Error, transport::BoxedStream};

    /// Never exists, so nothing is ever sent in the clear that should not be.
    #[derive(Clone, Debug)]
    pub(crate) enum Tls {}

    impl Tls {
        pub(crate) fn new() -> Result<Self, Error> {
            Err(Error::invalid("this client was built without TLS (feature `tls`)"))
        }

        pub(crate) fn connect(
            &self,
            _host: &str,
            _stream: BoxedStream,
        ) -> std::future::Ready<io::Result<BoxedStream>> {
            match *self {}
        }
    }
}
