//! Datagrams on a byte stream: two bytes of length, the high one first, and then as many bytes;
//! pure.

use agent_api::limits::MAX_DATAGRAM_BYTES;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes of the length in front of each datagram.
const HEAD_BYTES: usize = 2;

/// A length that no datagram has; the stream can not be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Takes the next datagram off the front; `None` while it is not there as a whole.
///
/// What it answers shares no memory with the buffer, so that a small datagram that waits pins
/// nothing.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Bytes>, TooLong> {
    let Some(head) = buffer.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*head));
    if length > MAX_DATAGRAM_BYTES {
        return Err(TooLong);
    }
    let Some(datagram) = buffer.get(HEAD_BYTES..HEAD_BYTES + length) else { return Ok(None) };
    let datagram = Bytes::copy_from_slice(datagram);
    buffer.advance(HEAD_BYTES + length);
    Ok(Some(datagram))
}

/// Appends a datagram, which is at most [`MAX_DATAGRAM_BYTES`] long as every one of UDP.
pub(crate) fn put(datagram: &[u8], buffer: &mut BytesMut) {
    let length = u16::try_from(datagram.len()).expect("a datagram of UDP has a length of 16 bits");
    buffer.reserve(HEAD_BYTES + datagram.len());
    buffer.put_u16(length);
    buffer.put_slice(datagram);
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn the_length_is_big_endian_and_may_be_0() {
        let mut buffer = BytesMut::from(&[0, 0, 1, 2][..]);
        assert_eq!(take(&mut buffer), Ok(Some(Bytes::new())));
        assert_eq!(take(&mut buffer), Ok(None));
        buffer.extend_from_slice(&[7; 300]);
        assert_eq!(take(&mut buffer), Ok(Some(Bytes::from(vec![7; 258]))));
        assert_eq!((take(&mut buffer), buffer.len()), (Ok(None), 42));
    }

    #[test]
    fn the_longest_datagram_passes_and_a_longer_one_does_not() {
        let mut buffer = BytesMut::new();
        put(&[1; MAX_DATAGRAM_BYTES], &mut buffer);
        assert_eq!(buffer[..2], [0xff, 0xe3]);
        assert_eq!(take(&mut buffer).unwrap().unwrap().len(), MAX_DATAGRAM_BYTES);
        // The length alone ends it, before any byte of the datagram is there.
        for length in [0xffe4_u16, 0xffff] {
            assert_eq!(take(&mut BytesMut::from(&length.to_be_bytes()[..])), Err(TooLong));
        }
    }

    proptest! {
        #[test]
        fn datagrams_come_out_as_they_went_in_however_the_stream_is_cut(
            datagrams in vec(vec(any::<u8>(), 0..600), 0..20),
            cuts in vec(1..700_usize, 1..20),
        ) {
            let mut stream = BytesMut::new();
            for datagram in &datagrams {
                put(datagram, &mut stream);
            }
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            for cut in cuts.iter().cycle() {
                if stream.is_empty() {
                    break;
                }
                buffer.extend_from_slice(&stream.split_to((*cut).min(stream.len())));
                while let Some(datagram) = take(&mut buffer).unwrap() {
                    found.push(datagram.to_vec());
                }
            }
            prop_assert!(buffer.is_empty());
            prop_assert_eq!(found, datagrams);
        }

        #[test]
        fn any_bytes_are_datagrams_until_a_length_that_is_none(bytes in vec(any::<u8>(), 0..2000)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            let mut again = BytesMut::new();
            while let Ok(Some(datagram)) = take(&mut buffer) {
                put(&datagram, &mut again);
            }
            again.extend_from_slice(&buffer);
            prop_assert_eq!(&again[..], &bytes[..]);
        }
    }
}
