//! The authenticators of the doors: keys in files, or anybody.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use agent_ssh_protocol::key::{Certificate, PublicKey, Verified};
use agent_ssh_protocol::{Authenticator, Offer};
use tokio::task::spawn_blocking;
use tracing::{debug, info, warn};

use super::authorized_keys::{self, Entry, LineError};
use super::decision::{Attempt, Refused, Rules, decide};
use super::grant::{Grant, Identity};
use super::source::{read_safe, read_trusted};

/// Which keys and certificates log in on the TCP listener.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Read again at each attempt; a missing file is an empty one.
    pub(crate) authorized_keys: PathBuf,
    /// Keys whose certificates are accepted, one a line; read again at each attempt.
    pub(crate) trusted_user_ca: Option<PathBuf>,
    /// Names of which a certificate must hold one.
    pub(crate) principals: Vec<Vec<u8>>,
    /// User id that, beside root, may own the authorized keys and their directory.
    pub(crate) account: u32,
}

/// Lets in the keys and certificates that files authorize.
#[derive(Debug)]
pub(crate) struct FileKeys {
    policy: Arc<Policy>,
    peer: IpAddr,
    grant: Option<Grant>,
    warnings: Warnings,
}

impl FileKeys {
    pub(crate) fn new(policy: Arc<Policy>, peer: IpAddr) -> Self {
        Self { policy, peer, grant: None, warnings: Warnings::default() }
    }

    /// Returns what the login may do.
    ///
    /// # Panics
    ///
    /// When nobody has logged in.
    pub(crate) fn grant(self) -> Grant {
        self.grant.expect("the protocol accepts nobody whom no offer let in")
    }

    async fn decide(&mut self, offer: &Offered) -> Result<Grant, Refused> {
        let policy = self.policy.clone();
        let mut warnings = std::mem::take(&mut self.warnings);
        let read = spawn_blocking(move || {
            let files = Files::read(&policy, &mut warnings);
            (files, warnings)
        });
        let Ok((files, warnings)) = read.await else {
            return Err(Refused::UnknownKey);
        };
        self.warnings = warnings;
        let attempt = Attempt {
            key: &offer.key,
            certificate: offer.certificate.as_ref(),
            peer: self.peer,
            now: now(),
            verified: offer.verified,
        };
        let rules = Rules {
            entries: &files.entries,
            authorities: &files.authorities,
            principals: &self.policy.principals,
        };
        decide(&attempt, &rules)
    }
}

/// An offer that outlives the packet it came in.
#[derive(Debug)]
struct Offered {
    key: PublicKey,
    certificate: Option<Certificate>,
    verified: Option<Verified>,
}

impl From<Offer<'_>> for Offered {
    fn from(offer: Offer<'_>) -> Self {
        Self {
            key: offer.key.clone(),
            certificate: offer.certificate.cloned(),
            verified: offer.verified,
        }
    }
}

impl Authenticator for FileKeys {
    async fn none(&mut self, _user: &[u8]) -> bool {
        false
    }

    async fn public_key(&mut self, offer: Offer<'_>) -> bool {
        let offer = Offered::from(offer);
        match self.decide(&offer).await {
            Ok(grant) => {
                if offer.verified.is_some() {
                    self.grant = Some(grant);
                }
                true
            }
            Err(reason @ (Refused::UnknownKey | Refused::UnknownAuthority)) => {
                debug!(fingerprint = offer.key.fingerprint(), %reason, "ssh key refused");
                false
            }
            Err(reason) => {
                info!(fingerprint = offer.key.fingerprint(), %reason, "ssh key refused");
                false
            }
        }
    }
}

/// Lets in everybody, with any key or none: the door has asked already.
#[derive(Debug, Default)]
pub(crate) struct AnyKey {
    identity: Option<Identity>,
}

impl AnyKey {
    /// Returns the grant of everything, in the name of the key that was used, if one was.
    pub(crate) fn grant(self) -> Grant {
        Grant { identity: self.identity, ..Grant::everything() }
    }
}

impl Authenticator for AnyKey {
    async fn none(&mut self, _user: &[u8]) -> bool {
        true
    }

    async fn public_key(&mut self, offer: Offer<'_>) -> bool {
        if offer.verified.is_some() {
            self.identity = Some(Identity::new(offer.key, offer.certificate));
        }
        true
    }
}

/// What the files hold at one moment.
#[derive(Debug)]
struct Files {
    entries: Vec<Entry>,
    authorities: Vec<PublicKey>,
}

impl Files {
    /// Blocks. What can not be read or parsed is left out with a warning.
    fn read(policy: &Policy, warnings: &mut Warnings) -> Self {
        let path = &policy.authorized_keys;
        let text = match read_safe(path, policy.account) {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => {
                warnings.file(path, &error);
                Vec::new()
            }
        };
        let mut entries = Vec::new();
        for (number, entry) in authorized_keys::entries(&text) {
            match entry {
                Ok(entry) => entries.push(entry),
                Err(error) => warnings.line(path, number, &error),
            }
        }
        Self { entries, authorities: authorities(policy, warnings) }
    }
}

fn authorities(policy: &Policy, warnings: &mut Warnings) -> Vec<PublicKey> {
    let Some(path) = &policy.trusted_user_ca else {
        return Vec::new();
    };
    let text = read_trusted(path).unwrap_or_else(|error| {
        warnings.file(path, &error);
        Vec::new()
    });
    let mut keys = Vec::new();
    for (number, key) in authorized_keys::keys(&text) {
        match key {
            Ok(key) => keys.push(key),
            Err(error) => warnings.line(path, number, &error),
        }
    }
    keys
}

/// Warns of each problem once a connection, and of no more than [`Warnings::MAX`].
///
/// Nobody has logged in yet, so a stranger decides how often the files are read.
#[derive(Debug, Default)]
struct Warnings(BTreeSet<(PathBuf, usize)>);

impl Warnings {
    const MAX: usize = 16;

    fn file(&mut self, path: &Path, error: &dyn std::error::Error) {
        if self.is_new(path, 0) {
            let cause = error.source().map(ToString::to_string);
            warn!(path = %path.display(), cause, "ssh keys not used: {error}");
        }
    }

    fn line(&mut self, path: &Path, line: usize, error: &LineError) {
        if self.is_new(path, line) {
            warn!(path = %path.display(), line, "ssh key line skipped: {error}");
        }
    }

    fn is_new(&mut self, path: &Path, line: usize) -> bool {
        self.0.len() < Self::MAX && self.0.insert((path.into(), line))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
