//! One quiet flow, from its SYN on.

use super::{
    super::{
        key::{FlowKey, Side},
        prefetch,
        rtt::DELAYED,
        state::WireCount,
    },
    brief::{Brief, Kind, NO_MSS},
    flight::Flights,
    side::QuietSide,
    stalls::{Moved, QuietStalls},
};
use crate::{
    time::{Span, Timestamp},
    wire::SeqNumber,
};

/// One flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuietFlow {
    pub(super) key: FlowKey,
    pub(super) stage: Stage,
    pub(super) client: Side,
    pub(super) ending: QuietEnding,
    /// Octets of payload that one packet holds.
    mss: u16,
    /// The client's initial sequence number.
    isn: u32,
    /// First frame.
    pub(crate) start: Timestamp,
    /// Latest frame.
    pub(crate) end: Timestamp,
    /// Which frame of the capture its first one is.
    pub(crate) first: u64,
    /// By [`Side`].
    pub(super) sides: [QuietSide; 2],
    pub(crate) stalls: QuietStalls,
    /// Where the tide stood when it was closed, or, of an odd one, when it had a frame last that may have closed it;
    /// [`OPEN`] before.
    pub(super) closed: u64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its SYN was seen.
    Asked,
    /// And the answer.
    Answered,
    /// The handshake is complete.
    Open,
    /// It is not quiet.
    Odd,
}

/// How a quiet flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuietEnding {
    /// It has not, or another SYN took its four-tuple.
    Open,
    /// Both sides sent FIN.
    Fin,
    /// A RST came first.
    Reset,
}

impl QuietFlow {
    /// One that begins with this segment, which is the capture's frame number `first`.
    pub(super) fn new(brief: &Brief, first: u64) -> Self {
        let mut flow = Self {
            key: brief.key,
            stage: if brief.kind == Kind::Syn { Stage::Asked } else { Stage::Odd },
            client: brief.side,
            ending: QuietEnding::Open,
            mss: brief.options,
            isn: brief.seq,
            start: brief.at,
            end: brief.at,
            first,
            sides: [QuietSide::new(); 2],
            stalls: QuietStalls::default(),
            closed: OPEN,
        };
        let own = &mut flow.sides[brief.side as usize];
        own.snd_nxt = SeqNumber(brief.seq);
        own.count(1, brief.frame_len.into(), 0);
        flow
    }

    /// Asks for the memory of all of it.
    #[inline]
    pub(crate) fn fetch(&self) {
        prefetch(self);
    }

    /// Who it is between.
    pub(crate) const fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Who opened it.
    pub(crate) const fn client(&self) -> Side {
        self.client
    }

    /// What client and server sent.
    pub(crate) const fn directions(&self) -> [&QuietSide; 2] {
        [&self.sides[self.client as usize], &self.sides[self.client.other() as usize]]
    }

    /// How it ended.
    pub(crate) const fn ending(&self) -> QuietEnding {
        self.ending
    }

    /// Takes a segment of a flow whose handshake is complete; false where that is not quiet, and nothing that matters
    /// has happened.
    #[inline(always)]
    pub(super) fn on_open(&mut self, brief: &Brief, flights: &mut Flights) -> bool {
        match brief.kind {
            Kind::Plain | Kind::Fin => self.on_segment(brief, flights),
            Kind::Rst => self.on_reset(brief),
            Kind::Syn | Kind::SynAck | Kind::Odd | Kind::OddEdge => false,
        }
    }

    #[inline(always)]
    fn on_segment(&mut self, brief: &Brief, flights: &mut Flights) -> bool {
        let side = brief.side;
        let [low, high] = &mut self.sides;
        let (own, peer) = if side == Side::Low { (low, high) } else { (high, low) };
        if !own.is_next(peer, brief) {
            return false;
        }
        let wire = wire_count(self.mss, brief);
        if !own.send(brief, wire.packets, flights) {
            return false;
        }
        own.count(wire.packets, wire.bytes, brief.payload_len);
        self.end = self.end.max(brief.at);
        let ack = SeqNumber(brief.ack);
        let acknowledges = ack.after(peer.snd_una);
        let mut is_delayed = false;
        if acknowledges {
            let taken = peer.acknowledge(ack, flights);
            if let Some((oldest, newest)) = taken.sent {
                let above = peer.answered(brief.at.since(oldest), brief.at.since(newest));
                let is_lone = taken.packets <= 1 && peer.in_flight() == 0 && brief.payload_len == 0;
                is_delayed = is_lone && DELAYED.contains(&above);
            }
        }
        let moved = Moved {
            client: self.client,
            side,
            at: brief.at,
            speaks: brief.payload_len > 0,
            finishes: brief.kind == Kind::Fin,
            window: brief.window,
            acknowledges,
            is_ready: peer.in_flight() == 0 && !is_delayed && brief.payload_len == 0,
        };
        self.stalls.on_segment(&mut self.sides, &moved);
        if brief.kind == Kind::Fin
            && self.ending == QuietEnding::Open
            && self.sides.iter().all(|side| side.has_fin)
        {
            self.ending = QuietEnding::Fin;
        }
        true
    }

    #[cold]
    fn on_reset(&mut self, brief: &Brief) -> bool {
        self.sides[brief.side as usize].count(1, brief.frame_len.into(), 0);
        self.end = self.end.max(brief.at);
        self.stalls.on_reset(&mut self.sides, self.client, brief.at);
        if self.ending == QuietEnding::Open {
            self.ending = QuietEnding::Reset;
        }
        true
    }

    /// Whether it is over with this SYN, which begins another one.
    pub(super) fn is_reopened_by(&self, brief: &Brief) -> bool {
        self.stage == Stage::Open
            && brief.kind == Kind::Syn
            && brief.side == self.client
            && brief.seq != self.isn
    }

    /// Takes the answer to the SYN; false where it is none, or not a quiet one.
    #[inline(never)]
    pub(super) fn on_answer(&mut self, brief: &Brief) -> bool {
        let isn = self.sides[self.client as usize].snd_nxt;
        let is_answer = brief.kind == Kind::SynAck
            && brief.side != self.client
            && brief.ack == isn.advanced(1).0
            && brief.at >= self.end;
        if !is_answer {
            return false;
        }
        let trip = brief.at.since(self.start);
        self.sides[self.client as usize].open(isn, trip);
        let own = &mut self.sides[brief.side as usize];
        own.snd_nxt = SeqNumber(brief.seq);
        own.count(1, brief.frame_len.into(), 0);
        self.mss = self.mss.min(brief.options);
        self.end = brief.at;
        self.stage = Stage::Answered;
        true
    }

    /// Takes the acknowledgement that completes the handshake; false where it does not.
    #[inline(never)]
    pub(super) fn on_completion(&mut self, brief: &Brief) -> bool {
        let server = self.client.other();
        let isn = self.sides[server as usize].snd_nxt;
        let completes = brief.kind == Kind::Plain
            && brief.side == self.client
            && brief.payload_len == 0
            && brief.seq == self.sides[self.client as usize].snd_nxt.0
            && brief.ack == isn.advanced(1).0
            && brief.at >= self.end
            && brief.at.since(self.start) < PATIENCE;
        if !completes {
            return false;
        }
        let trip = brief.at.since(self.end);
        self.sides[server as usize].open(isn, trip);
        let own = &mut self.sides[self.client as usize];
        own.count(1, brief.frame_len.into(), 0);
        (own.has_window, own.window) = (true, brief.window);
        self.end = brief.at;
        self.stalls.opened(&mut self.sides, self.client, brief.at);
        self.stage = Stage::Open;
        true
    }

    /// It is odd from its beginning, which is to be looked for among the frames from number [`first`](Self::first) on.
    #[cold]
    pub(super) fn give_up(&mut self, flights: &mut Flights) {
        self.stage = Stage::Odd;
        self.give_back(flights);
    }

    /// Nothing more comes.
    pub(super) fn give_back(&mut self, flights: &mut Flights) {
        self.sides.iter_mut().for_each(|side| side.release(flights));
    }
}

/// As [`Flow::wire_count`](super::super::state::Flow) counts a frame of a capture that knows no segments.
#[inline(always)]
fn wire_count(mss: u16, brief: &Brief) -> WireCount {
    if mss == NO_MSS || brief.payload_len <= u32::from(mss) {
        return WireCount::one(brief.frame_len);
    }
    let limit = u32::from(mss).saturating_sub(u32::from(brief.options));
    WireCount::of(brief.frame_len, u32::from(brief.header_len), brief.payload_len, limit)
}

/// No tide rises so far.
pub(super) const OPEN: u64 = u64::MAX;

/// A handshake that takes longer is not quiet; the engine gives it up after twice that.
const PATIENCE: Span = Span::from_secs(30);
