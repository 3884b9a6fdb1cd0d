//! Which files count, on a real file system.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

struct Place {
    home: tempfile::TempDir,
    account: u32,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("ssh")).unwrap();
        let place = Self { home, account: rustix::process::geteuid().as_raw() };
        fs::write(place.file(), "keys").unwrap();
        place.mode("ssh", 0o700);
        place.mode("ssh/keys", 0o644);
        place
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("ssh/keys")
    }

    fn mode(&self, name: &str, mode: u32) {
        let path = self.home.path().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, SourceError> {
        read_safe(path, self.account)
    }
}

#[test]
fn the_modes_of_file_and_directory_decide() {
    let place = Place::new();
    for (directory, file, expected) in [
        (0o700, 0o600, true),
        (0o755, 0o644, true),
        (0o700, 0o664, false),
        (0o700, 0o646, false),
        (0o770, 0o600, false),
        (0o707, 0o600, false),
        (0o1777, 0o600, true),
        (0o1777, 0o1666, false),
    ] {
        place.mode("ssh", directory);
        place.mode("ssh/keys", file);
        let read = place.read(&place.file());
        assert_eq!(read.is_ok(), expected, "{directory:o} {file:o}");
        if !expected {
            assert!(matches!(read, Err(SourceError::Writable(_))), "{read:?}");
        }
    }
}

#[test]
fn a_missing_file_or_directory_is_none() {
    let place = Place::new();
    for name in ["ssh/none", "none/keys"] {
        assert_eq!(place.read(&place.home.path().join(name)).unwrap(), None);
    }
}

#[test]
fn only_regular_files_count() {
    let place = Place::new();
    let directory = place.home.path().join("ssh");
    assert!(matches!(place.read(&directory), Err(SourceError::Kind(_))));
    let fifo = directory.join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    assert!(matches!(place.read(&fifo), Err(SourceError::Kind(_))));
}

#[test]
fn a_link_leads_to_a_file_whose_own_place_is_checked() {
    let place = Place::new();
    let link = place.home.path().join("link");
    symlink(place.file(), &link).unwrap();
    assert_eq!(place.read(&link).unwrap().unwrap(), b"keys");
    place.mode("ssh", 0o777);
    assert!(matches!(place.read(&link), Err(SourceError::Writable(_))));
}

#[test]
fn a_file_over_its_limit_is_not_read() {
    let place = Place::new();
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap();
    fs::write(place.file(), vec![b'#'; limit]).unwrap();
    assert_eq!(place.read(&place.file()).unwrap().unwrap().len(), limit);
    fs::write(place.file(), vec![b'#'; limit + 1]).unwrap();
    assert!(matches!(place.read(&place.file()), Err(SourceError::TooLarge(_))));
}

mod needs_root {
    use std::os::unix::fs::{chown, lchown};

    use super::*;

    const ACCOUNT: u32 = 65_533;
    const STRANGER: u32 = 65_532;

    #[test]
    fn file_directory_and_link_belong_to_the_account_or_root() {
        let mut place = Place::new();
        place.account = ACCOUNT;
        let directory = place.home.path().join("ssh");
        let link = directory.join("link");
        symlink(place.file(), &link).unwrap();
        for (directory_owner, file_owner, link_owner, expected) in [
            (0, 0, 0, true),
            (ACCOUNT, ACCOUNT, ACCOUNT, true),
            (ACCOUNT, 0, 0, true),
            (STRANGER, ACCOUNT, ACCOUNT, false),
            (ACCOUNT, STRANGER, ACCOUNT, false),
            (ACCOUNT, ACCOUNT, STRANGER, false),
        ] {
            chown(&directory, Some(directory_owner), None).unwrap();
            chown(place.file(), Some(file_owner), None).unwrap();
            lchown(&link, Some(link_owner), None).unwrap();
            let read = place.read(&link);
            assert_eq!(read.is_ok(), expected, "{directory_owner} {file_owner} {link_owner}");
            assert!(expected || matches!(read, Err(SourceError::Owner(_))), "{read:?}");
        }
    }
}
