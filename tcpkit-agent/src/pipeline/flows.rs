//! Listings of a shard's flows, made in slices between frames: no frame waits for more than one of them.
//!
//! Half-open flows are looked at first, then the others. A flow that comes past its handshake meanwhile is found in
//! either place or in both, never in none; who merges the rows leaves the second one out.

use std::{
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use tcpkit_common::flow::{Address, FourTuple};
use tokio::sync::mpsc::UnboundedSender;

use super::{Shard, telling::name};
use crate::{
    flow::{Flow, FlowView, Handshake, Side},
    report::flows::{FlowFacts, FlowOrder, FlowQuery, FlowRow, FlowState, Rank, ShardListing, Throughput},
    time::{Span, Timestamp},
};

/// A listing that somebody asks for.
#[derive(Clone, Debug)]
pub struct FlowsAsked {
    /// What for.
    pub query: Arc<FlowQuery>,
    /// Where each worker's part goes; it closes when all have answered, or ended.
    pub reply: UnboundedSender<ShardListing>,
}

/// The listings of one shard.
#[derive(Debug, Default)]
pub(super) struct Lister {
    under_way: Option<Walk>,
    waiting: VecDeque<FlowsAsked>,
    /// What each slot's flow had carried when its throughput was measured last; none until somebody asks.
    samples: Vec<Sample>,
    /// When flows were looked at first: what began later began under our eyes.
    begun: Option<Timestamp>,
    /// For tables: when the time of the next one begins, and how long it is.
    span: Option<(Timestamp, Span)>,
}

impl Lister {
    /// Takes a request.
    pub(super) fn ask(&mut self, asked: FlowsAsked) {
        self.waiting.push_back(asked);
    }

    /// Whether there is something to do.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.is_some() || !self.waiting.is_empty()
    }

    /// The next listing is a table of so much time from here on; nothing passed before the first one.
    pub(super) fn count_from(&mut self, since: Timestamp, span: Span) {
        self.span = Some((since, span));
    }

    /// A listing at once, as of this time.
    pub(super) fn list_at(&mut self, shard: &Shard, query: &FlowQuery, now: Timestamp) -> ShardListing {
        let (reply, _) = tokio::sync::mpsc::unbounded_channel();
        let mut walk = Walk::new(FlowsAsked { query: Arc::new(query.clone()), reply });
        walk.now = now;
        while self.advance(&mut walk, shard) {}
        walk.into_listing()
    }

    /// Looks at the next few flows; hands a listing over when it is complete.
    pub(super) fn go_on(&mut self, shard: &Shard) {
        let Some(mut walk) = self.under_way.take().or_else(|| self.waiting.pop_front().map(Walk::new)) else {
            return;
        };
        if walk.asked.reply.is_closed() {
            return;
        }
        walk.now = shard.now;
        for _ in 0..SLICE {
            if !self.advance(&mut walk, shard) {
                return walk.finish();
            }
        }
        self.under_way = Some(walk);
    }

    /// Looks at the next flow; false where there is none.
    fn advance(&mut self, walk: &mut Walk, shard: &Shard) -> bool {
        match walk.advance(shard) {
            Step::HalfOpen(slot) => walk.half_open(shard, slot),
            Step::Full(slot) => {
                if let Some(view) = shard.table.view(slot) {
                    let throughput = self.throughput(slot, &view, walk.now);
                    walk.full(shard, &view, throughput);
                }
            }
            Step::Done => {
                // The memory of a peak goes when its slots have gone.
                self.samples.truncate(shard.table.slots() as usize);
                return false;
            }
        }
        true
    }

    /// How much a flow carried in a second; `None` where it was there already when we looked at it first.
    fn throughput(&mut self, slot: u32, view: &FlowView<'_>, now: Timestamp) -> Option<[Throughput; 2]> {
        let begun = *self.begun.get_or_insert(now);
        let slot = slot as usize;
        if slot >= self.samples.len() {
            self.samples.resize(slot + 1, Sample::default());
        }
        let sample = &mut self.samples[slot];
        let flow = view.flow();
        if sample.ticket != Some(flow.ticket()) {
            *sample = match self.span {
                Some((since, _)) => Sample::nothing(flow, since),
                None => Sample::first(flow, begun),
            };
        }
        let [young, least] = self.span.map_or([SECOND, LEAST], |(_, span)| [span; 2]);
        sample.look(flow, now, young, least)
    }
}

/// What a flow had carried at some time, and its throughput until then.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Whose it is; `None` of no flow.
    ticket: Option<u32>,
    at: Timestamp,
    /// Wire and payload bytes of client and server.
    bytes: [[u64; 2]; 2],
    /// The same in a second; `None` until a second has passed.
    rate: Option<[[f32; 2]; 2]>,
}

impl Sample {
    /// Of a flow that is looked at for the first time: one that began after we had begun to look carried nothing
    /// before it began.
    fn first(flow: &Flow, begun: Timestamp) -> Self {
        if flow.start >= begun {
            Self::nothing(flow, flow.start)
        } else {
            Self { ticket: Some(flow.ticket()), at: Timestamp::MIN, bytes: carried(flow), rate: None }
        }
    }

    /// Of a flow that had carried nothing at this time.
    const fn nothing(flow: &Flow, at: Timestamp) -> Self {
        Self { ticket: Some(flow.ticket()), at, bytes: [[0; 2]; 2], rate: Some([[0.0; 2]; 2]) }
    }

    /// The throughput since the last look that was not just now; in a flow's first second, as much as it has carried.
    #[expect(
        clippy::cast_precision_loss,
        reason = "of what passes in some seconds, a float knows more than enough"
    )]
    #[expect(clippy::cast_possible_truncation, reason = "seven digits of a throughput are enough")]
    fn look(&mut self, flow: &Flow, now: Timestamp, young: Span, least: Span) -> Option<[Throughput; 2]> {
        let bytes = carried(flow);
        let passed = now.since(self.at);
        if self.at == Timestamp::MIN {
            (self.at, self.bytes) = (now, bytes);
        } else if passed >= least || self.is_young() {
            let least = if self.is_young() { young } else { least };
            let seconds = passed.max(least).as_secs_f64();
            let of = |side: usize, kind: usize| {
                ((bytes[side][kind].saturating_sub(self.bytes[side][kind])) as f64 / seconds) as f32
            };
            self.rate = Some([[of(0, 0), of(0, 1)], [of(1, 0), of(1, 1)]]);
            if passed >= least {
                (self.at, self.bytes) = (now, bytes);
            }
        }
        self.rate.map(|rate| {
            rate.map(|[bytes, payload]| Throughput { bytes: bytes.into(), payload_bytes: payload.into() })
        })
    }

    /// Whether the flow is in its first second.
    fn is_young(&self) -> bool {
        self.bytes == [[0; 2]; 2]
    }
}

/// Wire and payload bytes that client and server have sent.
fn carried(flow: &Flow) -> [[u64; 2]; 2] {
    let client = flow.client();
    [client, client.other()].map(|side| [flow.side(side).bytes, flow.side(side).payload_bytes])
}

/// A listing under way.
#[derive(Debug)]
struct Walk {
    asked: FlowsAsked,
    /// As of when.
    now: Timestamp,
    /// Slots of half-open flows that are behind us.
    half_open: u32,
    /// Slots of others.
    full: u32,
    /// The first rows so far, the last of them on top.
    best: BinaryHeap<Best>,
    listing: ShardListing,
}

/// What to look at next.
enum Step {
    HalfOpen(u32),
    Full(u32),
    Done,
}

impl Walk {
    fn new(asked: FlowsAsked) -> Self {
        let (best, listing) = (BinaryHeap::new(), ShardListing::default());
        Self { asked, now: Timestamp::MIN, half_open: 0, full: 0, best, listing }
    }

    fn advance(&mut self, shard: &Shard) -> Step {
        if self.half_open < shard.table.half_open_slots() {
            self.half_open += 1;
            return Step::HalfOpen(self.half_open - 1);
        }
        if self.full < shard.table.slots() {
            self.full += 1;
            return Step::Full(self.full - 1);
        }
        Step::Done
    }

    fn half_open(&mut self, shard: &Shard, slot: u32) {
        if let Some((flow, handshake)) = shard.table.half_open(slot) {
            self.consider(
                shard,
                &Candidate { flow: &flow, handshake: &handshake, view: None, throughput: None },
            );
        }
    }

    fn full(&mut self, shard: &Shard, view: &FlowView<'_>, throughput: Option<[Throughput; 2]>) {
        let (flow, handshake) = (view.flow(), view.handshake());
        self.consider(shard, &Candidate { flow, handshake, view: Some(view), throughput });
    }

    fn consider(&mut self, shard: &Shard, candidate: &Candidate<'_>) {
        self.listing.considered += 1;
        let query = &self.asked.query;
        let Candidate { flow, handshake, .. } = *candidate;
        let interface = name(&shard.interfaces, flow.interface);
        let tuple = flow.key().tuple_from(flow.client());
        let state = FlowState::of(flow, handshake);
        let is_gone = query.closed_within.is_some_and(|span| self.now.since(flow.end) > span);
        let midstream = !handshake.is_seen();
        let facts = FlowFacts { tuple, state, midstream, interface: interface.map(AsRef::as_ref) };
        if is_gone && !state.is_open() || !query.filter.wants(&facts) {
            return;
        }
        self.listing.count(state, candidate.throughput);
        let rank = Rank::new(candidate.value(query.order, &tuple, state, self.now), tuple, query.descending);
        if query.after.is_some_and(|cursor| rank <= cursor.0) {
            return;
        }
        let row = || {
            let Candidate { view, throughput, .. } = *candidate;
            FlowRow::observed(flow, handshake, view, throughput, interface, self.now)
        };
        // One more than is wanted tells whether there is a next page.
        if self.best.len() <= query.rows() {
            self.best.push(Best { rank, row: row() });
        } else if let Some(mut last) = self.best.peek_mut().filter(|last| rank < last.rank) {
            *last = Best { rank, row: row() };
        }
    }

    fn into_listing(self) -> ShardListing {
        let rows = self.best.into_sorted_vec().into_iter().map(|best| (best.rank, best.row)).collect();
        ShardListing { rows, now_us: self.now.as_micros(), ..self.listing }
    }

    fn finish(self) {
        let reply = self.asked.reply.clone();
        let _asker_went_away = reply.send(self.into_listing());
    }
}

/// A flow that may become a row.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    flow: &'a Flow,
    handshake: &'a Handshake,
    view: Option<&'a FlowView<'a>>,
    throughput: Option<[Throughput; 2]>,
}

impl Candidate<'_> {
    /// What it is ordered by.
    fn value(&self, order: FlowOrder, tuple: &FourTuple, state: FlowState, now: Timestamp) -> [u64; 3] {
        let client = self.flow.client();
        let [of_client, of_server] = [self.flow.side(client), self.flow.side(client.other())];
        let rate = |side: usize| self.throughput.map_or(0, |both| whole(both[side].bytes));
        let both = |of: fn(&FlowView<'_>, Side) -> u64| {
            self.view.map_or(0, |view| of(view, client).saturating_add(of(view, client.other())))
        };
        let value = match order {
            FlowOrder::Client => return endpoint(tuple.source, tuple.source_port),
            FlowOrder::Server => return endpoint(tuple.destination, tuple.destination_port),
            FlowOrder::State => state as u64,
            FlowOrder::Interface => self.flow.interface.0.into(),
            FlowOrder::Start => self.flow.start.0.cast_unsigned() ^ (1 << 63),
            FlowOrder::Idle => now.since(self.flow.end).0,
            FlowOrder::Rate => rate(0) + rate(1),
            FlowOrder::ClientRate => rate(0),
            FlowOrder::ServerRate => rate(1),
            FlowOrder::Bytes => of_client.bytes + of_server.bytes,
            FlowOrder::Segments => of_client.segments + of_server.segments,
            FlowOrder::Retransmissions => both(|view, side| view.retransmitted_segments(side)),
            FlowOrder::RoundTrip => both(|view, side| view.smoothed_round_trip(side).unwrap_or_default().0),
            FlowOrder::Stalls => self.view.map_or(0, |view| view.stalls().1.0),
        };
        [value, 0, 0]
    }
}

fn endpoint(address: Address, port: u16) -> [u64; 3] {
    let (high, low) = address.halves();
    [high, low, port.into()]
}

/// A throughput without what is less than a byte.
#[expect(clippy::cast_possible_truncation, reason = "a conversion of floats saturates")]
#[expect(clippy::cast_sign_loss, reason = "no throughput is negative")]
const fn whole(rate: f64) -> u64 {
    rate as u64
}

/// A row and its place: of several, the one that comes last is the greatest.
#[derive(Debug)]
struct Best {
    rank: Rank,
    row: FlowRow,
}

impl PartialEq for Best {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Best {}

impl PartialOrd for Best {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Best {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// Flows that are looked at between frames: a fraction of a millisecond, even where each of them has to come from
/// memory.
const SLICE: usize = 1_024;

const SECOND: Span = Span::from_secs(1);

/// Time between two looks that make a throughput: whoever looks once a second, and not to the millisecond, gets a new
/// one each time.
const LEAST: Span = Span::from_millis(500);
