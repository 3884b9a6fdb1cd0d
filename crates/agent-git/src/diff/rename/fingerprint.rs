//! What contents are made of, to tell how much of them two files share.

use super::MAX_SCORE;

/// Pieces end after a line or so many bytes.
const MAX_PIECE: usize = 64;
/// Hashes of pieces are below it. Source: git's choice, a prime below 2^17.
const HASHES: u32 = 107_927;

/// How many bytes of contents are in pieces of which hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    size: u64,
    /// Hash and bytes, ordered by hash.
    pieces: Box<[(u32, u32)]>,
}

impl Fingerprint {
    /// Takes contents apart.
    ///
    /// A piece is a line, or 64 bytes of a longer one. The carriage return before a line feed does
    /// not count in texts. Git 2.39 forgets what follows the last complete piece, and so does this.
    pub(super) fn of(contents: &[u8]) -> Self {
        let is_text = !crate::diff::is_binary(contents);
        let mut pieces = Vec::new();
        let (mut low, mut high, mut len) = (0_u32, 0_u32, 0);
        for (index, &byte) in contents.iter().enumerate() {
            if is_text && byte == b'\r' && contents.get(index + 1) == Some(&b'\n') {
                continue;
            }
            // The two halves rotate by seven bits as one word of 64.
            (low, high) = ((low << 7) ^ (high >> 25), (high << 7) ^ (low >> 25));
            low = low.wrapping_add(u32::from(byte));
            len += 1;
            if len == MAX_PIECE || byte == b'\n' {
                let hash = low.wrapping_add(high.wrapping_mul(0x61)) % HASHES;
                pieces.push((hash, len as u32));
                (low, high, len) = (0, 0, 0);
            }
        }
        pieces.sort_unstable();
        pieces.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            kept.1 += if is_same { next.1 } else { 0 };
            is_same
        });
        Self { size: contents.len() as u64, pieces: pieces.into_boxed_slice() }
    }

    /// Bytes of memory.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.pieces)
    }

    /// Length of the contents.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The score of contents that came from these: the part of the larger ones that both have.
    pub(super) fn score(&self, new: &Self) -> u16 {
        let larger = self.size.max(new.size);
        if new.size == 0 {
            return 0;
        }
        let mut shared = 0_u64;
        let mut others = new.pieces.iter().peekable();
        for &(hash, bytes) in &self.pieces {
            while others.next_if(|other| other.0 < hash).is_some() {}
            if let Some(other) = others.next_if(|other| other.0 == hash) {
                shared += u64::from(bytes.min(other.1));
            }
        }
        (shared as f64 * f64::from(MAX_SCORE) / larger as f64) as u16
    }
}

/// Whether files of these sizes may have at least a score: as much as one lacks, the other cannot
/// share.
pub(super) fn may_reach(least: u16, old: u64, new: u64) -> bool {
    let (smaller, larger) = (old.min(new), old.max(new));
    larger * u64::from(MAX_SCORE - least) >= (larger - smaller) * u64::from(MAX_SCORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(old: &str, new: &str) -> u16 {
        Fingerprint::of(old.as_bytes()).score(&Fingerprint::of(new.as_bytes()))
    }

    #[test]
    fn the_score_is_the_part_that_both_have() {
        assert_eq!(score("a\nb\nc\nd\n", "a\nb\nc\nd\n"), MAX_SCORE);
        assert_eq!(score("a\nb\nc\nd\n", "d\nc\nx\ny\n"), MAX_SCORE / 2);
        assert_eq!(score("a\na\n", "a\nb\nc\nd\n"), MAX_SCORE / 4);
        assert_eq!(score("a\n", "b\n"), 0);
        assert_eq!(score("a\n", ""), 0);
    }

    #[test]
    fn line_ends_count_only_in_binary_files() {
        assert_eq!(score("a\r\nb\r\n", "a\nb\n"), MAX_SCORE / 6 * 4);
        assert_eq!(score("\0\na\r\n", "\0\na\n"), MAX_SCORE / 5 * 2);
    }

    #[test]
    fn sizes_alone_rule_pairs_out() {
        assert!(may_reach(30_000, 100, 50));
        assert!(!may_reach(30_000, 100, 49));
        assert!(may_reach(30_000, 0, 0));
        assert!(!may_reach(45_000, 100, 74));
        assert!(may_reach(45_000, 75, 100));
    }
}
