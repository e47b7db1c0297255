//! What a quiet flow has to know of a segment, in few octets: threads hand them on.

use std::hash::{BuildHasher as _, RandomState};

use super::super::{
    key::{FlowKey, Side},
    stream::has_more_than_timestamps,
};
use crate::{
    time::Timestamp,
    wire::{Segment, TcpFlags, TcpOptions},
};

/// A segment, as far as quiet flows go by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brief {
    /// When it was captured.
    pub(crate) at: Timestamp,
    /// Its flow.
    pub(crate) key: FlowKey,
    /// A hash of that, by [`Hasher`].
    pub(crate) hash: u32,
    /// Which frame of its block it is.
    pub(crate) place: u32,
    /// Octets of the frame.
    pub(crate) frame_len: u32,
    pub(super) payload_len: u32,
    pub(super) seq: u32,
    pub(super) ack: u32,
    /// Octets before the payload.
    pub(super) header_len: u16,
    /// Octets of TCP's options; of a SYN, the maximum segment size that it announces, [`NO_MSS`] where it does not.
    pub(super) options: u16,
    pub(super) window: u16,
    /// Who sent it.
    pub(super) side: Side,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a segment may do to a quiet flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its flow is odd, and stays as open as it was.
    Odd,
    /// Its flow is odd, and may have been opened or closed.
    OddEdge,
    /// A SYN that asks.
    Syn,
    /// One that answers.
    SynAck,
    /// An acknowledgement, with data or without.
    Plain,
    /// The same, and the last of its side.
    Fin,
    /// It resets.
    Rst,
}

/// The maximum segment size that a SYN announces.
#[inline(never)]
fn announced(options: TcpOptions<'_>) -> u16 {
    match options.announced().mss {
        None => NO_MSS,
        Some(mss) => mss.min(UNCLEAR),
    }
}

/// No maximum segment size was announced: none is larger.
pub(super) const NO_MSS: u16 = u16::MAX;

/// One was that could be taken for none.
const UNCLEAR: u16 = NO_MSS - 1;

impl Brief {
    /// What matters of a segment whose options were captured whole.
    ///
    /// No reference to the segment or to what comes of it may leave this function: then both stay in registers.
    #[inline(always)]
    pub(crate) fn of(
        segment: &Segment<'_>,
        at: Timestamp,
        frame_len: u32,
        place: u32,
        hasher: &Hasher,
    ) -> Self {
        let (key, side) = FlowKey::of(&segment.tuple);
        let mut kind = if at.0 > 0 && !segment.is_ce { Kind::of(segment) } else { Kind::OddEdge };
        let mut options = u16::try_from(segment.options.0.len()).unwrap_or(u16::MAX);
        if matches!(kind, Kind::Syn | Kind::SynAck) {
            options = announced(segment.options);
            if segment.tuple.source == segment.tuple.destination || options == UNCLEAR {
                kind = Kind::OddEdge;
            }
        }
        Self {
            at,
            key,
            hash: hasher.hash(&key),
            place,
            frame_len,
            payload_len: segment.payload_len,
            seq: segment.seq.0,
            ack: segment.ack.0,
            header_len: u16::try_from(segment.header_len).unwrap_or(u16::MAX),
            options,
            window: segment.window,
            side,
            kind,
        }
    }

    /// That a flow is odd from this frame on.
    pub(crate) fn odd(key: FlowKey, at: Timestamp, place: u32, hasher: &Hasher) -> Self {
        Self {
            at,
            key,
            hash: hasher.hash(&key),
            place,
            frame_len: 0,
            payload_len: 0,
            seq: 0,
            ack: 0,
            header_len: 0,
            options: 0,
            window: 0,
            side: Side::Low,
            kind: Kind::OddEdge,
        }
    }

    /// Whether it may have closed a flow.
    #[inline(always)]
    pub(crate) const fn closes(&self) -> bool {
        matches!(self.kind, Kind::Fin | Kind::Rst | Kind::OddEdge)
    }
}

impl Kind {
    /// What a segment is by its flags, as far as it tells itself.
    #[inline(always)]
    fn of(segment: &Segment<'_>) -> Self {
        const SILENT: u16 = TcpFlags::PSH.with(TcpFlags::URG).0;
        const PLAIN: u16 = TcpFlags::ACK.0;
        const FIN: u16 = TcpFlags::ACK.with(TcpFlags::FIN).0;
        const SYN: u16 = TcpFlags::SYN.0;
        const SYN_ACK: u16 = TcpFlags::SYN.with(TcpFlags::ACK).0;
        const RST: u16 = TcpFlags::RST.0;
        const RST_ACK: u16 = TcpFlags::RST.with(TcpFlags::ACK).0;
        const EDGES: u16 = TcpFlags::SYN.with(TcpFlags::FIN).with(TcpFlags::RST).0;
        let carries = segment.window != 0 && !has_more_than_timestamps(segment.options.0);
        match segment.flags.0 & !SILENT {
            PLAIN if carries => Self::Plain,
            FIN if carries => Self::Fin,
            SYN if segment.payload_len == 0 => Self::Syn,
            SYN_ACK if segment.payload_len == 0 => Self::SynAck,
            RST | RST_ACK if segment.payload_len == 0 => Self::Rst,
            flags if flags & EDGES == 0 => Self::Odd,
            _ => Self::OddEdge,
        }
    }
}

/// The hash by which quiet flows are found and shared out.
///
/// Its numbers are drawn for each run, so that nobody can send what falls together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher([u64; 6]);

impl Hasher {
    /// One of a new kind.
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|number| RandomState::new().hash_one(number)))
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the hash")]
    pub(super) fn hash(&self, key: &FlowKey) -> u32 {
        let [a, b, c, d, e, f] = self.0;
        let ([low, high], ports) = key.words();
        let addresses = folded(low.0 ^ a, low.1 ^ b) ^ folded(high.0 ^ c, high.1 ^ d);
        let hash = folded(addresses ^ u64::from(ports), e) ^ f;
        (hash ^ (hash >> 32)) as u32
    }
}

/// Both halves of a product, one over the other.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product as u64) ^ ((product >> 64) as u64)
}
