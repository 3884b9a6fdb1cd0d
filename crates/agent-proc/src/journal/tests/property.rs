//! Random lives of journals against what the rules say of them.

use std::sync::atomic::Ordering::Relaxed;

use agent_api::GapReason;
use proptest::prelude::*;

use super::support::{Bench, KIB, MIB, bytes as expected, read, read_all};
use crate::journal::{
    Read,
    stream::{HEAD, STEP, TAIL},
};

#[derive(Clone, Debug)]
enum Step {
    Append(usize, u64),
    AppendByPipe(usize, u64),
    /// The disk takes this much more.
    Budget(u64),
    Recover,
    Restart,
    Shrink,
    Read(usize, u64),
}

fn counts() -> impl Strategy<Value = u64> {
    prop_oneof![1..64_u64, 1..20 * KIB, 1..400 * KIB, Just(STEP), Just(HEAD), Just(MIB)]
}

fn calm_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_usize, counts()).prop_map(|(index, count)| Step::Append(index, count)),
        4 => (0..2_usize, counts()).prop_map(|(index, count)| Step::AppendByPipe(index, count)),
        1 => Just(Step::Restart),
        2 => (0..2_usize, 0..4 * MIB).prop_map(|(index, from)| Step::Read(index, from)),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => calm_step(),
        2 => (0..50 * KIB).prop_map(Step::Budget),
        2 => Just(Step::Recover),
        1 => Just(Step::Shrink),
    ]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Takes a step; answers the journals after it.
fn take(bench: Bench, step: &Step) -> Bench {
    let stream = |index: usize| index.min(bench.streams - 1);
    match *step {
        Step::Append(index, count) => bench.append(stream(index), count),
        Step::AppendByPipe(index, count) => bench.append_by_pipe(stream(index), count),
        Step::Budget(budget) => bench.medium.budget.store(budget, Relaxed),
        Step::Recover => bench.medium.budget.store(u64::MAX, Relaxed),
        Step::Shrink => bench.journals.output().group.forget_all_but_head_and_tail(),
        Step::Read(index, from) => {
            let journal = bench.journal(stream(index));
            let bounds = journal.bounds();
            match runtime().block_on(read(journal, from, 5000)) {
                Read::Bytes { offset, bytes } => {
                    assert_eq!(offset, from);
                    assert!(bytes == expected(from..from + bytes.len() as u64));
                }
                Read::Gap(gap) => assert!(gap.from == from && from < bounds.start),
                Read::Pending => assert!(from >= bounds.end),
                other => panic!("{other:?}"),
            }
        }
        Step::Restart => return bench.restart(),
    }
    bench
}

/// What holds for every stream at any time.
fn check_always(bench: &Bench, ends: &[u64]) {
    let mut retained = 0;
    for (index, &end) in ends.iter().enumerate() {
        let journal = bench.journal(index);
        let bounds = journal.bounds();
        let (gaps, at) = runtime().block_on(read_all(journal, 0));
        assert_eq!((at, bounds.end), (end, end));
        assert_eq!(bounds.head, gaps.first().map_or(end, |gap| gap.from));
        assert_eq!(bounds.start, gaps.last().map_or(0, |gap| gap.to));
        assert_eq!(bounds.retained, end - gaps.iter().map(|gap| gap.to - gap.from).sum::<u64>());
        let quota: Vec<_> = gaps.iter().filter(|gap| gap.reason == GapReason::Quota).collect();
        assert!(quota.len() <= 1 && quota.iter().all(|gap| gap.from == HEAD));
        retained += bounds.retained;
    }
    assert!(retained <= bench.quota);
    assert_eq!(bench.totals.counts().retained, retained);
}

/// The start that the rule gives to a single stream.
fn start(end: u64, quota: u64) -> u64 {
    if end <= quota { 0 } else { (HEAD + end - quota).div_ceil(STEP) * STEP }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn one_stream_on_a_good_disk_keeps_its_head_and_exactly_what_the_quota_leaves(
        steps in prop::collection::vec(calm_step(), 1..25),
    ) {
        let mut bench = Bench::new(MIB, 1);
        let mut end = 0;
        for step in &steps {
            if let Step::Append(_, count) | Step::AppendByPipe(_, count) = step {
                end += count;
            }
            bench = take(bench, step);
            let bounds = bench.journal(0).bounds();
            prop_assert_eq!(bounds.end, end);
            prop_assert_eq!(bounds.start, start(end, MIB));
            prop_assert_eq!(bounds.head, if start(end, MIB) > 0 { HEAD } else { end });
        }
        check_always(&bench, &[end]);
    }

    #[test]
    fn two_streams_share_the_quota_and_the_newest_bytes_stay(
        steps in prop::collection::vec(calm_step(), 1..25),
    ) {
        let mut bench = Bench::new(MIB, 2);
        let mut ends = [0, 0];
        for step in &steps {
            if let Step::Append(index, count) | Step::AppendByPipe(index, count) = step {
                ends[*index] += count;
            }
            bench = take(bench, step);
        }
        check_always(&bench, &ends);
        let bounds = [0, 1].map(|index| bench.journal(index).bounds());
        for (this, other) in [(0, 1), (1, 0)] {
            prop_assert_eq!(bounds[this].start % STEP, 0);
            // Only the one that retained more loses, and by one step at most below the other.
            if bounds[this].start > 0 {
                prop_assert!(bounds[this].retained + STEP >= MIB.min(2 * bounds[other].retained) / 2);
            }
        }
        let produced: u64 = ends.iter().sum();
        if produced > MIB {
            let retained = bounds[0].retained + bounds[1].retained;
            prop_assert!(retained > MIB - STEP, "too much is forgotten: {}", retained);
        }
    }

    #[test]
    fn a_failing_disk_makes_gaps_of_what_it_refused_and_of_nothing_else(
        steps in prop::collection::vec(any_step(), 1..30),
        streams in 1..3_usize,
    ) {
        let mut bench = Bench::new(MIB, streams);
        let mut ends = vec![0; streams];
        for step in &steps {
            if let Step::Append(index, count) | Step::AppendByPipe(index, count) = step {
                ends[(*index).min(streams - 1)] += count;
            }
            let before: Vec<_> = ends.iter().enumerate()
                .map(|(index, _)| bench.journal(index).group.look(|state| {
                    state.streams[index].memory().len() as u64
                }))
                .collect();
            bench = take(bench, step);
            check_always(&bench, &ends);
            for (index, end) in ends.iter().enumerate() {
                let bounds = bench.journal(index).bounds();
                match step {
                    // What was in memory only is lost, and said to be.
                    Step::Restart if before[index] > 0 => prop_assert_eq!(bounds.start, *end),
                    // The newest bytes are in memory where the disk has refused them.
                    Step::Append(at, count) | Step::AppendByPipe(at, count)
                        if (*at).min(streams - 1) == index =>
                    {
                        prop_assert!(bounds.start <= end - (*count).min(TAIL));
                    }
                    _ => {}
                }
            }
        }
        if streams == 1 {
            let written = bench.medium.written.lock().clone();
            let (gaps, _) = runtime().block_on(read_all(bench.journal(0), 0));
            for gap in gaps.iter().filter(|gap| gap.reason == GapReason::Disk) {
                let touches = written.iter().any(|range| range.start < gap.to && gap.from < range.end);
                prop_assert!(!touches, "{:?} was written", gap);
            }
        }
    }
}
