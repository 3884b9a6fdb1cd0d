//! A thread that writes lines, behind a queue that never makes anybody wait.

use std::{
    collections::VecDeque,
    fmt, io, mem,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// Most bytes of lines that wait; a line beyond them is refused.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;

/// Where a thread writes lines.
pub(super) trait Sink: Send + 'static {
    /// Writes a line, which ends in a line ending; failures are the sink's own business.
    fn write(&mut self, line: &str);
}

/// The near end of the queue of a thread with a sink; the thread ends with the last clone.
pub(super) struct Writer<S> {
    shared: Arc<Shared<S>>,
    _close: Arc<Close<S>>,
}

struct Shared<S> {
    queue: Mutex<Queue<S>>,
    /// Something is queued, or the queue is closed.
    filled: Condvar,
    /// Everything taken from the queue is written.
    written: Condvar,
}

struct Queue<S> {
    entries: VecDeque<Entry<S>>,
    bytes: usize,
    pushed: u64,
    written: u64,
    is_closed: bool,
}

enum Entry<S> {
    Line(Arc<str>),
    Run(Box<dyn FnOnce(&mut S) + Send>),
}

struct Close<S>(Arc<Shared<S>>);

impl<S: Sink> Writer<S> {
    /// Starts the thread.
    pub(super) fn start(name: &str, sink: S) -> io::Result<Self> {
        let queue =
            Queue { entries: VecDeque::new(), bytes: 0, pushed: 0, written: 0, is_closed: false };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            filled: Condvar::new(),
            written: Condvar::new(),
        });
        let far_end = Arc::clone(&shared);
        // Formatting happens on the near end, so the thread needs little more than its calls.
        thread::Builder::new()
            .name(name.to_owned())
            .stack_size(128 * 1024)
            .spawn(move || far_end.work(sink))?;
        Ok(Self { _close: Arc::new(Close(Arc::clone(&shared))), shared })
    }

    /// Queues a line; `false` when the queue is full and the line is lost.
    pub(super) fn push(&self, line: Arc<str>) -> bool {
        let mut queue = self.shared.queue.lock();
        if queue.bytes + line.len() > MAX_QUEUED_BYTES {
            return false;
        }
        queue.bytes += line.len();
        self.shared.push(&mut queue, Entry::Line(line));
        true
    }

    /// Queues a piece of work on the sink, in order with the lines.
    pub(super) fn run(&self, work: impl FnOnce(&mut S) + Send + 'static) {
        self.shared.push(&mut self.shared.queue.lock(), Entry::Run(Box::new(work)));
    }

    /// Waits until everything queued so far is written; `false` after `timeout`.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut queue = self.shared.queue.lock();
        let last = queue.pushed;
        while queue.written < last {
            if self.shared.written.wait_until(&mut queue, deadline).timed_out() {
                return queue.written >= last;
            }
        }
        true
    }
}

impl<S: Sink> Shared<S> {
    fn push(&self, queue: &mut Queue<S>, entry: Entry<S>) {
        queue.entries.push_back(entry);
        queue.pushed += 1;
        self.filled.notify_one();
    }

    fn work(&self, mut sink: S) {
        let mut batch = VecDeque::new();
        loop {
            {
                let mut queue = self.queue.lock();
                while queue.entries.is_empty() {
                    if queue.is_closed {
                        return;
                    }
                    self.filled.wait(&mut queue);
                }
                mem::swap(&mut batch, &mut queue.entries);
            }
            let (mut bytes, count) = (0, batch.len() as u64);
            for entry in batch.drain(..) {
                match entry {
                    Entry::Line(line) => {
                        sink.write(&line);
                        bytes += line.len();
                    }
                    Entry::Run(work) => work(&mut sink),
                }
            }
            let mut queue = self.queue.lock();
            // Lines count until they are written, so a stuck sink cannot double the memory.
            queue.bytes -= bytes;
            queue.written += count;
            self.written.notify_all();
        }
    }
}

impl Sink for io::Stderr {
    fn write(&mut self, line: &str) {
        // Nobody is left to tell when stderr is gone.
        let _ = io::Write::write_all(self, line.as_bytes());
    }
}

impl<S> Drop for Close<S> {
    fn drop(&mut self) {
        self.0.queue.lock().is_closed = true;
        self.0.filled.notify_one();
    }
}

impl<S> Clone for Writer<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), _close: Arc::clone(&self._close) }
    }
}

impl<S> fmt::Debug for Writer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// Passes lines on, but waits for leave before each.
    struct Gate {
        leave: mpsc::Receiver<()>,
        lines: mpsc::Sender<String>,
    }

    impl Sink for Gate {
        fn write(&mut self, line: &str) {
            self.leave.recv().unwrap();
            self.lines.send(line.to_owned()).unwrap();
        }
    }

    fn gate() -> (Writer<Gate>, mpsc::Sender<()>, mpsc::Receiver<String>) {
        let (open, leave) = mpsc::channel();
        let (lines, written) = mpsc::channel();
        (Writer::start("test", Gate { leave, lines }).unwrap(), open, written)
    }

    #[test]
    fn lines_and_work_keep_their_order_and_the_end_loses_nothing() {
        let (writer, open, written) = gate();
        assert!(writer.push("a".into()));
        writer.run(|gate| gate.lines.send("work".to_owned()).unwrap());
        assert!(writer.push("b".into()));
        drop(writer);
        open.send(()).unwrap();
        open.send(()).unwrap();
        let all: Vec<String> = (0..3).map(|_| written.recv_timeout(LONG).unwrap()).collect();
        assert_eq!(all, ["a", "work", "b"]);
        assert!(written.recv_timeout(LONG).is_err(), "the thread ended");
    }

    #[test]
    fn a_stuck_sink_refuses_lines_and_never_blocks() {
        let (writer, open, written) = gate();
        let line: Arc<str> = "x".repeat(MAX_QUEUED_BYTES / 4).into();
        let taken = (0..10).filter(|_| writer.push(Arc::clone(&line))).count();
        assert_eq!(taken, 4);
        assert!(!writer.flush(Duration::from_millis(1)));
        for _ in 0..taken {
            open.send(()).unwrap();
        }
        assert!(writer.flush(LONG));
        assert_eq!(written.try_iter().count(), taken);
        assert!(writer.push(line), "there is room again");
    }
}
