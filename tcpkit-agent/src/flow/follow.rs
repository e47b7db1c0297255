//! What one segment, or one ICMP error, does to a flow, wherever the flow is kept.

use super::{
    changes::{Arrival, Changes, Decided, Failed, FlowCounts, Taken},
    detail::FlowDetail,
    handshake::{Handshake, IcmpReason, Opening, Outcome, Sent, Steps},
    key::{FlowKey, Side},
    regrouped::Regrouped,
    state::Flow,
};
use crate::{
    time::Timestamp,
    wire::{IcmpError, Segment, TcpFlags},
};

/// What a segment turned a handshake to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing new.
    None,
    /// It waits for an answer now.
    Waits,
    /// It succeeded although it had been given up.
    Back,
    /// It was decided, or revised otherwise.
    Other,
}

/// Counts a segment, unless another interface of another name saw its direction first.
pub(super) fn count(
    counts: &mut FlowCounts,
    flow: &mut Flow,
    side: Side,
    segment: &Segment<'_>,
    arrival: &Arrival,
    regrouped: &Regrouped,
) -> Taken {
    let wire = flow.wire_count(segment, arrival.frame_len, arrival.gso_size);
    let owner = *flow.sides[side as usize].owner.get_or_insert(arrival.identity);
    let is_elsewhere = owner != arrival.identity && arrival.is_named;
    if is_elsewhere && !regrouped.joins(owner, arrival.identity, flow.start) {
        return Taken { wire, is_duplicate: true, slot: None };
    }
    flow.count(side, segment, wire);
    flow.seen = arrival.now;
    flow.end = flow.end.max(arrival.timestamp);
    counts.count(side != flow.client, segment, wire);
    Taken { wire, is_duplicate: false, slot: None }
}

/// What a segment does to the handshake of its flow.
pub(super) fn follow(
    flow: &mut Flow,
    handshake: &mut Handshake,
    opening: &mut Opening,
    side: Side,
    segment: &Segment<'_>,
    arrival: &Arrival,
    changes: &mut Changes,
) -> Turn {
    let before = handshake.outcome();
    let mut offers_multipath = false;
    if segment.flags.contains(TcpFlags::SYN) {
        if !handshake.is_seen() {
            flow.client = infer_client(&flow.key, side, segment);
        }
        let options = segment.options.announced();
        flow.note_options(side, segment, &options);
        offers_multipath = options.offers_multipath;
    }
    let sent = Sent { segment, side, client: flow.client, time: arrival.timestamp, offers_multipath };
    let mut steps = Steps::new(flow.key, flow.client, &mut changes.steps);
    handshake.on_segment(opening, &sent, &mut steps);
    let after = handshake.outcome();
    flow.is_settled = handshake.is_settled();
    flow.is_opening = after != Outcome::Midstream;
    match after {
        after if after == before => Turn::None,
        Outcome::Pending => Turn::Waits,
        Outcome::Success if before != Outcome::Pending && !handshake.was_reset() => Turn::Back,
        _ => Turn::Other,
    }
}

/// What an ICMP error that quotes a segment of `side` does to the handshake of its flow.
pub(super) fn follow_icmp(
    flow: &Flow,
    handshake: &mut Handshake,
    side: Side,
    error: &IcmpError,
    at: Timestamp,
    changes: &mut Changes,
) {
    let reason = IcmpReason { version_6: error.version_6, kind: error.kind, code: error.code };
    let before = handshake.outcome();
    let mut steps = Steps::new(flow.key, flow.client, &mut changes.steps);
    if handshake.on_icmp(reason, side == flow.client, error.quoted_seq, &mut steps) {
        tell_outcome(flow, handshake, before, at, changes);
    }
}

/// Tells of a handshake that was decided now; what was decided before is not told again when it is revised.
#[inline]
pub(super) fn tell_outcome(
    flow: &Flow,
    handshake: &Handshake,
    before: Outcome,
    at: Timestamp,
    changes: &mut Changes,
) {
    let outcome = handshake.outcome();
    if before.is_decided() || !outcome.is_decided() {
        return;
    }
    if !changes.leaves_out_decided {
        tell_decided(flow, handshake, (at, at), changes);
    }
    if outcome.is_failure() {
        tell_failed(flow, handshake, at, changes);
    }
}

/// Tells of a handshake at a time, as it stood at another one.
#[cold]
pub(super) fn tell_decided(
    flow: &Flow,
    handshake: &Handshake,
    (at, until): (Timestamp, Timestamp),
    changes: &mut Changes,
) {
    let took = handshake.since_first_syn(until);
    changes.decided.push(Decided { at, took, flow: *flow, handshake: *handshake });
}

#[cold]
fn tell_failed(flow: &Flow, handshake: &Handshake, at: Timestamp, changes: &mut Changes) {
    let detail = FlowDetail::observed(handshake, Default::default(), Default::default());
    changes.failed.push(Failed { at, flow: *flow, handshake: *handshake, detail });
}

/// Whether a segment may end its flow.
pub(super) const fn ends(segment: &Segment<'_>) -> bool {
    segment.flags.intersects(TcpFlags::FIN.with(TcpFlags::RST))
}

/// Whether a segment neither opens nor ends anything.
#[inline]
pub(super) const fn is_plain(segment: &Segment<'_>) -> bool {
    !segment.flags.intersects(TcpFlags::SYN.with(TcpFlags::FIN).with(TcpFlags::RST))
}

/// A SYN that asks, and nothing else.
pub(super) const fn is_plain_syn(segment: &Segment<'_>) -> bool {
    let others = TcpFlags::ACK.with(TcpFlags::FIN).with(TcpFlags::RST);
    segment.flags.contains(TcpFlags::SYN) && !segment.flags.intersects(others)
}

/// The side that is the client, as far as one segment tells.
///
/// The sender of a SYN is, and the receiver of a SYN/ACK. Without either, the side with the higher port is: servers
/// listen on low ports, and clients are given high ones; where the ports are equal, the first sender is.
pub(super) fn infer_client(key: &FlowKey, side: Side, segment: &Segment<'_>) -> Side {
    let (own_port, other_port) = (key.port(side), key.port(side.other()));
    match (segment.flags.contains(TcpFlags::SYN), segment.flags.contains(TcpFlags::ACK)) {
        (true, false) => side,
        (true, true) => side.other(),
        (false, _) if own_port < other_port => side.other(),
        (false, _) => side,
    }
}
