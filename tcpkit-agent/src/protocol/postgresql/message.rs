//! Messages of both parties: one octet of type, four of length, which counts itself.
//!
//! PostgreSQL, "Message Formats". What opens a connection has no type.

use crate::protocol::{Piece, Text, sql::Layout};

/// What opens a connection: start-up, requests for encryption, for cancelling.
pub(super) const OPENING: Layout = Layout { header: 4, keep: KEEP, len: |header| length(header, 8..=10_004) };

/// What a client says.
pub(super) const ASKED: Layout = Layout { header: 5, keep: KEEP, len: asked };

/// What a server says.
pub(super) const TOLD: Layout = Layout { header: 5, keep: 128, len: told };

/// Octets of a client's message that are kept: a verb, a table and a line of a statement are found in them.
const KEEP: usize = 1_024;

/// No server takes or sends longer ones (`MaxAllocSize`).
const LONGEST: u32 = 1 << 30;

/// One that a lost reader believes, when it cannot see its end.
const LONGEST_BELIEVED: usize = 1 << 24;

fn asked(header: &[u8]) -> Option<u32> {
    match header[0] {
        b'H' | b'S' | b'X' | b'c' => length(&header[1..], 4..=4),
        b'B' | b'C' | b'D' | b'E' | b'F' | b'P' | b'Q' | b'd' | b'f' | b'p' => {
            length(&header[1..], 4..=LONGEST)
        }
        _ => None,
    }
}

fn told(header: &[u8]) -> Option<u32> {
    match header[0] {
        b'1' | b'2' | b'3' | b'I' | b'c' | b'n' | b's' => length(&header[1..], 4..=4),
        b'Z' => length(&header[1..], 5..=5),
        b'A' | b'C' | b'D' | b'E' | b'G' | b'H' | b'K' | b'N' | b'R' | b'S' | b'T' | b'V' | b'W' | b'd'
        | b't' | b'v' => length(&header[1..], 4..=LONGEST),
        _ => None,
    }
}

/// Octets behind the length.
fn length(octets: &[u8], allowed: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let length = u32::from_be_bytes(*octets.first_chunk()?);
    allowed.contains(&length).then(|| length - 4)
}

/// Whether messages of this party begin with this piece, for one who knows nothing of what came before: every header in
/// it must be one.
pub(super) fn may_begin(piece: &Piece<'_>, layout: &Layout) -> bool {
    let mut place = 0;
    while let Some(header) = piece.bytes.get(place..place + layout.header) {
        let Some(len) = (layout.len)(header) else { return false };
        let end = place + layout.header + len as usize;
        if end >= piece.len as usize {
            return end == piece.len as usize || len as usize <= LONGEST_BELIEVED;
        }
        place = end;
    }
    place > 0
}

/// Whether captured octets end with `ReadyForQuery`.
pub(super) fn is_tail(octets: &[u8]) -> bool {
    matches!(octets, [.., b'Z', 0, 0, 0, 5, b'I' | b'T' | b'E'])
}

/// First word of a command's tag: `SELECT` of `SELECT 5`.
pub(super) fn tag(body: &[u8]) -> Text<24> {
    let end = body.iter().position(|octet| !octet.is_ascii_graphic()).unwrap_or(body.len());
    Text::of(&body[..end])
}

/// SQLSTATE of an error: its field `C`.
pub(super) fn sqlstate(body: &[u8]) -> Text<24> {
    let state = body.split(|octet| *octet == 0).find_map(|field| field.strip_prefix(b"C"));
    Text::of(state.unwrap_or(b"ERROR"))
}
