//! The format, merging and the lock, also against the real `xauth` where it is installed.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

fn entry(family: u16, address: &str, number: &str, protocol: &str, cookie: &[u8]) -> Entry {
    Entry {
        family,
        address: address.into(),
        number: number.into(),
        protocol: protocol.into(),
        cookie: cookie.into(),
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.address.escape_ascii(), self.cookie.escape_ascii())
    }
}

#[test]
fn an_entry_is_five_fields_in_network_order() {
    let local = Entry::local(b"host".to_vec(), 10, b"P".to_vec(), vec![0xAB]);
    assert_eq!(encode(&[local]), b"\x01\x00\x00\x04host\x00\x0210\x00\x01P\x00\x01\xAB");
}

#[test]
fn a_cookie_replaces_the_first_for_the_same_and_removes_the_others() {
    let old = |cookie| entry(256, "host", "10", "MIT", cookie);
    let others = [
        entry(256, "host", "11", "MIT", b"b"),
        entry(0, "host", "10", "MIT", b"c"),
        entry(256, "other", "10", "MIT", b"d"),
        entry(256, "host", "10", "XDM", b"e"),
    ];
    let mut entries = vec![
        others[0].clone(),
        old(b"1"),
        others[1].clone(),
        old(b"2"),
        others[2].clone(),
        others[3].clone(),
        old(b"3"),
    ];
    merge(&mut entries, old(b"new"));
    let [b, c, d, e] = others;
    assert_eq!(entries, [b, old(b"new"), c, d, e]);
    let mut none = Vec::new();
    merge(&mut none, old(b"new"));
    assert_eq!(none, [old(b"new")]);
}

#[tokio::test]
async fn a_cookie_is_stored_in_a_private_file_without_traces() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".Xauthority");
    for (number, cookie) in [(10, b"a"), (11, b"b"), (10, b"c")] {
        let entry = Entry::local(b"h".to_vec(), number, b"MIT".to_vec(), cookie.to_vec());
        store(&path, entry).await.unwrap();
    }
    let stored = decode(&fs::read(&path).unwrap());
    assert_eq!(stored, [entry(256, "h", "10", "MIT", b"c"), entry(256, "h", "11", "MIT", b"b")]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn many_writers_lose_no_cookie() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".Xauthority");
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let path = path.clone();
        writers.spawn(async move {
            store(&path, Entry::local(b"h".to_vec(), number, b"MIT".to_vec(), vec![1])).await
        });
    }
    for written in writers.join_all().await {
        written.unwrap();
    }
    assert_eq!(decode(&fs::read(&path).unwrap()).len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_held_is_waited_for_and_not_broken() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".Xauthority");
    let held = try_lock(&path).unwrap().expect("free");
    let entry = Entry::local(b"h".to_vec(), 10, b"MIT".to_vec(), vec![1]);
    let refused = store(&path, entry.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    assert!(beside(&path, "-c").exists() && beside(&path, "-l").exists());
    drop(held);
    store(&path, entry).await.unwrap();
}

#[tokio::test]
async fn a_lock_older_than_ten_seconds_is_nobodys() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".Xauthority");
    let held = try_lock(&path).unwrap().expect("free");
    let eleven_seconds_ago = SystemTime::now() - Duration::from_secs(11);
    let lock = File::options().write(true).open(&held.created).unwrap();
    lock.set_modified(eleven_seconds_ago).unwrap();
    let began = Instant::now();
    store(&path, Entry::local(b"h".to_vec(), 10, b"MIT".to_vec(), vec![1])).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(!held.created.exists() && !held.linked.exists());
}

#[tokio::test]
async fn a_file_that_is_none_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".Xauthority");
    fs::create_dir(&path).unwrap();
    let entry = Entry::local(b"h".to_vec(), 10, b"MIT".to_vec(), vec![1]);
    store(&path, entry.clone()).await.unwrap_err();
    assert!(path.is_dir());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    let nowhere = home.path().join("missing/.Xauthority");
    assert_eq!(store(&nowhere, entry).await.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_part_over_its_length_field_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let entry = Entry::local(b"h".to_vec(), 10, b"MIT".to_vec(), vec![1; 65_536]);
    let refused = store(&home.path().join(".Xauthority"), entry).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        parts in prop::collection::vec((any::<u16>(), "[a-z]{0,5}", "[0-9]{0,3}", "[A-Z]{0,3}"), 0..6),
    ) {
        let entries: Vec<_> =
            parts.iter().map(|(f, a, n, p)| entry(*f, a, n, p, a.as_bytes())).collect();
        prop_assert_eq!(decode(&encode(&entries)), entries);
    }

    #[test]
    fn no_file_panics(text in prop::collection::vec(any::<u8>(), 0..64)) {
        let read = decode(&text);
        prop_assert!(text.starts_with(&encode(&read)));
    }
}
