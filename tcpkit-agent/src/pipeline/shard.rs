//! One worker's part of the analysis: frames in, records and measurements out; it never asks for the time.
//!
//! `now` is the watermark of capture time over the whole capture (the highest timestamp so far, that of the frame at
//! hand included): given the same frames under the same watermarks, any number of shards finds the same.
//! Every frame that is delivered has exactly one fate in the ledger.

use tcpkit_common::flow::FlowHash;

use super::{
    output::{Content, Foreign, Origin, Output},
    requests::conversations,
    settings::{EngineSettings, InterfaceFacts, Wanted},
};
use crate::{
    analyzer::{Conversations, Fate, MeasuredRequest, Note, Passed, TalkerAnalyzer},
    flow::{Arrival, Changes, FlowLimits, FlowTable, Taken},
    report::{Course, Moment, ShardSnapshot},
    time::{Span, Timestamp},
    wire::{
        self, Frame, IcmpError, InterfaceId, MalformedSegment, Packet, ParseOptions, Parsed, Segment,
        Unanalyzed, fragment::Defragmenter,
    },
};

/// The sans-I/O core of one worker.
#[derive(Debug)]
pub struct Shard {
    pub(super) number: u32,
    pub(super) shards: u32,
    pub(super) parse: ParseOptions,
    pub(super) interfaces: Vec<InterfaceFacts>,
    pub(super) table: FlowTable,
    pub(super) changes: Changes,
    pub(super) defragmenter: Defragmenter,
    /// What was measured so far, but for the table's own counts.
    pub(super) measured: ShardSnapshot,
    pub(super) wanted: Wanted,
    /// Whom it listens to, where requests are measured.
    pub(super) requests: Option<Box<Conversations>>,
    /// Requests that are over and that somebody reads.
    pub(super) told: Vec<MeasuredRequest>,
    icmp: bool,
    /// Latest watermark that was handed in.
    pub(super) now: Timestamp,
    /// Before this time nothing falls due but what the table knows of.
    next_due: Timestamp,
    /// The capture has ended.
    has_finished: bool,
}

impl Shard {
    /// Shard number `shard` of `settings.shards`.
    #[must_use]
    pub fn new(settings: &EngineSettings, shard: u32) -> Self {
        let shards = settings.shards.max(1);
        let flows = settings.flows;
        let limits = FlowLimits {
            max_flows: flows.max_flows.div_ceil(shards),
            max_half_open: flows.max_half_open.div_ceil(shards),
            ..flows
        };
        let mut measured = ShardSnapshot::default();
        measured.requests.slow_us = settings.slow_us;
        if settings.course {
            measured.course = Course::kept();
        }
        measured.talkers = TalkerAnalyzer::new(settings.prefixes);
        Self {
            number: shard,
            shards,
            parse: settings.parse,
            interfaces: Vec::new(),
            table: FlowTable::new(limits),
            changes: Changes {
                leaves_out_finished: !settings.wanted.flows,
                leaves_out_decided: !settings.wanted.handshakes,
                tells_left: settings.requests.is_some(),
                ..Changes::default()
            },
            defragmenter: Defragmenter::new(settings.fragments),
            measured,
            wanted: settings.wanted,
            requests: conversations(settings),
            told: Vec::new(),
            icmp: settings.icmp,
            now: Timestamp::MIN,
            next_due: Timestamp::MIN,
            has_finished: false,
        }
    }

    /// Tells what an interface is, before its first frame or when that changes; one that was never told is nameless, of
    /// identity 0.
    pub fn set_interface(&mut self, interface: InterfaceId, facts: InterfaceFacts) {
        let place = usize::from(interface.0);
        if place >= self.interfaces.len() {
            self.interfaces.resize(place + 1, InterfaceFacts::default());
        }
        let known = &mut self.interfaces[place];
        if known.name.is_some() && known.identity != facts.identity {
            self.table.on_regrouped(known.identity, facts.identity, self.now);
        }
        *known = facts;
    }

    /// Takes a frame.
    pub fn on_frame(&mut self, frame: &Frame<'_>, now: Timestamp, out: &mut Output) {
        self.advance(now, out);
        if let Err(known) = self.take_calm(frame, now, out) {
            self.take_eventful(frame, known, &Origin::of(frame, now), out);
        }
    }

    /// Takes a frame or a datagram that another shard handed over.
    pub fn on_foreign(&mut self, foreign: Foreign, now: Timestamp, out: &mut Output) {
        let now = now.max(foreign.origin.watermark);
        match foreign.content {
            Content::Frame(frame) => {
                self.advance(now, out);
                self.take_eventful(&frame.borrow(&foreign.origin), None, &foreign.origin, out);
            }
            Content::Datagram(datagram) => {
                self.advance(now, out);
                self.take_datagram(*datagram, &foreign.origin, self.now, out);
            }
        }
        self.pass_on(out);
    }

    /// Takes notice of a frame that came after as many as were asked for.
    pub fn on_frame_beyond_count(&mut self, frame: &Frame<'_>) {
        self.measured
            .fates
            .on_frame((frame.interface, frame.hook), Fate::NotAnalyzed(Unanalyzed::BeyondCount));
    }

    /// Lets every flow expire that is due by `now`.
    #[inline(always)]
    pub fn advance(&mut self, now: Timestamp, out: &mut Output) {
        let latest = self.now.max(now);
        if latest >= self.next_due || self.table.is_due(latest) {
            self.on_time(now, out);
        }
        self.now = latest;
    }

    /// Does what may have fallen due by `now`.
    #[inline(never)]
    fn on_time(&mut self, now: Timestamp, out: &mut Output) {
        if now >= self.measured.course.due() {
            self.note_course(now, out);
        }
        self.run_timers(now, out);
        // Each segment may change when a request is due.
        let asks_always = self.requests.is_some();
        self.next_due = if asks_always { Timestamp::MIN } else { self.measured.course.due() };
    }

    /// Notes how things stand at each boundary up to `now`: as they are when every timer up to there has run.
    #[cold]
    fn note_course(&mut self, now: Timestamp, out: &mut Output) {
        let mut known = None;
        while let Some(boundary) = self.measured.course.next(now) {
            // In a long silence nothing changes but by timers.
            if known.is_none() || self.requests.is_some() || self.table.is_due(boundary) {
                self.run_timers(boundary, out);
                self.pass_on_changes(out);
                known = Some(Moment::of(&self.measured, &self.table.counts()));
            }
            self.measured.course.note(known.clone().unwrap_or_default());
        }
    }

    fn run_timers(&mut self, now: Timestamp, out: &mut Output) {
        self.now = self.now.max(now);
        // What frames changed is passed on behind each of them.
        let is_due = self.requests.as_ref().is_some_and(|conversations| conversations.is_due(self.now));
        if self.table.is_due(self.now) || is_due {
            self.expire(out);
        }
    }

    #[inline(never)]
    fn expire(&mut self, out: &mut Output) {
        self.table.advance(self.now, &mut self.changes);
        if self.requests.is_some() {
            self.hear_nothing(self.now);
        }
        self.pass_on(out);
    }

    /// Ends the capture at `end`, or at the latest watermark where that is later: the flows that are left follow in
    /// order of start and four-tuple.
    pub fn finish(&mut self, end: Timestamp, out: &mut Output) {
        self.advance(end, out);
        self.defragmenter.finish();
        self.settle_incomplete();
        self.now = end.max(self.now);
        self.table.finish(self.now, &mut self.changes);
        self.hear_no_more();
        self.pass_on(out);
        self.has_finished = true;
    }

    /// What was measured so far.
    #[must_use]
    pub fn snapshot(&self) -> ShardSnapshot {
        let mut snapshot = ShardSnapshot { flows: self.table.counts(), ..self.measured.clone() };
        snapshot.round_trips.on_round_trips(&self.changes.round_trips);
        snapshot.bandwidth.settle();
        snapshot.talkers.settle();
        snapshot.requests.settle();
        if let Some(conversations) = &self.requests {
            conversations.add_to(&mut snapshot.requests);
        }
        snapshot
    }

    /// What was measured since the last time, which the shard then forgets: nothing is copied, so this takes
    /// microseconds however much it is. The parts add up by [`ShardSnapshot::merge`], but for the flows and the open
    /// dialogues, which are how things stand.
    #[must_use]
    pub fn hand_over(&mut self) -> ShardSnapshot {
        self.measured.round_trips.on_round_trips(&self.changes.round_trips);
        self.changes.round_trips.clear();
        self.measured.bandwidth.settle();
        self.measured.talkers.settle();
        self.measured.requests.settle();
        let talkers = self.measured.talkers.afresh();
        let slow_us = self.measured.requests.slow_us;
        let mut measured =
            std::mem::replace(&mut self.measured, ShardSnapshot { talkers, ..ShardSnapshot::default() });
        self.measured.requests.slow_us = slow_us;
        self.keep_course(&mut measured);
        measured.flows = self.table.counts();
        if let Some(conversations) = &mut self.requests {
            conversations.add_to(&mut measured.requests);
            conversations.forget_counts();
        }
        measured
    }

    /// The course goes on over all parts; the last one has it.
    fn keep_course(&mut self, measured: &mut ShardSnapshot) {
        self.measured.course = std::mem::take(&mut measured.course);
        self.measured.course.handed_over(measured);
        if self.has_finished {
            measured.course = std::mem::take(&mut self.measured.course);
        }
    }

    /// The worker was kept from its frames for so long.
    pub fn on_pause(&mut self, pause: Span) {
        self.measured.pauses.record(pause);
    }

    /// Anything but a plain frame with a segment of a flow of this shard.
    #[cold]
    pub(super) fn take_rare(&mut self, frame: &Frame<'_>, origin: &Origin, now: Timestamp, out: &mut Output) {
        let parsed = wire::parse(frame, self.parse);
        let Some(packet) = parsed.packet.as_ref().ok().filter(|packet| self.is_owned(packet)) else {
            return self.take_other(frame, &parsed, origin);
        };
        let hash = wire::flow_hash(packet);
        let owner = hash.shard(self.shards);
        if owner == self.number || self.collects(packet) {
            self.take_own(frame, &parsed, packet, hash, origin, now, out);
        } else {
            self.measured.fates.on_note(origin.place(), Note::HandedOver);
            out.foreign.push(Foreign::frame(owner, origin, frame));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; a struct would only rename them")]
    fn take_own(
        &mut self,
        frame: &Frame<'_>,
        parsed: &Parsed<'_>,
        packet: &Packet<'_>,
        hash: FlowHash,
        origin: &Origin,
        now: Timestamp,
        out: &mut Output,
    ) {
        let size = FrameSize::of(frame);
        match packet {
            Packet::Tcp(segment) => {
                let passed = self.take_segment(segment, hash, origin, size, now);
                self.count_rare(frame, &parsed.outer, &passed, Fate::Analyzed, origin);
                self.note_flow(origin, &parsed.outer);
            }
            Packet::MalformedTcp(malformed) => {
                let passed = self.take_malformed(malformed, hash, origin, size, now);
                self.count_rare(frame, &parsed.outer, &passed, Fate::Malformed(malformed.error), origin);
                self.note_flow(origin, &parsed.outer);
            }
            Packet::IcmpError(error) => {
                self.take_icmp(hash, error, origin);
                self.count_packet(frame, parsed, Fate::Analyzed, origin);
            }
            Packet::Fragment(fragment) => {
                let fate = Fate::NotAnalyzed(Unanalyzed::WaitingForFragments);
                self.count_packet(frame, parsed, fate, origin);
                self.take_fragment(fragment, frame.frame_len, parsed.outer, origin, now, out);
            }
            Packet::Udp(datagram) => {
                self.hear_datagram(datagram, hash, origin);
                self.count_packet(frame, parsed, Fate::Analyzed, origin);
            }
            Packet::Other(_) => {}
        }
    }

    /// Takes a segment that this shard owns; what it stood for on the wire.
    pub(super) fn take_segment(
        &mut self,
        segment: &Segment<'_>,
        hash: FlowHash,
        origin: &Origin,
        size: FrameSize,
        now: Timestamp,
    ) -> Passed {
        let take = |table: &mut FlowTable, arrival: &Arrival, changes: &mut Changes| {
            table.on_segment(hash, segment, arrival, changes)
        };
        self.take_by(take, segment, origin, size, now)
    }

    /// Has the table take a segment; what it stood for on the wire.
    #[inline(always)]
    pub(super) fn take_by(
        &mut self,
        take: impl FnOnce(&mut FlowTable, &Arrival, &mut Changes) -> Taken,
        segment: &Segment<'_>,
        origin: &Origin,
        size: FrameSize,
        now: Timestamp,
    ) -> Passed {
        let Some(arrival) = self.arrival(origin, size, now) else {
            return self.note_copy(segment, size, origin);
        };
        let taken = take(&mut self.table, &arrival, &mut self.changes);
        if self.requests.is_some() {
            let segment_size = taken.wire.payload_of_one(segment);
            self.hear_segment(segment, taken.slot, segment_size, origin.timestamp);
        }
        self.note_duplicate(taken, segment.payload_len, origin)
    }

    /// The same for one whose header is malformed.
    #[cold]
    pub(super) fn take_malformed(
        &mut self,
        malformed: &MalformedSegment<'_>,
        hash: FlowHash,
        origin: &Origin,
        size: FrameSize,
        now: Timestamp,
    ) -> Passed {
        let Some(arrival) = self.arrival(origin, size, now) else {
            return self.note_copy(&malformed.segment, size, origin);
        };
        let taken = self.table.on_malformed(hash, malformed, &arrival, &mut self.changes);
        self.note_duplicate(taken, malformed.segment.payload_len, origin)
    }

    /// Takes an ICMP error that quotes a segment of this shard's.
    pub(super) fn take_icmp(&mut self, hash: FlowHash, error: &IcmpError, origin: &Origin) {
        if self.icmp {
            self.table.on_icmp(hash, error, origin.timestamp, &mut self.changes);
        }
    }

    /// What is known of a frame; `None` where its interface shows what another one shows too.
    #[inline(always)]
    pub(super) fn arrival(&self, origin: &Origin, size: FrameSize, now: Timestamp) -> Option<Arrival> {
        let facts = self.interfaces.get(usize::from(origin.interface.0));
        if facts.is_some_and(|facts| facts.is_copy) {
            return None;
        }
        Some(Arrival {
            timestamp: origin.timestamp,
            now,
            interface: origin.interface,
            identity: facts.map_or(0, |facts| facts.identity),
            is_named: facts.is_some_and(|facts| facts.name.is_some()),
            frame_len: size.frame_len,
            gso_size: size.gso_size,
        })
    }

    #[inline]
    pub(super) fn is_copy(&self, interface: InterfaceId) -> bool {
        self.interfaces.get(usize::from(interface.0)).is_some_and(|facts| facts.is_copy)
    }

    /// A shard beyond the last one owns no flow, but every fragment: whoever deals frames to the shards puts datagrams
    /// together with it before, so that a datagram comes to its flow at its place in capture order.
    const fn collects(&self, packet: &Packet<'_>) -> bool {
        self.number >= self.shards && matches!(packet, Packet::Fragment(_))
    }

    /// Whether a packet belongs to one shard, by its hash.
    #[inline]
    fn is_owned(&self, packet: &Packet<'_>) -> bool {
        match packet {
            Packet::Tcp(_) | Packet::MalformedTcp(_) | Packet::IcmpError(_) | Packet::Fragment(_) => true,
            Packet::Udp(_) => self.hears_datagrams(),
            Packet::Other(_) => false,
        }
    }

    #[inline]
    pub(super) fn identity(&self, interface: InterfaceId) -> (u16, bool) {
        let facts = self.interfaces.get(usize::from(interface.0));
        facts.map_or((0, false), |facts| (facts.identity, facts.name.is_some()))
    }
}

/// Octets of a frame, and of the segments that it stood for.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameSize {
    pub(super) frame_len: u32,
    pub(super) gso_size: u16,
}

impl FrameSize {
    #[inline(always)]
    pub(super) const fn of(frame: &Frame<'_>) -> Self {
        Self { frame_len: frame.frame_len, gso_size: frame.gso_size }
    }
}
