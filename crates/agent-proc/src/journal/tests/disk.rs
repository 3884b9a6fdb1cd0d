//! Disks that are full, fail, or cannot do everything.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::atomic::Ordering::Relaxed,
};

use agent_api::{GapReason, OutputGap};

use super::support::{Bench, KIB, MIB, read, read_all, surroundings_of};
use crate::journal::{Journals, Read, stream::MAX_HOLES};

fn on_disk(bench: &Bench, index: usize) -> u64 {
    std::fs::metadata(bench.file(index)).unwrap().blocks() * 512
}

#[test]
fn forgotten_bytes_leave_the_disk_and_files_belong_to_the_owner_alone() {
    let bench = Bench::new(MIB, 1);
    bench.append(0, 8 * MIB);
    assert_eq!(std::fs::metadata(bench.file(0)).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(bench.medium.punches.load(Relaxed) > 0);
    bench.journals.close();
    // A file system may count a little of its own.
    assert!(on_disk(&bench, 0) <= MIB + 64 * KIB, "{}", on_disk(&bench, 0));
    assert_eq!(std::fs::metadata(bench.file(0)).unwrap().len(), 8 * MIB);
}

#[tokio::test]
async fn a_disk_that_cannot_punch_answers_the_same() {
    let benches = [false, true].map(|cannot| {
        let bench = Bench::new(MIB, 2);
        bench.medium.cannot_punch.store(cannot, Relaxed);
        bench.append_by_pipe(0, 3 * MIB + 5);
        bench.append(1, MIB);
        bench.journals.output().group.forget_all_but_head_and_tail();
        bench.append(1, 100);
        bench.journals.close();
        bench.restart()
    });
    for index in 0..2 {
        let [one, other] = [0, 1].map(|bench| benches[bench].journal(index));
        assert_eq!(one.bounds(), other.bounds());
        assert_eq!(read_all(one, 0).await, read_all(other, 0).await);
        assert_eq!(read(one, 20 * KIB, 100).await, read(other, 20 * KIB, 100).await);
    }
    assert!(on_disk(&benches[1], 0) > 3 * MIB);
}

#[tokio::test]
async fn a_file_that_takes_no_splice_is_written() {
    let bench = Bench::new(MIB, 1);
    bench.medium.cannot_splice.store(true, Relaxed);
    bench.append_by_pipe(0, 3 * MIB);
    assert_eq!(read_all(bench.journal(0), 0).await.1, 3 * MIB);
}

#[tokio::test]
async fn a_refused_end_is_readable_from_memory_and_stored_when_there_is_room() {
    let bench = Bench::new(MIB, 1);
    bench.medium.budget.store(10_000, Relaxed);
    bench.append_by_pipe(0, 20_000);
    assert_eq!(read_all(bench.journal(0), 0).await, (vec![], 20_000));
    bench.append(0, 30_000);
    let gap = OutputGap { from: 10_000, to: 50_000 - 16 * KIB, reason: GapReason::Disk };
    assert_eq!(read_all(bench.journal(0), 0).await, (vec![gap], 50_000));
    assert_eq!(bench.totals.counts().disk_gap, gap.to - gap.from);
    bench.medium.budget.store(u64::MAX, Relaxed);
    bench.append_by_pipe(0, 1);
    assert_eq!(std::fs::metadata(bench.file(0)).unwrap().len(), 50_001);
    let bench = bench.restart();
    assert_eq!(read_all(bench.journal(0), 0).await, (vec![gap], 50_001));
}

#[tokio::test]
async fn a_close_tries_the_disk_a_last_time() {
    let bench = Bench::new(MIB, 1);
    bench.medium.budget.store(0, Relaxed);
    bench.append(0, 100);
    bench.medium.budget.store(u64::MAX, Relaxed);
    bench.journals.close();
    assert_eq!(read_all(bench.restart().journal(0), 0).await, (vec![], 100));
}

#[tokio::test]
async fn without_a_file_the_tail_is_in_memory_and_later_bytes_have_true_offsets() {
    let bench = Bench::new(MIB, 1);
    bench.journals.remove();
    bench.medium.cannot_create.store(true, Relaxed);
    let journals = Journals::create(surroundings_of(&bench));
    let bench = Bench { journals, ..bench };
    bench.append_by_pipe(0, 100 * KIB);
    assert!(!bench.file(0).exists());
    let gap = OutputGap { from: 0, to: 84 * KIB, reason: GapReason::Disk };
    assert_eq!(read_all(bench.journal(0), 0).await, (vec![gap], 100 * KIB));
    bench.medium.cannot_create.store(false, Relaxed);
    bench.append_by_pipe(0, 10);
    assert_eq!(read_all(bench.journal(0), 0).await, (vec![gap], 100 * KIB + 10));
    assert_eq!(bench.medium.written.lock()[0], 84 * KIB..100 * KIB);
}

#[tokio::test]
async fn the_number_of_gaps_is_bounded_and_none_hides_written_zeros() {
    let bench = Bench::new(64 * MIB, 1);
    for _ in 0..MAX_HOLES + 20 {
        bench.medium.budget.store(0, Relaxed);
        bench.append(0, 20 * KIB);
        bench.medium.budget.store(u64::MAX, Relaxed);
        bench.append(0, 1);
    }
    let (gaps, end) = read_all(bench.journal(0), 0).await;
    assert_eq!(gaps.len(), MAX_HOLES);
    assert_eq!(end, (MAX_HOLES as u64 + 20) * (20 * KIB + 1));
    let bench = bench.restart();
    assert_eq!(read_all(bench.journal(0), 0).await, (gaps, end));
}

#[tokio::test]
async fn a_hole_that_nobody_wrote_down_is_a_gap_and_written_zeros_are_none() {
    let bench = Bench::new(MIB, 1);
    bench.journal(0).append(&[0; 64 * 1024]);
    bench.append(0, 64 * KIB);
    let file = std::fs::File::options().write(true).open(bench.file(0)).unwrap();
    file.set_len(256 * KIB).unwrap();
    let bench = bench.restart();
    let journal = bench.journal(0);
    let Read::Bytes { bytes, .. } = read(journal, 0, 64 * 1024).await else { panic!() };
    assert_eq!(bytes, [0; 64 * 1024][..]);
    let (gaps, end) = read_all(journal, 64 * KIB).await;
    assert_eq!(gaps, [OutputGap { from: 128 * KIB, to: 256 * KIB, reason: GapReason::Disk }]);
    assert_eq!(end, 256 * KIB);
}

#[tokio::test]
async fn a_file_that_shrank_behind_our_back_is_a_gap() {
    let bench = Bench::new(MIB, 1);
    bench.append(0, 64 * KIB);
    std::fs::File::options().write(true).open(bench.file(0)).unwrap().set_len(KIB).unwrap();
    let (gaps, end) = read_all(bench.journal(0), 0).await;
    assert_eq!(end, 64 * KIB);
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::Disk && gap.from >= KIB));
}

mod needs_tmpfs {
    use std::sync::Arc;

    use agent_test::Mount;

    use super::super::support::{Memory, append, read_all};
    use crate::journal::{Disk, Journal, Journals, Surroundings, Totals};

    fn fill(journal: &Journal, pieces: usize) {
        (0..pieces).for_each(|_| append(journal, 100_000));
    }

    #[tokio::test]
    async fn a_full_disk_makes_a_gap_and_an_emptied_one_takes_output_again() {
        let disk = Mount::tmpfs(1024 * 1024).unwrap();
        let ballast = disk.path().join("ballast");
        std::fs::write(&ballast, vec![1; 500 * 1024]).unwrap();
        let keeper = Arc::<Memory>::default();
        let surroundings = || Surroundings {
            files: vec![disk.path().join("0")],
            quota: 64 * 1024 * 1024,
            totals: Totals::new(u64::MAX),
            keeper: Arc::clone(&keeper) as _,
            medium: Arc::new(Disk),
        };
        let journals = Journals::create(surroundings());
        let journal = journals.output();
        fill(journal, 12);
        let (gaps, end) = read_all(journal, 0).await;
        assert_eq!((gaps.len(), end), (1, 1_200_000));
        assert!(gaps[0].from > 400_000 && gaps[0].to == 1_200_000 - 16 * 1024);
        assert!(journal.view(end).await.text.len() > 30_000);
        std::fs::remove_file(&ballast).unwrap();
        fill(journal, 3);
        assert_eq!(read_all(journal, 0).await, (gaps.clone(), 1_500_000));
        drop(journals);
        let stored = keeper.0.lock().clone();
        let journals = Journals::open(surroundings(), &stored);
        assert_eq!(read_all(journals.output(), 0).await, (gaps, 1_500_000));
    }
}
