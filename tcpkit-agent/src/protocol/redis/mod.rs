//! Redis: which reply answers which command.
//!
//! Replies come in the order of the commands. What a server sends unasked is told apart: RESP3's pushes, messages of
//! channels, what `MONITOR` shows. A command that wants no answer (`CLIENT REPLY OFF`, `REPLCONF ACK`) is told at once;
//! (un)subscribing is answered once per channel. A connection that becomes a replica's leaves the protocol. The status
//! of an exchange is the first word of an error, and empty otherwise. Arguments that hold passwords are never shown.

mod command;
mod plausible;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod whole;

use self::{
    command::Effect,
    request::{Asked, Requests},
    response::{Expected, Replies, Reply},
};
use super::{
    Dialogue,
    cursor::Cursor,
    exchange::{DialogueCounts, Exchange, Extent, Outcome},
    piece::{Party, Piece},
    queue::Queue,
    text::Text,
    turns::{Step, Turns, Verdict},
};
use crate::time::Timestamp;

/// A connection to a Redis server.
#[derive(Debug, Default)]
pub(super) struct Redis {
    requests: Requests,
    replies: Replies,
    waiting: Queue<Waiting>,
    turns: Turns,
    counts: DialogueCounts,
    channels: Channels,
    answers: Answers,
    /// Commands are queued until `EXEC`.
    is_transaction: bool,
    /// The server shows what others ask.
    is_monitor: bool,
    /// The connection has become a replica's.
    has_left: bool,
    /// Pushes have a type of their own here.
    is_resp3: bool,
}

/// What is remembered of a request that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    effect: Effect,
    /// Answers to come; 0: until no channel is left.
    answers: u32,
    turn: u64,
    /// The answers that came.
    response: Option<Extent>,
}

/// Whether the client wants answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answers {
    #[default]
    On,
    Off,
    /// Not to the next command.
    Skip,
}

/// How many channels of each kind the client listens to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Channels {
    named: i64,
    patterns: i64,
    sharded: i64,
}

impl Channels {
    /// What an answer to (un)subscribing says; how many channels of its kind are left. `None`: it is no such answer.
    fn on_answer(&mut self, reply: &Reply) -> Option<i64> {
        let total = reply.integer;
        match reply.first.octets() {
            b"subscribe" | b"unsubscribe" => self.named = total - self.patterns,
            b"psubscribe" | b"punsubscribe" => {
                self.patterns = total - self.named;
                return Some(self.patterns);
            }
            b"ssubscribe" | b"sunsubscribe" => {
                self.sharded = total;
                return Some(self.sharded);
            }
            _ => return None,
        }
        Some(self.named)
    }

    const fn has_any(self) -> bool {
        self.named > 0 || self.patterns > 0 || self.sharded > 0
    }
}

impl Dialogue for Redis {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        self.finish(from.other(), out);
        self.turns.on_piece(from, piece.at);
        let mut cursor = Cursor::new(piece);
        match from {
            Party::Client => self.on_client(&mut cursor, out),
            Party::Server => self.on_server(&mut cursor, out),
        }
    }

    fn on_end(&mut self, from: Party, _at: Timestamp, out: &mut Vec<Exchange>) {
        self.finish(from, out);
    }

    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>) {
        self.finish(Party::Client, out);
        self.waiting.give_up(if is_lost { Outcome::Aborted } else { Outcome::Unanswered }, out);
    }

    fn counts(&self) -> &DialogueCounts {
        &self.counts
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }
}

impl Redis {
    fn on_client(&mut self, cursor: &mut Cursor<'_>, out: &mut Vec<Exchange>) {
        loop {
            if let Some(asked) = self.requests.whole(cursor) {
                self.on_request(asked, out);
                continue;
            }
            match self.requests.next(cursor, &mut self.counts) {
                Step::Message(asked) => self.on_request(asked, out),
                Step::Lost => self.turns.on_lost(Party::Client, self.waiting.len()),
                Step::End => return,
            }
        }
    }

    /// The other party speaks, or nobody does: a message of which the end was not captured is complete.
    fn finish(&mut self, from: Party, out: &mut Vec<Exchange>) {
        match from {
            Party::Client => {
                if let Some(asked) = self.requests.finish() {
                    self.on_request(asked, out);
                }
            }
            Party::Server => {
                if let Some(reply) = self.replies.finish() {
                    self.on_reply(&reply, out);
                    self.turns.on_lost(Party::Server, self.waiting.len());
                }
            }
        }
    }

    fn on_request(&mut self, mut asked: Asked, out: &mut Vec<Exchange>) {
        if self.turns.on_request(asked.request.extent.start, self.waiting.len()) {
            self.waiting.give_up(Outcome::Unanswered, out);
        }
        // Inside a transaction every command is answered at once, and does nothing yet.
        if self.is_transaction && !matches!(asked.effect, Effect::EndMulti | Effect::Reset) {
            asked.effect = Effect::None;
            asked.request.is_blocking = false;
        }
        let is_answered = self.is_answered(&asked);
        match asked.effect {
            Effect::Multi => self.is_transaction = true,
            Effect::EndMulti | Effect::Reset => self.is_transaction = false,
            _ => {}
        }
        if !is_answered {
            out.push(Exchange::without_response(asked.request, Outcome::NoReply));
        } else if !self.has_left {
            let answers = match asked.effect {
                Effect::Subscribe => asked.arguments.max(1),
                Effect::Unsubscribe => asked.arguments,
                _ => 1,
            };
            let turn = self.turns.turn();
            let waiting = Waiting { effect: asked.effect, answers, turn, response: None };
            self.waiting.push(asked.request, waiting, &mut self.counts, out);
        }
        if asked.is_cut {
            self.turns.on_lost(Party::Client, self.waiting.len());
        }
    }

    fn is_answered(&mut self, asked: &Asked) -> bool {
        let begins = |words: &[u8]| {
            let label = asked.request.label();
            label.get(..words.len()).is_some_and(|label| label.eq_ignore_ascii_case(words))
        };
        match asked.effect {
            Effect::Reset => self.answers = Answers::On,
            Effect::Replconf if begins(b"REPLCONF ACK") => return false,
            Effect::Client if begins(b"CLIENT REPLY ON") => self.answers = Answers::On,
            Effect::Client if begins(b"CLIENT REPLY OFF") => self.answers = Answers::Off,
            Effect::Client if begins(b"CLIENT REPLY SKIP") => {
                if self.answers == Answers::On {
                    self.answers = Answers::Skip;
                }
                return false;
            }
            _ if self.answers == Answers::Skip => {
                self.answers = Answers::On;
                return false;
            }
            _ => {}
        }
        self.answers == Answers::On
    }

    fn on_server(&mut self, cursor: &mut Cursor<'_>, out: &mut Vec<Exchange>) {
        while !self.has_left {
            if self.expects_little()
                && let Some(extent) = whole::short_reply(cursor)
            {
                self.on_short_reply(extent, out);
                continue;
            }
            let front = self.waiting.front();
            let expected = Expected {
                is_sync: front.is_some_and(|(_, waiting)| waiting.effect == Effect::Sync),
                is_only: self.waiting.len() == 1 && !self.turns.is_streaming(),
            };
            match self.replies.next(cursor, expected, &mut self.counts) {
                Step::Message(reply) => self.on_reply(&reply, out),
                Step::Lost => self.turns.on_lost(Party::Server, self.waiting.len()),
                Step::End => return,
            }
        }
    }

    /// Whether the oldest request has one answer that does nothing, and what the server says can be nothing else.
    fn expects_little(&self) -> bool {
        let is_plain = |waiting: &Waiting| match waiting.effect {
            Effect::None | Effect::Multi | Effect::EndMulti | Effect::Client | Effect::Replconf => true,
            Effect::Subscribe | Effect::Unsubscribe | Effect::Monitor | Effect::Sync | Effect::Reset => false,
        };
        self.replies.is_between()
            && !self.is_monitor
            && self.waiting.front().is_some_and(|(_, waiting)| is_plain(waiting))
    }

    /// What [`on_reply`](Self::on_reply) comes to then.
    fn on_short_reply(&mut self, extent: Extent, out: &mut Vec<Exchange>) {
        if !self.is_turn(out) {
            return;
        }
        // It may be another one than the oldest was.
        let is_plain =
            |(_, waiting): &(_, Waiting)| waiting.effect == Effect::None && waiting.response.is_none();
        if !self.waiting.front().is_some_and(is_plain) {
            return self.answer(&Reply { extent, sort: b'+', ..Reply::default() }, out);
        }
        let Some((request, _)) = self.waiting.pop() else { return };
        out.push(Exchange {
            request,
            response: Some(extent),
            status: Text::new(),
            is_error: false,
            outcome: Outcome::Answered,
        });
    }

    fn on_reply(&mut self, reply: &Reply, out: &mut Vec<Exchange>) {
        if self.is_push(reply) {
            self.counts.pushes += 1;
            return;
        }
        if self.is_turn(out) {
            self.answer(reply, out);
        }
    }

    /// Whether it is known whom an answer belongs to; that request is the oldest then.
    #[inline]
    fn is_turn(&mut self, out: &mut Vec<Exchange>) -> bool {
        let newest = self.waiting.back_mut().map_or(0, |(_, waiting)| waiting.turn);
        let oldest = self.waiting.front().map_or(0, |(_, waiting)| waiting.turn);
        match self.turns.on_answer(self.waiting.len(), oldest, newest) {
            Verdict::Oldest => {}
            Verdict::Newest => {
                while self.waiting.len() > 1
                    && let Some((request, _)) = self.waiting.pop()
                {
                    out.push(Exchange::without_response(request, Outcome::Unanswered));
                }
            }
            Verdict::Unknown => {
                self.counts.unmatched += 1;
                return false;
            }
        }
        true
    }

    /// Whether a reply is none, but sent unasked.
    fn is_push(&mut self, reply: &Reply) -> bool {
        let kind = reply.first.octets();
        let is_subscription = kind.ends_with(b"subscribe");
        let is_asked = self
            .waiting
            .front()
            .is_some_and(|(_, waiting)| matches!(waiting.effect, Effect::Subscribe | Effect::Unsubscribe));
        match reply.sort {
            b'>' => {
                self.is_resp3 = true;
                !(is_subscription && is_asked)
            }
            b'*' if !self.is_resp3 && is_subscription && !is_asked => {
                self.channels.has_any() || self.waiting.is_empty()
            }
            b'*' if !self.is_resp3 && self.channels.has_any() => {
                matches!((kind, reply.elements), (b"message" | b"smessage", 3) | (b"pmessage", 4))
            }
            b'+' => self.is_monitor && is_monitored(kind),
            _ => false,
        }
    }

    /// The oldest request is answered.
    fn answer(&mut self, reply: &Reply, out: &mut Vec<Exchange>) {
        let left = if matches!(reply.sort, b'*' | b'>') { self.channels.on_answer(reply) } else { None };
        let Some((_, waiting)) = self.waiting.front_mut() else {
            self.counts.unmatched += 1;
            // Nothing is answered where the client wants nothing: that it wants nothing was refused.
            self.answers = Answers::On;
            return;
        };
        if left.is_none()
            && let Some(response) = waiting.response
        {
            // Fewer answers came than there were channels; this one belongs to the next request.
            self.tell(response, None, out);
            return self.answer(reply, out);
        }
        let response = together(waiting.response, reply.extent);
        let is_more = match (waiting.effect, left) {
            (Effect::Subscribe | Effect::Unsubscribe, Some(left)) if waiting.answers == 0 => left > 0,
            (Effect::Subscribe | Effect::Unsubscribe, Some(_)) => {
                waiting.answers -= 1;
                waiting.answers > 0
            }
            _ => false,
        };
        if is_more {
            waiting.response = Some(response);
        } else {
            self.tell(response, Some(reply), out);
        }
    }

    fn tell(&mut self, response: Extent, reply: Option<&Reply>, out: &mut Vec<Exchange>) {
        let Some((request, waiting)) = self.waiting.pop() else { return };
        let is_error = reply.is_some_and(Reply::is_error);
        if !is_error {
            match waiting.effect {
                Effect::Monitor => self.is_monitor = true,
                Effect::Sync => self.has_left = true,
                Effect::Reset => {
                    self.is_monitor = false;
                    self.is_resp3 = false;
                    self.channels = Channels::default();
                }
                _ => {}
            }
        }
        out.push(Exchange {
            request,
            response: Some(response),
            status: reply.map(Reply::status).unwrap_or_default(),
            is_error,
            outcome: Outcome::Answered,
        });
    }
}

/// From the first answer's beginning to the last one's end; pushes between them are not counted.
fn together(earlier: Option<Extent>, last: Extent) -> Extent {
    let Some(earlier) = earlier else { return last };
    Extent { end: last.end, len: earlier.len + last.len, ..earlier }
}

/// `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`.
fn is_monitored(line: &[u8]) -> bool {
    let digits = line.iter().take_while(|octet| octet.is_ascii_digit() || **octet == b'.').count();
    digits > 2 && line[digits..].starts_with(b" [")
}

/// Whether a client or server of Redis may begin like this, and hardly anybody else does.
pub(super) fn speaks(party: Party, first: &[u8]) -> bool {
    match party {
        Party::Client => plausible::is_recognised_request(first),
        Party::Server => plausible::is_recognised_reply(first),
    }
}
