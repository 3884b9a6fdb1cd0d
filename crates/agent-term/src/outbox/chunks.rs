//! A queue of output and of messages between it, which knows what it holds in bytes.

use std::collections::VecDeque;

use agent_api::{TerminalServerMessage, TerminalSize};
use bytes::{Bytes, BytesMut};

use super::Taken;

/// Output below this is copied behind the output before it, so that single bytes cost bytes.
const SMALL: usize = 1024;
/// Most bytes that are collected in one chunk.
const COLLECTED: usize = 16 * 1024;
/// What a message counts for.
const MESSAGE_BYTES: usize = 64;

#[derive(Debug)]
enum Chunk {
    /// Shared with other connections.
    Shared(Bytes),
    Collected(BytesMut),
    Resized(TerminalSize),
}

#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

impl Chunks {
    /// How many chunks there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, bytes: &Bytes) {
        self.bytes += bytes.len();
        if bytes.len() >= SMALL {
            return self.chunks.push_back(Chunk::Shared(bytes.clone()));
        }
        match self.chunks.back_mut() {
            Some(Chunk::Collected(last)) if last.len() + bytes.len() <= COLLECTED => {
                last.extend_from_slice(bytes);
            }
            _ => self.chunks.push_back(Chunk::Collected(BytesMut::from(&bytes[..]))),
        }
    }

    pub(super) fn push_resized(&mut self, size: TerminalSize) {
        self.bytes += MESSAGE_BYTES;
        self.chunks.push_back(Chunk::Resized(size));
    }

    /// The newest size that is told here.
    pub(super) fn last_resized(&self) -> Option<TerminalSize> {
        self.chunks.iter().rev().find_map(|chunk| match chunk {
            Chunk::Resized(size) => Some(*size),
            Chunk::Shared(_) | Chunk::Collected(_) => None,
        })
    }

    /// What is at the front, at most `max` bytes of output.
    pub(super) fn take(&mut self, max: usize) -> Option<Taken> {
        let taken = match self.chunks.pop_front()? {
            Chunk::Resized(size) => {
                self.bytes -= MESSAGE_BYTES;
                Taken::Message(TerminalServerMessage::Resized(size))
            }
            Chunk::Shared(mut bytes) => {
                let output = split(&mut bytes, max);
                self.bytes -= output.len();
                if !bytes.is_empty() {
                    self.chunks.push_front(Chunk::Shared(bytes));
                }
                Taken::Output(output)
            }
            Chunk::Collected(bytes) => {
                self.bytes -= bytes.len();
                Taken::Output(bytes.freeze())
            }
        };
        if self.chunks.is_empty() {
            // An idle connection holds no queue.
            self.chunks = VecDeque::new();
        }
        Some(taken)
    }
}

/// Takes at most `max` bytes off the front.
pub(super) fn split(bytes: &mut Bytes, max: usize) -> Bytes {
    let taken = bytes.split_to(bytes.len().min(max));
    if bytes.is_empty() {
        // What is left of nothing would hold on to all of it.
        *bytes = Bytes::new();
    }
    taken
}
