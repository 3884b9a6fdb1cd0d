//! Reading ranges, following, closing and removing.

use std::{os::fd::AsFd, time::Duration};

use agent_api::{GapReason, OutputGap};
use tokio::time::timeout;

use super::support::{Bench, KIB, MIB, append, bytes, pipe, read, read_all};
use crate::journal::{Answer, Read, Rest, append::Appended};

const SOON: Duration = Duration::from_secs(20);

fn locate(bench: &Bench, from: u64, limit: u64, expected: Answer) {
    assert_eq!(bench.journal(0).locate(from, limit).answer, expected, "{from} {limit}");
}

#[test]
fn a_range_is_answered_up_to_the_next_gap_and_from_the_one_before() {
    let bench = Bench::new(MIB, 1);
    bench.append(0, 6);
    locate(&bench, 2, 3, Answer::Readable { start: 2, end: 5 });
    locate(&bench, 2, 100, Answer::Readable { start: 2, end: 6 });
    locate(&bench, 2, u64::MAX, Answer::Readable { start: 2, end: 6 });
    locate(&bench, 6, 3, Answer::AtEnd);
    locate(&bench, 7, 3, Answer::Beyond);
    locate(&bench, 3, 0, Answer::AtEnd);
    bench.append(0, 2 * MIB - 6);
    let start = MIB + 64 * KIB;
    assert_eq!(bench.journal(0).bounds().start, start);
    locate(&bench, 0, MIB, Answer::Readable { start: 0, end: 16 * KIB });
    locate(&bench, 16 * KIB, MIB, Answer::Forgotten { next: start });
    locate(&bench, 20 * KIB, 2 * MIB, Answer::Readable { start, end: 2 * MIB });
    locate(&bench, start - 1, 1, Answer::Forgotten { next: start });
    locate(&bench, start - 1, 2, Answer::Readable { start, end: start + 1 });
}

#[tokio::test]
async fn a_cursor_never_crosses_the_offset_it_is_given() {
    let bench = Bench::new(MIB, 1);
    bench.append(0, 2 * MIB);
    let mut cursor = bench.journal(0).cursor(16 * KIB - 5);
    let offset = 16 * KIB - 5;
    let read = Read::Bytes { offset, bytes: bytes(offset..16 * KIB).into() };
    assert_eq!(cursor.next(20 * KIB).await, read);
    let gap = |from, to| Read::Gap(OutputGap { from, to, reason: GapReason::Quota });
    assert_eq!(cursor.next(20 * KIB).await, gap(16 * KIB, 20 * KIB));
    assert_eq!(cursor.next(20 * KIB).await, Read::Pending);
    assert_eq!(cursor.next(u64::MAX).await, gap(20 * KIB, MIB + 64 * KIB));
    let Read::Bytes { bytes, .. } = cursor.next(u64::MAX).await else { panic!() };
    assert_eq!(bytes.len(), 32 * 1024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_reader_learns_of_bytes_of_the_close_and_of_the_removal() {
    let bench = Bench::new(MIB, 1);
    let mut cursor = bench.journal(0).cursor(0);
    assert_eq!(cursor.next(u64::MAX).await, Read::Pending);
    let journal = bench.journal(0).clone();
    let appended = tokio::task::spawn_blocking(move || append(&journal, 3));
    timeout(SOON, cursor.changed()).await.unwrap();
    appended.await.unwrap();
    assert_eq!(cursor.next(u64::MAX).await, Read::Bytes { offset: 0, bytes: bytes(0..3).into() });
    assert_eq!(cursor.next(u64::MAX).await, Read::Pending);
    let journals = bench.journals.clone();
    let closed = tokio::task::spawn_blocking(move || journals.close());
    timeout(SOON, cursor.changed()).await.unwrap();
    assert_eq!(cursor.next(u64::MAX).await, Read::End);
    closed.await.unwrap();
    // The file is opened again for those that come after the close.
    assert_eq!(read_all(bench.journal(0), 0).await, (vec![], 3));
    bench.journals.remove();
    timeout(SOON, cursor.changed()).await.unwrap();
    assert_eq!(cursor.next(u64::MAX).await, Read::Removed);
    assert_eq!(read(bench.journal(0), 0, 1).await, Read::Removed);
    assert!(!bench.file(0).exists());
    assert_eq!(bench.totals.counts().retained, 0);
}

#[test]
fn a_pipe_says_what_is_left_in_it() {
    let bench = Bench::new(MIB, 1);
    let (reader, writer) = pipe();
    let take = |most| bench.journal(0).append_from_pipe(reader.as_fd(), most).unwrap();
    assert_eq!(take(10), Appended { bytes: 0, rest: Rest::Empty });
    std::io::Write::write_all(&mut &writer, &bytes(0..25)).unwrap();
    assert_eq!(take(10), Appended { bytes: 10, rest: Rest::More });
    assert_eq!(take(100), Appended { bytes: 15, rest: Rest::Empty });
    drop(writer);
    assert_eq!(take(100), Appended { bytes: 0, rest: Rest::End });
    assert_eq!(std::fs::read(bench.file(0)).unwrap(), bytes(0..25));
}

#[test]
fn a_removed_journal_swallows_what_is_still_printed() {
    let bench = Bench::new(MIB, 1);
    bench.append(0, 100);
    bench.journals.remove();
    let (reader, writer) = pipe();
    std::io::Write::write_all(&mut &writer, &[7; 5000]).unwrap();
    drop(writer);
    let appended = bench.journal(0).append_from_pipe(reader.as_fd(), 1 << 20).unwrap();
    assert_eq!(appended, Appended { bytes: 5000, rest: Rest::End });
    assert!(!bench.file(0).exists());
    assert_eq!(bench.journal(0).bounds().end, 100);
}

#[tokio::test]
async fn what_was_forgotten_but_not_yet_written_down_is_forgotten_again_at_a_restart() {
    let bench = Bench::new(MIB, 1);
    bench.append(0, 3 * MIB);
    *bench.keeper.0.lock() = Vec::new();
    let start = bench.journal(0).bounds().start;
    let bench = bench.restart();
    assert_eq!(bench.journal(0).bounds().start, start);
    let (gaps, end) = read_all(bench.journal(0), 0).await;
    assert_eq!(gaps, [OutputGap { from: 16 * KIB, to: start, reason: GapReason::Quota }]);
    assert_eq!(end, 3 * MIB);
}

#[tokio::test]
async fn a_lost_file_is_one_gap_with_an_end() {
    let bench = Bench::new(MIB, 1);
    bench.append(0, 3000);
    bench.journals.close();
    std::fs::remove_file(bench.file(0)).unwrap();
    let bench = bench.restart();
    let (gaps, end) = read_all(bench.journal(0), 0).await;
    assert_eq!((gaps.len(), end), (1, 3000));
    assert_eq!(gaps[0].reason, GapReason::Disk);
}
