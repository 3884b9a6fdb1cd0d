//! The quota over all processes.

use super::support::{Bench, KIB, MIB, read_all, retained};
use crate::journal::Totals;

const PER_PROCESS: u64 = 64 * MIB;

fn closed(totals: &Totals, bytes: u64) -> Bench {
    let bench = Bench::with_totals(PER_PROCESS, 1, totals);
    bench.append(0, bytes);
    bench.journals.close();
    bench
}

#[tokio::test]
async fn processes_closed_longest_ago_lose_their_middle_first_and_only_as_many_as_needed() {
    let totals = Totals::new(16 * MIB);
    let running = Bench::with_totals(PER_PROCESS, 1, &totals);
    running.append(0, 4 * MIB);
    let closed = [0, 1, 2].map(|_| closed(&totals, 4 * MIB));
    assert_eq!(totals.counts().retained, 16 * MIB);
    running.append(0, 1);
    assert_eq!(retained(&closed[0].journals), 32 * KIB);
    assert_eq!(retained(&closed[1].journals), 4 * MIB);
    let bounds = closed[0].journal(0).bounds();
    assert_eq!((bounds.head, bounds.start), (16 * KIB, 4 * MIB - 16 * KIB));
    assert_eq!(read_all(closed[0].journal(0), 0).await.1, 4 * MIB);
    running.append(0, 8 * MIB);
    assert_eq!(retained(&closed[2].journals), 32 * KIB);
    assert_eq!(retained(&running.journals), 12 * MIB + 1);
}

#[tokio::test]
async fn then_the_largest_running_one_loses_its_oldest_bytes() {
    let totals = Totals::new(16 * MIB);
    let small = Bench::with_totals(PER_PROCESS, 1, &totals);
    small.append(0, 3 * MIB);
    let large = Bench::with_totals(PER_PROCESS, 2, &totals);
    large.append(0, 9 * MIB);
    large.append(1, 4 * MIB);
    assert_eq!(totals.counts().quota_gap, 0);
    small.append(0, MIB);
    assert_eq!(retained(&small.journals), 4 * MIB);
    // A step that begins behind the head is shorter by it.
    assert_eq!(large.journal(0).bounds().start, MIB + 64 * KIB);
    assert_eq!(large.journal(1).bounds().start, 0);
    small.append(0, 6 * MIB);
    let retained = [retained(&small.journals), retained(&large.journals)];
    assert!(retained[0].abs_diff(retained[1]) <= 2 * 64 * KIB + MIB * 2, "{retained:?}");
    let all = totals.counts();
    assert!(all.retained <= 16 * MIB && all.retained > 16 * MIB - 64 * KIB, "{all:?}");
    assert_eq!(all.retained, retained[0] + retained[1]);
    assert_eq!(all.produced, 23 * MIB);
    assert_eq!(all.quota_gap, all.produced - all.retained);
    for journal in [small.journal(0), large.journal(0), large.journal(1)] {
        read_all(journal, 0).await;
    }
}

#[test]
fn a_removed_or_dropped_process_counts_no_longer() {
    let totals = Totals::new(16 * MIB);
    let benches = [0, 1].map(|_| closed(&totals, MIB));
    benches[0].journals.remove();
    assert_eq!(totals.counts().retained, MIB);
    drop(benches);
    assert_eq!(totals.counts().retained, 0);
}

#[test]
fn many_small_processes_keep_their_heads_even_above_the_quota() {
    let totals = Totals::new(100 * KIB);
    let benches: Vec<_> = (0..10)
        .map(|_| {
            let bench = Bench::with_totals(MIB, 1, &totals);
            bench.append(0, 20 * KIB);
            bench
        })
        .collect();
    assert!(benches.iter().all(|bench| bench.journal(0).bounds().head >= 16 * KIB));
    assert_eq!(totals.counts().retained, 160 * KIB);
}
