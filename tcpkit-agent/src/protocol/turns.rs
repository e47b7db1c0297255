//! Whether answers that come in order still belong to the requests that wait, after something was not captured.
//!
//! As long as nothing is lost, the oldest request is answered next. When requests or answers are lost, nobody can count
//! how many: a client that never sends before it was answered has only its newest request open; one that sends several
//! at once and then waits is in step again with its next batch; one that never waits, after a second of silence.

use super::piece::Party;
use crate::time::{Span, Timestamp};

/// A client that was silent for so long has all its answers.
const SILENCE: Span = Span::from_secs(1);

/// What one step of reading a piece came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// A message is complete.
    Message(T),
    /// The thread was lost; go on with the same piece.
    Lost,
    /// The piece is used up.
    End,
}

/// Which request an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The oldest one.
    Oldest,
    /// The newest one; the older ones were answered by what is lost.
    Newest,
    /// None that is known.
    Unknown,
}

/// Who spoke when, and whether something is lost.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// How often the client spoke after the server did.
    turn: u64,
    last: Option<Party>,
    heard_at: Timestamp,
    /// Octets heard last were preceded by so long a silence.
    silence: Span,
    /// Where the newest request began, in time and turn.
    newest: Option<(Timestamp, u64)>,
    /// Several requests waited at once.
    has_pipelined: bool,
    /// They were of several turns: the client does not wait before it sends again.
    is_streaming: bool,
    lost: Lost,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lost {
    #[default]
    Nothing,
    /// In that turn; so many requests were waiting already, and theirs are the next answers.
    Requests { turn: u64, certain: usize },
    /// In that turn.
    Answers { turn: u64 },
    /// Since that turn, answers are not told apart.
    Step { turn: u64 },
}

impl Turns {
    /// A party says something.
    pub fn on_piece(&mut self, from: Party, at: Timestamp) {
        if from == Party::Client && self.last == Some(Party::Server) {
            self.turn += 1;
        }
        self.silence = if self.last.is_some() { at.since(self.heard_at) } else { Span(0) };
        self.last = Some(from);
        self.heard_at = at;
    }

    /// Messages of a party were lost while so many requests wait.
    pub const fn on_lost(&mut self, from: Party, waiting: usize) {
        let turn = self.turn;
        self.lost = match (self.lost, from) {
            (Lost::Step { .. }, _) => return,
            (Lost::Nothing, Party::Client) => Lost::Requests { turn, certain: waiting },
            (Lost::Requests { certain, .. }, Party::Client) => Lost::Requests { turn, certain },
            (Lost::Answers { .. }, Party::Client) | (Lost::Requests { .. }, Party::Server) => {
                Lost::Requests { turn, certain: 0 }
            }
            (_, Party::Server) => Lost::Answers { turn },
        };
    }

    /// Whether the client sends before it has the answers to what it sent.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        self.is_streaming
    }

    /// A request that began then is complete; whether those that wait are to be given up, because the client waits for
    /// none of them any more.
    pub fn on_request(&mut self, start: Timestamp, waiting: usize) -> bool {
        self.has_pipelined |= waiting > 0 && self.newest == Some((start, self.turn));
        self.newest = Some((start, self.turn));
        match self.lost {
            Lost::Step { turn } if self.turn > turn => {
                let is_done = !self.is_streaming || self.silence >= SILENCE;
                if is_done {
                    self.lost = Lost::Nothing;
                }
                is_done
            }
            // Whoever waits for all answers, has them. To one that sends one by one the next answer tells it.
            Lost::Requests { turn, .. } | Lost::Answers { turn }
                if self.turn > turn && waiting == 0 && self.has_pipelined && !self.is_streaming =>
            {
                self.lost = Lost::Nothing;
                false
            }
            _ => false,
        }
    }

    /// The turn in which a request is sent now, to be remembered with it.
    #[must_use]
    pub const fn turn(&self) -> u64 {
        self.turn
    }

    /// An answer comes while so many wait, sent in these turns.
    #[inline]
    pub const fn on_answer(&mut self, waiting: usize, oldest: u64, newest: u64) -> Verdict {
        if matches!(self.lost, Lost::Nothing) {
            self.has_pipelined |= waiting > 1;
            self.is_streaming |= oldest != newest;
            return Verdict::Oldest;
        }
        self.on_answer_after_loss(waiting)
    }

    #[cold]
    const fn on_answer_after_loss(&mut self, waiting: usize) -> Verdict {
        if let Lost::Requests { certain, .. } = &mut self.lost
            && *certain > 0
            && waiting > 0
            && self.has_pipelined
        {
            *certain -= 1;
            return Verdict::Oldest;
        }
        let is_step = matches!(self.lost, Lost::Step { .. });
        if waiting == 0 || is_step {
            return Verdict::Unknown;
        }
        let is_only = waiting == 1 && matches!(self.lost, Lost::Answers { .. });
        if is_only || !self.has_pipelined {
            self.lost = Lost::Nothing;
            return Verdict::Newest;
        }
        self.lost = Lost::Step { turn: self.turn };
        Verdict::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(microseconds: i64) -> Timestamp {
        Timestamp(microseconds * 1_000)
    }

    #[test]
    fn who_asks_one_by_one_waits_for_the_newest_answer() {
        let mut turns = Turns::default();
        turns.on_piece(Party::Client, at(1));
        assert!(!turns.on_request(at(1), 0));
        turns.on_piece(Party::Client, at(2));
        assert!(!turns.on_request(at(2), 1));
        turns.on_lost(Party::Server, 2);
        turns.on_piece(Party::Server, at(3));
        assert_eq!(turns.on_answer(2, 0, 0), Verdict::Newest);
        assert_eq!(turns.on_answer(1, 0, 0), Verdict::Oldest);
    }

    #[test]
    fn who_asks_in_batches_is_in_step_with_the_next_one() {
        let mut turns = Turns::default();
        turns.on_piece(Party::Client, at(1));
        turns.on_request(at(1), 0);
        turns.on_request(at(1), 1);
        turns.on_lost(Party::Server, 2);
        turns.on_piece(Party::Server, at(2));
        assert_eq!(turns.on_answer(2, 0, 0), Verdict::Unknown);
        turns.on_piece(Party::Client, at(3));
        assert!(turns.on_request(at(3), 2));
        turns.on_piece(Party::Server, at(4));
        assert_eq!(turns.on_answer(1, 1, 1), Verdict::Oldest);
    }

    #[test]
    fn who_never_waits_is_in_step_after_a_silence() {
        let mut turns = Turns::default();
        turns.on_piece(Party::Client, at(1));
        turns.on_piece(Party::Server, at(2));
        turns.on_piece(Party::Client, at(3));
        assert_eq!(turns.on_answer(2, 0, 1), Verdict::Oldest);
        turns.on_lost(Party::Client, 0);
        turns.on_piece(Party::Server, at(4));
        assert_eq!(turns.on_answer(1, 1, 1), Verdict::Unknown);
        turns.on_piece(Party::Client, at(5));
        assert!(!turns.on_request(at(5), 1));
        turns.on_piece(Party::Server, at(6));
        turns.on_piece(Party::Client, at(1_100_000));
        assert!(turns.on_request(at(1_100_000), 2));
    }

    #[test]
    fn requests_before_lost_ones_are_answered_first() {
        let mut turns = Turns::default();
        turns.on_piece(Party::Client, at(1));
        turns.on_request(at(1), 0);
        turns.on_request(at(1), 1);
        turns.on_lost(Party::Client, 2);
        turns.on_piece(Party::Server, at(2));
        assert_eq!(turns.on_answer(2, 0, 0), Verdict::Oldest);
        assert_eq!(turns.on_answer(1, 0, 0), Verdict::Oldest);
        assert_eq!(turns.on_answer(0, 0, 0), Verdict::Unknown);
        turns.on_piece(Party::Client, at(3));
        assert!(!turns.on_request(at(3), 0));
        assert_eq!(turns.on_answer(1, 1, 1), Verdict::Oldest);
    }
}
