//! Packets sealed elsewhere, and any packets there and back, whole and changed.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{Cipher, DirectionKeys, MAX_PACKET_LENGTH, Mac, Opener, PacketError, Sealer, Suite};

/// A channel message with `hello`, sealed by another implementation with the keys of [`keys`],
/// as packet 7, with padding that counts up from zero.
const SEALED: [(Cipher, Mac, &str); 7] = [
    (
        Cipher::ChaCha20Poly1305,
        Mac::HmacSha256,
        "a39afcb2211815434e832a5e6c68d395bbe3bc2c35b033327be53a8b76ec77458077056bea45630758c1dc7d",
    ),
    (
        Cipher::Aes256Gcm,
        Mac::HmacSha256,
        "000000205945de6679e9569e3e67378db60905fd43c0050e8e6af47aaedba744f6adaa580a35ae8487b7ea2c54\
         903bc4bcfa60d0",
    ),
    (
        Cipher::Aes128Gcm,
        Mac::HmacSha256,
        "000000200b3c4ea5db02b8fa9b3b3f75eaa644ec318a7bfb97afda52fd65ba9bb1fcf8e35a0b2679ff31fe33e8\
         b1c9b2905ae16f",
    ),
    (
        Cipher::Aes256Ctr,
        Mac::HmacSha512Etm,
        "0000002082861120b620bb4d7e88d7ce8ad3ffdcb4eb880105d512d07b7c9f569782ee8221ac339c1e07ae77f7\
         86f5afce1afeaafcec6bf9bf02a2cc724e511ed5d524f9b0bd741b51b95bbee83c9c2caea49bd61918a42d385f\
         e69a309e97ad8d1c2adf",
    ),
    (
        Cipher::Aes192Ctr,
        Mac::HmacSha256,
        "b397929531a5acf3ddfdf93e2d4eeff7445affe8827cd6b4feeaec7c03b38a6b7becab404d9ac99c500ecf5287\
         fbf4144f694426ee20e32bd63fc5440933f8de",
    ),
    (
        Cipher::Aes128Ctr,
        Mac::HmacSha256Etm,
        "000000208fe16e9cbd1cee780d027dedfd89eb9b6d8d63c35b26e7d122bb3f046df7b04abdc5ccf314dc952975\
         dad06a7f20f3e15369737580184868cc354a7e3339334f",
    ),
    (
        Cipher::Aes128Ctr,
        Mac::HmacSha512,
        "9ebf6e80b042ee780d07158891e0ecfe00e30fc75f22e3dd2eb7330069f3b4567f6a245276bdca0c4c3bf41fa6\
         5b51a027035581fa38ea1288d007c6e467e889df34a2cebc77096ad8ea819f19551732842d6d97fddc3601cb35\
         8a00d3c0414e",
    ),
];

fn keys(Suite { cipher, mac }: Suite) -> DirectionKeys {
    let count = |start: u8, length: usize| Zeroizing::new((start..).take(length).collect());
    DirectionKeys {
        iv: count(100, cipher.iv_len()),
        key: count(0, cipher.key_len()),
        mac: count(128, mac.len()),
    }
}

fn suites() -> impl Iterator<Item = Suite> {
    Cipher::ALL.into_iter().flat_map(|cipher| Mac::ALL.map(|mac| Suite { cipher, mac }))
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Opens the packet at the start of `wire`, as the owner of a socket does.
fn open(opener: &mut Opener, sequence: u32, wire: &mut [u8]) -> Result<Vec<u8>, PacketError> {
    let length = opener.length(sequence, wire)?;
    if wire.len() < length {
        // More never comes in these tests; a connection would wait for it.
        return Err(PacketError::Length(u32::MAX));
    }
    let payload = opener.open(sequence, &mut wire[..length])?;
    Ok(wire[payload].to_vec())
}

#[test]
fn packets_of_another_implementation_are_opened() {
    for (cipher, mac, sealed) in SEALED {
        let suite = Suite { cipher, mac };
        let mut wire = from_hex(sealed);
        let mut opener = Opener::new(suite, &keys(suite));
        assert_eq!(opener.length(7, &wire), Ok(wire.len()), "{suite:?}");
        let payload = open(&mut opener, 7, &mut wire).unwrap();
        assert_eq!(payload, b"\x5e\0\0\0\0\0\0\0\x05hello", "{suite:?}");
    }
}

#[test]
fn a_packet_of_another_place_in_the_sequence_is_refused() {
    for suite in suites() {
        let mut wire = Vec::new();
        let mut sealer = Sealer::new(suite, &keys(suite));
        sealer.seal(0, &[b"one"], &mut wire);
        let second = wire.len();
        sealer.seal(1, &[b"two"], &mut wire);
        let mut opener = Opener::new(suite, &keys(suite));
        assert!(open(&mut opener, 0, &mut wire[second..]).is_err(), "{suite:?}");
    }
}

#[test]
fn padding_is_as_the_protocol_wants_it() {
    let check = |mut sealer: Sealer, mut opener: Opener, block: usize, covered: usize| {
        for length in 1..80 {
            let payload = vec![1; length];
            let mut wire = Vec::new();
            sealer.seal(0, &[&payload], &mut wire);
            assert!(wire.len() <= length + Sealer::OVERHEAD);
            let range = {
                let whole = opener.length(0, &wire).unwrap();
                assert_eq!(whole, wire.len());
                opener.open(0, &mut wire).unwrap()
            };
            let padding = usize::from(wire[4]);
            assert!((4..4 + block).contains(&padding));
            assert!((range.end + padding - 4 + covered).is_multiple_of(block));
        }
    };
    check(Sealer::none(), Opener::none(), 8, 4);
    for suite in suites() {
        let (block, covered) = match suite {
            Suite { cipher: Cipher::ChaCha20Poly1305, .. } => (8, 0),
            Suite { cipher, mac } if cipher.is_authenticated() || mac.is_over_ciphertext() => {
                (16, 0)
            }
            _ => (16, 4),
        };
        let (sealer, opener) = (Sealer::new(suite, &keys(suite)), Opener::new(suite, &keys(suite)));
        // Every packet is number 0, which none of these ciphers but ChaCha20 minds either way.
        check(sealer, opener, block, covered);
    }
}

#[test]
fn two_packets_with_one_payload_have_different_padding() {
    let suite = Suite { cipher: Cipher::Aes128Gcm, mac: Mac::HmacSha256 };
    let (mut sealer, mut opener) =
        (Sealer::new(suite, &keys(suite)), Opener::new(suite, &keys(suite)));
    let mut paddings = Vec::new();
    for sequence in 0..200 {
        let mut wire = Vec::new();
        sealer.seal(sequence, &[b"payload"], &mut wire);
        let payload = opener.open(sequence, &mut wire).unwrap();
        paddings.push(wire[payload.end..][..8].to_vec());
    }
    paddings.sort();
    paddings.dedup();
    assert_eq!(paddings.len(), 200);
}

#[test]
fn lengths_out_of_bounds_are_refused_before_anything_is_read() {
    let check = |length: usize, expected: bool| {
        let length = u32::try_from(length).unwrap();
        let read = Opener::none().length(0, &length.to_be_bytes());
        assert_eq!(read.is_ok(), expected, "{length}");
    };
    check(0, false);
    check(4, false);
    check(12, true);
    check(13, false);
    check(MAX_PACKET_LENGTH - 4, true);
    check(MAX_PACKET_LENGTH + 4, false);
    check(0xffff_fffc, false);
}

#[test]
fn padding_that_does_not_fit_is_refused() {
    let check = |padding: u8, expected: Result<std::ops::Range<usize>, PacketError>| {
        let mut packet = [0; 16];
        packet[3] = 12;
        packet[4] = padding;
        assert_eq!(Opener::none().open(0, &mut packet), expected, "{padding}");
    };
    check(3, Err(PacketError::Padding));
    check(4, Ok(5..12));
    check(11, Ok(5..5));
    check(12, Err(PacketError::Padding));
    check(255, Err(PacketError::Padding));
}

#[test]
fn keys_are_not_shown() {
    let suite = Suite { cipher: Cipher::Aes256Ctr, mac: Mac::HmacSha256 };
    let keys = keys(suite);
    let (sealer, opener) = (Sealer::new(suite, &keys), Opener::new(suite, &keys));
    assert_eq!(
        format!("{keys:?} {sealer:?} {opener:?}"),
        "DirectionKeys { .. } Sealer { .. } Opener { .. }"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_is_opened(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..6),
        cut: prop::sample::Index,
        start: u32,
    ) {
        for suite in suites() {
            let mut wire = Vec::new();
            let mut sealer = Sealer::new(suite, &keys(suite));
            for (index, payload) in (0..).zip(&payloads) {
                let (front, back) = payload.split_at(cut.index(payload.len()));
                sealer.seal(start.wrapping_add(index), &[front, back], &mut wire);
            }
            let mut opener = Opener::new(suite, &keys(suite));
            let mut rest = wire.as_mut_slice();
            for (index, payload) in (0..).zip(&payloads) {
                let sequence = start.wrapping_add(index);
                let length = opener.length(sequence, &rest[..opener.head_len()]).unwrap();
                // Asked again, as when the rest of the packet comes in parts.
                prop_assert_eq!(opener.length(sequence, rest), Ok(length));
                let (packet, after) = rest.split_at_mut(length);
                let range = opener.open(sequence, packet).unwrap();
                prop_assert_eq!(&packet[range], payload.as_slice());
                rest = after;
            }
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_changed_packet_is_refused(
        payload in prop::collection::vec(any::<u8>(), 1..100),
        position: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        for suite in suites() {
            let mut wire = Vec::new();
            Sealer::new(suite, &keys(suite)).seal(3, &[&payload], &mut wire);
            *position.get_mut(&mut wire) ^= 1 << bit;
            prop_assert!(open(&mut Opener::new(suite, &keys(suite)), 3, &mut wire).is_err());
        }
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 16..300),
        lead in 0..3_usize,
    ) {
        let mut bytes = bytes;
        bytes[..lead].fill(0);
        for suite in suites() {
            let mut opener = Opener::new(suite, &keys(suite));
            prop_assert!(open(&mut opener, 0, &mut bytes.clone()).is_err());
            let mut short = bytes.clone();
            prop_assert!(opener.open(0, &mut short[..lead]).is_err());
        }
        let _ = open(&mut Opener::none(), 0, &mut bytes);
    }
}
