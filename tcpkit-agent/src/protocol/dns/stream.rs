//! Messages in a stream: each has its length before it (RFC 1035 §4.2.2, RFC 7766 §8).

use super::message::Message;
use crate::protocol::{
    cursor::{Carry, Cursor, Read},
    exchange::Extent,
};

/// One direction of a connection, cut into messages.
#[derive(Debug, Default)]
pub(super) struct Framer {
    state: State,
    carry: Carry,
    /// The beginning of a message that lies in several pieces.
    held: Vec<u8>,
    /// An octet of the message was not captured: nothing more is held.
    has_hole: bool,
    len: usize,
    extent: Extent,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Length,
    Message {
        left: u64,
    },
    Lost,
}

/// What a direction came upon.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard<'a> {
    /// A message, whole or what was captured of it, with its length on the wire; `None` where the framer holds it.
    Message(Option<&'a [u8]>, usize, Extent),
    /// A length that no message has.
    Malformed,
    /// A length was not captured.
    Desynchronised,
}

impl Framer {
    /// What comes next; `None` when the piece is used up.
    pub(super) fn next<'a>(&mut self, cursor: &mut Cursor<'a>, piece_from: u64) -> Option<Heard<'a>> {
        while !cursor.is_empty() {
            let heard = match self.state {
                State::Length => self.length(cursor),
                State::Message { left } => self.message(cursor, left),
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

    /// The beginning of the message that was told last, where it lay in several pieces.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    fn length<'a>(&mut self, cursor: &mut Cursor<'a>) -> Option<Heard<'a>> {
        if !self.carry.has_begun() {
            self.extent = Extent { start: cursor.at(), end: cursor.at(), offset: cursor.offset(), len: 0 };
        }
        let len = match cursor.exact(&mut self.carry, 2) {
            Read::Ready(octets) => octets.iter().fold(0, |len, octet| len << 8 | usize::from(*octet)),
            Read::More => return None,
            Read::Missing | Read::TooLong => {
                self.state = State::Lost;
                cursor.skip_all();
                return Some(Heard::Desynchronised);
            }
        };
        self.held = Vec::new();
        self.has_hole = false;
        self.len = len;
        // Nothing of a length without a message behind it is to be believed.
        if len < super::message::HEADER {
            self.state = State::Lost;
            cursor.skip_all();
            return Some(Heard::Malformed);
        }
        self.state = State::Message { left: len as u64 };
        None
    }

    fn message<'a>(&mut self, cursor: &mut Cursor<'a>, mut left: u64) -> Option<Heard<'a>> {
        let rest = cursor.rest();
        let is_begin = left == self.len as u64;
        let here = usize::try_from(left.min(u64::from(cursor.left()))).unwrap_or(usize::MAX);
        let captured = &rest[..rest.len().min(here)];
        let is_end = cursor.skip(&mut left);
        self.state = if is_end { State::Length } else { State::Message { left } };
        self.extent.end = cursor.at();
        self.extent.len = cursor.offset() - self.extent.offset;
        if is_begin && is_end {
            return Some(Heard::Message(Some(captured), self.len, self.extent));
        }
        if !self.has_hole {
            let room = HELD - self.held.len();
            self.held.extend_from_slice(&captured[..captured.len().min(room)]);
            self.has_hole = captured.len() < here;
        }
        is_end.then_some(Heard::Message(None, self.len, self.extent))
    }

    /// Takes the thread up where a piece begins with a message.
    fn resume(&mut self, cursor: &mut Cursor<'_>, piece_from: u64) {
        let is_message = |rest: &[u8]| {
            rest.get(2..).is_some_and(|rest| Message::parse(rest).is_ok_and(|it| it.is_plausible(rest)))
        };
        if cursor.offset() == piece_from && is_message(cursor.rest()) {
            self.state = State::Length;
        } else {
            cursor.skip_all();
        }
    }
}

/// So much of a message in several pieces is looked at: header and question, and the records of most answers.
const HELD: usize = 1_024;
