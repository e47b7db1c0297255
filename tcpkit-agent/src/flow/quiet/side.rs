//! One direction of a quiet flow: what it sent, what of that is under way, and how long it took.

use super::{
    super::{
        rtt::Smoothed,
        stream::{FAR, octets},
    },
    brief::{Brief, Kind},
    flight::{FlightSlot, Flights, Range, Taken},
};
use crate::{
    time::{Span, Timestamp},
    wire::SeqNumber,
};

/// One direction, named by its sender.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QuietSide {
    /// Packets on the wire.
    pub(crate) packets: u64,
    /// Bytes on the wire.
    pub(crate) bytes: u64,
    /// Payload bytes.
    pub(crate) payload: u64,
    /// Round trip of its data, smoothed.
    pub(super) smoothed: Option<Smoothed>,
    /// The least.
    pub(super) least: Span,
    /// Behind the last octet sent, FIN included.
    pub(super) snd_nxt: SeqNumber,
    /// Up to where it is acknowledged.
    pub(super) snd_una: SeqNumber,
    /// What is under way alone, where `has_lone`.
    lone: Range,
    has_lone: bool,
    /// The window that it announced last.
    pub(super) window: u16,
    pub(super) has_window: bool,
    /// The last octet sent is a FIN.
    pub(super) has_fin: bool,
    /// What is under way where it is more than that.
    flight: FlightSlot,
    /// When it said something last; [`NEVER`] where it did not.
    pub(super) spoke: Timestamp,
    /// Since when it has all that it needs to go on; [`NEVER`] where that is not known.
    pub(super) ready: Timestamp,
}

impl QuietSide {
    /// One that has not said anything.
    pub(super) fn new() -> Self {
        Self { spoke: NEVER, ready: NEVER, ..Self::default() }
    }

    /// Counts a frame that was so many packets and bytes on the wire.
    #[inline(always)]
    pub(super) const fn count(&mut self, packets: u32, bytes: u64, payload_len: u32) {
        self.packets += packets as u64;
        self.bytes += bytes;
        self.payload += payload_len as u64;
    }

    /// Smoothed round trip of its data.
    pub(crate) fn round_trip(&self) -> Option<Span> {
        self.smoothed.map(Smoothed::srtt)
    }

    /// Begins behind its SYN, whose round trip is known.
    pub(super) fn open(&mut self, isn: SeqNumber, trip: Span) {
        self.snd_nxt = isn.advanced(1);
        self.snd_una = self.snd_nxt;
        self.smoothed = Some(Smoothed::new(trip));
        self.least = trip;
    }

    /// Whether a segment is next in order, and acknowledges what the other side has sent, or has had acknowledged.
    #[inline(always)]
    pub(super) fn is_next(&self, peer: &Self, brief: &Brief) -> bool {
        let (seq, ack) = (SeqNumber(brief.seq), SeqNumber(brief.ack));
        let sends = brief.payload_len > 0 || brief.kind == Kind::Fin;
        seq == self.snd_nxt
            && !ack.after(peer.snd_nxt)
            && peer.snd_una.distance(ack).unsigned_abs() <= FAR
            && !(sends && self.has_fin)
    }

    /// Sends data and FIN behind everything else; false where there is no room to remember it, and nothing has happened.
    #[inline(always)]
    pub(super) fn send(&mut self, brief: &Brief, packets: u32, flights: &mut Flights) -> bool {
        let end = self.snd_nxt.advanced(brief.payload_len);
        if brief.payload_len > 0 {
            let packets = u16::try_from(packets).unwrap_or(u16::MAX);
            if !self.has_lone && self.flight == 0 {
                // One by one: a copy of what was just written in pieces stalls the processor.
                self.lone.end = end;
                self.lone.packets = packets;
                self.lone.sent = brief.at;
                self.has_lone = true;
            } else if !self.push(end, packets, brief.at, flights) {
                return false;
            }
        }
        self.snd_nxt = end;
        if brief.kind == Kind::Fin {
            self.snd_nxt = end.advanced(1);
            self.has_fin = true;
        }
        true
    }

    #[inline(never)]
    fn push(&mut self, end: SeqNumber, packets: u16, sent: Timestamp, flights: &mut Flights) -> bool {
        if self.has_lone {
            if !flights.push(&mut self.flight, self.lone) {
                return false;
            }
            self.has_lone = false;
        }
        flights.push(&mut self.flight, Range { end, packets, sent })
    }

    /// Its data is acknowledged up to `ack`, which lies behind what was.
    #[inline(always)]
    pub(super) fn acknowledge(&mut self, ack: SeqNumber, flights: &mut Flights) -> Taken {
        let start = std::mem::replace(&mut self.snd_una, ack);
        let mut taken = Taken::default();
        if self.has_lone {
            self.has_lone = self.lone.end.after(ack);
            taken.add(&if self.has_lone { self.lone.take_front(start, ack) } else { self.lone });
        } else if self.flight != 0 {
            return flights.acknowledge(&mut self.flight, start, ack);
        }
        taken
    }

    /// Octets sent and not yet acknowledged.
    #[inline(always)]
    pub(super) const fn in_flight(&self) -> u32 {
        octets(self.snd_una, self.snd_nxt)
    }

    /// Notes a round trip of its data: that of the oldest and of the newest segment acknowledged. Tells what the newest
    /// exceeds the least by.
    #[inline(always)]
    pub(super) fn answered(&mut self, oldest: Span, newest: Span) -> Span {
        self.least = self.least.min(newest);
        self.smoothed = Some(self.smoothed.map_or_else(|| Smoothed::new(oldest), |known| known.with(oldest)));
        Span(newest.0 - self.least.0)
    }

    /// Forgets what is under way: nobody asks any more.
    pub(super) fn release(&mut self, flights: &mut Flights) {
        flights.release(&mut self.flight);
        self.has_lone = false;
    }
}

/// No time of a frame: quiet flows have later ones only.
pub(super) const NEVER: Timestamp = Timestamp::MIN;
