//! The queue of what the program sends on a channel and has not left yet.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// What may be queued beyond the peer's window before a writer waits.
const MAX_BEYOND_WINDOW: usize = 64 << 10;
/// What may be queued at all before a writer waits: two batches of the socket's writer.
const MAX_QUEUED: usize = 256 << 10;
/// Data shorter than this is copied behind small data that waits already.
const SMALL: usize = 4 << 10;

/// Data and marks in the order they were given, and the window of the peer.
///
/// At most [`MAX_QUEUED`] bytes and one write of each writer.
#[derive(Debug)]
pub(super) struct Outbox {
    items: VecDeque<Item>,
    queued: usize,
    window: u32,
    max_packet: usize,
}

#[derive(Debug)]
enum Item {
    Data { stream: u32, bytes: Bytes },
    Gathered { stream: u32, bytes: BytesMut },
    Mark(Mark),
}

/// What stands between data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The payload of a message.
    Message(Vec<u8>),
    Eof,
    Close,
}

/// What goes into one packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Data { stream: u32, bytes: Bytes },
    Mark(Mark),
}

/// The peer gave more window than fits into its 32 bits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl Outbox {
    pub(super) const fn new(window: u32, max_packet: u32) -> Self {
        Self { items: VecDeque::new(), queued: 0, window, max_packet: max_packet as usize }
    }

    /// Adds to the peer's window.
    pub(super) fn adjust(&mut self, bytes: u32) -> Result<(), Overflow> {
        self.window = self.window.checked_add(bytes).ok_or(Overflow)?;
        Ok(())
    }

    /// Tells whether a writer may add data now.
    pub(super) const fn has_room(&self) -> bool {
        self.queued < MAX_QUEUED
            && self.queued.saturating_sub(self.window as usize) < MAX_BEYOND_WINDOW
    }

    /// Tells whether so much has left that waiting writers are worth waking.
    pub(super) const fn is_low(&self) -> bool {
        self.queued <= MAX_QUEUED / 2 && self.has_room()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Tells whether [`next`](Self::next) has something.
    pub(super) fn is_sendable(&self) -> bool {
        match self.items.front() {
            None => false,
            Some(Item::Mark(_)) => true,
            Some(Item::Data { .. } | Item::Gathered { .. }) => self.window > 0,
        }
    }

    /// Appends data, all of it.
    pub(super) fn push_data(&mut self, stream: u32, data: Bytes) {
        if data.is_empty() {
            return;
        }
        self.queued += data.len();
        if data.len() < SMALL
            && let Some(last) = self.items.back_mut()
        {
            match last {
                Item::Gathered { stream: same, bytes }
                    if *same == stream && bytes.len() + data.len() <= MAX_BEYOND_WINDOW =>
                {
                    bytes.extend_from_slice(&data);
                    return;
                }
                Item::Data { stream: same, bytes } if *same == stream && bytes.len() < SMALL => {
                    let mut gathered = BytesMut::with_capacity(2 * SMALL);
                    gathered.extend_from_slice(bytes);
                    gathered.extend_from_slice(&data);
                    *last = Item::Gathered { stream, bytes: gathered };
                    return;
                }
                _ => {}
            }
        }
        self.items.push_back(Item::Data { stream, bytes: data });
    }

    /// Appends a mark, which leaves after the data before it.
    pub(super) fn push_mark(&mut self, mark: Mark) {
        self.items.push_back(Item::Mark(mark));
    }

    /// Takes what goes into the next packet, as the window allows.
    pub(super) fn next(&mut self) -> Option<Packet> {
        if !self.is_sendable() {
            return None;
        }
        let limit = self.max_packet.min(self.window as usize);
        let (stream, bytes, is_whole) = match self.items.front_mut()? {
            Item::Mark(_) => match self.items.pop_front()? {
                Item::Mark(mark) => return Some(Packet::Mark(mark)),
                _ => return None,
            },
            Item::Data { stream, bytes } => {
                let len = bytes.len().min(limit);
                (*stream, bytes.split_to(len), bytes.is_empty())
            }
            Item::Gathered { stream, bytes } => {
                let len = bytes.len().min(limit);
                (*stream, bytes.split_to(len).freeze(), bytes.is_empty())
            }
        };
        if is_whole {
            self.items.pop_front();
        }
        self.queued -= bytes.len();
        // At most the window, which has 32 bits.
        self.window -= bytes.len() as u32;
        Some(Packet::Data { stream, bytes })
    }

    /// Throws everything away.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.queued = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packets_are_cut_to_the_window_and_to_the_largest_packet() {
        let mut outbox = Outbox::new(25, 10);
        outbox.push_data(0, Bytes::from_static(&[1; 30]));
        outbox.push_mark(Mark::Eof);
        let mut lens = Vec::new();
        while let Some(Packet::Data { bytes, .. }) = outbox.next() {
            lens.push(bytes.len());
        }
        assert_eq!(lens, [10, 10, 5]);
        outbox.adjust(100).unwrap();
        assert!(matches!(outbox.next(), Some(Packet::Data { bytes, .. }) if bytes.len() == 5));
        assert_eq!(outbox.next(), Some(Packet::Mark(Mark::Eof)));
        assert_eq!(outbox.next(), None);
    }

    #[test]
    fn a_window_beyond_32_bits_is_an_overflow() {
        let mut outbox = Outbox::new(u32::MAX - 5, 10);
        assert_eq!(outbox.adjust(5), Ok(()));
        assert_eq!(outbox.adjust(1), Err(Overflow));
    }

    #[test]
    fn a_writer_waits_with_64_kib_beyond_the_window() {
        let mut outbox = Outbox::new(1000, 32 << 10);
        outbox.push_data(0, Bytes::from(vec![0; MAX_BEYOND_WINDOW + 999]));
        assert!(outbox.has_room());
        outbox.push_data(0, Bytes::from_static(b"x"));
        assert!(!outbox.has_room());
    }

    #[test]
    fn small_writes_leave_in_one_packet() {
        let mut outbox = Outbox::new(u32::MAX, 32 << 10);
        for _ in 0..100 {
            outbox.push_data(0, Bytes::from_static(b"0123456789"));
        }
        assert!(matches!(outbox.next(), Some(Packet::Data { bytes, .. }) if bytes.len() == 1000));
        assert!(outbox.is_empty());
    }

    proptest! {
        #[test]
        fn everything_leaves_once_and_in_order(
            writes in prop::collection::vec((0..2_u32, 0..9000_usize, any::<u8>(), any::<bool>()), 0..40),
            max_packet in 1..40_000_u32,
        ) {
            let mut outbox = Outbox::new(0, max_packet);
            let (mut sent, mut got) = (Vec::new(), Vec::new());
            for (stream, len, byte, marked) in writes {
                outbox.push_data(stream, Bytes::from(vec![byte; len]));
                sent.extend(std::iter::repeat_n((stream, byte), len));
                if marked {
                    outbox.push_mark(Mark::Message(vec![]));
                    sent.push((9, 9));
                }
            }
            outbox.adjust(1 << 30).unwrap();
            while let Some(packet) = outbox.next() {
                match packet {
                    Packet::Data { stream, bytes } => {
                        prop_assert!(bytes.len() <= max_packet as usize);
                        got.extend(bytes.iter().map(|&byte| (stream, byte)));
                    }
                    Packet::Mark(_) => got.push((9, 9)),
                }
            }
            prop_assert!(got == sent);
        }
    }
}
