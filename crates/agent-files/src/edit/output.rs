//! The content being built, within a limit; not where it is written to.

use super::refusal::Refusal;

/// Largest result in bytes: all that one request may edit (256 MiB).
///
/// `replace_all` multiplies and translated leads stretch, so a small request could otherwise ask
/// for more memory than there is.
pub(super) const MAX_RESULT_BYTES: usize = 256 * 1024 * 1024;

/// Bytes that never grow beyond [`MAX_RESULT_BYTES`].
#[derive(Debug)]
pub(super) struct Output(Vec<u8>);

impl Output {
    /// Reserves `expected` bytes at once, as far as the limit allows.
    pub(super) fn with_capacity(expected: usize) -> Self {
        Self(Vec::with_capacity(expected.min(MAX_RESULT_BYTES)))
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        check(self.0.len().checked_add(bytes.len()))?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn push_repeated(&mut self, byte: u8, count: usize) -> Result<(), Refusal> {
        check(self.0.len().checked_add(count))?;
        self.0.resize(self.0.len() + count, byte);
        Ok(())
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Refuses a size beyond the limit; `None` is one that overflowed.
pub(super) fn check(size: Option<usize>) -> Result<(), Refusal> {
    match size {
        Some(size) if size <= MAX_RESULT_BYTES => Ok(()),
        Some(_) | None => Err(Refusal::TooLarge { limit: MAX_RESULT_BYTES }),
    }
}
