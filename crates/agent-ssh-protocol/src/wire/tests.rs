//! Examples of RFC 4251 section 5, and any values there and back.

use bytes::BytesMut;
use proptest::prelude::*;

use super::{Malformed, Put, Reader};

fn check_mpint(magnitude: &[u8], encoded: &[u8]) {
    let mut bytes = Vec::new();
    bytes.put_mpint(magnitude);
    assert_eq!(bytes, encoded);
}

#[test]
fn numbers_of_any_size_are_written_as_the_rfc_shows() {
    check_mpint(&[], &[0, 0, 0, 0]);
    check_mpint(&[0, 0], &[0, 0, 0, 0]);
    check_mpint(
        &[0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7],
        &[0, 0, 0, 8, 0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7],
    );
    check_mpint(&[0x80], &[0, 0, 0, 2, 0, 0x80]);
    check_mpint(&[0, 0x7f], &[0, 0, 0, 1, 0x7f]);
}

#[test]
fn a_negative_number_is_malformed() {
    let expected = Err(Malformed::expected("a number that is not negative"));
    assert_eq!(Reader::new(&[0, 0, 0, 2, 0xed, 0xcc]).mpint(), expected);
}

#[test]
fn a_list_of_names_is_one_string_with_commas() {
    let mut bytes = Vec::new();
    bytes.put_name_list(&[]);
    bytes.put_name_list(&["zlib", "none"]);
    assert_eq!(bytes, b"\0\0\0\0\0\0\0\x09zlib,none");
    let mut reader = Reader::new(&bytes);
    assert_eq!(reader.name_list(), Ok(vec![]));
    assert_eq!(reader.name_list(), Ok(vec!["zlib", "none"]));
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn a_name_with_a_blank_is_malformed() {
    let expected = Err(Malformed::expected("a list of names"));
    assert_eq!(Reader::new(b"\0\0\0\x03a b").name_list(), expected);
    assert_eq!(Reader::new(b"\0\0\0\x01\xff").name_list(), expected);
}

#[test]
fn bytes_that_are_left_are_not_the_end() {
    assert_eq!(Reader::new(&[0]).end(), Err(Malformed::expected("the end")));
}

#[test]
fn a_string_longer_than_the_message_is_malformed() {
    let expected = Err(Malformed::expected("a string"));
    assert_eq!(Reader::new(&[0, 0, 0, 5, 1, 2, 3, 4]).string(), expected);
    assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]).string(), expected);
}

proptest! {
    #[test]
    fn what_is_put_is_read(
        byte: u8,
        truth: bool,
        short: u32,
        long: u64,
        string: Vec<u8>,
        text: String,
        magnitude: Vec<u8>,
        rest: Vec<u8>,
    ) {
        let mut bytes = BytesMut::new();
        bytes.put_u8(byte);
        bytes.put_bool(truth);
        bytes.put_u32(short);
        bytes.put_u64(long);
        bytes.put_string(&string);
        bytes.put_string(text.as_bytes());
        bytes.put_mpint(&magnitude);
        bytes.put_raw(&rest);
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.u8(), Ok(byte));
        prop_assert_eq!(reader.bool(), Ok(truth));
        prop_assert_eq!(reader.u32(), Ok(short));
        prop_assert_eq!(reader.u64(), Ok(long));
        prop_assert_eq!(reader.string(), Ok(string.as_slice()));
        prop_assert_eq!(reader.text(), Ok(text.as_str()));
        let start = magnitude.iter().position(|&byte| byte != 0).unwrap_or(magnitude.len());
        prop_assert_eq!(reader.mpint(), Ok(&magnitude[start..]));
        prop_assert_eq!(reader.rest(), rest.as_slice());
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, steps in prop::collection::vec(0..8u8, 1..20)) {
        let mut reader = Reader::new(&bytes);
        for step in steps {
            let _ = match step {
                0 => reader.u8().map(drop),
                1 => reader.bool().map(drop),
                2 => reader.u32().map(drop),
                3 => reader.u64().map(drop),
                4 => reader.string().map(drop),
                5 => reader.text().map(drop),
                6 => reader.mpint().map(drop),
                _ => reader.name_list().map(drop),
            };
        }
        prop_assert!(reader.rest().len() <= bytes.len());
    }
}
