//! HTTP/1.0 and HTTP/1.1: requests and their final responses, in order (RFC 9112).
//!
//! `command` is the method, `key` the path without its query, `label` the request line, `status` the code; 4xx and 5xx
//! are errors. Interim responses (1xx) are counted and answer nothing. A message ends with its content, which is
//! stepped over by length; a response that came before the whole of its request waits for it. With 101, or 2xx to
//! CONNECT, the connection leaves the protocol, and so it does with the preface of HTTP/2.
//!
//! A message whose head was captured in part counts, and goes on until the next one begins. Octets that were not
//! captured are known to be lost only some time later, and one direction may be heard later than the other: then the
//! times of requests and responses tell what belongs together. Where it cannot be known how many responses went by, a
//! client that never had two requests on their way can only be answered in its last request; of any other one nothing
//! more is said until both sides have been silent for a second.

mod framing;
mod line;
mod matching;
mod reader;
mod start;
#[cfg(test)]
mod tests;

use self::{
    matching::Matching,
    reader::{Heard, Reader},
    start::{Asked, First},
};
use super::{
    Dialogue,
    catalogue::Carrier,
    cursor::Cursor,
    exchange::{DialogueCounts, Exchange, Outcome},
    piece::{Party, Piece},
};
use crate::time::Timestamp;

/// Whether a party of HTTP/1 may begin like this, and hardly anybody else does.
pub(super) fn speaks(party: Party, first: &[u8], carrier: Carrier) -> bool {
    carrier == Carrier::Stream && start::speaks(party, first)
}

/// One connection.
#[derive(Debug)]
pub(super) struct Http {
    client: Reader,
    server: Reader,
    matching: Matching,
    /// When anything was said last.
    heard_last: Timestamp,
}

impl Http {
    /// A connection that has said nothing.
    pub(super) fn new() -> Self {
        Self {
            client: Reader::new(Party::Client),
            server: Reader::new(Party::Server),
            matching: Matching::default(),
            heard_last: Timestamp::MIN,
        }
    }

    fn on_client(&mut self, heard: Heard, at: Timestamp, out: &mut Vec<Exchange>) {
        match heard {
            Heard::Begun(First::Request(asked)) => self.on_request_begun(&asked, out),
            Heard::Begun(_) => {
                self.matching.counts.desynchronised += 1;
                self.leave(out);
            }
            Heard::Head(framing) => {
                if let Some(heard) = self.client.expect(framing.of_request()) {
                    self.on_client(heard, at, out);
                }
            }
            Heard::Whole(extent) => self.matching.on_request_whole(extent, out),
            Heard::Malformed | Heard::Desynchronised => {
                self.count(heard);
                self.matching.on_request_lost(at);
            }
        }
    }

    fn on_request_begun(&mut self, asked: &Asked, out: &mut Vec<Exchange>) {
        let extent = self.client.extent();
        // Whoever asks only when answered has the whole of the last answer.
        if self.matching.is_one_by_one()
            && self.server.extent().start <= extent.start
            && let Some(extent) = self.server.end_cut()
        {
            self.matching.on_response_whole(extent, out);
        }
        self.matching.on_request_begun(asked, extent, self.heard_last, out);
    }

    fn on_server(&mut self, heard: Heard, out: &mut Vec<Exchange>) {
        match heard {
            Heard::Begun(First::Response(code)) if matching::is_interim(code) => self.matching.on_interim(),
            Heard::Begun(First::Response(code)) => {
                if let Some(extent) = self.client.end_cut() {
                    self.matching.on_request_whole(extent, out);
                }
                self.matching.on_response_begun(code, self.server.extent().start, out);
            }
            Heard::Begun(_) => {}
            Heard::Head(framing) => {
                if let Some(heard) = self.server.expect(self.matching.body(&framing)) {
                    self.on_server(heard, out);
                }
            }
            Heard::Whole(extent) => {
                if self.matching.on_response_whole(extent, out) {
                    self.leave(out);
                }
            }
            Heard::Malformed | Heard::Desynchronised => {
                self.count(heard);
                self.matching.on_response_lost();
            }
        }
    }

    /// What follows is another protocol.
    fn leave(&mut self, out: &mut Vec<Exchange>) {
        if let Some(extent) = self.client.end_any() {
            self.matching.on_request_whole(extent, out);
        }
        self.client.leave();
        self.server.leave();
    }

    const fn count(&mut self, heard: Heard) {
        let counts = &mut self.matching.counts;
        match heard {
            Heard::Malformed => counts.malformed += 1,
            _ => counts.desynchronised += 1,
        }
    }
}

impl Dialogue for Http {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        let mut cursor = Cursor::new(piece);
        match from {
            Party::Client => {
                self.client.on_piece(&cursor);
                while let Some(heard) = self.client.next(&mut cursor) {
                    self.on_client(heard, piece.at, out);
                }
            }
            Party::Server => {
                self.server.on_piece(&cursor);
                while let Some(heard) = self.server.next(&mut cursor) {
                    self.on_server(heard, out);
                }
            }
        }
        self.heard_last = piece.at;
    }

    fn on_end(&mut self, from: Party, _at: Timestamp, out: &mut Vec<Exchange>) {
        match from {
            Party::Client => {
                if let Some(extent) = self.client.end_any() {
                    self.matching.on_request_whole(extent, out);
                }
            }
            Party::Server => {
                if let Some(extent) = self.server.end_any() {
                    self.matching.on_response_whole(extent, out);
                }
            }
        }
    }

    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>) {
        self.on_end(Party::Server, self.heard_last, out);
        self.on_end(Party::Client, self.heard_last, out);
        self.matching.give_up(if is_lost { Outcome::Aborted } else { Outcome::Unanswered }, out);
    }

    fn counts(&self) -> &DialogueCounts {
        &self.matching.counts
    }

    fn pending(&self) -> usize {
        self.matching.len()
    }
}
