//! A command without a terminal: its three pipes, each beside the others.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::pin,
};

use agent_exec::{Child, Exit, Ready, Receiver, Sender};
use agent_ssh_protocol::{ChannelClosed, ChannelInput, ChannelOutput, Data};
use bytes::{Buf as _, Bytes};
use rustix::{buffer::spare_capacity, io::Errno};
use tokio::{join, select};
use tracing::debug;

use super::{
    Session,
    report::{Failure, Report, STDERR},
};
use crate::statistics::SessionError;

/// Most bytes read from a pipe at a time.
const CHUNK_BYTES: u64 = 128 * 1024;
/// From this much input on no more is gathered for one write.
const GATHERED_BYTES: usize = 96 * 1024;
/// Least room for a read, because a pipe that seems empty may have ended.
const LEAST_BYTES: u64 = 512;

/// The near ends of a command's pipes.
#[derive(Debug)]
pub(super) struct Ends {
    stdin: Sender,
    stdout: Receiver,
    stderr: Receiver,
}

impl Ends {
    /// Takes the pipes of a child; `None` when it has a terminal.
    pub(super) fn take(child: &mut Child) -> Option<Self> {
        let (stdin, stdout, stderr) =
            (child.stdin.take()?, child.stdout.take()?, child.stderr.take()?);
        Some(Self { stdin, stdout, stderr })
    }
}

/// Carries everything both ways until the last writer has closed the pipes; the client is told of
/// the exit as soon as everything that the command wrote before it is on its way.
pub(super) async fn run(
    session: &Session,
    child: &Child,
    ends: Ends,
    input: ChannelInput,
) -> Result<Report, Failure> {
    let Ends { stdin, stdout, stderr } = ends;
    let mut stdout = Outflow::new(session, stdout, None);
    let mut stderr = Outflow::new(session, stderr, Some(STDERR));
    let outflow = async {
        let (exit, _) = join!(stdout.until_exit(child), stderr.until_exit(child));
        let report = Report::of(&exit)?;
        session.tell(report.clone());
        join!(stdout.until_end(), stderr.until_end());
        Ok(report)
    };
    let inflow = async {
        feed(session, stdin, input).await;
        std::future::pending().await
    };
    select! {
        ended = outflow => ended,
        never = inflow => never,
    }
}

/// Writes what the client sends, and closes the pipe at its end.
async fn feed(session: &Session, stdin: Sender, mut input: ChannelInput) {
    let (mut stdin, mut pieces) = (Some(stdin), VecDeque::new());
    while let Some(data) = input.read().await {
        let Some(pipe) = &stdin else { continue };
        gather(&mut pieces, data, &mut input);
        if let Err(error) = write_all(pipe, &mut pieces).await {
            // The command does not want more; what comes is thrown away, so that the client is
            // not kept from ending.
            if error.kind() != io::ErrorKind::BrokenPipe {
                session.failed(SessionError::StdinIoCopy);
            }
            (stdin, pieces) = (None, VecDeque::new());
        }
    }
}

/// Puts what is there already behind the data that came first, to be written at once.
fn gather(pieces: &mut VecDeque<Bytes>, first: Data, input: &mut ChannelInput) {
    let (mut next, mut gathered) = (Some(first), 0);
    while let Some(data) = next {
        if data.stream == 0 {
            gathered += data.bytes.len();
            pieces.push_back(data.bytes);
        }
        next = if gathered < GATHERED_BYTES { input.try_read() } else { None };
    }
}

async fn write_all(pipe: &Sender, pieces: &mut VecDeque<Bytes>) -> io::Result<()> {
    while !pieces.is_empty() {
        let mut slices = [IoSlice::new(&[]); 8];
        slices.iter_mut().zip(&*pieces).for_each(|(slice, piece)| *slice = IoSlice::new(piece));
        let mut written = pipe.write_pieces(&slices).await?;
        while let Some(first) = pieces.front_mut()
            && written > 0
        {
            let step = first.len().min(written);
            first.advance(step);
            written -= step;
            if first.is_empty() {
                pieces.pop_front();
            }
        }
    }
    Ok(())
}

/// One output pipe's way to the client.
struct Outflow<'a> {
    session: &'a Session,
    output: &'a ChannelOutput,
    pipe: Receiver,
    /// The type of extended data, for other than the standard output.
    stream: Option<u32>,
    /// Nothing more comes, or nobody takes it.
    is_over: bool,
}

/// What a look into a pipe found.
enum Found {
    Bytes(Bytes),
    NothingYet,
    End,
}

impl<'a> Outflow<'a> {
    fn new(session: &'a Session, pipe: Receiver, stream: Option<u32>) -> Self {
        Self { session, output: &session.output, pipe, stream, is_over: false }
    }

    /// Carries bytes until the command has exited and everything it wrote before is handed over.
    async fn until_exit(&mut self, child: &Child) -> Exit {
        let mut exited = pin!(child.wait());
        let exit = loop {
            if self.is_over {
                break exited.await;
            }
            let found = select! {
                ready = self.pipe.readable() => self.look(ready, CHUNK_BYTES),
                exit = &mut exited => break exit,
            };
            self.hand_over(found).await;
        };
        // What waits now includes all of it; others may go on writing.
        let mut left = self.pipe.available().unwrap_or_default();
        while left > 0 && !self.is_over {
            let found = self.look(self.pipe.readable().await, left.min(CHUNK_BYTES));
            left = left.saturating_sub(self.hand_over(found).await);
        }
        exit
    }

    /// Carries bytes until the last writer has closed the pipe.
    async fn until_end(&mut self) {
        while !self.is_over {
            let found = self.look(self.pipe.readable().await, CHUNK_BYTES);
            self.hand_over(found).await;
        }
    }

    /// Reads once, at most this many bytes.
    fn look(&self, ready: io::Result<Ready<'_>>, most: u64) -> Found {
        let Ok(ready) = ready else { return Found::End };
        let waiting = self.pipe.available().unwrap_or(CHUNK_BYTES);
        let room = (waiting + 1).clamp(LEAST_BYTES, CHUNK_BYTES).min(most);
        let mut buffer = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        match rustix::io::read(&self.pipe, spare_capacity(&mut buffer)) {
            Ok(0) => Found::End,
            Ok(_) => Found::Bytes(Bytes::from(buffer)),
            Err(Errno::AGAIN) => {
                ready.clear();
                Found::NothingYet
            }
            Err(Errno::INTR) => Found::NothingYet,
            Err(error) => {
                debug!(session.id = %self.session.id, %error, "cannot read a command's output");
                self.session.failed(SessionError::OutputIoCopy);
                Found::End
            }
        }
    }

    /// Hands what was found over to the client; answers how many bytes.
    async fn hand_over(&mut self, found: Found) -> u64 {
        let bytes = match found {
            Found::Bytes(bytes) => bytes,
            Found::NothingYet => return 0,
            Found::End => {
                self.is_over = true;
                return 0;
            }
        };
        let length = bytes.len() as u64;
        let sent = match self.stream {
            None => self.output.write(bytes).await,
            Some(stream) => self.output.write_extended(stream, bytes).await,
        };
        self.is_over |= matches!(sent, Err(ChannelClosed { .. }));
        length
    }
}
