//! When snapshots are told, and what they say.

use super::*;

#[test]
fn a_snapshot_is_told_when_it_differs_from_the_last_one_told() {
    let mut bench = Bench::watching(&["/a"]);
    bench.scanned("/a", "");
    bench.tells(&[]);
    bench.scanned("/a", "1");
    bench.tells(&["[/a=1]"]);
    bench.scanned("/a", "1");
    bench.tells(&[]);
    bench.scanned("/a", "2");
    bench.scanned("/a", "3");
    bench.tells(&["[/a=3]"]);
    bench.scanned("/a", "4");
    bench.scanned("/a", "3");
    bench.tells(&[]);
}

#[test]
fn repositories_that_change_together_are_told_together() {
    let mut bench = Bench::watching(&["/a", "/b"]);
    let busy = State { is_idle: false, ..bench.state("/b", "") };
    bench.observe("/b", busy);
    bench.scanned("/a", "1");
    bench.tells(&[]);
    bench.scanned("/b", "2");
    bench.tells(&["[/a=1 /b=2]"]);
}

#[test]
fn a_change_waits_no_longer_than_its_time_for_another() {
    let mut bench = Bench::watching(&["/a", "/b"]);
    let busy = State { is_idle: false, ..bench.state("/b", "") };
    bench.observe("/b", busy);
    bench.scanned("/a", "1");
    bench.tells(&[]);
    let until = bench.connection.deadline(bench.now.instant).unwrap();
    assert_eq!(until - bench.now.instant, GATHER_TIME);
    bench.pass(100);
    bench.tells(&["[/a=1]"]);
    assert_eq!(bench.connection.deadline(bench.now.instant), None);
}

#[test]
fn the_time_of_changes_never_goes_back() {
    let mut bench = Bench::watching(&["/a"]);
    let time = |message: Option<GitServerMessage>| match message {
        Some(GitServerMessage::Changes(changes)) => changes.scanned_at,
        other => panic!("{other:?}"),
    };
    bench.pass(1000);
    bench.scanned("/a", "1");
    let first = time(bench.next());
    assert_eq!(first, bench.now.wall);
    bench.now.wall = Timestamp::from_unix_ms(5);
    bench.scanned("/a", "2");
    assert_eq!(time(bench.next()), first);
    bench.refresh();
    bench.look();
    bench.scanned("/a", "2");
    assert_eq!(time(bench.next()), first);
}
