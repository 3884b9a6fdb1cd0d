//! A few threads that walk and search together, so that the answer is put together in order and
//! nothing is done for long after it is complete.
//!
//! Every thread takes what is most needed: it walks when little is left to search, and searches
//! otherwise. A batch is numbered when the walk finds it, and its outcome waits for those before.
//!
//! ```text
//! Walker ──batch 0, 1, 2, …──► queue ──► search ──► early outcomes ──in order──► Answer
//!    ▲ one thread at a time                                                        │
//!    └──────────────────────── stops when the answer is complete ◄─────────────────┘
//! ```

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroUsize,
    thread,
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    answer::{Answer, Outcome},
    batch::{Batch, Searcher},
    collector::Allowance,
    plan::Plan,
};
use crate::walk::{Clock, Step, Walker};

/// Most threads for one request; more hardly help where the kernel's directory cache is shared.
const MAX_THREADS: usize = 8;
/// Most files of a batch. Small, so that the batches that are being searched when the answer is
/// complete are soon done.
const BATCH_STEPS: usize = 16;
/// Batches below which walking is more urgent than searching.
const FEW_BATCHES: usize = 8;
/// Batches beyond which the walk has to wait. Each may hold open directories.
const MANY_BATCHES: usize = 32;
/// Bytes of hits that may wait for earlier ones before other batches have to wait.
const MAX_EARLY_BYTES: usize = 4 * 1024 * 1024;

/// Searches until the walk ends or the answer is complete.
pub(super) fn search<'a>(
    plan: &'a Plan,
    walker: Walker<'a>,
    answer: Answer,
    clock: Clock<'a>,
) -> Answer {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS);
    let crew = Crew {
        board: Mutex::new(Board {
            walker: Some(Box::new(walker)),
            queue: VecDeque::new(),
            numbered: 0,
            due: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
            busy: 0,
            answer,
            is_over: false,
        }),
        changed: Condvar::new(),
        plan,
        clock,
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            let helper = thread::Builder::new().name("search".to_owned());
            // With fewer threads it takes longer, and that is all.
            let _ = helper.spawn_scoped(scope, || crew.work());
        }
        crew.work();
    });
    crew.board.into_inner().answer
}

struct Crew<'a> {
    board: Mutex<Board<'a>>,
    changed: Condvar,
    plan: &'a Plan,
    clock: Clock<'a>,
}

/// What all threads know.
struct Board<'a> {
    /// The walk, unless a thread is walking or it has ended.
    walker: Option<Box<Walker<'a>>>,
    queue: VecDeque<Batch>,
    /// Batches found so far.
    numbered: u64,
    /// Number of the batch whose outcome is next in the answer.
    due: u64,
    early: BTreeMap<u64, Vec<Outcome>>,
    early_bytes: usize,
    /// Threads that are walking or searching.
    busy: usize,
    answer: Answer,
    is_over: bool,
}

/// What a thread should do next.
enum Task<'a> {
    Walk(Box<Walker<'a>>),
    Search(Batch, Allowance),
    Wait,
    Leave,
}

impl<'a> Crew<'a> {
    fn work(&self) {
        let _leave = Leave(self);
        let mut searcher = Searcher::new(self.plan, self.clock);
        let mut board = self.board.lock();
        loop {
            match board.next_task(self.clock) {
                Task::Walk(walker) => self.walk(&mut board, walker),
                Task::Search(batch, allowance) => {
                    let number = batch.number;
                    let outcomes =
                        MutexGuard::unlocked(&mut board, || searcher.search(batch, allowance));
                    board.deliver(number, outcomes);
                    self.changed.notify_all();
                }
                Task::Wait => self.changed.wait(&mut board),
                Task::Leave => return,
            }
        }
    }

    /// Walks until enough is queued.
    fn walk(&self, board: &mut MutexGuard<'_, Board<'a>>, mut walker: Box<Walker<'a>>) {
        loop {
            let (steps, has_ended) = MutexGuard::unlocked(board, || gather(&mut walker));
            if !steps.is_empty() {
                board.enqueue(steps);
                self.changed.notify_one();
            }
            if has_ended {
                break;
            }
            if board.queue.len() >= MANY_BATCHES || board.is_done(self.clock) {
                board.walker = Some(walker);
                break;
            }
        }
        board.busy -= 1;
        self.changed.notify_all();
    }
}

/// Takes the next steps of a walk; the flag says that there are no more.
fn gather(walker: &mut Walker<'_>) -> (Vec<Step>, bool) {
    let mut steps = Vec::with_capacity(BATCH_STEPS);
    while steps.len() < BATCH_STEPS {
        match walker.step() {
            Some(Step::Pause) => return (steps, false),
            Some(step) => steps.push(step),
            None => return (steps, true),
        }
    }
    (steps, false)
}

impl<'a> Board<'a> {
    fn next_task(&mut self, clock: Clock<'_>) -> Task<'a> {
        if self.is_done(clock) {
            return Task::Leave;
        }
        if self.queue.len() < FEW_BATCHES
            && let Some(walker) = self.walker.take()
        {
            self.busy += 1;
            return Task::Walk(walker);
        }
        match self.queue.front() {
            // The batch that all others wait for is never held back.
            Some(batch) if batch.number == self.due || self.early_bytes <= MAX_EARLY_BYTES => {
                self.busy += 1;
                let batch = self.queue.pop_front().expect("the queue has a front");
                Task::Search(batch, self.answer.allowance())
            }
            None if self.busy == 0 => Task::Leave,
            _ => Task::Wait,
        }
    }

    fn is_done(&self, clock: Clock<'_>) -> bool {
        self.is_over || self.answer.is_complete() || clock.is_stopped()
    }

    fn enqueue(&mut self, steps: Vec<Step>) {
        self.queue.push_back(Batch { number: self.numbered, steps });
        self.numbered += 1;
    }

    fn deliver(&mut self, number: u64, outcomes: Vec<Outcome>) {
        self.busy -= 1;
        self.early_bytes += bytes_of(&outcomes);
        self.early.insert(number, outcomes);
        while let Some(outcomes) = self.early.remove(&self.due) {
            self.early_bytes -= bytes_of(&outcomes);
            self.due += 1;
            outcomes.into_iter().for_each(|outcome| self.answer.add(outcome));
        }
    }
}

/// About what outcomes occupy.
fn bytes_of(outcomes: &[Outcome]) -> usize {
    outcomes.iter().map(Outcome::bytes).sum()
}

/// Ends the work of all when one leaves, be it by a panic: nobody may wait for it.
struct Leave<'c, 'a>(&'c Crew<'a>);

impl Drop for Leave<'_, '_> {
    fn drop(&mut self) {
        self.0.board.lock().is_over = true;
        self.0.changed.notify_all();
    }
}
