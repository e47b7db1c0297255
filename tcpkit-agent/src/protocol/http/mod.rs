//! HTTP/1.0 and HTTP/1.1: requests and their final responses, in order (RFC 9112).
//!
//! `command` is the method, `key` the path without its query, `label` the request line, `status` the code; 4xx and 5xx
//! are errors. Interim responses (1xx) are counted and answer nothing. A message ends with its content, which is
//! stepped over by length; a response that came before the whole of its request waits for it. With 101, or 2xx to
//! CONNECT, the connection leaves the protocol, and so it does with the preface of HTTP/2.
//!
//! A message whose head was captured in part counts, and goes on until the next one begins. Where it cannot be known
//! how many responses went by, a client that never had two requests on their way can only be answered in its last
//! request; of any other one nothing more is said until both sides have been silent for a second.

mod framing;
mod line;
mod reader;
mod start;
#[cfg(test)]
mod tests;

use self::{
    reader::{Heard, Reader},
    start::{Asked, First, Method},
};
use super::{
    Dialogue,
    catalogue::Carrier,
    cursor::Cursor,
    exchange::{DialogueCounts, Exchange, Extent, Outcome, Request},
    piece::{Party, Piece},
    queue::Queue,
    text::Text,
};
use crate::time::{Span, Timestamp};

/// Whether a party of HTTP/1 may begin like this, and hardly anybody else does.
pub(super) fn speaks(party: Party, first: &[u8], carrier: Carrier) -> bool {
    carrier == Carrier::Stream && start::speaks(party, first)
}

/// One connection.
#[derive(Debug)]
pub(super) struct Http {
    client: Reader,
    server: Reader,
    waiting: Queue<Asking>,
    counts: DialogueCounts,
    /// What the response answers that is being read.
    answering: Answering,
    /// Most requests that waited when a response began.
    depth: usize,
    /// Responses may have gone by unseen.
    is_unsure: bool,
    /// Which response answers which request cannot be known any more.
    is_adrift: bool,
    /// When anything was said last.
    heard_last: Timestamp,
}

/// What is remembered of a request that waits.
#[derive(Debug, Default)]
struct Asking {
    method: Method,
    /// All of it was sent.
    is_whole: bool,
    /// The response, when it came first.
    answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    extent: Extent,
    code: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answering {
    /// Nothing: interim, or to a request that was not captured.
    Nothing(u16),
    /// The request that has waited longest.
    Oldest(u16),
}

impl Http {
    /// A connection that has said nothing.
    pub(super) fn new() -> Self {
        Self {
            client: Reader::new(Party::Client),
            server: Reader::new(Party::Server),
            waiting: Queue::default(),
            counts: DialogueCounts::default(),
            answering: Answering::Nothing(0),
            depth: 0,
            is_unsure: false,
            is_adrift: false,
            heard_last: Timestamp::MIN,
        }
    }

    fn hear_client(&mut self, cursor: &mut Cursor<'_>, out: &mut Vec<Exchange>) {
        self.client.on_piece(cursor);
        while let Some(heard) = self.client.next(cursor) {
            self.on_client(heard, out);
        }
    }

    fn on_client(&mut self, heard: Heard, out: &mut Vec<Exchange>) {
        match heard {
            Heard::Begun(First::Request(asked)) => self.on_request_begun(&asked, out),
            Heard::Begun(_) => {
                self.counts.desynchronised += 1;
                self.leave(out);
            }
            Heard::Head(framing) => {
                if let Some(heard) = self.client.expect(framing.of_request()) {
                    self.on_client(heard, out);
                }
            }
            Heard::Whole(extent) => self.on_request_whole(extent, out),
            Heard::Malformed | Heard::Desynchronised => {
                self.count(heard);
                // Requests may have gone by: with several on their way, answers are no longer anybody's.
                self.is_adrift |= self.depth > 1;
            }
        }
    }

    fn on_request_begun(&mut self, asked: &Asked, out: &mut Vec<Exchange>) {
        let extent = self.client.extent();
        // Whoever asks only when answered has the whole of the last answer.
        if self.depth <= 1
            && let Some(extent) = self.server.end_cut()
        {
            self.on_response_whole(extent, out);
        }
        if self.is_adrift {
            if extent.start.since(self.heard_last) < SILENCE {
                self.counts.desynchronised += 1;
                return;
            }
            self.is_adrift = false;
            self.is_unsure = false;
        }
        let Asked { command, key, label, method } = *asked;
        let request = Request { command, key, label, extent, is_blocking: false };
        let asking = Asking { method, ..Asking::default() };
        self.waiting.push(request, asking, &mut self.counts, out);
    }

    fn on_request_whole(&mut self, extent: Extent, out: &mut Vec<Exchange>) {
        let Some((request, asking)) = self.waiting.back_mut() else { return };
        if request.extent.offset != extent.offset {
            return;
        }
        request.extent = extent;
        asking.is_whole = true;
        self.settle(out);
    }

    fn hear_server(&mut self, cursor: &mut Cursor<'_>, out: &mut Vec<Exchange>) {
        self.server.on_piece(cursor);
        while let Some(heard) = self.server.next(cursor) {
            self.on_server(heard, out);
        }
    }

    fn on_server(&mut self, heard: Heard, out: &mut Vec<Exchange>) {
        match heard {
            Heard::Begun(First::Response(code)) => self.on_response_begun(code, out),
            Heard::Begun(_) => {}
            Heard::Head(framing) => {
                let body = match self.answering {
                    Answering::Oldest(code) => framing.of_response(code, self.oldest_method()),
                    Answering::Nothing(code) => framing.of_response(code, Method::Other),
                };
                if let Some(heard) = self.server.expect(body) {
                    self.on_server(heard, out);
                }
            }
            Heard::Whole(extent) => self.on_response_whole(extent, out),
            Heard::Malformed | Heard::Desynchronised => {
                self.count(heard);
                self.is_unsure = true;
            }
        }
    }

    fn on_response_begun(&mut self, code: u16, out: &mut Vec<Exchange>) {
        if is_interim(code) {
            self.counts.informational += 1;
            self.answering = Answering::Nothing(code);
            return;
        }
        if let Some(extent) = self.client.end_cut() {
            self.on_request_whole(extent, out);
        }
        if self.is_unsure {
            self.give_way(out);
        } else {
            self.depth = self.depth.max(self.waiting.len());
        }
        let is_asked = self.waiting.front().is_some_and(|(_, asking)| asking.answer.is_none());
        self.counts.unmatched += u64::from(!is_asked);
        self.answering = if is_asked { Answering::Oldest(code) } else { Answering::Nothing(code) };
    }

    /// A response begins after others that may have gone by unseen: the oldest requests may be theirs.
    fn give_way(&mut self, out: &mut Vec<Exchange>) {
        self.is_unsure = false;
        if self.depth > 1 && !self.waiting.is_empty() {
            self.is_adrift = true;
            self.waiting.give_up(Outcome::Unanswered, out);
        }
        while self.waiting.len() > 1
            && let Some((request, _)) = self.waiting.pop()
        {
            out.push(Exchange::without_response(request, Outcome::Unanswered));
        }
    }

    fn on_response_whole(&mut self, extent: Extent, out: &mut Vec<Exchange>) {
        let Answering::Oldest(code) = self.answering else { return };
        let method = self.oldest_method();
        self.answering = Answering::Nothing(code);
        if let Some((_, asking)) = self.waiting.front_mut() {
            asking.answer = Some(Answer { extent, code });
        }
        self.settle(out);
        if code == SWITCHING_PROTOCOLS || (method == Method::Connect && code / 100 == 2) {
            self.leave(out);
        }
    }

    /// Tells the oldest request, if both it and its answer are complete.
    fn settle(&mut self, out: &mut Vec<Exchange>) {
        let is_settled = |(_, asking): &(Request, Asking)| asking.is_whole && asking.answer.is_some();
        if self.waiting.front().is_some_and(is_settled)
            && let Some((request, Asking { answer: Some(answer), .. })) = self.waiting.pop()
        {
            out.push(answered(request, answer));
        }
    }

    fn oldest_method(&self) -> Method {
        self.waiting.front().map(|(_, asking)| asking.method).unwrap_or_default()
    }

    /// What follows is another protocol.
    fn leave(&mut self, out: &mut Vec<Exchange>) {
        if let Some(extent) = self.client.end_any() {
            self.on_request_whole(extent, out);
        }
        self.client.leave();
        self.server.leave();
    }

    const fn count(&mut self, heard: Heard) {
        match heard {
            Heard::Malformed => self.counts.malformed += 1,
            _ => self.counts.desynchronised += 1,
        }
    }
}

impl Dialogue for Http {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        let mut cursor = Cursor::new(piece);
        match from {
            Party::Client => self.hear_client(&mut cursor, out),
            Party::Server => self.hear_server(&mut cursor, out),
        }
        self.heard_last = piece.at;
    }

    fn on_end(&mut self, from: Party, _at: Timestamp, out: &mut Vec<Exchange>) {
        match from {
            Party::Client => {
                if let Some(extent) = self.client.end_any() {
                    self.on_request_whole(extent, out);
                }
            }
            Party::Server => {
                if let Some(extent) = self.server.end_any() {
                    self.on_response_whole(extent, out);
                }
            }
        }
    }

    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>) {
        self.on_end(Party::Server, self.heard_last, out);
        self.on_end(Party::Client, self.heard_last, out);
        let outcome = if is_lost { Outcome::Aborted } else { Outcome::Unanswered };
        self.waiting.give_up(outcome, out);
    }

    fn counts(&self) -> &DialogueCounts {
        &self.counts
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }
}

fn answered(request: Request, answer: Answer) -> Exchange {
    let Answer { extent, code } = answer;
    let digits =
        [code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + u8::try_from(digit).unwrap_or_default());
    Exchange {
        request,
        response: Some(extent),
        status: Text::of(&digits),
        is_error: code >= 400,
        outcome: Outcome::Answered,
    }
}

/// RFC 9110 §15.2: 1xx come before the final response, but 101 is one (§7.8).
const fn is_interim(code: u16) -> bool {
    code / 100 == 1 && code != SWITCHING_PROTOCOLS
}

const SWITCHING_PROTOCOLS: u16 = 101;

/// Two sides that were silent for so long have nothing on its way.
const SILENCE: Span = Span::from_secs(1);
