//! What the server says, to whom, and what becomes of an answer whose thread was lost.

use super::{
    MySql, Phase,
    answer::{Answer, Verdict},
    body::{ERR, is_stray_eof, is_tail},
    command::Expect,
    login, packet,
};
use crate::protocol::{
    Cursor, Exchange, Extent, Outcome, Piece,
    sql::{Step, begin_or_grow},
};

/// Octets of a server's packet that are kept: of a greeting the version, of an error code and state.
const KEEP_OF_ANSWER: usize = 96;

/// Octets of a greeting or an error in its place, and some more.
const LONGEST_GREETING: u64 = 1_024;

impl MySql {
    pub(super) fn on_server(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        if self.server.is_lost && !self.finds_answer(piece, out) {
            return;
        }
        let mut cursor = Cursor::new(piece);
        while self.phase != Phase::Opaque && !self.server.is_lost {
            match self.server.read(&mut cursor, KEEP_OF_ANSWER) {
                Step::More => {
                    self.look_ahead_at_server();
                    break;
                }
                Step::Ready => self.on_server_packet(out),
                Step::Missing | Step::Malformed => {
                    self.counts.desynchronised += 1;
                    self.server.lose();
                }
            }
        }
        if self.server.is_lost {
            self.on_unread(piece, out);
        }
    }

    /// An answer that cannot be one is not waited for: its length may be anything.
    fn look_ahead_at_server(&mut self) {
        let Some(packet) = self.server.announced() else { return };
        let follows = |last: u8| packet.sequence == last.wrapping_add(1);
        match (self.phase, self.waiting.front()) {
            (Phase::Unheard | Phase::Greeted, _) if packet.sequence != 0 || packet.len > LONGEST_GREETING => {
                self.begin_anywhere();
            }
            (Phase::Commands, Some((_, (expect, last))))
                if *expect != Expect::Login && !follows(self.answer.sequence.unwrap_or(*last)) =>
            {
                self.counts.malformed += 1;
                self.server.lose();
            }
            _ => {}
        }
    }

    fn on_server_packet(&mut self, out: &mut Vec<Exchange>) {
        let packet = self.server.packet();
        match self.phase {
            Phase::Unheard if login::is_greeting(&packet) => self.phase = Phase::Greeted,
            // Too many connections, a host that is blocked.
            Phase::Unheard | Phase::Greeted if packet.body.first() == Some(&ERR) => {
                self.counts.pushes += 1;
            }
            Phase::Unheard | Phase::Greeted => self.begin_anywhere(),
            Phase::Commands | Phase::Opaque => self.on_answer(out),
        }
    }

    /// No connection begins like this: the next command is waited for.
    fn begin_anywhere(&mut self) {
        self.phase = Phase::Commands;
        self.client.lose();
        self.server.lose();
    }

    fn on_answer(&mut self, out: &mut Vec<Exchange>) {
        let packet = self.server.packet();
        let Some((_, (expect, last))) = self.waiting.front() else { return self.on_unasked() };
        self.answer.sequence.get_or_insert(*last);
        match self.answer.on_packet(expect, &packet, &mut self.settled) {
            Verdict::GoesOn => {}
            Verdict::Interim => self.counts.informational += 1,
            Verdict::Push => self.counts.pushes += 1,
            Verdict::Ends => self.finish(out),
            Verdict::Contradicts => {
                self.counts.malformed += 1;
                self.server.lose();
            }
        }
    }

    /// A packet that nobody waits for.
    fn on_unasked(&mut self) {
        let packet = self.server.packet();
        if self.is_streaming || packet.body.first() == Some(&ERR) {
            self.counts.pushes += 1;
        } else if self.settled.eofs.is_none() && is_stray_eof(&packet, self.last_sequence) {
            self.settled.eofs = Some(true);
        } else {
            self.counts.unmatched += 1;
            self.server.lose();
        }
    }

    /// The oldest request has its answer.
    fn finish(&mut self, out: &mut Vec<Exchange>) {
        let answer = std::mem::take(&mut self.answer);
        self.last_sequence = answer.sequence;
        self.tell(&answer, out);
    }

    /// Answers the oldest request.
    fn tell(&mut self, answer: &Answer, out: &mut Vec<Exchange>) {
        let Some((request, (expect, _))) = self.waiting.pop() else { return };
        out.push(Exchange {
            request,
            response: answer.extent,
            status: answer.status,
            is_error: answer.is_error,
            outcome: Outcome::Answered,
        });
        match (expect, answer.prepared) {
            (Expect::Prepared(statement), Some(number)) => self.memory.learn(number, *statement),
            (Expect::Login, _) if self.will_compress && !answer.is_error => self.close_the_curtain(),
            (Expect::Events, _) => self.is_streaming = !answer.is_error,
            _ => {}
        }
    }
}

/// What becomes of answers whose thread was lost.
impl MySql {
    /// Whether an answer to somebody who waits begins with this piece; if so, it is read from there.
    fn finds_answer(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) -> bool {
        let has_begun = self.answer.extent.is_some();
        let may_begin = match self.waiting.front() {
            Some((_, (expect, last))) if !has_begun => answer_may_begin(piece, expect, last.wrapping_add(1)),
            Some(_) if self.waiting.len() > 1 => answer_may_begin(piece, &Expect::Results, 1),
            _ => false,
        };
        if !may_begin {
            self.on_unread(piece, out);
            return false;
        }
        if has_begun {
            let answer = std::mem::take(&mut self.answer);
            self.tell(&answer, out);
        }
        self.answer = Answer::default();
        self.server.find();
        true
    }

    /// A piece that nobody can read: a part of the answer that somebody waits for, perhaps its end.
    fn on_unread(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        if self.waiting.is_empty() || piece.len == 0 {
            return;
        }
        let extent =
            Extent { start: piece.at, end: piece.at, offset: piece.offset, len: u64::from(piece.len) };
        begin_or_grow(&mut self.answer.extent, &extent);
        if piece.bytes.len() == piece.len as usize && is_tail(piece.bytes) {
            self.settle(out);
            self.server.find();
        }
    }

    /// The client goes on, or has gone.
    pub(super) fn settle_if_lost(&mut self, out: &mut Vec<Exchange>) {
        if self.server.is_lost {
            self.settle(out);
        }
    }

    /// What was asked before the server fell silent has been answered.
    fn settle(&mut self, out: &mut Vec<Exchange>) {
        let Some(extent) = self.answer.extent else { return };
        let answer = std::mem::take(&mut self.answer);
        self.tell(&answer, out);
        while self.waiting.front().is_some_and(|(request, _)| request.extent.end <= extent.end) {
            self.tell(&Answer::unread(extent), out);
        }
    }
}

/// Whether a piece begins with what this command is answered by, for one who knows nothing of what came before.
fn answer_may_begin(piece: &Piece<'_>, expect: &Expect, sequence: u8) -> bool {
    let Some(packet) = packet::begins(piece, sequence, &[sequence.wrapping_add(1), 1]) else { return false };
    match (expect, packet.body.first()) {
        (_, None) => false,
        (Expect::Results | Expect::Prepared(_) | Expect::One, Some(0)) => packet.len >= 7,
        (_, Some(&ERR)) => (3..1_024).contains(&packet.len),
        (Expect::Results, Some(1..=0xfa | 0xfc)) => packet.len <= 5,
        _ => true,
    }
}
