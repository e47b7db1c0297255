//! What the server says, to whom, and what becomes of an answer whose thread was lost.

use super::{
    Answer, Phase, PostgreSql, Turn,
    message::{TOLD, is_tail, may_begin, sqlstate, tag},
};
use crate::protocol::{
    Cursor, Exchange, Extent, Outcome, Piece,
    sql::{Step, begin_or_grow},
};

impl PostgreSql {
    pub(super) fn on_server(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        let mut cursor = Cursor::new(piece);
        if self.phase == Phase::Encryption {
            self.on_encryption(&mut cursor);
        } else if self.phase == Phase::Unheard {
            self.phase = Phase::Messages;
            self.client.is_lost = true;
            self.server.is_lost = true;
        }
        if self.server.is_lost && !self.finds_answer(piece, out) {
            return;
        }
        while self.phase != Phase::Opaque && !self.server.is_lost {
            match self.server.reader.read(&mut cursor, &TOLD) {
                Step::More => return,
                Step::Ready => self.on_told(out),
                Step::Missing => {
                    self.counts.desynchronised += 1;
                    self.server.is_lost = true;
                }
                Step::Malformed => {
                    self.counts.malformed += 1;
                    self.server.is_lost = true;
                }
            }
        }
        if self.server.is_lost {
            self.on_unread(piece, out);
        }
    }

    /// Yes or no to encryption: one octet. An error is a message, of a server that knows no encryption.
    fn on_encryption(&mut self, cursor: &mut Cursor<'_>) {
        match cursor.rest().first() {
            Some(b'S' | b'G') => self.close_the_curtain(),
            Some(b'E') => self.phase = Phase::Opening,
            _ => {
                cursor.skip(&mut 1);
                self.phase = Phase::Opening;
            }
        }
    }

    fn on_told(&mut self, out: &mut Vec<Exchange>) {
        let kind = self.server.reader.header()[0];
        let extent = self.server.reader.extent();
        let turn = self.waiting.front().map(|(_, waiting)| waiting.turn);
        match (kind, turn) {
            (b'A', _) => self.counts.pushes += 1,
            (b'R' | b'K' | b'v' | b'S' | b'N', Some(Turn::Login)) => self.grow(&extent),
            (b'S' | b'N', _) => self.counts.pushes += 1,
            (b'Z', Some(_)) => self.on_ready(&extent, out),
            (b'E', Some(turn)) => self.on_error(turn, &extent, out),
            (b'G', Some(_)) => self.on_upload(&extent),
            (b'W', Some(_)) => {
                self.grow(&extent);
                self.is_streaming = true;
                self.finish(out);
            }
            (
                b'C' | b'I' | b's' | b'T' | b'n' | b'1' | b'2' | b'3',
                Some(Turn::UntilReady | Turn::Batch { .. }),
            ) => {
                self.on_part(kind, &extent, out);
            }
            (b'D' | b'H' | b'V' | b'c' | b'd' | b't', Some(Turn::UntilReady | Turn::Batch { .. })) => {
                self.grow(&extent);
            }
            (_, None) => self.on_unasked(kind),
            _ => {
                self.counts.malformed += 1;
                self.server.is_lost = true;
            }
        }
    }

    fn grow(&mut self, extent: &Extent) {
        begin_or_grow(&mut self.answer.extent, extent);
    }

    /// What answers one message of a batch, or one statement.
    fn on_part(&mut self, kind: u8, extent: &Extent, out: &mut Vec<Exchange>) {
        self.grow(extent);
        if kind == b'C' && self.answer.status.is_empty() {
            self.answer.status = tag(self.server.reader.body());
        }
        let Some((_, waiting)) = self.waiting.front_mut() else { return };
        if let Turn::Batch { syncs } = waiting.turn {
            waiting.due = waiting.due.saturating_sub(1);
            if waiting.due == 0 && !syncs {
                self.finish(out);
            }
        }
    }

    fn on_error(&mut self, turn: Turn, extent: &Extent, out: &mut Vec<Exchange>) {
        self.grow(extent);
        let status = sqlstate(self.server.reader.body());
        (self.answer.status, self.answer.is_error) = (status, true);
        self.is_upload = false;
        if let Turn::Batch { .. } = turn {
            self.aborted = Some(status);
        }
        if matches!(turn, Turn::Login | Turn::Batch { syncs: false }) {
            self.finish(out);
        }
    }

    /// The server takes the client's data. That it does is no answer, unless results came before.
    fn on_upload(&mut self, extent: &Extent) {
        if !self.answer.status.is_empty() {
            return self.grow(extent);
        }
        self.answer.extent = None;
        self.counts.informational += 1;
        self.is_upload = true;
    }

    /// The server is ready for the next query or batch: everything up to the next `Sync` is answered or skipped.
    fn on_ready(&mut self, extent: &Extent, out: &mut Vec<Exchange>) {
        let aborted = self.aborted.take();
        self.is_upload = false;
        while let Some((_, waiting)) = self.waiting.front() {
            let ends_here = waiting.turn != (Turn::Batch { syncs: false });
            if let Some(status) = aborted
                && self.answer.extent.is_none()
                && (waiting.executes || !ends_here)
            {
                (self.answer.status, self.answer.is_error) = (status, true);
            }
            self.grow(extent);
            self.finish(out);
            if ends_here {
                return;
            }
        }
    }

    /// A message that nobody waits for.
    fn on_unasked(&mut self, kind: u8) {
        match kind {
            _ if self.is_streaming => {
                self.counts.pushes += u64::from(kind == b'd');
                self.is_streaming = kind != b'Z';
            }
            // The server says good-bye.
            b'E' => self.counts.pushes += 1,
            _ => {
                self.counts.unmatched += 1;
                self.server.is_lost = true;
            }
        }
    }

    /// The oldest request has its answer.
    pub(super) fn finish(&mut self, out: &mut Vec<Exchange>) {
        let answer = std::mem::take(&mut self.answer);
        self.tell(&answer, out);
    }

    fn tell(&mut self, answer: &Answer, out: &mut Vec<Exchange>) {
        let Some((request, waiting)) = self.waiting.pop() else { return };
        let mut status = answer.status;
        if waiting.turn == Turn::Login && status.is_empty() {
            status.push(b"OK");
        }
        out.push(Exchange {
            request,
            response: answer.extent,
            status,
            is_error: answer.is_error,
            outcome: Outcome::Answered,
        });
    }
}

/// What becomes of answers whose thread was lost.
impl PostgreSql {
    /// Whether an answer to somebody who waits begins with this piece; if so, it is read from there.
    fn finds_answer(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) -> bool {
        let may_begin = !self.waiting.is_empty() && self.answer.extent.is_none() && may_begin(piece, &TOLD);
        if may_begin {
            self.server.find();
        } else {
            self.on_unread(piece, out);
        }
        may_begin
    }

    /// A piece that nobody can read: a part of the answer that somebody waits for, perhaps its end.
    fn on_unread(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        if self.waiting.is_empty() || piece.len == 0 {
            return;
        }
        let extent =
            Extent { start: piece.at, end: piece.at, offset: piece.offset, len: u64::from(piece.len) };
        self.grow(&extent);
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
        self.aborted = None;
        self.is_upload = false;
        self.finish(out);
        while self.waiting.front().is_some_and(|(request, _)| request.extent.end <= extent.end) {
            self.tell(&Answer { extent: Some(extent), ..Answer::default() }, out);
        }
    }
}
