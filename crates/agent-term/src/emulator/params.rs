//! The parameters of a control sequence. Values only; what they mean is the dispatcher's to know.

/// Parameters kept, and subparameters kept of all of them together; further ones are left out.
const MOST: usize = 32;

/// Numbers between semicolons, each with the numbers behind its colons.
///
/// A missing parameter is 0, a missing subparameter -1. There is always at least one parameter.
#[derive(Debug, Clone)]
pub(crate) struct Params {
    values: [i32; MOST],
    length: usize,
    subs: [i32; MOST],
    /// For each parameter, where its subparameters end.
    sub_ends: [u8; MOST],
    sub_length: usize,
    /// The parameters are full, so digits belong to none.
    is_full: bool,
    /// The subparameters are full.
    is_sub_full: bool,
    is_sub: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            values: [0; MOST],
            length: 1,
            subs: [0; MOST],
            sub_ends: [0; MOST],
            sub_length: 0,
            is_full: false,
            is_sub_full: false,
            is_sub: false,
        }
    }
}

impl Params {
    /// Forgets everything: one parameter, 0.
    pub(crate) fn clear(&mut self) {
        self.values[0] = 0;
        self.sub_ends[0] = 0;
        self.length = 1;
        self.sub_length = 0;
        (self.is_full, self.is_sub_full, self.is_sub) = (false, false, false);
    }

    /// Takes the next byte: a digit, `;` or `:`.
    pub(crate) fn push(&mut self, byte: u8) {
        match byte {
            b';' => self.separate(),
            b':' => self.subdivide(),
            digit => self.digit(i32::from(digit.wrapping_sub(b'0'))),
        }
    }

    fn separate(&mut self) {
        self.is_sub = false;
        if self.length == MOST {
            self.is_full = true;
            return;
        }
        self.values[self.length] = 0;
        self.sub_ends[self.length] = self.sub_length as u8;
        self.length += 1;
    }

    fn subdivide(&mut self) {
        self.is_sub = true;
        if self.is_full || self.sub_length == MOST {
            self.is_sub_full = true;
            return;
        }
        self.subs[self.sub_length] = -1;
        self.sub_length += 1;
        self.sub_ends[self.length - 1] = self.sub_length as u8;
    }

    fn digit(&mut self, digit: i32) {
        if self.is_full || self.is_sub && self.is_sub_full {
            return;
        }
        let value = if self.is_sub {
            &mut self.subs[self.sub_length - 1]
        } else {
            &mut self.values[self.length - 1]
        };
        *value = if *value < 0 { digit } else { value.saturating_mul(10).saturating_add(digit) };
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The parameters without their subparameters.
    pub(crate) fn values(&self) -> &[i32] {
        &self.values[..self.length]
    }

    /// The parameter at an index, 0 when there is none.
    pub(crate) fn get(&self, index: usize) -> i32 {
        self.values().get(index).copied().unwrap_or(0)
    }

    /// The parameter at an index as a count or a coordinate: 1 when it is missing or 0, and at most 65,535.
    pub(crate) fn count(&self, index: usize) -> usize {
        self.get(index).clamp(1, 65_535) as usize
    }

    /// The subparameters of a parameter.
    pub(crate) fn subs(&self, index: usize) -> &[i32] {
        let start = if index == 0 { 0 } else { usize::from(self.sub_ends[index - 1]) };
        let end = usize::from(self.sub_ends[index]);
        &self.subs[start..end.max(start)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Params {
        let mut params = Params::default();
        text.bytes().for_each(|byte| params.push(byte));
        params
    }

    #[test]
    fn missing_numbers_have_their_defaults() {
        let params = read("1;;4:3:;38:2::1");
        assert_eq!(params.values(), [1, 0, 4, 38]);
        assert!(params.subs(0).is_empty());
        assert_eq!(params.subs(2), [3, -1]);
        assert_eq!(params.subs(3), [2, -1, 1]);
        assert_eq!((params.count(1), params.get(9)), (1, 0));
    }

    #[test]
    fn numbers_saturate_and_too_many_are_left_out() {
        assert_eq!(read("99999999999999").get(0), i32::MAX);
        let many = read(&"7;".repeat(100));
        assert_eq!(many.values(), [7; 32]);
        let deep = read(&format!("1{};5", ":7".repeat(100)));
        assert_eq!(deep.subs(0), [7; 32]);
        assert_eq!(deep.get(1), 5);
    }

    #[test]
    fn clearing_leaves_one_zero() {
        let mut params = read("1:2;3");
        params.clear();
        assert_eq!((params.values(), params.subs(0)), (&[0][..], &[][..]));
    }
}
