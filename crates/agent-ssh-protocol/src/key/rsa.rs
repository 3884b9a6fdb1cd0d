//! The numbers of an RSA private key that the file format of OpenSSH leaves out.

use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

/// Returns `number` modulo `prime - 1`, in as many bytes as `prime` has.
///
/// All are big-endian. Only the lengths decide how long it takes. `prime` is odd and not one; of
/// other numbers the result is useless, which the check of the key finds.
pub(super) fn modulo_less_one(number: &[u8], prime: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut modulus = Zeroizing::new(prime.to_vec());
    if let Some(last) = modulus.last_mut() {
        *last &= 0xfe;
    }
    let mut remainder = Zeroizing::new(vec![0; modulus.len()]);
    let mut difference = Zeroizing::new(vec![0; modulus.len()]);
    for bit in number.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)) {
        let overflow = double_and_add(&mut remainder, bit);
        let borrow = subtract(&remainder, &modulus, &mut difference);
        let is_reduced = Choice::from(overflow | (1 - borrow));
        for (byte, reduced) in remainder.iter_mut().zip(difference.iter()) {
            byte.conditional_assign(reduced, is_reduced);
        }
    }
    remainder
}

/// Doubles a number and adds a bit; returns the bit that did not fit.
fn double_and_add(number: &mut [u8], bit: u8) -> u8 {
    number.iter_mut().rev().fold(bit, |carry, byte| {
        let out = *byte >> 7;
        *byte = *byte << 1 | carry;
        out
    })
}

/// Writes `one - other` to `difference`; returns 1 when it is negative, else 0.
fn subtract(one: &[u8], other: &[u8], difference: &mut [u8]) -> u8 {
    let digits = one.iter().zip(other).zip(difference).rev();
    digits.fold(0, |borrow, ((one, other), difference)| {
        let wide = u16::from(*one).wrapping_sub(u16::from(*other)).wrapping_sub(borrow.into());
        let [high, low] = wide.to_be_bytes();
        *difference = low;
        high & 1
    })
}

#[cfg(test)]
mod tests {
    use super::modulo_less_one;

    #[test]
    fn a_number_is_reduced_by_one_less_than_the_prime() {
        for (number, prime) in
            [(0, 3), (1, 3), (2, 3), (65_535, 251), (40_000, 64_007), (9, 65_521)]
        {
            let expected = number % (prime - 1);
            let remainder = modulo_less_one(&u32::to_be_bytes(number), &u32::to_be_bytes(prime));
            assert_eq!(*remainder, u32::to_be_bytes(expected), "{number} and {prime}");
        }
        let remainder = modulo_less_one(&[0xff; 4], &[0xfb]);
        assert_eq!(*remainder, [(u32::MAX % 0xfa) as u8]);
    }
}
