//! From when on a silence is a stall.

use super::{
    super::{
        key::Side,
        rtt::{INITIAL_RTO, RttTracker},
    },
    FLOOR,
};
use crate::time::Span;

/// The longest silence of a direction that is no stall: twice the round trip that its sender knows, or its
/// retransmission time-out.
///
/// A sender's round trip leads past the capture point: the half towards the receiver is smoothed as its data measures
/// it, the half towards itself is the least that the receiver's data measured.
#[cold]
pub(super) fn silence(rtt: &RttTracker, sender: Side) -> Span {
    let Some(smoothed) = rtt.smoothed(sender) else { return INITIAL_RTO.max(FLOOR) };
    let own_half = rtt.least(sender.other()).unwrap_or_default().0;
    let round_trip = smoothed.srtt().0.saturating_add(own_half);
    let rto = smoothed.rto().0.saturating_add(own_half);
    Span(round_trip.saturating_mul(2).min(rto)).max(FLOOR)
}

/// The longest time between question and answer that is no thinking: one least round trip of the whole path.
#[cold]
pub(super) fn thinking(rtt: &RttTracker) -> Span {
    let half = |sender| rtt.least(sender).unwrap_or_default().0;
    Span(half(Side::Low).saturating_add(half(Side::High))).max(FLOOR)
}
