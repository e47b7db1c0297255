//! Responses whose requests have not been heard.
//!
//! Their requests were not captured, or are heard late, because octets before them are waited for. Which of the two
//! it is shows with the next request: it was sent after the response, or before it.

use std::collections::VecDeque;

use super::Answer;
use crate::{protocol::exchange::DialogueCounts, time::Timestamp};

/// So many are kept; requests are not heard later than that.
const LIMIT: usize = 64;

/// Responses, oldest first.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    kept: VecDeque<Answer>,
}

impl Orphans {
    /// Keeps one more; the oldest gives way and stays unmatched.
    pub(super) fn add(&mut self, answer: Answer, counts: &mut DialogueCounts) {
        if self.kept.len() >= LIMIT {
            self.kept.pop_front();
            counts.unmatched += 1;
        }
        self.kept.push_back(answer);
    }

    /// Takes the first that began after a request was sent; those before it stay unmatched.
    pub(super) fn claim(&mut self, sent: Timestamp, counts: &mut DialogueCounts) -> Option<Answer> {
        while let Some(oldest) = self.kept.pop_front() {
            if oldest.extent.start >= sent {
                return Some(oldest);
            }
            counts.unmatched += 1;
        }
        None
    }

    /// Nothing more comes: all of them stay unmatched.
    pub(super) fn give_up(&mut self, counts: &mut DialogueCounts) {
        counts.unmatched += self.kept.len() as u64;
        self.kept.clear();
    }
}
