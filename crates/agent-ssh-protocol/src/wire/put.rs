//! Appending the data types of RFC 4251 section 5 to a buffer.

use bytes::BytesMut;

/// Appends the data types of SSH messages to a growing buffer.
///
/// Every method writes what the method of the same name of [`Reader`](super::Reader) reads.
pub trait Put: sealed::Buffer {
    /// Appends bytes as they are, without a length.
    fn put_raw(&mut self, bytes: &[u8]) {
        self.append(bytes);
    }

    /// Appends one byte.
    fn put_u8(&mut self, value: u8) {
        self.append(&[value]);
    }

    /// Appends a truth value: one byte, 1 or 0.
    fn put_bool(&mut self, value: bool) {
        self.append(&[u8::from(value)]);
    }

    /// Appends four bytes, the most significant first.
    fn put_u32(&mut self, value: u32) {
        self.append(&value.to_be_bytes());
    }

    /// Appends eight bytes, the most significant first.
    fn put_u64(&mut self, value: u64) {
        self.append(&value.to_be_bytes());
    }

    /// Appends a string: its length as `u32`, then its bytes, whatever they are.
    ///
    /// # Panics
    ///
    /// When `bytes` are 4 GiB or more; no message has a field of that size.
    fn put_string(&mut self, bytes: &[u8]) {
        self.put_u32(length(bytes.len()));
        self.append(bytes);
    }

    /// Appends a number of any size, given as its big-endian bytes without a sign.
    ///
    /// Leading zeros of `magnitude` are left out, and one is put where the first bit would read
    /// as a sign, so the encoding is the only one the number has.
    fn put_mpint(&mut self, magnitude: &[u8]) {
        let start = magnitude.iter().position(|&byte| byte != 0).unwrap_or(magnitude.len());
        let digits = &magnitude[start..];
        let sign = usize::from(digits.first().is_some_and(|&byte| byte >= 0x80));
        self.put_u32(length(sign + digits.len()));
        self.append(&[0][..sign]);
        self.append(digits);
    }

    /// Appends a list of names, separated by commas, as one string.
    fn put_name_list(&mut self, names: &[&str]) {
        self.put_string(names.join(",").as_bytes());
    }
}

impl Put for Vec<u8> {}
impl Put for BytesMut {}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a field of a message is shorter than 4 GiB")
}

mod sealed {
    use bytes::BytesMut;

    /// What [`Put`](super::Put) is written on.
    pub trait Buffer {
        /// Appends `bytes`.
        fn append(&mut self, bytes: &[u8]);
    }

    impl Buffer for Vec<u8> {
        fn append(&mut self, bytes: &[u8]) {
            self.extend_from_slice(bytes);
        }
    }

    impl Buffer for BytesMut {
        fn append(&mut self, bytes: &[u8]) {
            self.extend_from_slice(bytes);
        }
    }
}
