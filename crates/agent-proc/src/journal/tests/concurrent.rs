//! Readers beside a writer that forgets what they read.

use std::{
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use tokio::runtime::{Builder, Runtime};

use super::support::{Bench, KIB, MIB, bytes, pipe, read, read_all, retained};
use crate::journal::{Cursor, Journal, Read, Rest};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Follows to the end; answers the bytes of all gaps.
async fn follow(mut cursor: Cursor) -> u64 {
    let mut lost = 0;
    loop {
        let at = cursor.offset();
        match cursor.next(u64::MAX).await {
            Read::Bytes { offset, bytes: read } => {
                assert_eq!(offset, at);
                assert!(read == bytes(at..cursor.offset()), "wrong bytes at {at}");
            }
            Read::Gap(gap) => {
                assert_eq!((gap.from, gap.to), (at, cursor.offset()));
                lost += gap.to - gap.from;
            }
            Read::Pending => cursor.changed().await,
            Read::End => return lost,
            Read::Removed => panic!("removed"),
        }
    }
}

/// Reads here and there until it is told to stop.
async fn jump(journal: &Journal, stop: &AtomicBool) {
    let mut at: u64 = 12_345;
    while !stop.load(Relaxed) {
        let end = journal.bounds().end.max(1);
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Mostly near the place where forgetting happens.
        let start = journal.bounds().start;
        let from = if at & 1 == 0 { (at >> 8) % end } else { start + (at >> 8) % (96 * KIB) };
        if let Read::Bytes { offset, bytes: read } = read(journal, from, 70_000).await {
            assert_eq!(offset, from);
            assert!(read == bytes(from..from + read.len() as u64), "wrong bytes at {from}");
        }
    }
}

#[test]
fn no_reader_ever_sees_forgotten_bytes_as_output() {
    const TOTAL: u64 = 24 * MIB;
    let bench = Bench::new(MIB, 1);
    let journal = bench.journal(0);
    let stop = AtomicBool::new(false);
    let (reader, mut writer) = pipe();
    thread::scope(|scope| {
        let followers = [0, 5, 100 * KIB].map(|from| {
            let cursor = journal.cursor(from.min(journal.bounds().end));
            scope.spawn(move || runtime().block_on(follow(cursor)))
        });
        let jumper = scope.spawn(|| runtime().block_on(jump(journal, &stop)));
        scope.spawn(move || {
            for from in (0..TOTAL).step_by(MIB as usize) {
                std::io::Write::write_all(&mut writer, &bytes(from..from + MIB)).unwrap();
            }
        });
        loop {
            match journal.append_from_pipe(reader.as_fd(), 1 << 20).unwrap().rest {
                Rest::More => {}
                Rest::Empty => thread::yield_now(),
                Rest::End => break,
            }
        }
        bench.journals.close();
        for follower in followers {
            follower.join().unwrap();
        }
        stop.store(true, Relaxed);
        jumper.join().unwrap();
    });
    assert!(bench.medium.punches.load(Relaxed) > 10);
    assert_eq!(journal.bounds().end, TOTAL);
}

#[test]
fn two_writers_of_a_process_do_not_disturb_each_other() {
    let bench = Bench::new(MIB, 2);
    thread::scope(|scope| {
        for index in 0..2 {
            let bench = &bench;
            scope.spawn(move || (0..100).for_each(|_| bench.append_by_pipe(index, 50 * KIB)));
        }
    });
    for index in 0..2 {
        let (_, end) = runtime().block_on(read_all(bench.journal(index), 0));
        assert_eq!(end, 100 * 50 * KIB);
    }
    let retained = retained(&bench.journals);
    assert!(retained <= MIB && retained > MIB - 64 * KIB, "{retained}");
}
