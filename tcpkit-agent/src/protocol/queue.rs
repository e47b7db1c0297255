//! Requests that wait for their answers, oldest first.

use std::collections::VecDeque;

use super::exchange::{DialogueCounts, Exchange, Outcome, Request};

/// Requests of one connection that may wait for their answers; more than any client has on its way at once.
pub const MAX_PENDING: usize = 4_096;

/// Requests that wait, each with what its protocol must remember of it.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: VecDeque<(Request, T)>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    /// Appends a request; when too many wait, the oldest one is given up.
    pub fn push(
        &mut self,
        request: Request,
        memory: T,
        counts: &mut DialogueCounts,
        out: &mut Vec<Exchange>,
    ) {
        if self.waiting.len() >= MAX_PENDING
            && let Some((oldest, _)) = self.waiting.pop_front()
        {
            counts.overrun += 1;
            out.push(Exchange::without_response(oldest, Outcome::Unanswered));
        }
        self.waiting.push_back((request, memory));
    }

    /// The oldest one.
    #[must_use]
    pub fn front(&self) -> Option<&(Request, T)> {
        self.waiting.front()
    }

    /// The oldest one.
    pub fn front_mut(&mut self) -> Option<&mut (Request, T)> {
        self.waiting.front_mut()
    }

    /// The newest one.
    pub fn back_mut(&mut self) -> Option<&mut (Request, T)> {
        self.waiting.back_mut()
    }

    /// Takes the oldest one out.
    #[inline]
    pub fn pop(&mut self) -> Option<(Request, T)> {
        let oldest = self.waiting.pop_front();
        if self.waiting.is_empty() {
            // The next one finds its place in the same memory, which is near.
            self.waiting.clear();
        }
        oldest
    }

    /// Takes out the oldest one that the protocol recognises (by number, by name).
    pub fn take(&mut self, is_it: impl FnMut(&(Request, T)) -> bool) -> Option<(Request, T)> {
        let place = self.waiting.iter().position(is_it)?;
        self.waiting.remove(place)
    }

    /// All that wait, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &(Request, T)> {
        self.waiting.iter()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Gives all of them up.
    pub fn give_up(&mut self, outcome: Outcome, out: &mut Vec<Exchange>) {
        out.extend(self.waiting.drain(..).map(|(request, _)| Exchange::without_response(request, outcome)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_when_too_many_wait() {
        let (mut queue, mut counts, mut out) = (Queue::default(), DialogueCounts::default(), Vec::new());
        for number in 0..=MAX_PENDING {
            queue.push(Request::default(), number, &mut counts, &mut out);
        }
        assert_eq!((counts.overrun, out.len(), queue.len()), (1, 1, MAX_PENDING));
        assert_eq!(queue.front().map(|(_, number)| *number), Some(1));
        assert_eq!(queue.take(|(_, number)| *number == 7).map(|(_, number)| number), Some(7));
        queue.give_up(Outcome::Aborted, &mut out);
        assert!(queue.is_empty() && out.len() == MAX_PENDING);
    }
}
