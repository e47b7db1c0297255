//! DNS by UDP and by TCP: queries and their responses, by number and question (RFC 1035, RFC 7766).
//!
//! `command` is the type that is asked for (`A`, `TYPE1234`) or the opcode where it is not a query (`NOTIFY`), `key`
//! the name in lower case, `label` both as they were sent, `status` the response code, with ` TC` where the answer was
//! truncated. Codes other than `NOERROR` and `NXDOMAIN` are errors: that a name does not exist is an answer.
//!
//! A query that is sent again with its number and its question counts once, from the first time, and as `repeated`; a
//! second response to it is `unmatched`. By UDP a query waits [`PATIENCE`]. Messages in the other direction (queries of
//! a server) and those of multicast DNS are `pushes`. A zone transfer is answered by all messages of its number until
//! the client says something or the connection ends.

mod kinds;
mod message;
mod name;
mod stream;
#[cfg(test)]
mod tests;

use self::{
    message::{Fault, Message, Question},
    stream::{Framer, Heard},
};
use super::{
    Dialogue,
    catalogue::Carrier,
    cursor::Cursor,
    exchange::{DialogueCounts, Draft, Exchange, Extent, Outcome, Request},
    piece::{Party, Piece},
    queue::Queue,
    text::Text,
};
use crate::time::{Span, Timestamp};

/// Whether a party of DNS may begin like this, and hardly anybody else does; multicast DNS and LLMNR do not count.
pub(super) fn speaks(party: Party, first: &[u8], carrier: Carrier) -> bool {
    let octets = match (carrier, first) {
        (Carrier::Datagrams, _) => first,
        (Carrier::Stream, [_, _, octets @ ..]) => octets,
        (Carrier::Stream, _) => return false,
    };
    Message::parse(octets).is_ok_and(|message| {
        let is_unicast = carrier == Carrier::Stream || (message.id != 0 && !message.is_bare);
        message.is_response == (party == Party::Server) && message.is_plausible(octets) && is_unicast
    })
}

/// One connection, or one pair of ports.
#[derive(Debug)]
pub(super) struct Dns {
    carrier: Carrier,
    framers: [Framer; 2],
    waiting: Queue<Asked>,
    /// A zone transfer that goes on, and its number.
    transfer: Option<(u16, Exchange)>,
    counts: DialogueCounts,
}

/// What is remembered of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    id: u16,
    opcode: u8,
    question: Option<(u64, u16, u16)>,
}

impl Dns {
    /// Nothing said yet.
    pub(super) fn new(carrier: Carrier) -> Self {
        Self {
            carrier,
            framers: [Framer::default(), Framer::default()],
            waiting: Queue::default(),
            transfer: None,
            counts: DialogueCounts::default(),
        }
    }

    fn on_stream(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        let mut cursor = Cursor::new(piece);
        let which = from as usize;
        while let Some(heard) = self.framers[which].next(&mut cursor, piece.offset) {
            match heard {
                Heard::Message(octets, len, extent) => {
                    let octets = octets.unwrap_or_else(|| self.framers[which].held());
                    let message = Message::parse(octets);
                    let is_whole = octets.len() == len;
                    self.on_message(from, message, is_whole, extent, out);
                }
                Heard::Malformed => self.counts.malformed += 1,
                Heard::Desynchronised => self.counts.desynchronised += 1,
            }
        }
    }

    fn on_message(
        &mut self,
        from: Party,
        message: Result<Message, Fault>,
        is_whole: bool,
        extent: Extent,
        out: &mut Vec<Exchange>,
    ) {
        let message = match message {
            Ok(message) => message,
            Err(Fault::Short) if !is_whole => {
                self.counts.desynchronised += 1;
                return;
            }
            Err(_) => {
                self.counts.malformed += 1;
                return;
            }
        };
        self.counts.malformed += u64::from(message.has_flaw);
        match (from, message.is_response) {
            (Party::Client, false) if self.carrier == Carrier::Datagrams && message.is_multicast() => {
                self.counts.pushes += 1
            }
            (Party::Client, false) => self.on_query(&message, extent, out),
            (Party::Server, true) => self.on_response(&message, extent, out),
            _ => self.counts.pushes += 1,
        }
    }

    fn on_query(&mut self, message: &Message, extent: Extent, out: &mut Vec<Exchange>) {
        self.end_transfer(out);
        let asked = Asked::of(message);
        if self.waiting.iter().any(|(_, other)| *other == asked) {
            self.counts.repeated += 1;
            return;
        }
        if self.waiting.len() >= PENDING_LIMIT
            && let Some((oldest, _)) = self.waiting.pop()
        {
            self.counts.overrun += 1;
            out.push(Exchange::without_response(oldest, Outcome::Unanswered));
        }
        self.waiting.push(request(message, extent), asked, &mut self.counts, out);
    }

    fn on_response(&mut self, message: &Message, extent: Extent, out: &mut Vec<Exchange>) {
        if let Some((id, Exchange { response: Some(response), .. })) = &mut self.transfer
            && *id == message.id
        {
            response.end = extent.end;
            response.len = extent.offset + extent.len - response.offset;
            return;
        }
        let answered = Asked::of(message);
        let Some((request, asked)) = self.waiting.take(|(_, asked)| asked.is_answered_by(&answered)) else {
            let is_announced = message.id == 0;
            self.counts.pushes += u64::from(is_announced);
            self.counts.unmatched += u64::from(!is_announced);
            return;
        };
        let mut status = kinds::rcode_name(message.rcode);
        if message.is_truncated {
            status.push(b" TC");
        }
        let is_error = !matches!(message.rcode, NOERROR | NXDOMAIN);
        let exchange =
            Exchange { request, response: Some(extent), status, is_error, outcome: Outcome::Answered };
        if self.carrier == Carrier::Stream && asked.is_transfer() && message.rcode == NOERROR {
            self.end_transfer(out);
            self.transfer = Some((message.id, exchange));
        } else {
            out.push(exchange);
        }
    }

    fn end_transfer(&mut self, out: &mut Vec<Exchange>) {
        out.extend(self.transfer.take().map(|(_, exchange)| exchange));
    }

    /// Gives up what no answer by UDP can still be meant for.
    fn expire(&mut self, now: Timestamp, out: &mut Vec<Exchange>) {
        while self.waiting.front().is_some_and(|(request, _)| now.since(request.extent.start) > PATIENCE)
            && let Some((request, _)) = self.waiting.pop()
        {
            out.push(Exchange::without_response(request, Outcome::Unanswered));
        }
    }
}

impl Dialogue for Dns {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        if self.carrier == Carrier::Stream {
            self.on_stream(from, piece, out);
            return;
        }
        self.expire(piece.at, out);
        let extent =
            Extent { start: piece.at, end: piece.at, offset: piece.offset, len: u64::from(piece.len) };
        let is_whole = piece.bytes.len() == piece.len as usize;
        self.on_message(from, Message::parse(piece.bytes), is_whole, extent, out);
    }

    fn on_end(&mut self, from: Party, _at: Timestamp, out: &mut Vec<Exchange>) {
        if from == Party::Server {
            self.end_transfer(out);
        }
    }

    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>) {
        self.end_transfer(out);
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

impl Asked {
    fn of(message: &Message) -> Self {
        let question = message.question.map(|Question { name, kind, class }| (name.hash, kind, class));
        Self { id: message.id, opcode: message.opcode, question }
    }

    /// A response may leave the question out (RFC 2136 §3.8; servers that cannot read it).
    fn is_answered_by(&self, answer: &Self) -> bool {
        self.id == answer.id
            && self.opcode == answer.opcode
            && (answer.question.is_none() || answer.question == self.question)
    }

    fn is_transfer(&self) -> bool {
        self.opcode == 0 && self.question.is_some_and(|(_, kind, _)| matches!(kind, IXFR | AXFR))
    }
}

fn request(message: &Message, extent: Extent) -> Request {
    let command = match message.question {
        Some(question) if message.opcode == 0 => kinds::type_name(question.kind),
        _ => kinds::opcode_name(message.opcode),
    };
    let mut label = Text::of(command.octets());
    let mut key = Text::new();
    if let Some(Question { name, class, .. }) = message.question {
        if class != IN {
            label.push(b" ");
            label.push(kinds::class_name(class).octets());
        }
        label.push(b" ");
        label.push(name.shown.octets());
        for octet in name.shown.octets() {
            key.push(&[octet.to_ascii_lowercase()]);
        }
    }
    Draft { command, key, label, extent, is_blocking: false }.request()
}

const NOERROR: u16 = 0;
const NXDOMAIN: u16 = 3;
const IN: u16 = 1;
/// RFC 1995.
const IXFR: u16 = 251;
/// RFC 5936.
const AXFR: u16 = 252;

/// Queries that may wait between two ports; each message is held against all of them.
const PENDING_LIMIT: usize = 1_024;

/// No resolver waits longer for a datagram.
const PATIENCE: Span = Span::from_secs(30);
