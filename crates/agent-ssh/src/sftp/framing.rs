//! Cutting the bytes of a channel into packets; what they say is not read here.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};

use super::Error;
use super::request::WRITE;

/// Longest packet, without its length field; what `limits@openssh.com` says.
pub(super) const MAX_PACKET_BYTES: u32 = 262_144;

/// Enough for the fields in front of the data of a write whose handle is not over 255 bytes.
const HEAD_BYTES: usize = 320;

/// A packet without its length field.
///
/// The data of a write stays in the pieces it came in; every other packet is all `head`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// From the type on: all fields that are not data, and possibly data.
    pub(super) head: Bytes,
    /// What follows, in order.
    pub(super) rest: Vec<Bytes>,
}

/// Bytes that are not yet a packet: at most one incomplete packet and what was last pushed.
#[derive(Debug, Default)]
pub(super) struct Framing {
    pieces: VecDeque<Bytes>,
    buffered: usize,
}

impl Framing {
    /// Takes the next bytes of the stream.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.buffered += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    /// Returns the next packet if all of it is there.
    ///
    /// # Errors
    ///
    /// [`Error::PacketLength`], as soon as the length is there.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, Error> {
        let Some(length) = self.length() else { return Ok(None) };
        if length == 0 || length > MAX_PACKET_BYTES {
            return Err(Error::PacketLength { length });
        }
        let length = usize::try_from(length).expect("a packet is shorter than the memory");
        if self.buffered < 4 + length {
            return Ok(None);
        }
        self.skip(4);
        Ok(Some(self.packet(length)))
    }

    fn length(&self) -> Option<u32> {
        if let Some(bytes) = self.pieces.front().and_then(|piece| piece.first_chunk()) {
            return Some(u32::from_be_bytes(*bytes));
        }
        if self.buffered < 4 {
            return None;
        }
        let bytes = self.pieces.iter().flatten().take(4);
        Some(bytes.fold(0, |length, &byte| length << 8 | u32::from(byte)))
    }

    fn packet(&mut self, length: usize) -> Packet {
        let first = self.pieces.front().expect("a packet has at least one byte");
        if first.len() >= length {
            return Packet { head: self.take(length), rest: Vec::new() };
        }
        if first[0] != WRITE {
            return Packet { head: self.copy(length), rest: Vec::new() };
        }
        let head = match first.len() {
            enough @ HEAD_BYTES.. => self.take(enough),
            _ => self.copy(length.min(HEAD_BYTES)),
        };
        let mut missing = length - head.len();
        let mut rest = Vec::with_capacity(self.pieces.len());
        while missing > 0 {
            let front = self.pieces.front().expect("the packet is complete").len();
            let piece = self.take(front.min(missing));
            missing -= piece.len();
            rest.push(piece);
        }
        Packet { head, rest }
    }

    /// Cuts off bytes that are all in the first piece.
    fn take(&mut self, length: usize) -> Bytes {
        self.buffered -= length;
        let first = self.pieces.front_mut().expect("there is a piece");
        let taken = first.split_to(length);
        if first.is_empty() {
            self.pieces.pop_front();
        }
        taken
    }

    fn copy(&mut self, length: usize) -> Bytes {
        let mut copied = Vec::with_capacity(length);
        while copied.len() < length {
            let front = self.pieces.front().expect("the packet is complete").len();
            let piece = self.take(front.min(length - copied.len()));
            copied.extend_from_slice(&piece);
        }
        copied.into()
    }

    fn skip(&mut self, mut length: usize) {
        self.buffered -= length;
        while length > 0 {
            let first = self.pieces.front_mut().expect("as many bytes are there");
            let step = first.len().min(length);
            first.advance(step);
            length -= step;
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frames `stream` pushed in pieces of the sizes given, the last one repeated.
    fn frame(stream: &[u8], sizes: &[usize]) -> Result<Vec<Vec<u8>>, Error> {
        let mut framing = Framing::default();
        let (mut packets, mut stream, mut sizes) = (Vec::new(), stream, sizes.iter().cycle());
        loop {
            while let Some(Packet { head, rest }) = framing.next()? {
                packets.push([&head[..], &rest.concat()].concat());
            }
            if stream.is_empty() {
                return Ok(packets);
            }
            let size = (*sizes.next().unwrap()).clamp(1, stream.len());
            framing.push(Bytes::copy_from_slice(&stream[..size]));
            stream = &stream[size..];
        }
    }

    fn stream(packets: &[Vec<u8>]) -> Vec<u8> {
        let framed = packets.iter().map(|packet| {
            let length = u32::try_from(packet.len()).unwrap().to_be_bytes();
            [&length[..], packet].concat()
        });
        framed.collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_length_of_nothing_or_too_much_is_refused_before_the_packet_is_there() {
        for (length, is_refused) in
            [(0, true), (1, false), (262_144, false), (262_145, true), (u32::MAX, true)]
        {
            let refused = matches!(
                frame(&length.to_be_bytes(), &[1]),
                Err(Error::PacketLength { length: said }) if said == length
            );
            assert_eq!(refused, is_refused, "{length}");
        }
    }

    #[test]
    fn the_data_of_a_write_is_not_copied() {
        let mut framing = Framing::default();
        let packet: Vec<u8> = [WRITE].into_iter().chain((0..100_000).map(|n| n as u8)).collect();
        let pieces: Vec<Bytes> =
            stream(&[packet]).chunks(32_768).map(Bytes::copy_from_slice).collect();
        pieces.iter().for_each(|piece| framing.push(piece.clone()));
        let Packet { head, rest } = framing.next().unwrap().unwrap();
        assert_eq!(head.as_ptr(), pieces[0][4..].as_ptr());
        let addresses = |of: &[Bytes]| of.iter().map(|piece| piece.as_ptr()).collect::<Vec<_>>();
        assert_eq!(addresses(&rest), addresses(&pieces[1..]));
    }

    proptest! {
        #[test]
        fn packets_do_not_depend_on_how_they_are_cut(
            packets in prop::collection::vec(prop::collection::vec(prop_oneof![Just(WRITE), any::<u8>()], 1..2000), 0..6),
            sizes in prop::collection::vec(1_usize..900, 1..9),
        ) {
            prop_assert_eq!(frame(&stream(&packets), &sizes).unwrap(), packets);
        }
    }
}
