//! Memory for chunks that comes back when their readers are done, so that a stream of any length
//! neither allocates nor clears memory again.

use std::sync::Arc;

use parking_lot::Mutex;

/// Most blocks kept for the next chunk; more are in use only while a reader holds chunks.
const KEPT: usize = 2;

/// Blocks of one size.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    block_bytes: usize,
    free: Arc<Mutex<Vec<Box<[u8]>>>>,
}

/// A block in use: the first `length` bytes count.
#[derive(Debug)]
pub(super) struct Chunk {
    block: Box<[u8]>,
    length: usize,
    home: Memory,
}

impl Memory {
    pub(super) fn new(block_bytes: usize) -> Self {
        Self { block_bytes, free: Arc::default() }
    }

    /// A chunk of `length` bytes, at most one block, with whatever content.
    pub(super) fn chunk(&self, length: usize) -> Chunk {
        assert!(length <= self.block_bytes, "a chunk fits into a block");
        let free = self.free.lock().pop();
        let block = free.unwrap_or_else(|| vec![0; self.block_bytes].into());
        Chunk { block, length, home: self.clone() }
    }
}

impl Chunk {
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.block[..self.length]
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Keeps the first `length` bytes.
    pub(super) fn shortened(mut self, length: usize) -> Self {
        self.length = self.length.min(length);
        self
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.block[..self.length]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut free = self.home.free.lock();
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.block));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_and_no_more_are_kept_than_needed() {
        let memory = Memory::new(8);
        let chunks = [memory.chunk(8), memory.chunk(3), memory.chunk(0)];
        assert_eq!(chunks.each_ref().map(|chunk| chunk.as_ref().len()), [8, 3, 0]);
        let first = chunks[0].as_ref().as_ptr();
        drop(chunks);
        assert_eq!(memory.free.lock().len(), KEPT);
        let again = [memory.chunk(8), memory.chunk(8)].map(|chunk| chunk.as_ref().as_ptr());
        assert!(again.contains(&first));
    }

    #[test]
    fn a_shortened_chunk_never_grows() {
        let chunk = Memory::new(8).chunk(4);
        assert_eq!(chunk.shortened(6).len(), 4);
        assert_eq!(Memory::new(8).chunk(4).shortened(1).as_ref().len(), 1);
    }
}
