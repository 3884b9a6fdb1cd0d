//! Whether an offered key logs in: the lines, the authorities and the certificate, weighed.
//!
//! Pure: what the files hold and what time it is are given.

use std::net::IpAddr;

use agent_ssh_protocol::key::{Certificate, CertificateKind, PublicKey, Verified};

use super::authorized_keys::Entry;
use super::certificate::{CertificateError, Constraints, valid_at};
use super::grant::{Grant, Identity};
use super::options::KeyOptions;
use super::pattern;

/// A key, and who offers it when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) key: &'a PublicKey,
    pub(super) certificate: Option<&'a Certificate>,
    pub(super) peer: IpAddr,
    /// Seconds since 1970.
    pub(super) now: u64,
    /// What the signature shows; `None` while the client only asks.
    pub(super) verified: Option<Verified>,
}

/// What decides beside the offer.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) authorities: &'a [PublicKey],
    /// Names of which a certificate must hold one, unless its authority's line has its own.
    pub(super) principals: &'a [Vec<u8>],
}

/// Why a key does not log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("key not authorized")]
    UnknownKey,
    #[error("authority of the certificate not trusted")]
    UnknownAuthority,
    #[error("key expired")]
    Expired,
    #[error("principals given for a key that is no authority")]
    StrayPrincipals,
    #[error("peer not permitted to use the key")]
    From,
    #[error("signature without a touch of the security key")]
    Touch,
    #[error("signature without a verification of the user")]
    Verification,
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Decides about one offer.
///
/// Lines count in their order and before the trusted authorities; the first that admits the key
/// sets what it may do. The reason of a refusal is that of the last line about the key.
pub(super) fn decide(attempt: &Attempt<'_>, rules: &Rules<'_>) -> Result<Grant, Refused> {
    let options = match attempt.certificate {
        Some(certificate) => certified(attempt, certificate, rules)?,
        None => plain(attempt, rules)?,
    };
    if let Some(verified) = attempt.verified {
        if options.touch_required && !verified.user_present {
            return Err(Refused::Touch);
        }
        if options.verify_required && !verified.user_verified {
            return Err(Refused::Verification);
        }
    }
    let identity = Identity::new(attempt.key, attempt.certificate);
    Ok(Grant::from_options(&options, Some(identity)))
}

fn plain(attempt: &Attempt<'_>, rules: &Rules<'_>) -> Result<KeyOptions, Refused> {
    let mut refused = Refused::UnknownKey;
    for entry in rules.entries {
        if entry.options.cert_authority || entry.key != *attempt.key {
            continue;
        }
        match admit(&entry.options, attempt) {
            Ok(()) => return Ok(entry.options.clone()),
            Err(reason) => refused = reason,
        }
    }
    Err(refused)
}

fn certified(
    attempt: &Attempt<'_>,
    certificate: &Certificate,
    rules: &Rules<'_>,
) -> Result<KeyOptions, Refused> {
    let mut refused = Refused::UnknownAuthority;
    for entry in rules.entries {
        if !entry.options.cert_authority || entry.key != certificate.signature_key {
            continue;
        }
        let admitted = admit(&entry.options, attempt).and_then(|()| {
            let principals = entry.options.principals.as_deref();
            let names: Option<Vec<&[u8]>> =
                principals.map(|list| list.split(|&byte| byte == b',').collect());
            let names =
                names.unwrap_or_else(|| rules.principals.iter().map(Vec::as_slice).collect());
            let constraints = check(attempt, certificate, &names)?;
            restrict(entry.options.clone(), constraints).map_err(Refused::from)
        });
        match admitted {
            Ok(options) => return Ok(options),
            Err(reason) => refused = reason,
        }
    }
    if rules.authorities.contains(&certificate.signature_key) {
        let names: Vec<&[u8]> = rules.principals.iter().map(Vec::as_slice).collect();
        let constraints = check(attempt, certificate, &names)?;
        let options = KeyOptions { touch_required: false, ..KeyOptions::default() };
        return Ok(restrict(options, constraints)?);
    }
    Err(refused)
}

/// Checks what a line asks of whoever uses it.
fn admit(options: &KeyOptions, attempt: &Attempt<'_>) -> Result<(), Refused> {
    if options.expires.is_some_and(|last| attempt.now > last) {
        return Err(Refused::Expired);
    }
    if options.principals.is_some() && !options.cert_authority {
        return Err(Refused::StrayPrincipals);
    }
    match &options.from {
        Some(list) if pattern::admits(list, attempt.peer) != Ok(true) => Err(Refused::From),
        _ => Ok(()),
    }
}

/// Checks all that is asked of a certificate whose authority is trusted.
fn check(
    attempt: &Attempt<'_>,
    certificate: &Certificate,
    names: &[&[u8]],
) -> Result<Constraints, CertificateError> {
    if certificate.kind != CertificateKind::User {
        return Err(CertificateError::Kind);
    }
    valid_at(attempt.now, certificate.valid_after, certificate.valid_before)?;
    if !certificate.principals.iter().any(|own| names.contains(&own.as_slice())) {
        return Err(CertificateError::Principal);
    }
    let constraints = Constraints::read(&certificate.critical_options, &certificate.extensions)?;
    constraints.admit(attempt.peer)?;
    let is_token =
        matches!(certificate.key, PublicKey::SkEd25519 { .. } | PublicKey::SkEcdsa { .. });
    if constraints.verify_required && !is_token {
        return Err(CertificateError::Unverifiable);
    }
    certificate.verify_signature().map_err(|_| CertificateError::Signature)?;
    Ok(constraints)
}

/// Unites what a line and a certificate demand; a feature needs the leave of both.
fn restrict(line: KeyOptions, certificate: Constraints) -> Result<KeyOptions, CertificateError> {
    let command = match (line.command, certificate.command) {
        (Some(line), Some(certificate)) if line != certificate => {
            return Err(CertificateError::ForcedCommand);
        }
        (line, certificate) => certificate.or(line),
    };
    Ok(KeyOptions {
        command,
        pty: line.pty && certificate.pty,
        port_forwarding: line.port_forwarding && certificate.port_forwarding,
        agent_forwarding: line.agent_forwarding && certificate.agent_forwarding,
        x11_forwarding: line.x11_forwarding && certificate.x11_forwarding,
        touch_required: line.touch_required || !certificate.no_touch_required,
        verify_required: line.verify_required || certificate.verify_required,
        ..line
    })
}

#[cfg(test)]
mod tests;
