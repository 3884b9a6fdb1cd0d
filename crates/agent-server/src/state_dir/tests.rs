//! The state directory on a real disk.

use std::os::unix::fs::symlink;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_new_directory_and_its_files_are_private() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("a/b");
    let state = StateDir::open(&path).unwrap();
    state.token(None).unwrap();
    state.agent_id().unwrap();
    state.publish(&AgentInfo::default()).unwrap();
    let expected = [
        ("", 0o700),
        ("run", 0o700),
        ("lock", 0o600),
        ("token", 0o600),
        ("agent_id", 0o600),
        ("run/agentd.json", 0o600),
    ];
    for (name, expected) in expected {
        assert_eq!(mode(&path.join(name)), expected, "{name}");
    }
    let pid = fs::read_to_string(path.join("lock")).unwrap();
    assert_eq!(pid.trim_end().parse(), Ok(std::process::id()));
}

#[test]
fn the_token_is_made_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    state.token(None).unwrap();
    let text = fs::read_to_string(dir.path().join("token")).unwrap();
    assert_eq!(text.len(), 43);
    assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
    let id = state.agent_id().unwrap();
    state.close();
    let state = StateDir::open(dir.path()).unwrap();
    assert!(state.token(None).unwrap().matches(text.as_bytes()));
    assert_eq!(state.agent_id().unwrap(), id);
}

#[test]
fn a_file_of_its_own_that_a_crash_left_empty_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    for name in ["token", "agent_id"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let id = state.agent_id().unwrap();
    state.token(None).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("token")).unwrap().len(), 43);
    assert_eq!(fs::read_to_string(dir.path().join("agent_id")).unwrap(), id.to_string());
}

#[test]
fn a_token_file_must_have_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let file = dir.path().join("given");
    let cases = [
        (b"abc\n".to_vec(), true),
        (b"a".repeat(4096), true),
        (b"a".repeat(4097), false),
        (b"\n".to_vec(), false),
        (b"".to_vec(), false),
    ];
    for (content, is_usable) in cases {
        fs::write(&file, &content).unwrap();
        assert_eq!(state.token(Some(&file)).is_ok(), is_usable, "{} bytes", content.len());
    }
    assert!(matches!(state.token(Some(dir.path())), Err(StartError::ReadToken { .. })));
    let missing = dir.path().join("missing");
    assert!(matches!(state.token(Some(&missing)), Err(StartError::ReadToken { .. })));
    fs::write(&file, "linked").unwrap();
    symlink(&file, dir.path().join("link")).unwrap();
    let token = state.token(Some(&dir.path().join("link"))).unwrap();
    assert!(token.matches(b"linked"), "the user's own link is followed");
}

#[test]
fn a_token_file_that_is_a_fifo_does_not_hold_up_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let error = state.token(Some(&fifo)).unwrap_err();
    assert!(matches!(error, StartError::ReadToken { .. }), "{error}");
}

#[test]
fn a_second_agent_is_told_about_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let first = StateDir::open(dir.path()).unwrap();
    let error = StateDir::open(dir.path()).unwrap_err();
    assert!(matches!(error, StartError::InUse { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.to_string().contains(&format!("(process {})", std::process::id())));
    first.close();
    StateDir::open(dir.path()).unwrap();
}

#[test]
fn what_a_dead_agent_left_is_cleared_away() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    fs::write(&kept, "").unwrap();
    let run = dir.path().join("run");
    fs::create_dir_all(run.join("ssh-agent")).unwrap();
    fs::write(run.join("agentd.json"), "old").unwrap();
    symlink(dir.path(), run.join("link")).unwrap();
    let spooled = dir.path().join(".agentd-1-0");
    fs::write(&spooled, "half an upload").unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    assert_eq!(fs::read_dir(&run).unwrap().count(), 0);
    assert!(kept.exists() && !spooled.exists());
    fs::write(run.join("left"), "").unwrap();
    state.close();
    assert_eq!(fs::read_dir(&run).unwrap().count(), 0);
    fs::remove_dir(&run).unwrap();
    symlink(dir.path(), &run).unwrap();
    StateDir::open(dir.path()).unwrap();
    assert!(kept.exists() && run.symlink_metadata().unwrap().is_dir());
}

#[test]
fn a_directory_that_others_write_to_is_taken_only_when_empty() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("state");
    fs::create_dir(&path).unwrap();
    for open in [0o777, 0o755] {
        chmod(&path, open);
        make_private(&path).unwrap();
        assert_eq!(mode(&path), 0o700, "{open:o}");
    }
    fs::write(path.join("something"), "").unwrap();
    for (open, is_taken) in [(0o775, false), (0o1777, false), (0o702, false), (0o755, true)] {
        chmod(&path, open);
        let taken = make_private(&path);
        assert_eq!(taken.is_ok(), is_taken, "{open:o}");
        assert_eq!(mode(&path), open, "only an empty one is changed");
    }
}

#[test]
fn links_in_place_of_files_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "victim").unwrap();
    let state_path = dir.path().join("state");
    for name in ["lock", "token", "agent_id"] {
        fs::create_dir_all(&state_path).unwrap();
        symlink(&victim, state_path.join(name)).unwrap();
        let opened = StateDir::open(&state_path)
            .and_then(|state| state.token(None).and_then(|_| state.agent_id()));
        assert!(opened.is_err(), "{name}");
        fs::remove_dir_all(&state_path).unwrap();
    }
    assert_eq!(fs::read(&victim).unwrap(), b"victim");
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    fs::write(&token, "mine\n").unwrap();
    chmod(&token, 0o644);
    let state = StateDir::open(dir.path()).unwrap();
    assert!(state.token(None).unwrap().matches(b"mine"));
    assert_eq!(mode(&token), 0o600);
}

#[test]
fn an_id_that_is_none_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    for content in ["\n", "not an id", "\u{fffd}"] {
        fs::write(dir.path().join("agent_id"), content).unwrap();
        assert!(matches!(state.agent_id(), Err(StartError::AgentId { .. })), "{content}");
    }
}

#[test]
fn bytes_are_encoded_as_in_the_rfc() {
    let cases: [(&[u8], &str); 6] = [
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foobar", "Zm9vYmFy"),
        (&[0xfb, 0xff, 0xfe], "-__-"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(base64url(bytes), expected);
    }
}
