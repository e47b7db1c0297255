//! A connection that speaks memcached's binary protocol: which response belongs to which request.
//!
//! A response repeats opcode and opaque value of its request. Quiet requests are answered only when they fail (or, to
//! get something, succeed): what comes after them says that they were not.

use super::{
    super::{
        Dialogue,
        cursor::Cursor,
        exchange::{DialogueCounts, Draft, Exchange, Extent, Outcome, Request},
        piece::{Party, Piece},
        queue::Queue,
        text::Text,
        turns::{Step, Turns, Verdict},
    },
    frame::{Frame, Frames},
};
use crate::time::Timestamp;

/// A connection to memcached, in binary.
#[derive(Debug)]
pub(super) struct BinaryDialogue {
    requests: Frames,
    responses: Frames,
    waiting: Queue<Waiting>,
    /// How many of them are quiet.
    quiet: usize,
    /// Requests so far.
    number: u64,
    /// Statistics that are being told: each is a response of its own.
    telling: Option<(Request, Waiting, Extent)>,
    turns: Turns,
    pub(super) counts: DialogueCounts,
}

/// What is remembered of a request that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    opcode: u8,
    opaque: [u8; 4],
    is_quiet: bool,
    number: u64,
    turn: u64,
}

impl Default for BinaryDialogue {
    fn default() -> Self {
        Self {
            requests: Frames::new(Party::Client),
            responses: Frames::new(Party::Server),
            waiting: Queue::default(),
            quiet: 0,
            number: 0,
            telling: None,
            turns: Turns::default(),
            counts: DialogueCounts::default(),
        }
    }
}

impl Dialogue for BinaryDialogue {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        self.turns.on_piece(from, piece.at);
        let mut cursor = Cursor::new(piece);
        loop {
            let frames = match from {
                Party::Client => &mut self.requests,
                Party::Server => &mut self.responses,
            };
            match (frames.next(&mut cursor, &mut self.counts), from) {
                (Step::Message(frame), Party::Client) => self.on_request(&frame, out),
                (Step::Message(frame), Party::Server) => self.on_response(&frame, out),
                (Step::Lost, _) => self.turns.on_lost(from, self.waiting.len()),
                (Step::End, _) => return,
            }
        }
    }

    fn on_end(&mut self, _from: Party, _at: Timestamp, _out: &mut Vec<Exchange>) {}

    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>) {
        let outcome = if is_lost { Outcome::Aborted } else { Outcome::Unanswered };
        if let Some((request, ..)) = self.telling.take() {
            out.push(Exchange::without_response(request, outcome));
        }
        self.give_up(self.waiting.len(), outcome, out);
    }

    fn counts(&self) -> &DialogueCounts {
        &self.counts
    }

    fn pending(&self) -> usize {
        self.waiting.len() + usize::from(self.telling.is_some())
    }
}

impl BinaryDialogue {
    fn on_request(&mut self, frame: &Frame, out: &mut Vec<Exchange>) {
        if self.turns.on_request(frame.extent.start, self.waiting.len()) {
            self.give_up(self.waiting.len(), Outcome::Unanswered, out);
        }
        let request = request(frame);
        if frame.opcode == QUITQ {
            out.push(Exchange::without_response(request, Outcome::NoReply));
            return;
        }
        let is_quiet = is_quiet(frame.opcode);
        self.number += 1;
        self.quiet += usize::from(is_quiet);
        let waiting = Waiting {
            opcode: frame.opcode,
            opaque: frame.opaque,
            is_quiet,
            number: self.number,
            turn: self.turns.turn(),
        };
        self.waiting.push(request, waiting, &mut self.counts, out);
    }

    fn on_response(&mut self, frame: &Frame, out: &mut Vec<Exchange>) {
        let is_it = |waiting: &Waiting| (waiting.opcode, waiting.opaque) == (frame.opcode, frame.opaque);
        let mut response = frame.extent;
        let found =
            if let Some((request, waiting, begun)) = self.telling.take_if(|(_, waiting, _)| is_it(waiting)) {
                response = Extent { end: response.end, len: begun.len + response.len, ..begun };
                Some((request, waiting))
            } else {
                let newest = self.waiting.back_mut().map_or(0, |(_, waiting)| waiting.turn);
                let oldest = self.waiting.front().map_or(0, |(_, waiting)| waiting.turn);
                if self.turns.on_answer(self.waiting.len(), oldest, newest) == Verdict::Newest {
                    self.give_up(self.waiting.len().saturating_sub(1), Outcome::Unanswered, out);
                }
                self.waiting.take(|(_, waiting)| is_it(waiting))
            };
        let Some((request, waiting)) = found else {
            self.counts.unmatched += 1;
            return;
        };
        self.quiet = self.quiet.saturating_sub(usize::from(waiting.is_quiet));
        self.end_quiet(waiting.number, out);
        if frame.opcode == STAT && frame.status == 0 && frame.body_len > 0 {
            self.telling = Some((request, waiting, response));
            return;
        }
        out.push(Exchange {
            request,
            response: Some(response),
            status: status(frame.opcode, frame.status),
            is_error: is_error(frame.status),
            outcome: Outcome::Answered,
        });
    }

    /// Quiet requests that were sent before one that is answered now are not answered any more.
    fn end_quiet(&mut self, number: u64, out: &mut Vec<Exchange>) {
        while self.quiet > 0
            && let Some((request, _)) =
                self.waiting.take(|(_, waiting)| waiting.is_quiet && waiting.number < number)
        {
            self.quiet -= 1;
            out.push(Exchange::without_response(request, Outcome::NoReply));
        }
    }

    /// So many of the oldest requests get no response any more.
    fn give_up(&mut self, requests: usize, outcome: Outcome, out: &mut Vec<Exchange>) {
        for _ in 0..requests {
            let Some((request, waiting)) = self.waiting.pop() else { break };
            self.quiet = self.quiet.saturating_sub(usize::from(waiting.is_quiet));
            let outcome = if waiting.is_quiet { Outcome::NoReply } else { outcome };
            out.push(Exchange::without_response(request, outcome));
        }
    }
}

const QUITQ: u8 = 0x17;
const STAT: u8 = 0x10;

/// The request that a message is.
pub(super) fn request(frame: &Frame) -> Request {
    let command = name(frame.opcode);
    let mut label = Text::of(command.as_bytes());
    if !frame.key.is_empty() {
        label.push(b" ");
        label.push(frame.key.octets());
    }
    let command = Text::of(command.as_bytes());
    Draft { command, key: frame.key, label, extent: frame.extent, is_blocking: false }.request()
}

/// "Command Opcodes" of the specification.
const fn name(opcode: u8) -> &'static str {
    match opcode {
        0x00 => "GET",
        0x01 => "SET",
        0x02 => "ADD",
        0x03 => "REPLACE",
        0x04 => "DELETE",
        0x05 => "INCR",
        0x06 => "DECR",
        0x07 => "QUIT",
        0x08 => "FLUSH",
        0x09 => "GETQ",
        0x0a => "NOOP",
        0x0b => "VERSION",
        0x0c => "GETK",
        0x0d => "GETKQ",
        0x0e => "APPEND",
        0x0f => "PREPEND",
        STAT => "STAT",
        0x11 => "SETQ",
        0x12 => "ADDQ",
        0x13 => "REPLACEQ",
        0x14 => "DELETEQ",
        0x15 => "INCRQ",
        0x16 => "DECRQ",
        QUITQ => "QUITQ",
        0x18 => "FLUSHQ",
        0x19 => "APPENDQ",
        0x1a => "PREPENDQ",
        0x1b => "VERBOSITY",
        0x1c => "TOUCH",
        0x1d => "GAT",
        0x1e => "GATQ",
        0x20 => "SASL_LIST",
        0x21 => "SASL_AUTH",
        0x22 => "SASL_STEP",
        0x23 => "GATK",
        0x24 => "GATKQ",
        _ => "UNKNOWN",
    }
}

pub(super) const fn is_quiet(opcode: u8) -> bool {
    matches!(opcode, 0x09 | 0x0d | 0x11..=0x1a | 0x1e | 0x24)
}

/// "Response Status" of the specification, in the words of the text protocol where it has one.
pub(super) fn status(opcode: u8, status: u16) -> Text<24> {
    let is_get = matches!(opcode, 0x00 | 0x09 | 0x0c | 0x0d | 0x1d | 0x1e | 0x23 | 0x24);
    let word = match status {
        0x00 => match opcode {
            _ if is_get => "HIT",
            0x01..=0x03 | 0x0e | 0x0f | 0x11..=0x13 | 0x19 | 0x1a => "STORED",
            0x04 | 0x14 => "DELETED",
            0x1c => "TOUCHED",
            _ => "",
        },
        0x01 if is_get => "MISS",
        0x01 => "NOT_FOUND",
        0x02 => "EXISTS",
        0x03 => "TOO_LARGE",
        0x04 => "INVALID_ARGUMENTS",
        0x05 => "NOT_STORED",
        0x06 => "NON_NUMERIC",
        0x07 => "WRONG_VBUCKET",
        0x20 => "AUTH_ERROR",
        0x21 => "AUTH_CONTINUE",
        0x81 => "UNKNOWN_COMMAND",
        0x82 => "OUT_OF_MEMORY",
        0x83 => "NOT_SUPPORTED",
        0x84 => "INTERNAL_ERROR",
        0x85 => "BUSY",
        0x86 => "TEMPORARY_FAILURE",
        _ => "ERROR",
    };
    Text::of(word.as_bytes())
}

/// What is there or not there is no failure.
pub(super) const fn is_error(status: u16) -> bool {
    !matches!(status, 0x00 | 0x01 | 0x02 | 0x05 | 0x21)
}
