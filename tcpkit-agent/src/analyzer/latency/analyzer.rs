//! All requests of a capture, summed up: by protocol, port, server and command, and the slowest ones.

use super::{
    counts::RequestCounts,
    measured::MeasuredRequest,
    sums::{Addend, PortSum, RequestSum},
};
use crate::{
    analyzer::Ranking,
    flow::Endpoint,
    protocol::{DialogueCounts, Protocol, Text},
    time::Span,
};

/// Keys that each shard keeps a sum for; beyond it the lighter half is one sum.
const MAX_PORTS: usize = 256;
const MAX_SERVERS: usize = 512;
const MAX_COMMANDS: usize = 512;
/// Slow requests that are kept.
const MAX_SLOWEST: usize = 50;

/// What the sums of a request are named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    protocol: Protocol,
    server: Endpoint,
    command: Text<24>,
}

/// Where its sums are, as long as as many keys were folded.
#[derive(Clone, Copy, Debug)]
struct Places {
    port: usize,
    server: usize,
    command: usize,
    folded: u64,
}

/// Rows that were asked for lately, by a hash of them. It says nothing of what was summed up.
#[derive(Clone, Debug)]
struct Recent([Option<(Row, Places)>; RECENT]);

const RECENT: usize = 32;

impl PartialEq for Recent {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Recent {}

impl Row {
    fn of(request: &MeasuredRequest) -> Self {
        let command = request.exchange.request.command;
        Self { protocol: request.protocol, server: request.server(), command }
    }

    fn place(&self) -> usize {
        let [.., a, b, c, d] = self.server.address.0;
        let server = u64::from(u32::from_le_bytes([a, b, c, d])) ^ u64::from(self.server.port) << 32;
        let mixed = server.wrapping_add(self.command.head()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize % RECENT
    }
}

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
    recent: Recent,
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
            recent: Recent([const { None }; RECENT]),
            slowest: Vec::new(),
            counts: RequestCounts::default(),
            slow_us: 0,
        }
    }
}

impl RequestAnalyzer {
    /// Takes a request that is over.
    pub fn on_request(&mut self, request: &MeasuredRequest) {
        let one = Addend::of(request, self.slow_us);
        let places = self.places(request);
        self.protocols[request.protocol.index()].add_one(&one);
        self.ports.at(places.port).add_one(&one);
        self.servers.at(places.server).add_one(&one);
        self.commands.at(places.command).add_one(&one);
        if let Some(total) = total(request) {
            self.keep_slow(request, total);
        }
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

    /// All of them.
    #[must_use]
    pub fn total(&self) -> RequestSum {
        let mut total = RequestSum::default();
        self.protocols.iter().for_each(|sum| total.merge(sum));
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

    /// Where the sums of a request are: found in one look for those that were asked for lately.
    #[inline]
    fn places(&mut self, request: &MeasuredRequest) -> Places {
        let row = Row::of(request);
        let place = row.place();
        let folded = self.folded();
        match &self.recent.0[place] {
            Some((known, places)) if *known == row && places.folded == folded => *places,
            _ => self.look_up(row),
        }
    }

    #[cold]
    fn look_up(&mut self, row: Row) -> Places {
        let port = self.ports.place(row.server.port);
        let server = self.servers.place((row.protocol, row.server));
        let command = self.commands.place((row.protocol, row.command));
        let places = Places { port, server, command, folded: self.folded() };
        self.recent.0[row.place()] = Some((row, places));
        places
    }

    /// Changes whenever places do.
    const fn folded(&self) -> u64 {
        self.ports.folded() + self.servers.folded() + self.commands.folded()
    }

    #[inline]
    fn keep_slow(&mut self, request: &MeasuredRequest, total: Span) {
        let is_full = self.slowest.len() >= MAX_SLOWEST;
        if is_full && self.slowest.last().and_then(self::total) > Some(total) {
            return;
        }
        let place = self.slowest.partition_point(|other| rank(other) <= rank(request));
        self.slowest.insert(place, request.clone());
        self.slowest.truncate(MAX_SLOWEST);
    }
}

/// How long an answered request took that did not ask the server to wait.
fn total(request: &MeasuredRequest) -> Option<Span> {
    request.spent.filter(|_| !request.exchange.request.is_blocking).map(|spent| spent.total)
}

fn rank(request: &MeasuredRequest) -> impl Ord + use<> {
    (std::cmp::Reverse(total(request)), request.order())
}
