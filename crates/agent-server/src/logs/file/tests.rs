//! The log file on a real disk.

use std::os::unix::fs::symlink;

use super::*;

fn log_in(dir: &Path, max_bytes: u64) -> LogFile {
    let mut log = LogFile { max_bytes, ..LogFile::new(Arc::default()) };
    log.attach(dir.to_owned(), Some(open(dir).unwrap()));
    log
}

fn active(dir: &Path) -> String {
    fs::read_to_string(dir.join(ACTIVE_NAME)).unwrap()
}

#[test]
fn the_log_and_its_directory_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("a/b");
    drop(open(&logs).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&logs), 0o700);
    assert_eq!(mode(&logs.join(ACTIVE_NAME)), 0o600);
    fs::set_permissions(logs.join(ACTIVE_NAME), fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&logs).unwrap());
    assert_eq!(mode(&logs.join(ACTIVE_NAME)), 0o600);
}

#[test]
fn a_link_or_a_directory_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    symlink(dir.path().join("victim"), dir.path().join(ACTIVE_NAME)).unwrap();
    assert!(open(dir.path()).is_err());
    assert!(!dir.path().join("victim").exists());
    fs::remove_file(dir.path().join(ACTIVE_NAME)).unwrap();
    fs::create_dir(dir.path().join(ACTIVE_NAME)).unwrap();
    assert!(open(dir.path()).is_err());
}

#[test]
fn a_full_log_is_renamed_before_the_line_that_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log_in(dir.path(), 10);
    log.write("12345\n");
    log.write("678\n");
    assert_eq!((rotated(dir.path()).len(), active(dir.path()).as_str()), (0, "12345\n678\n"));
    log.write("9\n");
    let names = rotated(dir.path());
    assert_eq!((names.len(), active(dir.path()).as_str()), (1, "9\n"));
    assert_eq!(fs::read_to_string(dir.path().join(&names[0])).unwrap(), "12345\n678\n");
    log.write("a line longer than a whole log is still written\n");
    log.write("x\n");
    assert_eq!(active(dir.path()), "x\n");
}

#[test]
fn the_newest_five_renamed_logs_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let old = "agentd-2001-02-03T04-05-06.007.log";
    let foreign = ["agentd-2001.log", "agentd-2001-02-03T04-05-06.007.log.gz", "other.log"];
    for name in foreign.iter().chain([&old]) {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let mut log = log_in(dir.path(), 1);
    for number in 0..8 {
        log.write(&format!("{number}\n"));
    }
    let names = rotated(dir.path());
    let contents: Vec<String> =
        names.iter().map(|name| fs::read_to_string(dir.path().join(name)).unwrap()).collect();
    assert_eq!(contents, ["2\n", "3\n", "4\n", "5\n", "6\n"]);
    assert!(!names.iter().any(|name| name == old));
    assert!(foreign.iter().all(|name| dir.path().join(name).exists()));
}

#[test]
fn a_clock_that_was_set_back_loses_no_log() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("agentd-9998-02-03T04-05-06.007.log"), "").unwrap();
    let mut log = log_in(dir.path(), 1);
    log.write("a\n");
    log.write("b\n");
    assert_eq!((rotated(dir.path()).len(), active(dir.path()).as_str()), (2, "b\n"));
}

#[test]
fn a_renamed_log_is_named_by_the_time() {
    let name = rotated_name(Timestamp::from_unix_ms(1_769_860_800_123));
    assert_eq!(name, "agentd-2026-01-31T12-00-00.123.log");
    assert!(is_rotated_name(&name));
    let others = [
        ACTIVE_NAME,
        "agentd-2026-01-31T12-00-00.123",
        "agentd-2026-01-31T12:00:00.123.log",
        "agentd-2026-01-31T12-00-00.1234.log",
        "agentd-aaaa-01-31T12-00-00.123.log",
        "agentd-.log",
    ];
    for other in others {
        assert!(!is_rotated_name(other), "{other}");
    }
}

#[test]
fn lost_lines_are_counted_and_reported_when_writing_works_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogFile::new(Arc::default());
    log.write("early\n");
    log.attach(dir.path().to_owned(), None);
    log.write("lost\n");
    assert_eq!(log.loss.total.load(Ordering::Relaxed), 2);
    log.attach(dir.path().to_owned(), Some(open(dir.path()).unwrap()));
    log.write("kept\n");
    log.write("kept too\n");
    let text = active(dir.path());
    let lines: Vec<&str> = text.lines().collect();
    let report: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((report["lost"].as_u64(), report["level"].as_str()), (Some(2), Some("WARN")));
    assert_eq!(lines[1..], ["kept", "kept too"]);
    assert_eq!(log.loss.total.load(Ordering::Relaxed), 2);
}

#[test]
fn a_full_disk_loses_whole_lines() {
    // Every write to it fails like on a full disk (full(4)).
    let mut log = LogFile::new(Arc::default());
    let full = File::options().write(true).open("/dev/full").unwrap();
    let full = OpenFile { file: full, bytes: 0, rotate_at: MAX_BYTES };
    log.attach(PathBuf::from("/nowhere"), Some(full));
    log.write("a\n");
    log.write("b\n");
    assert_eq!(log.loss.total.load(Ordering::Relaxed), 2);
}

#[test]
fn reopening_follows_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log_in(dir.path(), MAX_BYTES);
    log.write("a\n");
    fs::rename(dir.path().join(ACTIVE_NAME), dir.path().join("moved")).unwrap();
    log.write("b\n");
    log.reopen();
    log.write("c\n");
    assert_eq!(fs::read_to_string(dir.path().join("moved")).unwrap(), "a\nb\n");
    assert_eq!(active(dir.path()), "c\n");
}

#[test]
fn an_existing_log_is_continued() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(ACTIVE_NAME), "before\n").unwrap();
    let mut log = log_in(dir.path(), 12);
    log.write("now\n");
    assert_eq!(active(dir.path()), "before\nnow\n");
    log.write("next\n");
    assert_eq!((rotated(dir.path()).len(), active(dir.path()).as_str()), (1, "next\n"));
}
