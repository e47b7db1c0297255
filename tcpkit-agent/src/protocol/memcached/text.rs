//! A connection that speaks memcached's text protocol: which answer belongs to which request.
//!
//! Answers come in the order of the requests; what quiet requests hold back does not come at all. So an answer belongs
//! to the first request that can have it: by its kind, and by opaque value and key where both sides name them.

use super::{
    super::{
        Dialogue,
        cursor::Cursor,
        exchange::{DialogueCounts, Exchange, Outcome, Request},
        piece::{Party, Piece},
        queue::Queue,
        text::Text,
        turns::{Step, Turns, Verdict},
    },
    command::Kind,
    request::{Asked, Requests},
    response::{Answer, Answers, Sort},
};
use crate::time::Timestamp;

/// A connection to memcached, in text.
#[derive(Debug, Default)]
pub(super) struct TextDialogue {
    requests: Requests,
    answers: Answers,
    waiting: Queue<Waiting>,
    turns: Turns,
    pub(super) counts: DialogueCounts,
}

/// What is remembered of a request that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    kind: Kind,
    is_quiet: bool,
    opaque: Text<32>,
    turn: u64,
}

impl Waiting {
    fn can_have(&self, request: &Request, answer: &Answer) -> bool {
        let agree = |asked: &[u8], answered: &[u8]| answered.is_empty() || asked == answered;
        self.kind.has(self.is_quiet, answer)
            && agree(self.opaque.octets(), answer.opaque.octets())
            && (!self.kind.is_meta() || agree(request.key(), answer.key.octets()))
    }
}

impl Dialogue for TextDialogue {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        if from == Party::Client {
            self.finish(out);
        }
        self.turns.on_piece(from, piece.at);
        let mut cursor = Cursor::new(piece);
        match from {
            Party::Client => self.on_client(&mut cursor, out),
            Party::Server => self.on_server(&mut cursor, out),
        }
    }

    fn on_end(&mut self, from: Party, _at: Timestamp, out: &mut Vec<Exchange>) {
        if from == Party::Server {
            self.finish(out);
        }
    }

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

impl TextDialogue {
    fn on_client(&mut self, cursor: &mut Cursor<'_>, out: &mut Vec<Exchange>) {
        loop {
            match self.requests.next(cursor, &mut self.counts) {
                Step::Message(asked) => self.on_request(asked, out),
                Step::Lost => self.turns.on_lost(Party::Client, self.waiting.len()),
                Step::End => return,
            }
        }
    }

    fn on_request(&mut self, asked: Asked, out: &mut Vec<Exchange>) {
        if self.turns.on_request(asked.request.extent.start, self.waiting.len()) {
            self.give_up(self.waiting.len(), out);
        }
        if asked.manner.is_silent {
            out.push(Exchange::without_response(asked.request, Outcome::NoReply));
            return;
        }
        let waiting = Waiting {
            kind: asked.manner.kind,
            is_quiet: asked.manner.is_quiet,
            opaque: asked.manner.opaque,
            turn: self.turns.turn(),
        };
        self.waiting.push(asked.request, waiting, &mut self.counts, out);
    }

    fn on_server(&mut self, cursor: &mut Cursor<'_>, out: &mut Vec<Exchange>) {
        loop {
            let is_only = self.waiting.len() == 1 && !self.turns.is_streaming();
            match self.answers.next(cursor, is_only, &mut self.counts) {
                Step::Message(answer) => self.on_answer(&answer, out),
                Step::Lost => self.turns.on_lost(Party::Server, self.waiting.len()),
                Step::End => return,
            }
        }
    }

    /// The client goes on, or nobody does: an answer of which the end was not captured is complete.
    fn finish(&mut self, out: &mut Vec<Exchange>) {
        if let Some(answer) = self.answers.finish() {
            self.on_answer(&answer, out);
            self.turns.on_lost(Party::Server, self.waiting.len());
        }
    }

    fn on_answer(&mut self, answer: &Answer, out: &mut Vec<Exchange>) {
        if answer.sort == Sort::Log {
            self.counts.pushes += 1;
            return;
        }
        let newest = self.waiting.back_mut().map_or(0, |(_, waiting)| waiting.turn);
        let oldest = self.waiting.front().map_or(0, |(_, waiting)| waiting.turn);
        match self.turns.on_answer(self.waiting.len(), oldest, newest) {
            Verdict::Oldest => {}
            Verdict::Newest => self.give_up(self.waiting.len().saturating_sub(1), out),
            Verdict::Unknown => {
                self.counts.unmatched += 1;
                return;
            }
        }
        let mut before = 0;
        let found = self.waiting.take(|(request, waiting)| {
            let is_it = waiting.can_have(request, answer);
            before += usize::from(!is_it);
            is_it
        });
        let Some((request, waiting)) = found else {
            self.counts.unmatched += 1;
            return;
        };
        self.give_up(before, out);
        // An end without values is a miss only where values were asked for.
        let is_end = answer.sort == Sort::Values && waiting.kind != Kind::Values;
        out.push(Exchange {
            request,
            response: Some(answer.extent),
            status: if is_end { Text::new() } else { answer.status },
            is_error: answer.sort == Sort::Error,
            outcome: Outcome::Answered,
        });
    }

    /// So many of the oldest requests get no answer any more.
    fn give_up(&mut self, requests: usize, out: &mut Vec<Exchange>) {
        for _ in 0..requests {
            let Some((request, waiting)) = self.waiting.pop() else { return };
            let outcome = if waiting.is_quiet { Outcome::NoReply } else { Outcome::Unanswered };
            out.push(Exchange::without_response(request, outcome));
        }
    }
}
