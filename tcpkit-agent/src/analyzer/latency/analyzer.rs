//! All requests of a capture, summed up: by protocol, port, server and command, and the slowest ones.

use super::{
    counts::RequestCounts,
    measured::{MeasuredRequest, Measurement},
    rows::{Places, Row, Rows, Taken},
    sums::{Addend, PortSum, RequestSum},
};
use crate::{
    analyzer::Ranking,
    flow::Endpoint,
    protocol::{DialogueCounts, Protocol, Text},
    time::{Span, Timestamp},
};
use std::cmp::Reverse;

use tcpkit_common::flow::Address;

/// Keys that each shard keeps a sum for; beyond it the lighter half is one sum.
const MAX_PORTS: usize = 256;
const MAX_SERVERS: usize = 512;
const MAX_COMMANDS: usize = 512;
/// Slow requests that are kept.
const MAX_SLOWEST: usize = 50;

/// What is spoken with a server.
pub type SpokenAt = (Protocol, Endpoint);
/// A command of a protocol.
pub type Command = (Protocol, Text<24>);

/// All requests of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestAnalyzer {
    protocols: [RequestSum; Protocol::COUNT],
    dialogues: [DialogueCounts; Protocol::COUNT],
    /// Of dialogues that go on: not a sum, but how things stand.
    open: [DialogueCounts; Protocol::COUNT],
    ports: Ranking<u16, PortSum>,
    servers: Ranking<SpokenAt, PortSum>,
    commands: Ranking<Command, RequestSum>,
    rows: Rows,
    /// The slowest first.
    slowest: Vec<MeasuredRequest>,
    /// What listening came to, beside the requests.
    pub counts: RequestCounts,
    /// Microseconds from which on git-hulk/tcpkit calls a request slow; 0 for none.
    pub slow_us: u64,
}

impl Default for RequestAnalyzer {
    fn default() -> Self {
        Self {
            protocols: Default::default(),
            dialogues: Default::default(),
            open: Default::default(),
            ports: Ranking::new(MAX_PORTS),
            servers: Ranking::new(MAX_SERVERS),
            commands: Ranking::new(MAX_COMMANDS),
            rows: Rows::default(),
            slowest: Vec::new(),
            counts: RequestCounts::default(),
            slow_us: 0,
        }
    }
}

impl RequestAnalyzer {
    /// Takes a request that is over.
    pub(super) fn on_request(&mut self, request: &Measurement<'_>) {
        let one = Addend::of(request, self.slow_us);
        let row = Row::of(request);
        match self.rows.take(&row, &one, self.folded()) {
            Taken::Waits => {}
            Taken::At(places) => self.add_at(&row, &places, &one),
            Taken::Unknown => {
                let places = self.look_up(row);
                self.add_at(&row, &places, &one);
            }
        }
        if let Some(total) = request.total() {
            self.keep_slow(request, total);
        }
    }

    /// Adds what waits to the sums; whoever looks at them must ask for that before.
    pub fn settle(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.settled().for_each(|(row, waiting)| self.add(&row, &waiting));
        self.rows = rows;
    }

    /// Takes what a dialogue that is over could not read.
    pub fn on_dialogue(&mut self, protocol: Protocol, counts: &DialogueCounts) {
        self.dialogues[protocol.index()].merge(counts);
    }

    /// Takes what a dialogue that goes on could not read so far.
    pub fn on_open_dialogue(&mut self, protocol: Protocol, counts: &DialogueCounts) {
        self.open[protocol.index()].merge(counts);
    }

    /// Takes out what stands for dialogues that go on.
    pub fn take_open(&mut self) -> [DialogueCounts; Protocol::COUNT] {
        std::mem::take(&mut self.open)
    }

    /// Takes what stands for dialogues of one shard that go on.
    pub fn add_open(&mut self, open: &[DialogueCounts; Protocol::COUNT]) {
        self.open.iter_mut().zip(open).for_each(|(own, theirs)| own.merge(theirs));
    }

    /// Adds another shard's requests.
    pub fn merge(&mut self, other: &Self) {
        self.settle();
        for (own, theirs) in self.protocols.iter_mut().zip(&other.protocols) {
            own.merge(theirs);
        }
        for (own, theirs) in self.dialogues.iter_mut().zip(&other.dialogues) {
            own.merge(theirs);
        }
        self.add_open(&other.open);
        self.ports.merge(&other.ports);
        self.servers.merge(&other.servers);
        self.commands.merge(&other.commands);
        other.rows.waiting().for_each(|(row, waiting)| self.add(&row, waiting));
        self.slowest.extend(other.slowest.iter().cloned());
        self.slowest.sort_by_key(rank);
        self.slowest.truncate(MAX_SLOWEST);
        self.counts.merge(&other.counts);
        self.slow_us = self.slow_us.max(other.slow_us);
    }

    /// Every protocol by its name: its requests, and what of it could not be read.
    pub fn protocols(&self) -> impl Iterator<Item = (&'static str, &RequestSum, DialogueCounts)> {
        let dialogue = |protocol: &Protocol| {
            let mut sum = self.dialogues[protocol.index()];
            sum.merge(&self.open[protocol.index()]);
            sum
        };
        let sums = Protocol::ALL.iter().zip(&self.protocols);
        sums.map(move |(protocol, sum)| (protocol.name(), sum, dialogue(protocol)))
    }

    /// All of them, those too that wait.
    #[must_use]
    pub fn total(&self) -> RequestSum {
        let mut total = RequestSum::default();
        self.protocols.iter().for_each(|sum| total.merge(sum));
        self.rows.waiting().for_each(|(_, waiting)| total.merge(&waiting.sum));
        total
    }

    /// By the servers' port.
    #[must_use]
    pub const fn ports(&self) -> &Ranking<u16, PortSum> {
        &self.ports
    }

    /// By server.
    #[must_use]
    pub const fn servers(&self) -> &Ranking<SpokenAt, PortSum> {
        &self.servers
    }

    /// By command.
    #[must_use]
    pub const fn commands(&self) -> &Ranking<Command, RequestSum> {
        &self.commands
    }

    /// The slowest answered ones, the slowest first; blocking ones are not slow.
    #[must_use]
    pub fn slowest(&self) -> &[MeasuredRequest] {
        &self.slowest
    }

    #[inline]
    fn add_at(&mut self, row: &Row, places: &Places, one: &Addend) {
        self.protocols[row.protocol.index()].add_one(one);
        self.ports.at(places.port).add_one(one);
        self.servers.at(places.server).add_one(one);
        self.commands.at(places.command).add_one(one);
    }

    /// Adds several requests of a row.
    fn add(&mut self, row: &Row, sum: &PortSum) {
        self.protocols[row.protocol.index()].merge(&sum.sum);
        self.ports.entry(row.server.port).merge(sum);
        self.servers.entry((row.protocol, row.server)).merge(sum);
        self.commands.entry((row.protocol, row.command)).merge(&sum.sum);
    }

    /// Where the sums of a row are. What waits is added before one of them may be folded away: it has sums already, so
    /// that folds none.
    #[cold]
    fn look_up(&mut self, row: Row) -> Places {
        if self.ports.is_full() || self.servers.is_full() || self.commands.is_full() {
            self.settle();
        } else if let Some((displaced, waiting)) = self.rows.displaced_by(&row) {
            self.add(&displaced, &waiting);
        }
        let port = self.ports.place(row.server.port);
        let server = self.servers.place((row.protocol, row.server));
        let command = self.commands.place((row.protocol, row.command));
        let places = Places { port, server, command, folded: self.folded() };
        self.rows.remember(row, places);
        places
    }

    /// Changes whenever places do.
    const fn folded(&self) -> u64 {
        self.ports.folded() + self.servers.folded() + self.commands.folded()
    }

    #[inline]
    fn keep_slow(&mut self, request: &Measurement<'_>, total: Span) {
        let is_full = self.slowest.len() >= MAX_SLOWEST;
        if is_full && self.slowest.last().and_then(|last| last.measurement().total()) > Some(total) {
            return;
        }
        let place = self.slowest.partition_point(|other| rank(other) <= rank_of(request));
        if place < MAX_SLOWEST {
            self.slowest.insert(place, request.kept());
            self.slowest.truncate(MAX_SLOWEST);
        }
    }
}

fn rank(request: &MeasuredRequest) -> Rank {
    rank_of(&request.measurement())
}

/// The slower first, then by time.
type Rank = (Reverse<Option<Span>>, (Timestamp, Address, u16));

fn rank_of(request: &Measurement<'_>) -> Rank {
    (Reverse(request.total()), request.order())
}
