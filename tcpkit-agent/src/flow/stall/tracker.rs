//! The stalls of one flow, found at the segments that end them.

use super::{
    super::{
        key::Side,
        rtt::RttTracker,
        stream::{Acked, Cause, Seen, Stall, StallKind, Verdict},
    },
    FLOOR, StallCounts, limits,
    moment::Moment,
    side::{ShutWindow, SideState},
};
use crate::{
    time::{Span, Timestamp},
    wire::TcpFlags,
};

/// What both sides of a flow did last, and the stalls so far.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::flow) struct StallTracker {
    counts: StallCounts,
    /// The last segment that moved something, of either side.
    last: Option<Moment>,
    /// Who sent new data last.
    turn: Option<Side>,
    sides: [SideState; 2],
}

/// What matters of a segment, and all that is known of it: by value, so that a calm one need not be in memory.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct Observed<'w> {
    client: Side,
    side: Side,
    at: Timestamp,
    /// The same, as it is remembered.
    moment: Moment,
    flags: TcpFlags,
    payload_len: u32,
    /// What it did to the streams.
    verdict: Verdict,
    /// It acknowledges what its receiver is known to have had for a while.
    is_delayed_ack: bool,
    /// Round trips, that one included.
    rtt: &'w RttTracker,
}

impl<'w> Observed<'w> {
    /// A segment, what it did to the streams, whether it acknowledges what its receiver is known to have had for a
    /// while, and the round trips, that one included.
    #[inline(always)]
    pub(in crate::flow) fn new(
        seen: &Seen<'_, '_>,
        verdict: &Verdict,
        is_delayed_ack: bool,
        rtt: &'w RttTracker,
    ) -> Self {
        let Seen { flow, segment, side, at, .. } = *seen;
        Self {
            client: flow.client(),
            side,
            at,
            moment: at.into(),
            flags: segment.flags,
            payload_len: segment.payload_len,
            verdict: *verdict,
            is_delayed_ack,
            rtt,
        }
    }

    #[inline(always)]
    const fn server(&self) -> Side {
        self.client.other()
    }
}

impl StallTracker {
    /// The stalls so far.
    pub(in crate::flow) const fn counts(&self) -> &StallCounts {
        &self.counts
    }

    /// The handshake was completed: the server waits for a question, or speaks first.
    pub(in crate::flow) fn opened(&mut self, client: Side, at: Timestamp) {
        let at = Some(at.into());
        self.last = at;
        for side in &mut self.sides {
            (side.spoke, side.moved) = (at, at);
        }
        self.sides[client as usize].ready = at;
    }

    /// Takes a segment; tells the stalls that it ended, each with the side whose data was waited for.
    #[inline(always)]
    pub(in crate::flow) fn on_segment(&mut self, now: &Observed<'_>, mut told: impl FnMut(Side, Stall)) {
        let (sent, side) = (&now.verdict.sent, now.side);
        let closes = now.flags.intersects(TcpFlags::FIN.with(TcpFlags::RST));
        let speaks = !sent.is_probe && (sent.new > 0 || sent.again > 0);
        if sent.is_probe {
            self.sides[side as usize].probes();
        } else if speaks {
            let waited = self.waited_for_window(now);
            self.end(side, waited, &mut told);
            let other = if sent.again > 0 { self.on_retransmission(*now) } else { self.on_data(now) };
            self.end(side, other, &mut told);
        }
        if closes {
            let unanswered = self.on_close(*now);
            self.end(now.server(), unanswered, &mut told);
        }
        if let Some(acked) = &now.verdict.acked {
            let opened = self.on_window(now, acked.window);
            self.end(side.other(), opened, &mut told);
            self.on_acknowledgement(now, acked);
        }
        if closes || speaks {
            self.last = Some(now.moment);
        }
    }

    /// A side, and the other one.
    #[inline(always)]
    const fn sides_of(&mut self, side: Side) -> (&mut SideState, &mut SideState) {
        let [low, high] = &mut self.sides;
        match side {
            Side::Low => (low, high),
            Side::High => (high, low),
        }
    }

    /// Counts a stall, if there was one.
    #[inline(always)]
    fn end(&mut self, sender: Side, stall: Option<Stall>, told: &mut impl FnMut(Side, Stall)) {
        if let Some(stall) = stall {
            self.ended(sender, stall, told);
        }
    }

    #[cold]
    fn ended(&mut self, sender: Side, stall: Stall, told: &mut impl FnMut(Side, Stall)) {
        self.counts.add(stall);
        told(sender, stall);
    }

    /// Data that was sent before: where nothing asked for it, a timer did.
    #[inline(never)]
    fn on_retransmission(&mut self, now: Observed<'_>) -> Option<Stall> {
        let own = &mut self.sides[now.side as usize];
        let asked_for = now.verdict.sent.cause == Some(Cause::Fast);
        let start = own.moved.filter(|_| !asked_for && !own.is_shut());
        own.moved = Some(now.moment);
        // What had been acknowledged already was no news to the other side.
        if self.sides[now.side.other() as usize].ready.is_none() {
            self.sides[now.side as usize].spoke = Some(now.moment);
        }
        if now.verdict.sent.new > 0 {
            self.turn_to(&now);
        }
        let limit = || limits::silence(now.rtt, now.side);
        stall(StallKind::Rto, start?.timestamp(), now.at, limit)
    }

    /// New data: an answer, a question, or more of the same.
    #[inline(always)]
    fn on_data(&mut self, now: &Observed<'_>) -> Option<Stall> {
        let ended = if self.turn == Some(now.side) {
            let limit = || limits::silence(now.rtt, now.side);
            self.last.and_then(|last| stall(StallKind::SenderIdle, last.timestamp(), now.at, limit))
        } else {
            self.thought(now, now.side)
        };
        self.turn_to(now);
        ended
    }

    /// A FIN or RST leaves a question unanswered, or is what was said last.
    #[inline(never)]
    fn on_close(&mut self, now: Observed<'_>) -> Option<Stall> {
        let is_asked = self.turn == Some(now.client);
        let ended = if is_asked { self.thought(&now, now.server()) } else { None };
        if now.flags.contains(TcpFlags::RST) || is_asked && now.side == now.server() {
            self.turn = None;
            self.sides = [SideState::default(); 2];
        } else {
            self.says(&now);
        }
        ended
    }

    /// The time that `thinker` took, from when it had what the other side said last.
    #[inline(always)]
    fn thought(&self, now: &Observed<'_>, thinker: Side) -> Option<Stall> {
        let [low, high] = &self.sides;
        let (own, other) = if thinker == Side::Low { (low, high) } else { (high, low) };
        let asked = other.spoke?.timestamp();
        let way = || now.rtt.least(thinker.other()).unwrap_or_default();
        let waited = match own.ready {
            Some(ready) => now.at.since(ready.timestamp()),
            None => Span(now.at.since(asked).0.saturating_sub(way().0)),
        };
        if waited <= FLOOR {
            return None;
        }
        let is_server = thinker == now.server();
        let kind = if is_server { StallKind::ServerThinking } else { StallKind::ClientThinking };
        let ready = own.ready.map_or_else(|| asked + way(), Moment::timestamp);
        stall(kind, ready, now.at, || limits::thinking(now.rtt))
    }

    #[inline(always)]
    fn turn_to(&mut self, now: &Observed<'_>) {
        self.turn = Some(now.side);
        self.says(now);
    }

    /// What this side says is news to the other.
    #[inline(always)]
    fn says(&mut self, now: &Observed<'_>) {
        let (own, other) = self.sides_of(now.side);
        own.speaks(now.moment);
        other.ready = None;
    }

    /// Whether this side, which goes on, had waited for a window that is open again.
    #[inline(always)]
    fn waited_for_window(&mut self, now: &Observed<'_>) -> Option<Stall> {
        let (own, _) = self.sides_of(now.side);
        let ShutWindow { since, until } = own.waited()?;
        let limit = limits::silence(now.rtt, now.side);
        if now.at.since(until) > limit {
            return None;
        }
        own.ready = Some(until.into());
        stall(StallKind::ZeroWindow, since, until, || limit)
    }

    /// The window that this side announces for the other side's data.
    #[inline(always)]
    fn on_window(&mut self, now: &Observed<'_>, window: u32) -> Option<Stall> {
        let is_plain = !now.flags.intersects(TcpFlags::RST.with(TcpFlags::SYN));
        if !is_plain || !self.sides_of(now.side).0.announces(window) {
            return None;
        }
        self.last = Some(now.moment);
        let (_, other) = self.sides_of(now.side);
        if window == 0 {
            other.shuts(now.moment);
            return None;
        }
        let ShutWindow { since, until } = other.opens(now.moment)?;
        other.ready = Some(until.into());
        let limit = || limits::silence(now.rtt, now.side.other());
        stall(StallKind::ZeroWindow, since, until, limit)
    }

    /// What this side acknowledges moves the other's direction; all of it, at once, tells when this side was ready.
    #[inline(always)]
    fn on_acknowledgement(&mut self, now: &Observed<'_>, acked: &Acked) {
        if acked.octets == 0 && acked.selectively == 0 && acked.segments == 0 {
            return;
        }
        self.last = Some(now.moment);
        let (own, other) = self.sides_of(now.side);
        other.moved = Some(now.moment);
        if acked.in_flight > 0 || now.is_delayed_ack || now.payload_len > 0 {
            return;
        }
        own.ready = Some(now.moment);
    }
}

/// A stall, if it took longer than that; no limit is below [`FLOOR`].
#[inline(always)]
fn stall(kind: StallKind, start: Timestamp, end: Timestamp, limit: impl FnOnce() -> Span) -> Option<Stall> {
    let took = end.since(start);
    (took > FLOOR && took > limit()).then_some(Stall { kind, start, end })
}
