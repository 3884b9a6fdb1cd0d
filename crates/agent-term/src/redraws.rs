//! Redraws on their way to connections: one for all that need the same state, gone with the last of them.

use std::sync::{Arc, Weak};

use bytes::Bytes;

#[derive(Debug, Default)]
pub(crate) struct Redraws {
    /// Those that somebody still holds, and maybe some that nobody does, oldest first.
    held: Vec<Weak<Vec<u8>>>,
    /// The last of `held` is of the present state.
    is_present: bool,
}

#[derive(Debug)]
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Redraws {
    /// Notes that the state has changed.
    pub(crate) fn expire(&mut self) {
        self.is_present = false;
    }

    /// The redraw of the present state, if somebody holds it.
    pub(crate) fn newest(&self) -> Option<Bytes> {
        let last = self.held.last().filter(|_| self.is_present)?;
        last.upgrade().map(|redraw| Bytes::from_owner(Shared(redraw)))
    }

    /// Takes a redraw of the present state in.
    pub(crate) fn add(&mut self, redraw: Vec<u8>) -> Bytes {
        let redraw = Arc::new(redraw);
        self.held.retain(|held| held.strong_count() > 0);
        self.held.push(Arc::downgrade(&redraw));
        self.is_present = true;
        Bytes::from_owner(Shared(redraw))
    }

    /// Bytes of all that somebody holds, each counted once.
    pub(crate) fn bytes(&self) -> usize {
        self.held.iter().filter_map(Weak::upgrade).map(|redraw| redraw.capacity()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_redraw_and_nobody_no_redraw() {
        let mut redraws = Redraws::default();
        assert_eq!(redraws.newest(), None);
        let first = redraws.add(b"one".to_vec());
        let second = redraws.newest().unwrap();
        assert_eq!((first.as_ptr(), redraws.bytes()), (second.as_ptr(), 3));
        redraws.expire();
        assert_eq!(redraws.newest(), None);
        let third = redraws.add(b"three".to_vec());
        assert_eq!(redraws.bytes(), 8);
        drop((first, second));
        assert_eq!((redraws.bytes(), redraws.newest()), (5, Some(third.clone())));
        drop(third);
        assert_eq!((redraws.bytes(), redraws.newest()), (0, None));
    }
}
