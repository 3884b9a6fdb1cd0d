//! Taking the data types of RFC 4251 section 5 from the bytes of a message.

/// A message did not have the form its number or name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: expected {expected}")]
pub struct Malformed {
    /// What should have come, as a noun: `a string`, `the end`.
    pub expected: &'static str,
}

impl Malformed {
    /// Says what should have come.
    pub const fn expected(expected: &'static str) -> Self {
        Self { expected }
    }
}

/// Reads the data types of SSH messages, front to back, without copying.
///
/// Every method takes what it returns; after an error the position is unspecified. Lengths are
/// checked against the bytes there are, so nothing is ever read or reserved beyond them.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Takes one byte.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when nothing is left.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>("a byte").map(|[byte]| byte)
    }

    /// Takes a truth value: any byte but 0 is true.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when nothing is left.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        self.array::<1>("a truth value").map(|[byte]| byte != 0)
    }

    /// Takes a number of four bytes, the most significant first.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when fewer are left.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array("a number of 32 bits").map(u32::from_be_bytes)
    }

    /// Takes a number of eight bytes, the most significant first.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when fewer are left.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array("a number of 64 bits").map(u64::from_be_bytes)
    }

    /// Takes a string: the bytes behind a length of four bytes, whatever they are.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the length or what it announces is not there.
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        const EXPECTED: &str = "a string";
        let length = self.array(EXPECTED).map(u32::from_be_bytes)?;
        let length = usize::try_from(length).map_err(|_| Malformed::expected(EXPECTED))?;
        self.take(length, EXPECTED)
    }

    /// Takes a string that has to be UTF-8.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is not there or is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.string()?).map_err(|_| Malformed::expected("text in UTF-8"))
    }

    /// Takes a number of any size that is not negative, as its big-endian bytes.
    ///
    /// Leading zeros are left out, so zero is empty.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is not there or is negative.
    pub fn mpint(&mut self) -> Result<&'a [u8], Malformed> {
        let bytes = self.string()?;
        if bytes.first().is_some_and(|&byte| byte >= 0x80) {
            return Err(Malformed::expected("a number that is not negative"));
        }
        let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
        Ok(&bytes[start..])
    }

    /// Takes a list of names separated by commas, in the order sent.
    ///
    /// An empty name between two commas says nothing and is left out.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is not there or has a byte that is not printable ASCII.
    pub fn name_list(&mut self) -> Result<Vec<&'a str>, Malformed> {
        const EXPECTED: Malformed = Malformed::expected("a list of names");
        let list = std::str::from_utf8(self.string()?).map_err(|_| EXPECTED)?;
        if !list.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(EXPECTED);
        }
        Ok(list.split(',').filter(|name| !name.is_empty()).collect())
    }

    /// Takes all that is left, possibly nothing.
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes;
        self.bytes = &[];
        rest
    }

    /// Tells whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Ends the reading of a message that must hold no more.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when something is left.
    pub const fn end(self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed::expected("the end")) }
    }

    /// Takes `N` bytes.
    ///
    /// # Errors
    ///
    /// [`Malformed`], naming what was `expected`, when fewer are left.
    pub(crate) fn array<const N: usize>(
        &mut self,
        expected: &'static str,
    ) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(Malformed { expected })?;
        self.bytes = rest;
        Ok(*head)
    }

    fn take(&mut self, length: usize, expected: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.bytes.split_at_checked(length).ok_or(Malformed { expected })?;
        self.bytes = rest;
        Ok(head)
    }
}
