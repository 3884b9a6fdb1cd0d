//! Takes the two streams of a command apart that the engine sends in one (pure).
//!
//! Source: Docker Engine API, "Attach to a container", "Stream format".

use std::io;

use agent_exec::ForeignData;
use bytes::{Buf, BytesMut};

const HEADER: usize = 8;

/// The frame that is being read.
#[derive(Debug, Default)]
pub(super) struct Frames {
    is_error_output: bool,
    /// Bytes of the frame that have not been taken.
    left: usize,
}

impl Frames {
    /// Takes what there is of the next frame, which need not be complete; `None` when more is
    /// needed.
    ///
    /// # Errors
    ///
    /// These are no frames.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> io::Result<Option<ForeignData>> {
        while self.left == 0 {
            let Some(header) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
            let [kind, 0, 0, 0, length @ ..] = *header else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no frame of the engine"));
            };
            // Input that is echoed does not occur, and 3 is what the engine itself complains of.
            self.is_error_output = match kind {
                0 | 1 => false,
                2 | 3 => true,
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no known stream")),
            };
            self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            buffer.advance(HEADER);
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        let taken = self.left.min(buffer.len());
        self.left -= taken;
        let data = buffer.split_to(taken).freeze();
        Ok(Some(match self.is_error_output {
            true => ForeignData::ErrorOutput(data),
            false => ForeignData::Output(data),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0], length.as_slice(), data].concat()
    }

    /// Both streams of what arrives in pieces.
    fn read(bytes: &[u8], piece: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let (mut frames, mut buffer) = (Frames::default(), BytesMut::new());
        for piece in bytes.chunks(piece) {
            buffer.extend_from_slice(piece);
            while let Some(data) = frames.next(&mut buffer)? {
                match data {
                    ForeignData::Output(data) => output.extend_from_slice(&data),
                    ForeignData::ErrorOutput(data) => errors.extend_from_slice(&data),
                }
            }
        }
        Ok((output, errors))
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bytes in [b"HTTP/1.1".as_slice(), &[1, 0, 1, 0, 0, 0, 0, 1], &[4, 0, 0, 0, 0, 0, 0, 1]]
        {
            assert_eq!(read(bytes, 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        assert_eq!(read(&[1, 0, 0], 1).unwrap(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_frame_is_handed_on_before_it_is_complete() {
        let mut buffer = BytesMut::from([2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, b'x'].as_slice());
        let mut frames = Frames::default();
        let first = frames.next(&mut buffer).unwrap();
        assert_eq!(first, Some(ForeignData::ErrorOutput("x".into())));
        assert_eq!(frames.next(&mut buffer).unwrap(), None);
    }

    proptest! {
        #[test]
        fn both_streams_are_the_same_however_they_arrive(
            parts in proptest::collection::vec(
                (0_u8..4, proptest::collection::vec(any::<u8>(), 0..50)), 0..20),
            piece in 1_usize..100
        ) {
            let bytes: Vec<u8> = parts.iter().flat_map(|(kind, data)| frame(*kind, data)).collect();
            let of = |is_errors: bool| -> Vec<u8> {
                let parts = parts.iter().filter(|(kind, _)| (*kind > 1) == is_errors);
                parts.flat_map(|(_, data)| data.clone()).collect()
            };
            prop_assert_eq!(read(&bytes, piece).unwrap(), (of(false), of(true)));
        }
    }
}
