//! The three parts of a session side by side: taking requests, carrying them out, sending replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::framing::Framing;
use super::reply::{Blocks, MAX_DATA_BYTES};
use super::request::{Message, Request};
use super::server::Server;
use super::{Config, Error, Gone, Sink, Source, Workers};

/// Most bytes of requests in work, each counted with its reply.
const MAX_WORK_BYTES: usize = 8 * 1024 * 1024;

/// A batch with this much in it waits for no more.
const BATCH_BYTES: usize = 1024 * 1024;

/// What a request costs beside its bytes: its own memory and a short reply.
const REQUEST_BYTES: usize = 512;

/// A session without a request for this long gives its spare memory back.
const IDLE: Duration = Duration::from_secs(2);

/// Requests that are carried out in one go, with their share of [`MAX_WORK_BYTES`].
#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    bytes: usize,
    share: Option<OwnedSemaphorePermit>,
}

/// The replies of a batch; its share is given back when they are sent.
struct Replied {
    replies: Vec<Bytes>,
    share: Option<OwnedSemaphorePermit>,
}

/// Ends what runs on the pool when the session is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) async fn run(
    source: impl Source,
    sink: impl Sink,
    config: Config,
    workers: &Workers,
) -> Result<(), Error> {
    let stop = StopOnDrop(Arc::default());
    let blocks = Blocks::default();
    // One batch is gathered, one carried out, one sent, and one waits in between.
    let (to_work, work) = mpsc::channel(1);
    let (to_send, replied) = mpsc::channel(1);
    let server = Server::new(config, blocks.clone(), stop.0.clone());
    let receiver = Receiver {
        source,
        framing: Framing::default(),
        batch: Batch::default(),
        budget: Arc::new(Semaphore::new(MAX_WORK_BYTES)),
        to_work,
        is_ready: false,
    };
    let (received, worked, ()) = tokio::join!(
        receiver.run(&blocks),
        carry_out(server, workers, work, to_send),
        send(sink, replied, &stop.0),
    );
    received.and(worked)
}

async fn carry_out(
    mut server: Server,
    workers: &Workers,
    mut work: mpsc::Receiver<Batch>,
    to_send: mpsc::Sender<Replied>,
) -> Result<(), Error> {
    while let Some(Batch { messages, share, .. }) = work.recv().await {
        server.add(messages);
        loop {
            let is_all;
            (server, is_all) = workers
                .run(move || {
                    let is_all = server.turn();
                    (server, is_all)
                })
                .await?;
            if is_all {
                break;
            }
        }
        let replies = server.replies();
        if to_send.send(Replied { replies, share }).await.is_err() {
            break;
        }
    }
    // Closing files may wait for the disk.
    workers.run(move || drop(server)).await
}

async fn send(sink: impl Sink, mut replied: mpsc::Receiver<Replied>, stop: &AtomicBool) {
    while let Some(Replied { replies, share }) = replied.recv().await {
        for bytes in replies {
            if let Err(Gone) = sink.send(bytes).await {
                // Nobody hears of what is not yet begun.
                stop.store(true, Ordering::Relaxed);
                return;
            }
        }
        drop(share);
    }
}

struct Receiver<S> {
    source: S,
    framing: Framing,
    batch: Batch,
    budget: Arc<Semaphore>,
    to_work: mpsc::Sender<Batch>,
    /// The version has been agreed on.
    is_ready: bool,
}

impl<S: Source> Receiver<S> {
    /// Gathers requests until the input ends, is wrong, or nobody takes replies any more.
    async fn run(mut self, blocks: &Blocks) -> Result<(), Error> {
        let outcome = self.gather(blocks).await;
        self.hand_over().await;
        outcome
    }

    async fn gather(&mut self, blocks: &Blocks) -> Result<(), Error> {
        loop {
            let Some(bytes) = self.next(blocks).await else { return Ok(()) };
            self.framing.push(bytes);
            loop {
                while let Some(packet) = self.framing.next()? {
                    let size =
                        packet.head.len() + packet.rest.iter().map(Bytes::len).sum::<usize>();
                    let message = Message::parse(packet)?;
                    match message {
                        Message::Init { .. } => self.is_ready = true,
                        Message::Request { .. } if !self.is_ready => return Err(Error::NoVersion),
                        Message::Request { .. } => {}
                    }
                    self.add(message, size).await;
                }
                match self.source.ready() {
                    Some(bytes) if self.batch.bytes < BATCH_BYTES => self.framing.push(bytes),
                    Some(bytes) => {
                        self.hand_over().await;
                        self.framing.push(bytes);
                    }
                    None => break,
                }
            }
        }
    }

    /// Waits for bytes, and hands the batch over as soon as the worker is free for it.
    async fn next(&mut self, blocks: &Blocks) -> Option<Bytes> {
        while !self.batch.messages.is_empty() {
            if self.batch.bytes >= BATCH_BYTES {
                self.hand_over().await;
                break;
            }
            tokio::select! {
                biased;
                place = self.to_work.reserve() => place.ok()?.send(std::mem::take(&mut self.batch)),
                bytes = self.source.next() => return bytes,
            }
        }
        loop {
            let waited = tokio::select! {
                () = self.to_work.closed() => return None,
                waited = timeout(IDLE, self.source.next()) => waited,
            };
            match waited {
                Ok(bytes) => return bytes,
                Err(_) => blocks.clear(),
            }
        }
    }

    /// Adds a request to the batch, within the bounds of both.
    async fn add(&mut self, message: Message, size: usize) {
        let cost = cost(&message, size);
        let count = u32::try_from(cost).expect("a request is smaller than the budget");
        let share = match self.budget.clone().try_acquire_many_owned(count) {
            Ok(share) => share,
            Err(_) => {
                // What has a share must get on, or none would ever be given back.
                self.hand_over().await;
                let acquired = tokio::select! {
                    acquired = self.budget.clone().acquire_many_owned(count) => acquired,
                    // A worker that is gone does not give its shares back.
                    () = self.to_work.closed() => return,
                };
                acquired.expect("the budget is never closed")
            }
        };
        match &mut self.batch.share {
            Some(whole) => whole.merge(share),
            none => *none = Some(share),
        }
        self.batch.messages.push(message);
        self.batch.bytes += cost;
    }

    async fn hand_over(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.messages.is_empty() {
            // An error is a worker that is gone, which `next` sees as well.
            drop(self.to_work.send(batch).await);
        }
    }
}

/// The bytes of a request and at most those of its reply.
fn cost(message: &Message, size: usize) -> usize {
    let reply = match message {
        Message::Request { request: Request::Read { length, .. }, .. } => {
            (*length).min(MAX_DATA_BYTES) as usize
        }
        Message::Request { request: Request::ReadDirectory { .. }, .. } => 34_000,
        Message::Request {
            request:
                Request::RealPath { .. } | Request::ReadLink { .. } | Request::ExpandPath { .. },
            ..
        } => 8_192,
        _ => 0,
    };
    REQUEST_BYTES + size + reply
}
