//! Where the time of an answered request went.
//!
//! Everything is told as the capture point saw it. The request's time begins with the first copy of its first octet and
//! ends when the response's octets had passed that the client needed: the last one, or a copy of one that was lost
//! behind the capture point. The way between client and capture point is not in it.
//!
//! ```text
//!  request.start      request.end   reached          answered      response.end   delivered
//!      |------------------|------------|-----------------|-------------|--------------|
//!      |  request on the wire, mended  |  way + server   |  response on the wire, mended |
//! ```
//!
//! The server's part is `answered - reached`, less the least round trip between capture point and server, which is the
//! way of the request there and of the response back. It is known where the handshake was seen; elsewhere, and by UDP,
//! the way is in the server's part, because an acknowledgement that comes with an answer has the thinking in it. All else is the network's, and both hosts' TCP. Of that, a
//! mended loss cost the time from when the octets had been sent first to when they were sent again; time that two of
//! them share counts for the earlier one.

use super::{
    sizes::SegmentSizes,
    trouble::{DelayCause, Trouble, Troubles},
};
use crate::{
    flow::Side,
    protocol::{Exchange, Extent, Party},
    time::{Span, Timestamp},
};

/// Where the time went. `server + network` is `total`; the other parts are parts of `network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// From the request's first octet until the response was delivered.
    pub total: Span,
    /// The connection's handshake, where this is its first request.
    pub handshake: Option<Span>,
    /// The server's part.
    pub server: Span,
    /// The network's part.
    pub network: Span,
    /// The request on the wire, until all of it had passed that the server needed.
    pub request: Span,
    /// The response, likewise.
    pub response: Span,
    /// What was lost by each [`DelayCause`].
    pub lost: [Span; DelayCause::COUNT],
    /// The segment that cost most of that.
    pub culprit: Option<Blame>,
}

/// A segment that delayed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Who sent it: the client in the request, the server in the response.
    pub sender: Party,
    /// Which segment of that message, counted from 1.
    pub segment: u32,
    /// What happened to it.
    pub cause: DelayCause,
    /// What that cost.
    pub cost: Span,
}

impl Blame {
    /// The message that it was of: `request` or `response`.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        match self.sender {
            Party::Client => "request",
            Party::Server => "response",
        }
    }
}

/// What is known of the conversation besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    /// Which side asks.
    pub(super) client: Side,
    /// Least round trip from the capture point to the server and back, where it is known.
    pub(super) way: Span,
    pub(super) handshake: Option<Span>,
    pub(super) troubles: &'a Troubles,
    /// Where segments began, by side.
    pub(super) sizes: [&'a SegmentSizes; 2],
}

/// Where the time of an exchange went; `None` without a response.
pub(super) fn spent(exchange: &Exchange, around: &Circumstances<'_>) -> Option<Spent> {
    let (request, response) = (&exchange.request.extent, exchange.response.as_ref()?);
    let mut spent = Spent { handshake: around.handshake, ..Spent::default() };
    if around.troubles.is_empty() {
        let answered = response.start.max(request.start);
        let moments = Moments { reached: request.end, answered, delivered: response.end.max(answered) };
        spent.share(request, &moments, around.way);
        return Some(spent);
    }
    let moments = Moments::of(request, response, around);
    spent.share(request, &moments, around.way);
    spent.blame(request, response, &moments, around);
    Some(spent)
}

/// The points between the parts.
#[derive(Clone, Copy, Debug)]
struct Moments {
    reached: Timestamp,
    answered: Timestamp,
    delivered: Timestamp,
}

impl Moments {
    fn of(request: &Extent, response: &Extent, around: &Circumstances<'_>) -> Self {
        let server = around.client.other();
        // A response whose beginning was lost before the capture point had begun when that showed.
        let lost_head = around.troubles.of(server).filter(|trouble| {
            is_within(trouble, response) && trouble.is_mended_loss() && trouble.since >= request.end
        });
        let answered = lost_head.map(|trouble| trouble.since).fold(response.start, Timestamp::min);
        let reached = mended(around.troubles.of(around.client), request, request.start, answered);
        let delivered =
            mended(around.troubles.of(server), response, answered, Timestamp(i64::MAX)).max(answered);
        Self { reached, answered, delivered }
    }
}

/// When all octets of a message had passed that its receiver needed.
fn mended<'t>(
    troubles: impl Iterator<Item = &'t Trouble>,
    message: &Extent,
    since: Timestamp,
    until: Timestamp,
) -> Timestamp {
    troubles
        .filter(|trouble| is_before_end(trouble, message) && trouble.is_mended_loss())
        .map(|trouble| trouble.until)
        .filter(|at| *at >= since && *at <= until)
        .fold(message.end, Timestamp::max)
}

impl Spent {
    fn share(&mut self, request: &Extent, moments: &Moments, way: Span) {
        let Moments { reached, answered, delivered } = *moments;
        self.total = delivered.since(request.start);
        self.request = reached.since(request.start);
        self.response = delivered.since(answered);
        let waited = answered.since(reached.max(request.start));
        self.server = Span(waited.0.saturating_sub(way.0)).min(self.total);
        self.network = Span(self.total.0 - self.server.0);
    }

    fn blame(&mut self, request: &Extent, response: &Extent, moments: &Moments, around: &Circumstances<'_>) {
        let Moments { reached, answered, delivered } = *moments;
        let client = around.client;
        self.blame_message(Party::Client, client, request, (request.start, reached), around);
        let begin = answered.max(reached);
        self.blame_message(Party::Server, client.other(), response, (begin, delivered), around);
    }

    fn blame_message(
        &mut self,
        party: Party,
        sender: Side,
        message: &Extent,
        (begin, end): (Timestamp, Timestamp),
        around: &Circumstances<'_>,
    ) {
        let mut told = begin;
        for trouble in around.troubles.of(sender).filter(|trouble| is_before_end(trouble, message)) {
            let until = trouble.until.min(end);
            let cost = until.since(trouble.since.max(told));
            told = told.max(until);
            let Some(cause) = trouble.cause().filter(|_| cost > Span(0)) else { continue };
            let lost = &mut self.lost[cause as usize];
            *lost = Span(lost.0 + cost.0);
            let is_worst = self.culprit.is_none_or(|worst| cost > worst.cost);
            if is_worst && trouble.from >= message.offset {
                let segment = around.sizes[sender as usize].number(message.offset, trouble.from);
                self.culprit = Some(Blame { sender: party, segment, cause, cost });
            }
        }
    }
}

/// Octets come in order: one that is late delays all behind it.
const fn is_before_end(trouble: &Trouble, message: &Extent) -> bool {
    trouble.from < message.offset + message.len
}

const fn is_within(trouble: &Trouble, message: &Extent) -> bool {
    trouble.from >= message.offset && is_before_end(trouble, message)
}
