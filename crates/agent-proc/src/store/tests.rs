//! Tests of the store on a real disk.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use agent_api::{ChatId, ProcessId, Stdin, Timestamp};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    Config, Exit, Loaded, Moment, Record, Request, State, Store, Tombstone, remaining,
    tombstones::Tombstones,
};
use crate::{
    ForgetReason,
    journal::{Disk, Journal, Read},
};

const HOUR: Duration = Duration::from_secs(3600);

fn id(number: u128) -> ProcessId {
    ProcessId::from_uuid(Uuid::from_u128(number)).unwrap()
}

fn chat() -> ChatId {
    "6d1c5a04-2f1e-4a0f-8a90-000000000001".parse().unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn request(number: u128) -> Request {
    Request {
        id: id(number),
        digest: format!("{number:064x}"),
        chat: Some(chat()),
        ancestors: vec![],
        command: Some("echo \u{20ac}".into()),
        args: None,
        workdir: "/".into(),
        has_workdir: true,
        background: false,
        separate_stderr: true,
        timeout_ms: Some(5),
        user: None,
        limits: None,
        keep_children: false,
    }
}

fn state() -> State {
    State::starting(at(1000), Stdin::Null)
}

fn config(directory: &Path) -> Config {
    Config {
        directory: directory.join("processes"),
        output_quota: 1 << 20,
        total_output_quota: 1 << 24,
        tombstones: HOUR,
        max_tombstones: 3,
    }
}

fn open(directory: &Path) -> (Store, Vec<Loaded>) {
    Store::open(config(directory)).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("processes")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn text(journal: &Journal) -> Vec<u8> {
    match journal.cursor(0).next(u64::MAX).await {
        Read::Bytes { bytes, .. } => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_process_comes_back_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (store, loaded) = open(directory.path());
    assert!(loaded.is_empty());
    let (record, journals) = store.create(request(1), state());
    record.update(&journals, |state| state.pid = Some(42));
    journals.output().append(b"out");
    journals.stderr().unwrap().append(b"error");
    record.update(&journals, |state| {
        let exit = Exit { code: 3, at: at(2000), signal: None, core_dumped: false, ends: [3, 5] };
        state.exit = Some(exit);
    });
    journals.close();
    record.update(&journals, |state| state.closed_at = Some(at(2001)));
    let expected = record.state();
    drop((store, record, journals));

    let (_, loaded) = open(directory.path());
    let [Loaded { record, journals }] = &loaded[..] else { panic!("{loaded:?}") };
    assert_eq!(record.request(), &request(1));
    assert_eq!(record.state(), expected);
    assert!(journals.output().bounds().is_closed);
    assert_eq!(text(journals.output()).await, b"out");
    assert_eq!(text(journals.stderr().unwrap()).await, b"error");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let processes = directory.path().join("processes");
    assert_eq!(mode(&processes), 0o700);
    for name in names(directory.path()) {
        assert_eq!(mode(&processes.join(&name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_process_that_ran_at_the_death_of_the_agent_is_open_and_has_its_output() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let (_record, journals) = store.create(request(1), state());
    journals.output().append(b"before the crash");
    // A second store sees what is on the disk at this moment.
    let (_, loaded) = open(directory.path());
    assert!(!loaded[0].journals.output().bounds().is_closed);
    assert_eq!(text(loaded[0].journals.output()).await, b"before the crash");
    assert_eq!(loaded[0].record.state().closed_at, None);
}

#[test]
fn closed_processes_come_first_in_the_order_of_closing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    for (number, closed) in [(1, None), (2, Some(9)), (3, Some(5)), (4, None), (5, Some(7))] {
        let (record, journals) = store.create(request(number), state());
        record.update(&journals, |state| {
            state.closed_at = closed.map(at);
            state.started_at = at(100 - number as i64);
        });
    }
    let (_, loaded) = open(directory.path());
    let order: Vec<_> = loaded.iter().map(|loaded| loaded.record.request().id).collect();
    assert_eq!(order, [3, 5, 2, 4, 1].map(id));
}

#[test]
fn a_forgotten_process_leaves_a_tombstone_and_no_files() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let (record, journals) = store.create(request(1), state());
    journals.output().append(b"x");
    store.forget(&record, &journals, ForgetReason::Deleted);
    record.update(&journals, |state| state.lost = true);
    assert_eq!(names(directory.path()), ["tombstones"]);
    let before = store.tombstone(id(1)).unwrap();
    assert_eq!((before.reason, before.chat), (ForgetReason::Deleted, Some(chat())));
    let (store, loaded) = open(directory.path());
    assert!(loaded.is_empty());
    assert_eq!(store.tombstone(id(1)), Some(before));
    assert_eq!(store.tombstone(id(2)), None);
}

#[test]
fn a_discarded_process_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let (record, journals) = store.create(request(1), state());
    store.discard(&record, &journals);
    assert_eq!(names(directory.path()), ["tombstones"]);
    assert_eq!(store.tombstone(id(1)), None);
}

#[test]
fn leftovers_go_and_unknown_files_stay() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let processes = directory.path().join("processes");
    let ours = [format!("{}.record.new", id(1)), format!("{}.output", id(2))];
    let foreign = [
        "README".to_owned(),
        "notes.record".to_owned(),
        "x.new".to_owned(),
        format!("{}.stderr.bak", id(3)),
        format!("{}.output", Uuid::nil()),
        format!("{}.output", Uuid::from_u128(u128::MAX).simple()),
    ];
    for name in ours.iter().chain(&foreign) {
        fs::write(processes.join(name), "x").unwrap();
    }
    let (_, loaded) = open(directory.path());
    assert!(loaded.is_empty());
    let mut expected = foreign.to_vec();
    expected.push("tombstones".into());
    expected.sort();
    assert_eq!(names(directory.path()), expected);
}

#[test]
fn a_damaged_record_becomes_a_tombstone_so_that_its_id_stays_used() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    drop(store.create(request(1), state()));
    drop(store.create(request(2), state()));
    let path = |number| directory.path().join(format!("processes/{}.record", id(number)));
    fs::write(path(1), "").unwrap();
    let mut bytes = fs::read(path(2)).unwrap();
    bytes[..2 * super::slots::SLOT].fill(0);
    fs::write(path(2), bytes).unwrap();
    let (store, loaded) = open(directory.path());
    assert!(loaded.is_empty());
    let tombstone = |number| store.tombstone(id(number)).unwrap();
    assert_eq!((tombstone(1).reason, tombstone(1).chat), (ForgetReason::Evicted, None));
    assert_eq!((tombstone(2).reason, tombstone(2).chat), (ForgetReason::Evicted, Some(chat())));
    assert_eq!(names(directory.path()), ["tombstones"]);
}

#[test]
fn a_process_with_record_and_tombstone_was_being_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let (record, journals) = store.create(request(1), state());
    let path = directory.path().join(format!("processes/{}.record", id(1)));
    let bytes = fs::read(&path).unwrap();
    store.forget(&record, &journals, ForgetReason::Expired);
    fs::write(&path, bytes).unwrap();
    let (store, loaded) = open(directory.path());
    assert!(loaded.is_empty() && !path.exists());
    assert_eq!(store.tombstone(id(1)).unwrap().reason, ForgetReason::Expired);
}

#[test]
fn the_time_left_is_within_its_bounds_however_the_clock_jumps() {
    let left = |since, now| remaining(at(since), at(now), Duration::from_millis(100));
    for (since, now, expected) in [
        (1000, 1000, 100),
        (1000, 1060, 40),
        (1000, 1100, 0),
        (1000, i64::MAX, 0),
        (1000, 0, 100),
        (i64::MAX, i64::MIN, 100),
        (i64::MIN, i64::MAX, 0),
    ] {
        assert_eq!(left(since, now), Duration::from_millis(expected), "{since} {now}");
    }
}

fn tombstone(number: u128, ms: i64) -> Tombstone {
    Tombstone { id: id(number), reason: ForgetReason::Evicted, chat: None, at: at(ms) }
}

/// Tombstones in a directory at a moment that is `ms` behind a fixed one on both clocks.
struct Yard {
    directory: TempDir,
    since: Instant,
}

impl Yard {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), since: Instant::now() }
    }

    fn moment(&self, ms: u64) -> Moment {
        Moment { wall: at(ms as i64), steady: self.since + Duration::from_millis(ms) }
    }

    fn load(&self, most: usize, now: Moment) -> Tombstones {
        let path = self.directory.path().join("tombstones");
        Tombstones::load(path, Duration::from_millis(1000), most, now).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("tombstones")).unwrap()
    }
}

#[test]
fn tombstones_end_by_age_and_by_number_also_across_restarts() {
    let yard = Yard::new();
    let tombstones = yard.load(2, yard.moment(0));
    for (number, ms) in [(1, 0), (2, 100), (3, 200)] {
        tombstones.add(tombstone(number, ms as i64), yard.moment(ms));
    }
    let check = |tombstones: &Tombstones, ms: u64, expected: [bool; 3]| {
        let found = [1, 2, 3].map(|n| tombstones.get(id(n), yard.moment(ms).steady).is_some());
        assert_eq!(found, expected, "{ms}");
    };
    check(&tombstones, 300, [false, true, true]);
    let again = yard.load(2, yard.moment(500));
    check(&again, 1099, [false, true, true]);
    check(&again, 1100, [false, false, true]);
    check(&again, 1200, [false; 3]);
    // The clock was set back by a year: nothing ends early, nothing lives for a year.
    let jumped = Moment { wall: at(-31_536_000_000), ..yard.moment(500) };
    let again = yard.load(2, jumped);
    check(&again, 1499, [false, true, true]);
    check(&again, 1500, [false; 3]);
}

#[test]
fn the_log_of_tombstones_is_bounded_and_survives_a_torn_line() {
    let yard = Yard::new();
    let tombstones = yard.load(5, yard.moment(0));
    for number in 1..5000 {
        tombstones.add(tombstone(number, 0), yard.moment(0));
        assert!(tombstones.get(id(number), yard.moment(0).steady).is_some());
    }
    assert!(yard.log().lines().count() <= 1000 + 2 * 5 + 1);
    let log = yard.log();
    let torn = &log[..log.len() - 10];
    fs::write(yard.directory.path().join("tombstones"), torn).unwrap();
    let again = yard.load(5, yard.moment(1));
    assert!(again.get(id(4998), yard.moment(1).steady).is_some());
    assert!(again.get(id(4999), yard.moment(1).steady).is_none());
    again.add(tombstone(7, 1), yard.moment(1));
    assert_eq!(yard.log().lines().count(), 6);
}

#[test]
fn many_changes_keep_the_newest_state() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let (record, journals) = store.create(request(1), state());
    for pid in 1..50 {
        record.update(&journals, |state| state.pid = Some(pid));
        let (_, loaded) = Store::open_on(
            config(directory.path()),
            Arc::new(Disk),
            Moment { wall: at(0), steady: Instant::now() },
        )
        .unwrap();
        assert_eq!(loaded[0].record.state(), record.state());
    }
}

mod needs_tmpfs {
    use agent_test::Mount;

    use super::*;

    #[tokio::test]
    async fn a_full_disk_keeps_a_new_process_in_memory_and_writes_it_when_there_is_room() {
        let disk = Mount::tmpfs(256 * 1024).unwrap();
        let (store, _) = open(disk.path());
        let (older, older_journals) = store.create(request(1), state());
        let ballast = disk.path().join("ballast");
        fs::write(&ballast, vec![0; 1 << 20]).unwrap_err();
        let (record, journals) = store.create(request(2), state());
        journals.output().append(b"kept in memory");
        assert_eq!(text(journals.output()).await, b"kept in memory");
        // A record that has its place takes changes also now.
        older.update(&older_journals, |state| state.pid = Some(7));
        record.update(&journals, |state| state.pid = Some(8));
        let path = |number| disk.path().join(format!("processes/{}.record", id(number)));
        assert_eq!(Record::load(path(1), Arc::default()).unwrap().0.state().pid, Some(7));
        assert!(!path(2).exists());
        fs::remove_file(&ballast).unwrap();
        record.update(&journals, |state| state.pid = Some(9));
        journals.close();
        let (_, loaded) = open(disk.path());
        let last = loaded.iter().find(|loaded| loaded.record.request().id == id(2)).unwrap();
        assert_eq!(last.record.state().pid, Some(9));
        assert_eq!(text(last.journals.output()).await, b"kept in memory");
    }

    #[test]
    fn a_tombstone_that_the_full_disk_refused_is_written_with_the_room_that_it_made() {
        let disk = Mount::tmpfs(256 * 1024).unwrap();
        let (store, _) = open(disk.path());
        let (record, journals) = store.create(request(1), state());
        fs::write(disk.path().join("ballast"), vec![0; 1 << 20]).unwrap_err();
        store.forget(&record, &journals, ForgetReason::Deleted);
        let (store, _) = open(disk.path());
        assert_eq!(store.tombstone(id(1)).unwrap().reason, ForgetReason::Deleted);
    }
}
