//! What a user certificate demands and allows, by itself.
//!
//! Whether its authority is trusted, and whether the authority's signature is right, is asked
//! elsewhere. See PROTOCOL.certkeys of OpenSSH.

use std::net::IpAddr;

use agent_ssh_protocol::wire::Reader;

use super::pattern;

/// Why a certificate does not log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("not a user certificate")]
    Kind,
    #[error("certificate not valid yet")]
    NotYetValid,
    #[error("certificate expired")]
    Expired,
    #[error("no principal of the certificate is permitted")]
    Principal,
    #[error("peer not in the certificate's source addresses")]
    SourceAddress,
    #[error("unsupported critical option in the certificate")]
    CriticalOption,
    #[error("malformed option in the certificate")]
    Malformed,
    #[error("forced commands of the certificate and of its authority's line differ")]
    ForcedCommand,
    #[error("authority's signature of the certificate is not valid")]
    Signature,
    #[error("certificate demands a verification of the user that its kind of key never shows")]
    Unverifiable,
}

/// The options and extensions of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Constraints {
    pub(super) command: Option<Vec<u8>>,
    /// Comma-separated addresses and networks.
    source: Option<Vec<u8>>,
    pub(super) verify_required: bool,
    pub(super) no_touch_required: bool,
    pub(super) pty: bool,
    pub(super) port_forwarding: bool,
    pub(super) agent_forwarding: bool,
    pub(super) x11_forwarding: bool,
}

/// Names with their data, as a certificate holds them.
type Named = [(Vec<u8>, Vec<u8>)];

impl Constraints {
    /// Reads both lists. Unknown extensions are ignored, unknown critical options are not.
    pub(super) fn read(critical: &Named, extensions: &Named) -> Result<Self, CertificateError> {
        let mut read = Self::default();
        for (name, data) in critical {
            match name.as_slice() {
                b"force-command" => once(&mut read.command, text(data)?)?,
                b"source-address" => once(&mut read.source, text(data)?)?,
                b"verify-required" => read.verify_required = flag(data)?,
                _ => return Err(CertificateError::CriticalOption),
            }
        }
        for (name, data) in extensions {
            match name.as_slice() {
                b"permit-pty" => read.pty = flag(data)?,
                b"permit-port-forwarding" => read.port_forwarding = flag(data)?,
                b"permit-agent-forwarding" => read.agent_forwarding = flag(data)?,
                b"permit-X11-forwarding" => read.x11_forwarding = flag(data)?,
                b"no-touch-required" => read.no_touch_required = flag(data)?,
                _ => {}
            }
        }
        Ok(read)
    }

    /// Checks the critical option `source-address`; an invalid list admits nobody.
    pub(super) fn admit(&self, peer: IpAddr) -> Result<(), CertificateError> {
        match &self.source {
            Some(list) if pattern::contains(list, peer) != Ok(true) => {
                Err(CertificateError::SourceAddress)
            }
            _ => Ok(()),
        }
    }
}

/// Checks that `after <= now < before`, in seconds since 1970.
pub(super) fn valid_at(now: u64, after: u64, before: u64) -> Result<(), CertificateError> {
    if now < after {
        return Err(CertificateError::NotYetValid);
    }
    if now >= before {
        return Err(CertificateError::Expired);
    }
    Ok(())
}

fn once(slot: &mut Option<Vec<u8>>, value: Vec<u8>) -> Result<(), CertificateError> {
    match slot.replace(value) {
        Some(_) => Err(CertificateError::Malformed),
        None => Ok(()),
    }
}

/// Data that is one string without a NUL.
fn text(data: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let mut reader = Reader::new(data);
    let text = reader.string().map_err(|_| CertificateError::Malformed)?;
    reader.end().map_err(|_| CertificateError::Malformed)?;
    if text.contains(&0) {
        return Err(CertificateError::Malformed);
    }
    Ok(text.to_vec())
}

/// An option that is given by its name alone.
fn flag(data: &[u8]) -> Result<bool, CertificateError> {
    if data.is_empty() { Ok(true) } else { Err(CertificateError::Malformed) }
}

#[cfg(test)]
mod tests {
    use agent_ssh_protocol::wire::Put as _;
    use proptest::prelude::*;

    use super::*;

    fn option(name: &str, value: Option<&str>) -> (Vec<u8>, Vec<u8>) {
        let mut data = Vec::new();
        if let Some(value) = value {
            data.put_string(value.as_bytes());
        }
        (name.into(), data)
    }

    fn critical(options: &[(&str, Option<&str>)]) -> Result<Constraints, CertificateError> {
        let options: Vec<_> = options.iter().map(|(name, value)| option(name, *value)).collect();
        Constraints::read(&options, &[])
    }

    #[test]
    fn a_missing_extension_denies_its_feature() {
        let all = Constraints::read(
            &[],
            &[
                option("permit-X11-forwarding", None),
                option("permit-agent-forwarding", None),
                option("permit-port-forwarding", None),
                option("permit-pty", None),
                option("permit-user-rc", None),
                option("unheard-of@example.com", Some("x")),
            ],
        );
        let expected = Constraints {
            pty: true,
            port_forwarding: true,
            agent_forwarding: true,
            x11_forwarding: true,
            ..Constraints::default()
        };
        assert_eq!(all, Ok(expected));
        assert_eq!(Constraints::read(&[], &[]), Ok(Constraints::default()));
        let wrong_case = Constraints::read(&[], &[option("Permit-Pty", None)]);
        assert_eq!(wrong_case, Ok(Constraints::default()));
    }

    #[test]
    fn critical_options_are_understood_or_refused() {
        let read = critical(&[("force-command", Some("x y")), ("verify-required", None)]);
        let read = read.expect("known options");
        assert_eq!(read.command.as_deref(), Some(&b"x y"[..]));
        assert!(read.verify_required);
        for (options, expected) in [
            (&[("permit-pty", None)][..], CertificateError::CriticalOption),
            (&[("new@example.com", None)], CertificateError::CriticalOption),
            (&[("", None)], CertificateError::CriticalOption),
            (&[("verify-required", Some(""))], CertificateError::Malformed),
            (&[("force-command", None)], CertificateError::Malformed),
            (&[("force-command", Some("a\0"))], CertificateError::Malformed),
            (
                &[("force-command", Some("a")), ("force-command", Some("a"))],
                CertificateError::Malformed,
            ),
        ] {
            assert_eq!(critical(options), Err(expected), "{options:?}");
        }
    }

    #[test]
    fn the_source_address_must_contain_the_peer() {
        for (list, expected) in [
            (None, true),
            (Some("10.0.0.0/8"), true),
            (Some("192.0.2.0/24"), false),
            (Some("*"), false),
            (Some("10.0.0.0/8,bad"), false),
        ] {
            let options: Vec<_> =
                list.map(|list| ("source-address", Some(list))).into_iter().collect();
            let constraints = critical(&options).expect("known options");
            let peer = "10.1.2.3".parse().expect("an address");
            assert_eq!(constraints.admit(peer).is_ok(), expected, "{list:?}");
        }
    }

    #[test]
    fn validity_includes_its_start_and_not_its_end() {
        assert_eq!(valid_at(9, 10, 20), Err(CertificateError::NotYetValid));
        assert_eq!(valid_at(10, 10, 20), Ok(()));
        assert_eq!(valid_at(19, 10, 20), Ok(()));
        assert_eq!(valid_at(20, 10, 20), Err(CertificateError::Expired));
        assert_eq!(valid_at(20, 0, u64::MAX), Ok(()));
    }

    proptest! {
        #[test]
        fn no_data_panics(
            name in "force-command|source-address|verify-required",
            data in prop::collection::vec(any::<u8>(), 0..16),
        ) {
            let _ = Constraints::read(&[(name.into_bytes(), data)], &[]);
        }
    }
}
