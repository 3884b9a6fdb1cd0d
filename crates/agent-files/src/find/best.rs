//! Keeps the best of many results in bounded memory; pure.

use std::collections::BinaryHeap;

/// The smallest values offered so far, at most as many as the limit.
#[derive(Debug)]
pub(super) struct Best<T> {
    limit: usize,
    /// The worst of the kept ones on top.
    kept: BinaryHeap<T>,
    /// Whether any was left out.
    pub(super) has_overflowed: bool,
}

impl<T: Ord> Best<T> {
    /// Keeps nothing yet.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: BinaryHeap::new(), has_overflowed: false }
    }

    /// Keeps the value if it is among the best.
    pub(super) fn offer(&mut self, value: T) {
        if self.kept.len() < self.limit {
            self.kept.push(value);
            return;
        }
        self.has_overflowed = true;
        if let Some(mut worst) = self.kept.peek_mut()
            && value < *worst
        {
            *worst = value;
        }
    }

    /// The kept ones, the smallest first.
    pub(super) fn into_sorted(self) -> Vec<T> {
        self.kept.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_are_the_first_of_all_sorted(values in proptest::collection::vec(0u8..50, 0..60), limit in 1usize..20) {
            let mut best = Best::new(limit);
            values.iter().for_each(|value| best.offer(*value));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            sorted.truncate(limit);
            prop_assert_eq!(best.has_overflowed, values.len() > limit);
            prop_assert_eq!(best.into_sorted(), sorted);
        }
    }
}
