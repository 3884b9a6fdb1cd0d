//! Making, loading and refusing host keys on a real file system.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

struct State(tempfile::TempDir);

impl State {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn generated(&self) -> PathBuf {
        self.0.path().join("ssh/host_ed25519_key")
    }

    fn load(&self, supplied: &[&Path]) -> Result<Vec<String>, HostKeyError> {
        let supplied: Vec<_> = supplied.iter().map(|path| path.to_path_buf()).collect();
        let keys = load(self.0.path(), &supplied)?;
        Ok(keys.iter().map(|key| key.public().fingerprint()).collect())
    }

    /// Writes a key file and returns its path with the key's fingerprint.
    fn supply(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn supply_ed25519(&self, name: &str, mode: u32) -> (PathBuf, String) {
        let key = HostKey::generate_ed25519();
        (self.supply(name, &key.to_openssh(), mode), key.public().fingerprint())
    }
}

#[test]
fn the_first_start_makes_a_private_key_and_later_ones_keep_it() {
    let state = State::new();
    let first = state.load(&[]).unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(state.load(&[]).unwrap(), first);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state.generated()), 0o600);
    assert_eq!(mode(state.generated().parent().unwrap()), 0o700);
    assert_eq!(fs::read_dir(state.generated().parent().unwrap()).unwrap().count(), 1);
    let text = fs::read_to_string(state.generated()).unwrap();
    assert!(text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"), "{}", &text[..40]);
}

#[test]
fn starts_at_the_same_time_agree_on_one_key() {
    let state = State::new();
    let keys: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| state.load(&[]).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(fs::read_dir(state.generated().parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn of_two_keys_with_one_algorithm_the_later_wins() {
    let state = State::new();
    let generated = state.load(&[]).unwrap();
    let (first, first_print) = state.supply_ed25519("first", 0o600);
    let (second, second_print) = state.supply_ed25519("second", 0o400);
    assert_eq!(state.load(&[&first]).unwrap(), std::slice::from_ref(&first_print));
    assert_eq!(state.load(&[&first, &second]).unwrap(), [second_print]);
    assert_eq!(state.load(&[&second, &first]).unwrap(), [first_print]);
    assert_eq!(state.load(&[]).unwrap(), generated);
}

#[test]
fn a_key_that_others_can_reach_stops_the_start() {
    let state = State::new();
    for mode in [0o640, 0o604, 0o644, 0o660] {
        let (path, _) = state.supply_ed25519("exposed", mode);
        let refused = state.load(&[&path]);
        assert!(matches!(refused, Err(HostKeyError::Exposed { .. })), "{mode:o} {refused:?}");
    }
    fs::set_permissions(state.generated(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(state.load(&[]), Err(HostKeyError::Exposed { .. })));
}

#[test]
fn a_key_that_can_not_be_used_stops_the_start() {
    let state = State::new();
    let missing = state.0.path().join("missing");
    assert!(matches!(state.load(&[&missing]), Err(HostKeyError::Read { .. })));
    assert!(matches!(state.load(&[state.0.path()]), Err(HostKeyError::Read { .. })));
    for text in ["", "not a key", "-----BEGIN OPENSSH PRIVATE KEY-----\n"] {
        let path = state.supply("bad", text, 0o600);
        assert!(matches!(state.load(&[&path]), Err(HostKeyError::Parse { .. })), "{text:?}");
    }
    fs::remove_dir_all(state.generated().parent().unwrap()).unwrap();
    fs::write(state.0.path().join("ssh"), "").unwrap();
    assert!(matches!(state.load(&[]), Err(HostKeyError::Write { .. })));
}
