//! The stalls of a quiet flow: those that [`stall`](super::super::stall) tells of flows without losses.

use super::{
    super::{
        key::Side,
        stall::{FLOOR, silence_of, thinking_of},
    },
    side::{NEVER, QuietSide},
};
use crate::time::{Span, Timestamp};

/// What both sides did last, and the time that they waited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QuietStalls {
    /// The server thought.
    pub(crate) server: Span,
    /// The client thought.
    pub(crate) client: Span,
    /// The side that was sending paused.
    pub(crate) idle: Span,
    /// The last segment that moved something, of either side.
    last: Timestamp,
    /// Who sent new data last.
    turn: Option<Side>,
}

/// A segment as stalls go by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) client: Side,
    pub(super) side: Side,
    pub(super) at: Timestamp,
    pub(super) speaks: bool,
    pub(super) finishes: bool,
    pub(super) window: u16,
    /// It acknowledges something for the first time.
    pub(super) acknowledges: bool,
    /// By that, its sender is known to have had all of it right now.
    pub(super) is_ready: bool,
}

impl QuietStalls {
    /// The handshake was completed.
    pub(super) const fn opened(&mut self, sides: &mut [QuietSide; 2], client: Side, at: Timestamp) {
        self.last = at;
        sides[0].spoke = at;
        sides[1].spoke = at;
        sides[client as usize].ready = at;
        sides[client.other() as usize].ready = NEVER;
    }

    /// Takes a segment of an open flow, whose round trip is noted.
    #[inline(always)]
    pub(super) fn on_segment(&mut self, sides: &mut [QuietSide; 2], moved: &Moved) {
        let Moved { client, side, at, .. } = *moved;
        if moved.speaks {
            if self.turn == Some(side) {
                self.paused(sides, side, at);
            } else {
                self.thought(sides, client, side, at);
            }
            self.turn = Some(side);
            says(sides, side, at);
        }
        if moved.finishes {
            self.on_finish(sides, client, side, at);
        }
        let own = &mut sides[side as usize];
        if !own.has_window || own.window != moved.window {
            (own.has_window, own.window) = (true, moved.window);
            self.last = at;
        }
        if moved.acknowledges {
            self.last = at;
            if moved.is_ready {
                own.ready = at;
            }
        }
        if moved.speaks || moved.finishes {
            self.last = at;
        }
    }

    /// A FIN leaves a question unanswered, or is what was said last.
    #[inline(never)]
    fn on_finish(&mut self, sides: &mut [QuietSide; 2], client: Side, side: Side, at: Timestamp) {
        let is_asked = self.turn == Some(client);
        if is_asked {
            self.thought(sides, client, client.other(), at);
        }
        if is_asked && side != client {
            self.forget(sides);
        } else {
            says(sides, side, at);
        }
    }

    /// A RST ends whatever was waited for.
    pub(super) fn on_reset(&mut self, sides: &mut [QuietSide; 2], client: Side, at: Timestamp) {
        if self.turn == Some(client) {
            self.thought(sides, client, client.other(), at);
        }
        self.forget(sides);
        self.last = at;
    }

    fn forget(&mut self, sides: &mut [QuietSide; 2]) {
        self.turn = None;
        for side in sides {
            (side.spoke, side.ready, side.has_window) = (NEVER, NEVER, false);
        }
    }

    /// The side that was sending goes on.
    #[inline(always)]
    fn paused(&mut self, sides: &[QuietSide; 2], side: Side, at: Timestamp) {
        let took = at.since(self.last);
        if took > FLOOR && took > limit_of_silence(sides, side) {
            add(&mut self.idle, took);
        }
    }

    /// The time that `thinker` took, from when it had what the other side said last.
    #[inline(always)]
    fn thought(&mut self, sides: &[QuietSide; 2], client: Side, thinker: Side, at: Timestamp) {
        let (own, other) = (&sides[thinker as usize], &sides[thinker.other() as usize]);
        if other.spoke == NEVER {
            return;
        }
        let ready = if own.ready == NEVER { other.spoke + other.least } else { own.ready };
        let took = at.since(ready);
        if took > FLOOR && took > thinking_of(own.least, other.least) {
            add(if thinker == client { &mut self.client } else { &mut self.server }, took);
        }
    }
}

/// What this side says is news to the other.
#[inline(always)]
const fn says(sides: &mut [QuietSide; 2], side: Side, at: Timestamp) {
    sides[side as usize].spoke = at;
    sides[side.other() as usize].ready = NEVER;
}

#[cold]
fn limit_of_silence(sides: &[QuietSide; 2], sender: Side) -> Span {
    silence_of(sides[sender as usize].smoothed, sides[sender.other() as usize].least)
}

const fn add(sum: &mut Span, took: Span) {
    sum.0 = sum.0.saturating_add(took.0);
}
