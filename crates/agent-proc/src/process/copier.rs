//! Takes what a process prints off its pipe or terminal and puts it into the journal, so that the
//! process never waits for anything else; nobody who reads the journal is known here.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use agent_exec::{Pty, Ready, Receiver};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::journal::{Journal, Rest};

/// Bytes taken in one call of the blocking pool at most.
const MOST: usize = 1024 * 1024;
/// Bytes that a terminal may hold between its program and us: the line discipline's buffer and
/// the one before it, with room to spare (Linux: 4 KiB and 64 KiB).
const TERMINAL_BYTES: usize = 128 * 1024;
/// Time for the bytes of a terminal that are on their way.
const ON_THEIR_WAY: Duration = Duration::from_millis(2);
/// One read of a terminal.
const READ_BYTES: usize = 16 * 1024;

/// Where the bytes come from.
#[derive(Debug)]
pub(crate) enum Source {
    Pipe(Receiver),
    Terminal(Arc<Pty>),
}

/// Copies one stream.
#[derive(Debug)]
pub(crate) struct Copier {
    source: Arc<Source>,
    journal: Journal,
    meetings: mpsc::Receiver<Meeting>,
}

/// Asks a copier to take everything that is in the pipe now and then to wait.
#[derive(Debug)]
pub(crate) struct Meeting {
    /// Told when that is in the journal, and whether nothing can follow.
    reached: oneshot::Sender<bool>,
    /// The copier goes on when the other end is dropped.
    go_on: oneshot::Receiver<()>,
}

/// The other end of a copier.
#[derive(Debug)]
pub(crate) struct CopierHandle {
    meetings: mpsc::Sender<Meeting>,
}

/// A copier that waits until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    /// Whether the stream has ended.
    pub(crate) at_end: bool,
    _go_on: Option<oneshot::Sender<()>>,
}

impl CopierHandle {
    /// Waits until every byte that was printed before this call is in the journal; then the copier
    /// waits for the answer's drop.
    pub(crate) async fn catch_up(&self) -> Held {
        let (reached, is_reached) = oneshot::channel();
        let (go_on, waits) = oneshot::channel();
        // A copier that answers nothing has ended. One that ends just now may leave the meeting in
        // the channel, where nobody drops it.
        let _ = self.meetings.send(Meeting { reached, go_on: waits }).await;
        let at_end = tokio::select! {
            biased;
            at_end = is_reached => at_end.unwrap_or(true),
            () = self.meetings.closed() => true,
        };
        Held { at_end, _go_on: (!at_end).then_some(go_on) }
    }

    /// Waits until the stream has ended.
    pub(crate) async fn ended(&self) {
        self.meetings.closed().await;
    }
}

impl Copier {
    pub(crate) fn new(source: Source, journal: Journal) -> (Self, CopierHandle) {
        let (meetings, asked) = mpsc::channel(1);
        let copier = Self { source: Arc::new(source), journal, meetings: asked };
        (copier, CopierHandle { meetings })
    }

    /// Copies until no writer is left, or until `cut`.
    pub(crate) async fn run(mut self, cut: CancellationToken) {
        if let Some(Err(error)) = cut.run_until_cancelled(self.copy()).await {
            let error = agent_api::io_text(&error);
            tracing::error!(error, "the output of a process cannot be read any more");
        }
    }

    async fn copy(&mut self) -> io::Result<()> {
        let source = Arc::clone(&self.source);
        loop {
            // A meeting waits for a leader that has exited, output that goes on does not.
            tokio::select! {
                biased;
                Some(meeting) = self.meetings.recv() => {
                    let rest = self.take_what_is_there().await?;
                    // Whoever asked may have been cut.
                    let _ = meeting.reached.send(rest == Rest::End);
                    if rest == Rest::End {
                        return Ok(());
                    }
                    let _ = meeting.go_on.await;
                }
                ready = source.readable() => {
                    let ready = ready?;
                    match self.take(MOST).await?.1 {
                        Rest::More => {}
                        Rest::Empty => ready.clear(),
                        Rest::End if self.look_again(Rest::End).await? == Rest::End => {
                            return Ok(());
                        }
                        Rest::End => {}
                    }
                }
            }
        }
    }

    /// Copies as many bytes as may wait now.
    async fn take_what_is_there(&self) -> io::Result<Rest> {
        let mut left = self.source.waiting();
        loop {
            // One more than waits: so the end behind it is seen, too.
            let (taken, rest) = self.take(left.saturating_add(1).min(MOST)).await?;
            left = left.saturating_sub(taken);
            if rest != Rest::More || left == 0 {
                return self.look_again(rest).await;
            }
        }
    }

    /// Looks once more before a terminal's word is believed that nothing is left. A thread of the
    /// system carries the bytes from its one end to the other, and once, on a busy machine, the
    /// last of them were missing.
    async fn look_again(&self, rest: Rest) -> io::Result<Rest> {
        if rest == Rest::More || matches!(*self.source, Source::Pipe(_)) {
            return Ok(rest);
        }
        sleep(ON_THEIR_WAY).await;
        Ok(self.take(TERMINAL_BYTES).await?.1)
    }

    async fn take(&self, most: usize) -> io::Result<(usize, Rest)> {
        // Nothing that waits needs no disk, and most processes end without having printed more.
        if let Some(rest) = self.source.is_drained() {
            return Ok((0, rest));
        }
        let (source, journal) = (Arc::clone(&self.source), self.journal.clone());
        let take = move || source.take(&journal, most);
        tokio::task::spawn_blocking(take).await.map_err(io::Error::other)?
    }
}

impl Source {
    async fn readable(&self) -> io::Result<Ready<'_>> {
        match self {
            Self::Pipe(pipe) => pipe.readable().await,
            Self::Terminal(terminal) => terminal.readable().await,
        }
    }

    /// Bytes that may wait now; never less than do.
    fn waiting(&self) -> usize {
        match self {
            Self::Pipe(pipe) => {
                usize::try_from(pipe.available().unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
            }
            // The system's figure leaves out what has not passed the line discipline yet; a read
            // that finds nothing has waited for that.
            Self::Terminal(_) => TERMINAL_BYTES,
        }
    }

    /// What an empty pipe has instead of bytes; `None` if there may be some.
    fn is_drained(&self) -> Option<Rest> {
        let Self::Pipe(pipe) = self else { return None };
        let mut polled = [PollFd::new(pipe, PollFlags::IN)];
        match poll(&mut polled, Some(&Timespec::default())) {
            Ok(0) => Some(Rest::Empty),
            Ok(_) if polled[0].revents() == PollFlags::HUP => Some(Rest::End),
            Ok(_) | Err(_) => None,
        }
    }

    /// Moves bytes that are there; blocking.
    fn take(&self, journal: &Journal, most: usize) -> io::Result<(usize, Rest)> {
        match self {
            Self::Pipe(pipe) => {
                let fd: BorrowedFd<'_> = pipe.as_fd();
                let appended = journal.append_from_pipe(fd, most)?;
                Ok((appended.bytes, appended.rest))
            }
            Self::Terminal(terminal) => take_from_terminal(terminal, journal, most),
        }
    }
}

fn take_from_terminal(terminal: &Pty, journal: &Journal, most: usize) -> io::Result<(usize, Rest)> {
    let mut buffer = vec![0; READ_BYTES];
    let (mut taken, mut filled) = (0, 0);
    loop {
        // A terminal gives at most a few KiB at a time, and an append costs more than a read.
        if filled == buffer.len() || taken >= most {
            journal.append(&buffer[..filled]);
            filled = 0;
        }
        if taken >= most {
            return Ok((taken, Rest::More));
        }
        let rest = match terminal.try_read(&mut buffer[filled..]) {
            Ok(0) => Rest::End,
            Ok(read) => {
                filled += read;
                taken += read;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Rest::Empty,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        journal.append(&buffer[..filled]);
        return Ok((taken, rest));
    }
}
