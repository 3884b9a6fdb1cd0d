//! How long a comparison would take, found out in little time.
//!
//! Git's algorithm takes some ten microseconds a line where short lines occur everywhere and in
//! another order, so two texts of a million lines each take ten seconds, which nothing can end.

use std::collections::HashMap;

use super::hunks::Lines;

/// Lines of both sides together, of those that occur on both, that may be in any order.
const MAX_LINES: usize = 100_000;
/// Insertions and deletions that texts with more such lines may be apart.
const MAX_DISTANCE: usize = 4000;

/// Whether two texts are compared within about a second.
pub(super) fn is_affordable(old: &[u8], new: &[u8]) -> bool {
    // No text has more lines than bytes.
    if old.len() + new.len() <= MAX_LINES {
        return true;
    }
    let mut numbers: HashMap<&[u8], u32> = HashMap::new();
    let mut numbered = |text| -> Vec<u32> {
        let number = |line| {
            let next = numbers.len() as u32;
            *numbers.entry(line).or_insert(next)
        };
        Lines(text).map(number).collect()
    };
    let (old, new) = (numbered(old), numbered(new));
    let mut sides = vec![0_u8; numbers.len()];
    old.iter().for_each(|&line| sides[line as usize] |= 1);
    new.iter().for_each(|&line| sides[line as usize] |= 2);
    // Lines of one side only are set aside at once.
    let shared = |lines: Vec<u32>| -> Vec<u32> {
        lines.into_iter().filter(|&line| sides[line as usize] == 3).collect()
    };
    let (old, new) = (shared(old), shared(new));
    let (start, end) = shared_ends(&old, &new);
    let (old, new) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    old.len() + new.len() <= MAX_LINES || is_within(old, new, MAX_DISTANCE)
}

/// How many elements two lists begin and end with alike; no element counts twice.
pub(super) fn shared_ends<T: PartialEq>(old: &[T], new: &[T]) -> (usize, usize) {
    let alike = |(one, other): &(&T, &T)| one == other;
    let start = old.iter().zip(new).take_while(alike).count();
    let end = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(alike).count();
    (start, end)
}

/// Whether so many insertions and deletions make one list the other.
///
/// Source: E. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986, the greedy variant.
fn is_within(old: &[u32], new: &[u32], max: usize) -> bool {
    // How far one gets in the old list on each diagonal, those left of the main one first.
    let mut reached = vec![0_usize; 2 * max + 3];
    let middle = max + 1;
    for distance in 0..=max {
        for diagonal in (middle - distance..=middle + distance).step_by(2) {
            let (left, right) = (reached[diagonal - 1], reached[diagonal + 1]);
            let is_insertion =
                diagonal == middle - distance || (diagonal != middle + distance && left < right);
            let mut x = if is_insertion { right } else { left + 1 };
            let Some(mut y) = (x + middle).checked_sub(diagonal) else { continue };
            while let (Some(one), Some(other)) = (old.get(x), new.get(y))
                && one == other
            {
                (x, y) = (x + 1, y + 1);
            }
            if x >= old.len() && y >= new.len() {
                return true;
            }
            reached[diagonal] = x;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_found() {
        let check = |old: &[u32], new: &[u32], distance: usize| {
            assert!(is_within(old, new, distance));
            assert!(distance == 0 || !is_within(old, new, distance - 1));
            assert!(is_within(new, old, distance));
        };
        check(&[], &[], 0);
        check(&[1, 2], &[1, 2], 0);
        check(&[1, 2], &[], 2);
        check(&[1, 2, 3, 1, 2, 2, 1], &[3, 2, 1, 2, 1, 3], 5);
        check(&[1, 2, 3], &[4, 5], 5);
    }

    #[test]
    fn shared_ends_do_not_overlap() {
        assert_eq!(shared_ends(&[1, 1, 1], &[1, 1]), (2, 0));
        assert_eq!(shared_ends(&[1, 2, 3], &[1, 4, 3]), (1, 1));
        assert_eq!(shared_ends::<u8>(&[], &[]), (0, 0));
    }

    #[test]
    fn lines_in_another_order_cost_more_than_an_edit() {
        let numbers = |range: std::ops::Range<u32>| -> Vec<u8> {
            range.flat_map(|n| format!("{n}\n").into_bytes()).collect()
        };
        let all = numbers(0..200_000);
        let turned = [numbers(100_000..200_000), numbers(0..100_000)].concat();
        assert!(!is_affordable(&all, &turned));
        assert!(is_affordable(&all, &numbers(1000..200_000)));
        assert!(is_affordable(&all, &numbers(200_000..400_000)));
    }
}
