//! Replies in the order of the requests, whatever the order they are decided in.

use std::collections::VecDeque;

/// What stands for a request until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// The requests that want a reply and have none yet, oldest first.
#[derive(Debug)]
pub(super) struct Replies<T> {
    first: u64,
    slots: VecDeque<Option<T>>,
}

impl<T> Replies<T> {
    /// Starts with tickets of its own: `serial` differs from that of any other list whose tickets
    /// could be mistaken for those of this one.
    pub(super) const fn new(serial: u32) -> Self {
        Self { first: (serial as u64) << 32, slots: VecDeque::new() }
    }

    /// Returns how many requests wait.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds a request.
    pub(super) fn expect(&mut self) -> Ticket {
        self.slots.push_back(None);
        Ticket(self.first + self.slots.len() as u64 - 1)
    }

    /// Answers a request, once, if it is one of these; gives `send` the replies that may leave now, in order.
    pub(super) fn answer(&mut self, ticket: Ticket, reply: T, mut send: impl FnMut(T)) {
        let index = ticket.0.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(slot) = index.and_then(|index| self.slots.get_mut(index)) {
            *slot = Some(reply);
        }
        while let Some(Some(_)) = self.slots.front() {
            let reply = self.slots.pop_front().flatten();
            reply.into_iter().for_each(&mut send);
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_leave_in_the_order_of_the_requests() {
        let mut replies = Replies::new(7);
        let tickets: Vec<_> = (0..4).map(|_| replies.expect()).collect();
        let mut sent = Vec::new();
        for index in [2, 0, 3, 1] {
            replies.answer(tickets[index], index, |reply| sent.push(reply));
            if index == 0 {
                assert_eq!(replies.len(), 3);
            }
        }
        assert_eq!(sent, [0, 1, 2, 3]);
        assert_eq!(replies.len(), 0);
    }

    #[test]
    fn tickets_of_another_list_are_not_answered() {
        let stale = Replies::<bool>::new(1).expect();
        let mut replies = Replies::new(2);
        replies.expect();
        replies.answer(stale, true, |_| panic!("nothing was answered"));
        assert_eq!(replies.len(), 1);
    }
}
