//! Packets to the bytes that leave.

use super::exchange::{Exchange, Output};
use crate::cipher::Sealer;

/// What was sealed and is not in the socket, and the protection it is under.
#[derive(Debug)]
pub(crate) struct Outbound {
    sealer: Sealer,
    sequence: u32,
    bytes: Vec<u8>,
    /// How many of the bytes are in the socket.
    written: usize,
    /// Bytes sealed with the present keys.
    sealed: u64,
}

impl Outbound {
    /// Starts without protection.
    pub(crate) fn new() -> Self {
        Self { sealer: Sealer::none(), sequence: 0, bytes: Vec::new(), written: 0, sealed: 0 }
    }

    /// Appends bytes that are no packet.
    pub(crate) fn put_raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a packet; its payload is given in pieces.
    pub(crate) fn seal(&mut self, payload: &[&[u8]]) {
        let before = self.bytes.len();
        self.sealer.seal(self.sequence, payload, &mut self.bytes);
        self.sequence = self.sequence.wrapping_add(1);
        self.sealed += (self.bytes.len() - before) as u64;
    }

    /// Appends what the key exchange has to send, and changes the keys where it says.
    pub(crate) fn seal_exchange(&mut self, exchange: &mut Exchange) {
        while let Some(output) = exchange.output.pop_front() {
            match output {
                Output::Message(payload) => self.seal(&[&payload]),
                Output::NewKeys { sealer, resets_sequence } => {
                    self.sealer = *sealer;
                    self.sealed = 0;
                    if resets_sequence {
                        self.sequence = 0;
                    }
                }
            }
        }
    }

    /// Makes room for so many bytes at once.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Returns what is to be written to the socket.
    pub(crate) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Takes note of bytes that are in the socket.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.bytes.len() {
            self.written = 0;
            self.bytes.clear();
        }
    }

    /// Returns how many bytes were sealed with the present keys.
    pub(crate) const fn sealed(&self) -> u64 {
        self.sealed
    }

    /// Returns the memory that waits for more.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives memory back that holds nothing.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }
}
