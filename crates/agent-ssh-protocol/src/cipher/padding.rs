//! Bytes for the padding of packets: unpredictable, and cheap per packet.

use ring::rand::{SecureRandom, SystemRandom};

/// Bytes asked of the kernel at once: one system call per some fifty packets.
const STOCK_LEN: usize = 512;

/// A stock of random bytes.
pub(super) struct Padding {
    random: SystemRandom,
    stock: Box<[u8; STOCK_LEN]>,
    used: usize,
}

impl Padding {
    pub(super) fn new() -> Self {
        Self { random: SystemRandom::new(), stock: Box::new([0; STOCK_LEN]), used: STOCK_LEN }
    }

    /// Returns `length` bytes not returned before; at most 255, what a packet can say.
    pub(super) fn take(&mut self, length: usize) -> &[u8] {
        if STOCK_LEN - self.used < length {
            self.random.fill(&mut *self.stock).expect("the kernel gives random bytes");
            self.used = 0;
        }
        let start = self.used;
        self.used += length;
        &self.stock[start..self.used]
    }
}
