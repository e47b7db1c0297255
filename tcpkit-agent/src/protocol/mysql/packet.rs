//! Packets of one direction, those of 2^24-1 octets joined with what continues them.
//!
//! MySQL, "Protocol Basics: MySQL Packets": three octets length, one octet sequence number, body.

use crate::protocol::{
    Cursor, Extent, Piece,
    sql::{Layout, Reader, Step},
};

/// Octets of a packet's header.
pub(super) const HEADER: usize = 4;

/// A packet of this length is continued by the next one.
pub(super) const CONTINUED: u32 = 0xff_ffff;

/// One packet, or several that are one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    /// The first one's number.
    pub(super) sequence: u8,
    /// The last one's.
    pub(super) last_sequence: u8,
    /// Octets of the body on the wire.
    pub(super) len: u64,
    /// Its first octets, as far as they are kept and were captured.
    pub(super) body: &'a [u8],
    /// Where it was.
    pub(super) extent: Extent,
}

impl Packet<'_> {
    /// Whether the body is all there.
    pub(super) const fn is_whole(&self) -> bool {
        self.body.len() as u64 == self.len
    }
}

/// What one party sends.
#[derive(Debug, Default)]
pub(super) struct Side {
    reader: Reader,
    /// Number of the first packet of those that are one.
    first: Option<u8>,
    /// The thread was lost: nothing is read until something begins plausibly.
    pub(super) is_lost: bool,
}

impl Side {
    /// The thread was lost.
    pub(super) fn lose(&mut self) {
        self.is_lost = true;
    }

    /// A packet begins with the next octet.
    pub(super) fn find(&mut self) {
        self.is_lost = false;
        self.first = None;
        self.reader.reset();
    }

    /// Reads until a packet is complete, keeping so many octets of it.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>, keep: usize) -> Step {
        let layout = Layout { header: HEADER, keep, len: |header| Some(len(header)) };
        loop {
            if !self.reader.is_amid() {
                self.first = None;
            }
            let step = self.reader.read(cursor, &layout);
            if step != Step::Ready {
                return step;
            }
            let sequence = self.reader.header()[3];
            self.first.get_or_insert(sequence);
            if len(self.reader.header()) != CONTINUED {
                return Step::Ready;
            }
            self.reader.go_on();
        }
    }

    /// The packet that has begun, as far as it is read.
    pub(super) fn announced(&self) -> Option<Packet<'_>> {
        self.reader.is_announced().then(|| self.packet())
    }

    /// The packet that is complete.
    pub(super) fn packet(&self) -> Packet<'_> {
        let last_sequence = self.reader.header()[3];
        Packet {
            sequence: self.first.unwrap_or(last_sequence),
            last_sequence,
            len: self.reader.len(),
            body: self.reader.body(),
            extent: self.reader.extent(),
        }
    }
}

/// Body length by the header, of which there are three octets at least.
pub(super) fn len(header: &[u8]) -> u32 {
    match *header {
        [low, mid, high, ..] => u32::from_le_bytes([low, mid, high, 0]),
        _ => 0,
    }
}

/// The packet that a piece begins with, if it may be one with this number and the next one goes with it: the number
/// behind it must be one of `next`.
pub(super) fn begins<'a>(piece: &Piece<'a>, sequence: u8, next: &[u8]) -> Option<Packet<'a>> {
    let [_, _, _, first, ..] = *piece.bytes else { return None };
    let body = &piece.bytes[HEADER..];
    let octets = len(piece.bytes);
    let end = HEADER + octets as usize;
    let goes_on = piece.len as usize > end;
    let fits = match piece.bytes.get(end..) {
        Some([_, _, _, number, ..]) => next.contains(number),
        // Not captured, or not complete.
        _ => goes_on || piece.len as usize == end || octets as usize > body.len(),
    };
    let extent = Extent { start: piece.at, end: piece.at, offset: piece.offset, len: u64::from(piece.len) };
    let body = &body[..body.len().min(octets as usize)];
    let packet = Packet { sequence, last_sequence: sequence, len: u64::from(octets), body, extent };
    (first == sequence && octets > 0 && fits).then_some(packet)
}

/// An integer of variable length and what follows it; `None` where it is none, or not all there.
pub(super) fn variable(octets: &[u8]) -> Option<(u64, &[u8])> {
    let wide = |octets: &[u8]| octets.iter().rev().fold(0, |value, octet| value << 8 | u64::from(*octet));
    let (len, rest) = match octets.split_first()? {
        (0xfc, rest) => (2, rest),
        (0xfd, rest) => (3, rest),
        (0xfe, rest) => (8, rest),
        (0xfb | 0xff, _) => return None,
        (value, rest) => return Some((u64::from(*value), rest)),
    };
    let (value, rest) = rest.split_at_checked(len)?;
    Some((wide(value), rest))
}
