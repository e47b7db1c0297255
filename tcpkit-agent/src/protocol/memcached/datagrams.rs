//! Memcached by UDP: requests and answers in datagrams with a header of their own.
//!
//! <https://github.com/memcached/memcached/blob/master/doc/protocol.txt>, "UDP protocol": request id, number of this
//! datagram, how many there are, reserved; 16 bits each. An answer repeats the id and may have many datagrams.

use super::{
    super::{
        Dialogue,
        cursor::Cursor,
        exchange::{DialogueCounts, Exchange, Extent, Outcome, Request},
        piece::{Party, Piece},
        queue::Queue,
        text::Text,
        turns::Step,
    },
    binary,
    frame::{self, Frames},
    request::Requests,
    response::{self, Sort},
};
use crate::time::Timestamp;

const HEADER: usize = 8;

/// A pair of UDP ports, one of which is memcached's.
#[derive(Debug, Default)]
pub(in crate::protocol) struct DatagramDialogue {
    waiting: Queue<Waiting>,
    counts: DialogueCounts,
}

/// What is remembered of a request that waits.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    id: u16,
    is_quiet: bool,
    /// Datagrams of the answer that came.
    datagrams: u16,
    response: Option<Extent>,
    status: Text<24>,
    is_error: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    id: u16,
    number: u16,
    total: u16,
}

impl Header {
    fn parse(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (header, rest) = octets.split_first_chunk::<HEADER>()?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let header = Self { id: word(0), number: word(2), total: word(4) };
        // Clients put anything into the reserved field.
        (header.number < header.total).then_some((header, rest))
    }
}

impl Dialogue for DatagramDialogue {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        if piece.bytes.len() < HEADER && piece.len as usize >= HEADER {
            self.counts.desynchronised += 1;
            return;
        }
        let Some((header, bytes)) = Header::parse(piece.bytes) else {
            self.counts.malformed += 1;
            return;
        };
        match from {
            Party::Client => self.on_request(header, piece, bytes, out),
            Party::Server => self.on_response(header, piece, bytes, out),
        }
    }

    fn on_end(&mut self, _from: Party, _at: Timestamp, _out: &mut Vec<Exchange>) {}

    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>) {
        while let Some((request, waiting)) = self.waiting.pop() {
            let outcome = match (waiting.is_quiet, is_lost) {
                (true, _) => Outcome::NoReply,
                (false, true) => Outcome::Aborted,
                (false, false) => Outcome::Unanswered,
            };
            out.push(Exchange::without_response(request, outcome));
        }
    }

    fn counts(&self) -> &DialogueCounts {
        &self.counts
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }
}

impl DatagramDialogue {
    fn on_request(&mut self, header: Header, piece: &Piece<'_>, bytes: &[u8], out: &mut Vec<Exchange>) {
        let is_it = |(_, waiting): &(Request, Waiting)| waiting.id == header.id && waiting.response.is_none();
        if header.number > 0 {
            if let Some((mut request, waiting)) = self.waiting.take(is_it) {
                request.extent = together(Some(request.extent), whole(piece));
                self.waiting.push(request, waiting, &mut self.counts, out);
            } else {
                self.counts.desynchronised += 1;
            }
            return;
        }
        // Whoever uses an id again does not wait any more.
        if let Some((request, _)) = self.waiting.take(is_it) {
            out.push(Exchange::without_response(request, Outcome::Unanswered));
        }
        let Some((mut request, is_silent, is_quiet)) = self.read_request(piece, bytes) else { return };
        request.extent = whole(piece);
        if is_silent {
            out.push(Exchange::without_response(request, Outcome::NoReply));
            return;
        }
        let waiting = Waiting { id: header.id, is_quiet, ..Waiting::default() };
        self.waiting.push(request, waiting, &mut self.counts, out);
    }

    /// The first request of a datagram, whether nothing answers it, and whether perhaps nothing does.
    fn read_request(&mut self, piece: &Piece<'_>, bytes: &[u8]) -> Option<(Request, bool, bool)> {
        let inner = Piece { bytes, len: piece.len - u32::try_from(HEADER).unwrap_or(0), ..*piece };
        let mut cursor = Cursor::new(&inner);
        if bytes.first() == Some(&frame::magic(Party::Client)) {
            return match Frames::new(Party::Client).next(&mut cursor, &mut self.counts) {
                Step::Message(frame) => {
                    Some((binary::request(&frame), false, binary::is_quiet(frame.opcode)))
                }
                _ => None,
            };
        }
        match Requests::default().next(&mut cursor, &mut self.counts) {
            Step::Message(asked) => Some((asked.request, asked.manner.is_silent, asked.manner.is_quiet)),
            Step::Lost => None,
            // A datagram that ends within a request.
            Step::End => {
                self.counts.malformed += 1;
                None
            }
        }
    }

    fn on_response(&mut self, header: Header, piece: &Piece<'_>, bytes: &[u8], out: &mut Vec<Exchange>) {
        let Some((request, mut waiting)) = self.waiting.take(|(_, waiting)| waiting.id == header.id) else {
            self.counts.unmatched += 1;
            return;
        };
        let response = together(waiting.response, whole(piece));
        waiting.response = Some(response);
        waiting.datagrams += 1;
        if header.number == 0 {
            (waiting.status, waiting.is_error) = read_status(bytes);
        }
        if waiting.datagrams < header.total {
            self.waiting.push(request, waiting, &mut self.counts, out);
            return;
        }
        out.push(Exchange {
            request,
            response: Some(response),
            status: waiting.status,
            is_error: waiting.is_error,
            outcome: Outcome::Answered,
        });
    }
}

fn read_status(bytes: &[u8]) -> (Text<24>, bool) {
    if frame::is_frame(bytes, Party::Server) {
        let status = u16::from_be_bytes([bytes[6], bytes[7]]);
        return (binary::status(bytes[1], status), binary::is_error(status));
    }
    response::first_line(bytes)
        .map_or_else(Default::default, |answer| (answer.status, answer.sort == Sort::Error))
}

/// A datagram is a message, with its header.
fn whole(piece: &Piece<'_>) -> Extent {
    Extent { start: piece.at, end: piece.at, offset: piece.offset, len: u64::from(piece.len) }
}

fn together(earlier: Option<Extent>, last: Extent) -> Extent {
    let Some(earlier) = earlier else { return last };
    Extent { end: last.end, len: earlier.len + last.len, ..earlier }
}

/// What a datagram says after its header, if it can be memcached's first one.
pub(super) fn first_payload(octets: &[u8]) -> Option<&[u8]> {
    Header::parse(octets).filter(|(header, _)| header.number == 0).map(|(_, rest)| rest)
}
