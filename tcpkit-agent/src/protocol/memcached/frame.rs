//! Memcached's binary messages.
//!
//! <https://github.com/memcached/memcached/blob/master/doc/protocol-binary.xml>: a header of 24 octets, extras, key, value.
//!
//! ```text
//!  0      1       2          4         5          6              8            12      16    24
//!  magic  opcode  key length extras    data type  vbucket/status total length opaque  CAS
//! ```

use super::super::{
    cursor::{Carry, Cursor, Read},
    exchange::{DialogueCounts, Extent},
    piece::Party,
    text::Text,
    turns::Step,
};

const HEADER: usize = 24;
/// More is no message: the largest item that the server can be told to keep, and something for its key.
const MAX_BODY: u32 = (1 << 30) + (1 << 16);
/// The highest opcode that was ever given out, `SASL_STEP` apart from those of clusters.
const LAST_OPCODE: u8 = 0x48;

/// The first octet of what a party sends.
pub(super) const fn magic(from: Party) -> u8 {
    match from {
        Party::Client => 0x80,
        Party::Server => 0x81,
    }
}

/// A message, without its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) extent: Extent,
    pub(super) opcode: u8,
    pub(super) key_len: u16,
    pub(super) extras_len: u8,
    /// Of a response.
    pub(super) status: u16,
    pub(super) body_len: u32,
    pub(super) opaque: [u8; 4],
    /// As much of the key as is shown.
    pub(super) key: Text<64>,
}

impl Frame {
    /// The header, if this is one of a message of that party.
    fn parse(header: &[u8], from: Party) -> Option<Self> {
        let header: &[u8; HEADER] = header.first_chunk()?;
        let frame = Self {
            opcode: header[1],
            key_len: u16::from_be_bytes([header[2], header[3]]),
            extras_len: header[4],
            status: u16::from_be_bytes([header[6], header[7]]),
            body_len: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            opaque: [header[12], header[13], header[14], header[15]],
            ..Self::default()
        };
        let fits = u32::from(frame.key_len) + u32::from(frame.extras_len) <= frame.body_len;
        (header[0] == magic(from) && fits && frame.body_len <= MAX_BODY).then_some(frame)
    }

    fn value_len(&self) -> u64 {
        u64::from(self.body_len).saturating_sub(u64::from(self.key_len) + u64::from(self.extras_len))
    }
}

/// Reads the messages of one party.
#[derive(Debug)]
pub(super) struct Frames {
    from: Party,
    state: State,
    carry: Carry,
    frame: Frame,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Header,
    /// Before the key, with so many octets to come.
    Extras(u64),
    Key(u64),
    Value(u64),
    Lost,
}

impl Frames {
    pub(super) fn new(from: Party) -> Self {
        Self { from, state: State::Between, carry: Carry::default(), frame: Frame::default() }
    }

    /// Reads until a message is complete, the thread is lost, or the piece is used up.
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>, counts: &mut DialogueCounts) -> Step<Frame> {
        loop {
            let read = match self.state {
                State::Between if cursor.is_empty() => Read::More,
                State::Between => self.begin(cursor),
                State::Header => self.header(cursor),
                State::Extras(octets) => self.skip(cursor, octets, State::Key(self.frame.key_len.into())),
                State::Key(octets) => self.key(cursor, octets),
                State::Value(mut octets) => {
                    let is_whole = cursor.skip(&mut octets);
                    self.state = State::Value(octets);
                    if is_whole { return Step::Message(self.whole(cursor)) } else { Read::More }
                }
                State::Lost => self.resume(cursor),
            };
            match read {
                Read::Ready(()) => {}
                Read::More => return Step::End,
                Read::Missing => {
                    counts.desynchronised += 1;
                    return self.lose();
                }
                Read::TooLong => {
                    counts.malformed += 1;
                    return self.lose();
                }
            }
        }
    }

    fn lose(&mut self) -> Step<Frame> {
        self.state = State::Lost;
        self.carry.clear();
        Step::Lost
    }

    fn whole(&mut self, cursor: &Cursor<'_>) -> Frame {
        self.state = State::Between;
        self.frame.extent.end = cursor.at();
        self.frame.extent.len = cursor.offset() - self.frame.extent.offset;
        self.frame
    }

    fn begin(&mut self, cursor: &Cursor<'_>) -> Read<()> {
        self.frame.extent = Extent { start: cursor.at(), end: cursor.at(), offset: cursor.offset(), len: 0 };
        self.state = State::Header;
        Read::Ready(())
    }

    /// `TooLong` stands for whatever contradicts the protocol.
    fn header(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let frame = match cursor.exact(&mut self.carry, HEADER) {
            Read::Ready(header) => Frame::parse(header, self.from),
            Read::More => return Read::More,
            Read::Missing => return Read::Missing,
            Read::TooLong => return Read::TooLong,
        };
        let Some(frame) = frame else { return Read::TooLong };
        self.frame = Frame { extent: self.frame.extent, ..frame };
        self.state = State::Extras(frame.extras_len.into());
        Read::Ready(())
    }

    fn skip(&mut self, cursor: &mut Cursor<'_>, mut octets: u64, then: State) -> Read<()> {
        let is_whole = cursor.skip(&mut octets);
        self.state = if is_whole { then } else { State::Extras(octets) };
        if is_whole { Read::Ready(()) } else { Read::More }
    }

    fn key(&mut self, cursor: &mut Cursor<'_>, mut octets: u64) -> Read<()> {
        let rest = cursor.rest();
        let here = usize::try_from(octets).unwrap_or(usize::MAX).min(rest.len());
        self.frame.key.push(&rest[..here]);
        let is_whole = cursor.skip(&mut octets);
        self.state = if is_whole { State::Value(self.frame.value_len()) } else { State::Key(octets) };
        if is_whole { Read::Ready(()) } else { Read::More }
    }

    /// Begins anew where the piece begins like a message, or leaves it out.
    fn resume(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        if is_frame(cursor.rest(), self.from) {
            self.state = State::Between;
            return Read::Ready(());
        }
        cursor.skip_all();
        Read::More
    }
}

/// Whether a message of that party begins like this.
pub(super) fn is_frame(octets: &[u8], from: Party) -> bool {
    // The data type is reserved: 0, or what clusters mark compressed and JSON values by.
    octets.get(5).is_some_and(|data_type| *data_type <= 7)
        && Frame::parse(octets, from)
            .is_some_and(|frame| frame.opcode <= LAST_OPCODE && frame.extras_len <= 32)
}
