//! Packets from the bytes that arrive.

use bytes::{Bytes, BytesMut};

use crate::cipher::{Opener, PacketError};

/// What arrived and was not taken, and the protection it is under.
#[derive(Debug)]
pub(crate) struct Inbound {
    opener: Opener,
    sequence: u32,
    /// Packets as they arrived, the first one from its start.
    pub(crate) buffer: BytesMut,
    /// Bytes opened with the present keys.
    opened: u64,
}

/// A packet whose authenticity was checked.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) sequence: u32,
    /// At least the message number.
    pub(crate) payload: Bytes,
}

impl Packet {
    /// Returns the message number.
    pub(crate) fn number(&self) -> u8 {
        self.payload[0]
    }
}

impl Inbound {
    /// Starts without protection.
    pub(crate) fn new() -> Self {
        Self { opener: Opener::none(), sequence: 0, buffer: BytesMut::new(), opened: 0 }
    }

    /// Takes the next packet out of the buffer and decrypts it where it is; `None` when it is not
    /// there in full.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, PacketError> {
        let Some(length) = self.wanted()? else { return Ok(None) };
        if self.buffer.len() < length {
            return Ok(None);
        }
        let mut packet = self.buffer.split_to(length);
        let sequence = self.sequence;
        let range = self.opener.open(sequence, &mut packet)?;
        if range.is_empty() {
            return Err(PacketError::Padding);
        }
        self.sequence = sequence.wrapping_add(1);
        self.opened += length as u64;
        Ok(Some(Packet { sequence, payload: packet.freeze().slice(range) }))
    }

    /// Returns how long the first packet in the buffer is; `None` when too little is there to say.
    pub(crate) fn wanted(&mut self) -> Result<Option<usize>, PacketError> {
        if self.buffer.len() < self.opener.head_len() {
            return Ok(None);
        }
        self.opener.length(self.sequence, &self.buffer).map(Some)
    }

    /// Uses new keys from the next packet on.
    pub(crate) fn rekey(&mut self, opener: Opener, resets_sequence: bool) {
        self.opener = opener;
        self.opened = 0;
        if resets_sequence {
            self.sequence = 0;
        }
    }

    /// Returns how many bytes were opened with the present keys.
    pub(crate) const fn opened(&self) -> u64 {
        self.opened
    }
}
