//! One direction of a connection, cut into records, and those into handshake messages while they are readable.
//!
//! RFC 8446 §5 and §4; RFC 5246 §6.2. Octets that were not captured are stepped over by the lengths of records and
//! messages; where the length of a message is among them, the messages of that direction are not told any more, only
//! its records.

use crate::protocol::{
    cursor::{Carry, Cursor, Read},
    exchange::Extent,
    piece::Party,
};

/// A direction of a connection.
#[derive(Debug)]
pub(super) struct Records {
    party: Party,
    state: State,
    carry: Carry,
    /// From where the record began to what was read of it.
    record: Extent,
    /// The same of a message.
    message: Extent,
    /// Kind and length of the message that is being read; `None` before its header is complete.
    header: Option<(u8, u64)>,
    /// Octets of its header so far.
    header_octets: [u8; MESSAGE_HEADER],
    header_len: usize,
    /// The beginning of a hello.
    body: Vec<u8>,
    has_hole: bool,
    /// Messages cannot be read any more: they are encrypted, or the thread through them is lost.
    is_opaque: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Fragment { kind: u8, left: u64 },
    Lost,
}

/// What a direction came upon; what it was is as long as the extent tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A handshake message of this kind, with its records.
    Message(u8, Extent),
    /// ChangeCipherSpec.
    ChangeCipher(Extent),
    /// An alert: its level and what it says.
    Alert(u8, u8, Extent),
    /// A record of this kind that cannot be read, with so many octets in it.
    Opaque(u8, u64, Extent),
    /// What came contradicts the protocol.
    Malformed,
    /// The thread is lost.
    Desynchronised,
}

impl Records {
    /// Before the first one.
    pub(super) fn new(party: Party) -> Self {
        Self {
            party,
            state: State::Header,
            carry: Carry::default(),
            record: Extent::default(),
            message: Extent::default(),
            header: None,
            header_octets: [0; MESSAGE_HEADER],
            header_len: 0,
            body: Vec::new(),
            has_hole: false,
            is_opaque: false,
        }
    }

    /// What comes next; `None` when the piece is used up.
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>, piece_from: u64) -> Option<Heard> {
        while !cursor.is_empty() {
            let heard = match self.state {
                State::Header => self.record_header(cursor),
                State::Fragment { kind, left } => self.fragment(cursor, kind, left),
                State::Lost => {
                    self.resume(cursor, piece_from);
                    None
                }
            };
            if heard.is_some() {
                return heard;
            }
        }
        None
    }

    /// The beginning of the hello that was told last.
    pub(super) fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    fn record_header(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        if !self.carry.has_begun() {
            self.record = Extent { start: cursor.at(), end: cursor.at(), offset: cursor.offset(), len: 0 };
        }
        let header = match cursor.exact(&mut self.carry, RECORD_HEADER) {
            Read::Ready(octets) => octets.first_chunk().copied().unwrap_or_default(),
            Read::More => return None,
            Read::Missing | Read::TooLong => return Some(self.lose(cursor)),
        };
        reach(&mut self.record, cursor);
        match parse_record(self.party, header) {
            Some(Header::Record(kind, 0)) => (kind == HANDSHAKE).then_some(Heard::Malformed),
            Some(Header::Record(kind, left)) => {
                self.state = State::Fragment { kind, left };
                None
            }
            Some(Header::OldHello(left)) => {
                self.begin_message();
                self.header = Some((CLIENT_HELLO, left));
                // Nothing in it is of interest, and it has another form.
                self.has_hole = true;
                self.state = State::Fragment { kind: HANDSHAKE, left };
                None
            }
            None => Some(self.lose(cursor)),
        }
    }

    fn fragment(&mut self, cursor: &mut Cursor<'_>, kind: u8, left: u64) -> Option<Heard> {
        match kind {
            HANDSHAKE if !self.is_opaque => self.handshake(cursor, left),
            ALERT if left == 2 && !self.is_opaque => self.alert(cursor),
            _ => self.pass(cursor, kind, left),
        }
    }

    /// Steps over a record.
    fn pass(&mut self, cursor: &mut Cursor<'_>, kind: u8, mut left: u64) -> Option<Heard> {
        let is_end = cursor.skip(&mut left);
        self.advance(cursor, kind, left);
        if !is_end {
            return None;
        }
        if kind == CHANGE_CIPHER {
            self.is_opaque = true;
            return Some(Heard::ChangeCipher(self.record));
        }
        Some(Heard::Opaque(kind, self.record.len - RECORD_HEADER as u64, self.record))
    }

    fn alert(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        let said = match cursor.exact(&mut self.carry, 2) {
            Read::Ready(octets) => octets.first_chunk::<2>().copied().unwrap_or_default(),
            Read::More => return None,
            Read::Missing | Read::TooLong => return Some(self.lose(cursor)),
        };
        self.advance(cursor, ALERT, 0);
        Some(Heard::Alert(said[0], said[1], self.record))
    }

    /// Goes on with a handshake message, at most to its end.
    fn handshake(&mut self, cursor: &mut Cursor<'_>, left: u64) -> Option<Heard> {
        let Some((kind, wanted)) = self.header else { return self.message_header(cursor, left) };
        let len = wanted.min(left).min(u64::from(cursor.left()));
        let captured = cursor.rest();
        let captured = &captured[..captured.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
        if matches!(kind, CLIENT_HELLO | SERVER_HELLO) && !self.has_hole {
            let room = BODY_LIMIT - self.body.len();
            self.body.extend_from_slice(&captured[..captured.len().min(room)]);
            self.has_hole = (captured.len() as u64) < len;
        }
        cursor.skip(&mut { len });
        self.advance(cursor, HANDSHAKE, left - len);
        self.header = Some((kind, wanted - len));
        self.end_message(cursor)
    }

    fn message_header(&mut self, cursor: &mut Cursor<'_>, left: u64) -> Option<Heard> {
        if self.header_len == 0 {
            self.begin_message();
        }
        let Some(octet) = cursor.rest().first() else {
            self.is_opaque = true;
            return Some(Heard::Desynchronised);
        };
        self.header_octets[self.header_len] = *octet;
        self.header_len += 1;
        cursor.skip(&mut 1);
        self.advance(cursor, HANDSHAKE, left - 1);
        if self.header_len < MESSAGE_HEADER {
            return None;
        }
        self.header_len = 0;
        let [kind, high, middle, low] = self.header_octets;
        if kind > KIND_LIMIT || high != 0 {
            self.is_opaque = true;
            return Some(Heard::Malformed);
        }
        self.header = Some((kind, u64::from(u16::from_be_bytes([middle, low]))));
        self.end_message(cursor)
    }

    fn begin_message(&mut self) {
        self.message = self.record;
        self.body.clear();
        self.has_hole = false;
    }

    fn end_message(&mut self, cursor: &Cursor<'_>) -> Option<Heard> {
        reach(&mut self.message, cursor);
        let (kind, _) = self.header.take_if(|(_, left)| *left == 0)?;
        Some(Heard::Message(kind, self.message))
    }

    fn advance(&mut self, cursor: &Cursor<'_>, kind: u8, left: u64) {
        reach(&mut self.record, cursor);
        self.state = if left == 0 { State::Header } else { State::Fragment { kind, left } };
    }

    fn lose(&mut self, cursor: &mut Cursor<'_>) -> Heard {
        self.carry.clear();
        self.header = None;
        self.header_len = 0;
        self.state = State::Lost;
        cursor.skip_all();
        Heard::Desynchronised
    }

    /// Takes the thread up where a piece begins with a record.
    fn resume(&mut self, cursor: &mut Cursor<'_>, piece_from: u64) {
        let header = cursor.rest().first_chunk().and_then(|header| parse_record(self.party, *header));
        if cursor.offset() == piece_from && matches!(header, Some(Header::Record(_, 1..))) {
            self.state = State::Header;
        } else {
            cursor.skip_all();
        }
    }
}

enum Header {
    Record(u8, u64),
    /// A hello in the form of SSL 2.0 (RFC 5246 §E.2), which offers later versions.
    OldHello(u64),
}

fn parse_record(party: Party, header: [u8; RECORD_HEADER]) -> Option<Header> {
    match header {
        [kind @ CHANGE_CIPHER..=HEARTBEAT, 3, 0..=4, high, low] => {
            let len = u64::from(u16::from_be_bytes([high, low]));
            (len <= RECORD_LIMIT).then_some(Header::Record(kind, len))
        }
        [high @ 0x80..=0xff, low, CLIENT_HELLO, 3, 0..=4] if party == Party::Client => {
            let len = u64::from(u16::from_be_bytes([high & 0x7f, low]));
            len.checked_sub(3).filter(|len| *len > 0).map(Header::OldHello)
        }
        _ => None,
    }
}

const fn reach(extent: &mut Extent, cursor: &Cursor<'_>) {
    extent.end = cursor.at();
    extent.len = cursor.offset() - extent.offset;
}

pub(super) const CHANGE_CIPHER: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION: u8 = 23;
/// RFC 6520.
const HEARTBEAT: u8 = 24;

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;

/// Kinds of messages that are given out (IANA: "TLS HandshakeType"); what is encrypted has any.
const KIND_LIMIT: u8 = 25;

pub(super) const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;

/// RFC 5246 §6.2.3: no record is longer.
const RECORD_LIMIT: u64 = 16_384 + 2_048;

/// So much of a hello is looked at; those of browsers with post-quantum keys have half of it.
const BODY_LIMIT: usize = 4_096;
