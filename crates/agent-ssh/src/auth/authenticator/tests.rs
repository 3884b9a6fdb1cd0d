//! Logging in with keys in real files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use agent_ssh_protocol::key::HostKey;

use super::*;

struct Place {
    directory: tempfile::TempDir,
    key: PublicKey,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
            key: HostKey::generate_ed25519().public().clone(),
        };
        place.write("");
        place
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("authorized_keys")
    }

    /// Writes the keys; `KEY` stands for the key that logs in.
    fn write(&self, lines: &str) {
        fs::write(self.file(), lines.replace("KEY", &self.key.to_openssh_line())).unwrap();
        fs::set_permissions(self.file(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn keys(&self) -> FileKeys {
        let policy = Policy {
            authorized_keys: self.file(),
            trusted_user_ca: Some(self.directory.path().join("missing")),
            principals: vec![b"alice".to_vec()],
            account: rustix::process::geteuid().as_raw(),
        };
        FileKeys::new(Arc::new(policy), "127.0.0.1".parse().unwrap())
    }

    fn offer(&self, is_signed: bool) -> Offer<'_> {
        let verified = Verified { user_present: true, user_verified: true };
        Offer {
            user: b"anybody",
            key: &self.key,
            certificate: None,
            algorithm: "ssh-ed25519",
            verified: is_signed.then_some(verified),
        }
    }
}

#[tokio::test]
async fn the_file_is_read_again_at_each_attempt() {
    let place = Place::new();
    let mut keys = place.keys();
    assert!(!keys.none(b"anybody").await);
    assert!(!keys.public_key(place.offer(false)).await);
    place.write("KEY");
    assert!(keys.public_key(place.offer(false)).await);
    place.write("# KEY");
    assert!(!keys.public_key(place.offer(true)).await);
    fs::remove_file(place.file()).unwrap();
    assert!(!keys.public_key(place.offer(true)).await);
    place.write("no-pty KEY");
    assert!(keys.public_key(place.offer(true)).await);
    assert!(!keys.grant().pty);
}

#[tokio::test]
async fn a_file_that_others_can_write_counts_as_empty() {
    let place = Place::new();
    place.write("KEY");
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o620)).unwrap();
    let mut keys = place.keys();
    assert!(!keys.public_key(place.offer(true)).await);
    assert_eq!(keys.warnings.0.len(), 2, "one for the file, one for the missing authorities");
}

#[tokio::test]
async fn bad_lines_are_skipped_and_reported_once() {
    let place = Place::new();
    place.write("unheard-of KEY\nfrom=\"192.0.2.1\" KEY\nKEY\n\nnonsense");
    let mut keys = place.keys();
    for is_signed in [false, true] {
        assert!(keys.public_key(place.offer(is_signed)).await);
    }
    let warned: Vec<_> = keys.warnings.0.iter().map(|(_, line)| *line).collect();
    assert_eq!(warned, [1, 5, 0]);
    place.write(&"nonsense\n".repeat(100));
    assert!(!keys.public_key(place.offer(true)).await);
    assert_eq!(keys.warnings.0.len(), Warnings::MAX);
}

#[tokio::test]
async fn an_authenticated_door_lets_everybody_in() {
    let place = Place::new();
    let mut any = AnyKey::default();
    assert!(any.none(b"anybody").await);
    assert!(any.public_key(place.offer(false)).await);
    assert_eq!(any.grant(), Grant::everything());
    let mut any = AnyKey::default();
    assert!(any.public_key(place.offer(true)).await);
    let grant = any.grant();
    assert_eq!(grant.identity.map(|key| key.fingerprint), Some(place.key.fingerprint()));
    assert!(grant.pty && grant.permit_open.is_none());
}
