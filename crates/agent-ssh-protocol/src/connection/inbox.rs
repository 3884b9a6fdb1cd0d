//! The queue of what a peer sent on a channel and the program has not taken.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Data of a channel, as the peer sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The bytes, at least one.
    pub bytes: Bytes,
    /// 0 for the channel's own data, else the type of extended data: 1 is standard error
    /// (RFC 4254 section 5.2).
    pub stream: u32,
}

/// From this length on data is kept where it was received, if not much is kept that way.
const MIN_SLICE: usize = 8 << 10;
/// The most that is kept where it was received. What is kept there also keeps what came beside
/// it in memory: sixteen times itself at worst.
const MAX_SLICED: usize = 256 << 10;
/// What is copied together is cut into pieces of this size, so that memory returns as it is taken.
const MAX_GATHERED: usize = 64 << 10;

/// Data in order of arrival. How much there may be is the window's business.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pieces: VecDeque<Piece>,
    queued: usize,
    sliced: usize,
}

#[derive(Debug)]
enum Piece {
    /// A part of the buffer it was received in.
    Slice(Data),
    /// Copies of small data: many packets of a few bytes would otherwise cost a hundred times
    /// what they hold.
    Gathered {
        bytes: BytesMut,
        /// Streams and lengths of the runs that the bytes consist of.
        runs: VecDeque<(u32, usize)>,
    },
}

impl Inbox {
    /// Returns how many bytes are queued.
    pub(super) const fn queued(&self) -> usize {
        self.queued
    }

    /// Appends data; nothing is appended when there are no bytes.
    pub(super) fn push(&mut self, stream: u32, data: Bytes) {
        if data.is_empty() {
            return;
        }
        self.queued += data.len();
        if data.len() >= MIN_SLICE && self.sliced + data.len() <= MAX_SLICED {
            self.sliced += data.len();
            self.pieces.push_back(Piece::Slice(Data { bytes: data, stream }));
            return;
        }
        if let Some(Piece::Gathered { bytes, runs }) = self.pieces.back_mut()
            && bytes.len() + data.len() <= MAX_GATHERED
        {
            bytes.extend_from_slice(&data);
            match runs.back_mut() {
                Some((last, len)) if *last == stream => *len += data.len(),
                _ => runs.push_back((stream, data.len())),
            }
            return;
        }
        let runs = VecDeque::from([(stream, data.len())]);
        self.pieces.push_back(Piece::Gathered { bytes: BytesMut::from(&*data), runs });
    }

    /// Takes the next data.
    pub(super) fn pop(&mut self) -> Option<Data> {
        let data = match self.pieces.pop_front()? {
            Piece::Slice(data) => {
                self.sliced -= data.bytes.len();
                data
            }
            Piece::Gathered { mut bytes, mut runs } => {
                let (stream, len) = runs.pop_front().expect("a piece has a run");
                let taken = bytes.split_to(len).freeze();
                if !runs.is_empty() {
                    self.pieces.push_front(Piece::Gathered { bytes, runs });
                }
                Data { bytes: taken, stream }
            }
        };
        self.queued -= data.bytes.len();
        Some(data)
    }

    /// Throws everything away; returns how many bytes that were.
    pub(super) fn clear(&mut self) -> usize {
        let queued = self.queued;
        *self = Self::default();
        queued
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inbox(packets: &[(u32, usize)]) -> Inbox {
        let mut inbox = Inbox::default();
        for &(stream, len) in packets {
            inbox.push(stream, Bytes::from(vec![7; len]));
        }
        inbox
    }

    #[test]
    fn small_packets_of_a_stream_are_one_piece_of_data() {
        let mut inbox = inbox(&[(0, 1), (0, 2), (1, 3), (0, 4)]);
        let lens = std::iter::from_fn(|| inbox.pop()).map(|data| (data.stream, data.bytes.len()));
        assert_eq!(lens.collect::<Vec<_>>(), [(0, 3), (1, 3), (0, 4)]);
    }

    #[test]
    fn large_data_is_not_copied_until_much_is_queued() {
        let large = Bytes::from(vec![1; MAX_SLICED]);
        let mut inbox = Inbox::default();
        inbox.push(0, large.clone());
        inbox.push(0, large.clone());
        assert_eq!(inbox.pop().map(|data| data.bytes.as_ptr()), Some(large.as_ptr()));
        assert_ne!(inbox.pop().map(|data| data.bytes.as_ptr()), Some(large.as_ptr()));
    }

    proptest! {
        #[test]
        fn what_comes_out_of_each_stream_is_what_went_in(
            packets in prop::collection::vec((0..3_u32, 0..20_000_usize, any::<u8>()), 0..40),
            takes in prop::collection::vec(any::<bool>(), 0..40),
        ) {
            let mut inbox = Inbox::default();
            let mut sent = Vec::new();
            let mut got = Vec::new();
            let mut takes = takes.into_iter();
            let mut take = |inbox: &mut Inbox| {
                let data = inbox.pop();
                data.into_iter().for_each(|data| got.extend(data.bytes.iter().map(|&byte| (data.stream, byte))));
            };
            for (stream, len, byte) in packets {
                inbox.push(stream, Bytes::from(vec![byte; len]));
                sent.extend(std::iter::repeat_n((stream, byte), len));
                if takes.next() == Some(true) {
                    take(&mut inbox);
                }
            }
            while inbox.queued() > 0 {
                take(&mut inbox);
            }
            prop_assert!(inbox.pop().is_none());
            prop_assert!(got == sent);
        }
    }
}
