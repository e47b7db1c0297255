//! Which response answers which request: in order, and by time where the order is not known.

mod orphans;

use self::orphans::Orphans;
use super::{
    framing::{Body, Framing},
    start::{Asked, Method},
};
use crate::{
    protocol::{
        exchange::{DialogueCounts, Draft, Exchange, Extent, Outcome, Request},
        queue::Queue,
        text::Text,
    },
    time::{Span, Timestamp},
};

/// Requests that wait, and what is known of the responses.
#[derive(Debug, Default)]
pub(super) struct Matching {
    waiting: Queue<Asking>,
    orphans: Orphans,
    pub(super) counts: DialogueCounts,
    /// What the response answers that is being read.
    answering: Answering,
    /// A second request waited when a response began.
    is_pipelining: bool,
    /// Responses may have gone by unseen.
    is_unsure: bool,
    /// Since when it cannot be known which response answers which request.
    adrift: Option<Timestamp>,
}

/// What is remembered of a request that waits.
#[derive(Debug)]
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answering {
    /// Nothing: it is interim.
    #[default]
    Nothing,
    /// The request that has waited longest.
    Oldest(u16),
    /// A request that was not captured, or that is heard late.
    Nobody(u16),
}

impl Matching {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The client asks only when it was answered, as far as it was seen.
    pub(super) const fn is_one_by_one(&self) -> bool {
        !self.is_pipelining
    }

    /// A request has begun; `heard_last` is when anything was said before it.
    pub(super) fn on_request_begun(
        &mut self,
        asked: &Asked,
        extent: Extent,
        heard_last: Timestamp,
        out: &mut Vec<Exchange>,
    ) {
        if let Some(since) = self.adrift {
            if extent.start.since(heard_last.max(since)) < SILENCE {
                self.counts.desynchronised += 1;
                return;
            }
            self.adrift = None;
            self.is_unsure = false;
        }
        let Asked { command, key, label, method } = *asked;
        let request = Draft { command, key, label, extent, is_blocking: false }.request();
        // A request that is heard late may find its response here already.
        let response = self.orphans.claim(extent.start, &mut self.counts);
        let answer = response.filter(|_| self.waiting.iter().all(|(_, asking)| asking.answer.is_some()));
        let overrun = self.counts.overrun;
        self.waiting.push(request, Asking { method, is_whole: false, answer }, &mut self.counts, out);
        if self.counts.overrun > overrun {
            self.drift(extent.start, out);
        }
    }

    /// The request that began last is complete.
    pub(super) fn on_request_whole(&mut self, extent: Extent, out: &mut Vec<Exchange>) {
        let Some((request, asking)) = self.waiting.back_mut() else { return };
        if request.extent.offset == extent.offset {
            request.extent = extent;
            asking.is_whole = true;
            self.settle(out);
        }
    }

    /// The thread through the requests is lost: with several on their way, answers are no longer anybody's.
    pub(super) const fn on_request_lost(&mut self, at: Timestamp) {
        if self.is_pipelining {
            self.adrift = Some(at);
        }
    }

    /// An interim response has begun.
    pub(super) const fn on_interim(&mut self) {
        self.counts.informational += 1;
        self.answering = Answering::Nothing;
    }

    /// A final response with this status has begun.
    pub(super) fn on_response_begun(&mut self, code: u16, start: Timestamp, out: &mut Vec<Exchange>) {
        let was_unsure = std::mem::take(&mut self.is_unsure);
        if was_unsure {
            self.give_way(start, out);
        } else {
            self.is_pipelining |= self.waiting.iter().nth(1).is_some_and(|second| is_sent(second, start));
        }
        let is_answered =
            |oldest: &(Request, Asking)| oldest.1.answer.is_none() && (!was_unsure || is_sent(oldest, start));
        let is_asked = self.waiting.front().is_some_and(is_answered);
        self.answering = if is_asked { Answering::Oldest(code) } else { Answering::Nobody(code) };
    }

    /// How the response ends that has begun, with this head.
    pub(super) fn body(&self, framing: &Framing) -> Body {
        match self.answering {
            Answering::Nothing => Body::Length(0),
            Answering::Oldest(code) => framing.of_response(code, self.oldest_method()),
            Answering::Nobody(code) => framing.of_response(code, Method::Other),
        }
    }

    /// The response that began last is complete; whether the connection leaves the protocol with it.
    pub(super) fn on_response_whole(&mut self, extent: Extent, out: &mut Vec<Exchange>) -> bool {
        let method = self.oldest_method();
        let answering = std::mem::take(&mut self.answering);
        let code = match (answering, self.waiting.front_mut()) {
            (Answering::Nothing, _) => return false,
            (Answering::Oldest(code), Some((_, asking))) => {
                asking.answer = Some(Answer { extent, code });
                code
            }
            (Answering::Oldest(code) | Answering::Nobody(code), _) => {
                self.orphans.add(Answer { extent, code }, &mut self.counts);
                code
            }
        };
        self.settle(out);
        code == SWITCHING_PROTOCOLS || (method == Method::Connect && code / 100 == 2)
    }

    /// The thread through the responses is lost.
    pub(super) const fn on_response_lost(&mut self) {
        self.is_unsure = true;
    }

    /// Nothing more comes.
    pub(super) fn give_up(&mut self, outcome: Outcome, out: &mut Vec<Exchange>) {
        self.waiting.give_up(outcome, out);
        self.orphans.give_up(&mut self.counts);
    }

    /// A response begins after others that may have gone by unseen: older requests than the last before it are theirs.
    fn give_way(&mut self, start: Timestamp, out: &mut Vec<Exchange>) {
        if self.is_pipelining && !self.waiting.is_empty() {
            self.drift(start, out);
        }
        while self.waiting.iter().nth(1).is_some_and(|second| is_sent(second, start))
            && let Some((request, _)) = self.waiting.pop()
        {
            out.push(Exchange::without_response(request, Outcome::Unanswered));
        }
    }

    fn drift(&mut self, at: Timestamp, out: &mut Vec<Exchange>) {
        self.adrift = Some(at);
        self.waiting.give_up(Outcome::Unanswered, out);
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
}

/// RFC 9110 §15.2: 1xx come before the final response, but 101 is one (§7.8).
pub(super) const fn is_interim(code: u16) -> bool {
    code / 100 == 1 && code != SWITCHING_PROTOCOLS
}

/// Whether a request was on its way at that time.
fn is_sent(waiting: &(Request, Asking), at: Timestamp) -> bool {
    waiting.0.extent.start <= at
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

const SWITCHING_PROTOCOLS: u16 = 101;

/// Two sides that were silent for so long have nothing on its way.
const SILENCE: Span = Span::from_secs(1);
