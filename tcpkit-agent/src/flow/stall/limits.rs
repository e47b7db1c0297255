//! From when on a silence is a stall.

use super::{
    super::{
        key::Side,
        rtt::{INITIAL_RTO, RttTracker, Smoothed},
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
    silence_of(rtt.smoothed(sender), rtt.least(sender.other()).unwrap_or_default())
}

/// The same by the half towards the receiver, smoothed, and the least of that towards the sender.
pub(in crate::flow) fn silence_of(smoothed: Option<Smoothed>, own_half: Span) -> Span {
    let Some(smoothed) = smoothed else { return INITIAL_RTO.max(FLOOR) };
    let round_trip = smoothed.srtt().0.saturating_add(own_half.0);
    let rto = smoothed.rto().0.saturating_add(own_half.0);
    Span(round_trip.saturating_mul(2).min(rto)).max(FLOOR)
}

/// The longest time between question and answer that is no thinking: one least round trip of the whole path.
#[cold]
pub(super) fn thinking(rtt: &RttTracker) -> Span {
    let half = |sender| rtt.least(sender).unwrap_or_default();
    thinking_of(half(Side::Low), half(Side::High))
}

/// The same by the least of both halves.
pub(in crate::flow) fn thinking_of(one: Span, other: Span) -> Span {
    Span(one.0.saturating_add(other.0)).max(FLOOR)
}
