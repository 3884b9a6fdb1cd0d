//! How one connection is written between the agent outside and the helper inside (pure).
//!
//! The streams of a command in a container end only together, and whoever reads them cannot be seen
//! from inside. So each direction is frames, which have an end of their own, and what ends without it
//! was cut off.
//!
//! ```text
//! helper, first   "agd1"                     connected
//! both            length, 4 bytes big-endian; then so many bytes
//!                 length 0                   nothing more comes this way
//! ```

use std::io;

/// What the helper says when it is connected.
pub(super) const HELLO: [u8; 4] = *b"agd1";
/// Most bytes in a frame.
pub(super) const MAX_FRAME: usize = 64 * 1024;
/// Bytes in front of each frame.
pub(super) const HEAD: usize = 4;

/// The head of a frame of so many bytes, at most [`MAX_FRAME`]; 0 is the end.
pub(super) fn head(length: usize) -> [u8; HEAD] {
    u32::try_from(length).expect("a frame has at most 64 KiB").to_be_bytes()
}

/// Where in a direction a reader is, whose bytes come in pieces of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In front of a frame, with so many bytes of its head.
    Head { read: usize, bytes: [u8; HEAD] },
    /// In a frame, in front of so many bytes.
    Frame(usize),
    /// Behind the end.
    End,
}

impl Place {
    /// The beginning.
    pub(super) const START: Self = Self::Head { read: 0, bytes: [0; HEAD] };

    /// Takes bytes that came, not behind the end, and answers how many of them are used up and which
    /// of those are content.
    ///
    /// # Errors
    ///
    /// A frame above [`MAX_FRAME`].
    pub(super) fn take<'b>(&mut self, came: &'b [u8]) -> io::Result<(usize, &'b [u8])> {
        match self {
            Self::Head { read, bytes } => {
                let used = came.len().min(HEAD - *read);
                bytes[*read..*read + used].copy_from_slice(&came[..used]);
                *read += used;
                if *read == HEAD {
                    *self = Self::after(*bytes)?;
                }
                Ok((used, &[]))
            }
            Self::Frame(left) => {
                let used = came.len().min(*left);
                *left -= used;
                if *left == 0 {
                    *self = Self::START;
                }
                Ok((used, &came[..used]))
            }
            Self::End => Ok((0, &[])),
        }
    }

    fn after(head: [u8; HEAD]) -> io::Result<Self> {
        match usize::try_from(u32::from_be_bytes(head)) {
            Ok(0) => Ok(Self::End),
            Ok(length @ 1..=MAX_FRAME) => Ok(Self::Frame(length)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The content of a direction that comes in pieces, and whether it ended.
    fn read(bytes: &[u8], piece: usize) -> io::Result<(Vec<u8>, bool)> {
        let (mut place, mut content) = (Place::START, Vec::new());
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() && place != Place::End {
                let (used, came) = place.take(piece)?;
                content.extend_from_slice(came);
                piece = &piece[used..];
            }
        }
        Ok((content, place == Place::End))
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused() {
        assert!(read(&[0, 1, 0, 0], 4).is_ok());
        assert!(read(&[0, 1, 0, 1], 4).is_err());
        assert!(read(b"HTTP", 1).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_wherever_it_is_cut(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            piece in 1_usize..50,
            ends: bool,
        ) {
            let mut written = Vec::new();
            for frame in &frames {
                written.extend(head(frame.len()));
                written.extend(frame);
            }
            if ends {
                written.extend(head(0));
            }
            prop_assert_eq!(read(&written, piece).unwrap(), (frames.concat(), ends));
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes, 7);
        }
    }
}
