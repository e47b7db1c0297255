//! One worker's part of the analysis: frames in, records and measurements out; it never asks for the time.
//!
//! `now` is the watermark of capture time over the whole capture (the highest timestamp so far, that of the frame at
//! hand included): given the same frames under the same watermarks, any number of shards finds the same.
//! Every frame that is delivered has exactly one fate in the ledger.

use tcpkit_common::flow::FlowHash;

use super::{
    output::{Finished, Foreign, Output},
    settings::{EngineSettings, InterfaceFacts},
};
use crate::{
    analyzer::{BandwidthAnalyzer, Fate, FateAnalyzer, HandshakeAnalyzer, Note},
    flow::{Arrival, Changes, FlowLimits, FlowTable, WireCount},
    report::{Event, EventKind, Extent, FlowRecord, ShardSnapshot},
    time::Timestamp,
    wire::{self, Frame, IcmpError, InterfaceId, Packet, ParseOptions, Parsed, Segment, Unanalyzed},
};

/// The sans-I/O core of one worker.
#[derive(Debug)]
pub struct Shard {
    number: u32,
    shards: u32,
    parse: ParseOptions,
    interfaces: Vec<InterfaceFacts>,
    table: FlowTable,
    changes: Changes,
    fates: FateAnalyzer,
    handshakes: HandshakeAnalyzer,
    bandwidth: BandwidthAnalyzer,
    extent: Extent,
}

impl Shard {
    /// Shard number `shard` of `settings.shards`.
    #[must_use]
    pub fn new(settings: &EngineSettings, shard: u32) -> Self {
        let shards = settings.shards.max(1);
        let limits = FlowLimits { max_flows: settings.flows.max_flows.div_ceil(shards), ..settings.flows };
        Self {
            number: shard,
            shards,
            parse: settings.parse,
            interfaces: Vec::new(),
            table: FlowTable::new(limits),
            changes: Changes::default(),
            fates: FateAnalyzer::default(),
            handshakes: HandshakeAnalyzer::default(),
            bandwidth: BandwidthAnalyzer::default(),
            extent: Extent::default(),
        }
    }

    /// Tells what an interface is, before its first frame; one that was never told is nameless, of identity 0.
    pub fn set_interface(&mut self, interface: InterfaceId, facts: InterfaceFacts) {
        let place = usize::from(interface.0);
        if place >= self.interfaces.len() {
            self.interfaces.resize(place + 1, InterfaceFacts::default());
        }
        self.interfaces[place] = facts;
    }

    /// Takes a frame.
    pub fn on_frame(&mut self, frame: &Frame<'_>, now: Timestamp, out: &mut Output) {
        self.advance(now, out);
        let parsed = wire::parse(frame, self.parse);
        match &parsed.packet {
            Ok(Packet::Tcp(segment)) => {
                let hash = FlowHash::of(&segment.tuple);
                match self.owner(hash) {
                    Some(owner) => self.hand_over(owner, frame, now, out),
                    None => self.on_segment(frame, &parsed, segment, hash, now, out),
                }
            }
            Ok(Packet::IcmpError(error)) => {
                let hash = FlowHash::of(&error.quoted);
                match self.owner(hash) {
                    Some(owner) => self.hand_over(owner, frame, now, out),
                    None => self.on_icmp(frame, &parsed, error, hash, now, out),
                }
            }
            _ => self.on_other(frame, &parsed, now),
        }
    }

    /// Takes a frame that another shard handed over.
    pub fn on_foreign(&mut self, foreign: Foreign, now: Timestamp, out: &mut Output) {
        self.on_frame(&foreign.frame(), now.max(foreign.now), out);
    }

    /// Accounts for a frame that its own shard had no room for.
    pub fn on_refused(&mut self, foreign: &Foreign, now: Timestamp) {
        let frame = foreign.frame();
        let parsed = wire::parse(&frame, self.parse);
        let fate = Fate::NotAnalyzed(Unanalyzed::HandoverFull);
        self.count(&frame, &parsed, WireCount::one(frame.frame_len), fate, now);
    }

    /// Lets everything expire that is due by `now`.
    #[inline]
    pub fn advance(&mut self, now: Timestamp, out: &mut Output) {
        self.table.advance(now, &mut self.changes);
        self.pass_on(out);
    }

    /// Ends the capture at `end`: the flows that are left follow in order of start and four-tuple.
    pub fn finish(&mut self, end: Timestamp, out: &mut Output) {
        self.table.finish(end, &mut self.changes);
        self.pass_on(out);
    }

    /// What was measured so far.
    #[must_use]
    pub fn snapshot(&self) -> ShardSnapshot {
        ShardSnapshot {
            fates: self.fates.clone(),
            handshakes: self.handshakes.clone(),
            bandwidth: self.bandwidth.clone(),
            flows: *self.table.counts(),
            extent: self.extent,
        }
    }

    /// The shard that owns a flow, where it is another one.
    #[inline]
    fn owner(&self, hash: FlowHash) -> Option<u32> {
        Some(hash.shard(self.shards)).filter(|owner| *owner != self.number)
    }

    fn hand_over(&mut self, owner: u32, frame: &Frame<'_>, now: Timestamp, out: &mut Output) {
        self.fates.on_note((frame.interface, frame.hook), Note::HandedOver);
        out.foreign.push(Foreign::new(owner, now, frame));
    }

    #[inline]
    fn on_segment(
        &mut self,
        frame: &Frame<'_>,
        parsed: &Parsed<'_>,
        segment: &Segment<'_>,
        hash: FlowHash,
        now: Timestamp,
        out: &mut Output,
    ) {
        let (identity, is_named) = self.identity(frame.interface);
        let arrival = Arrival {
            timestamp: frame.timestamp,
            now,
            interface: frame.interface,
            identity,
            is_named,
            frame_len: frame.frame_len,
            gso_size: frame.gso_size,
        };
        let taken = self.table.on_segment(hash, segment, &arrival, &mut self.changes);
        self.count(frame, parsed, taken.wire, Fate::Analyzed, now);
        if taken.is_duplicate {
            self.fates.on_note((frame.interface, frame.hook), Note::Duplicate);
        }
        self.pass_on(out);
    }

    fn on_icmp(
        &mut self,
        frame: &Frame<'_>,
        parsed: &Parsed<'_>,
        error: &IcmpError,
        hash: FlowHash,
        now: Timestamp,
        out: &mut Output,
    ) {
        self.count(frame, parsed, WireCount::one(frame.frame_len), Fate::Analyzed, now);
        self.table.on_icmp(hash, error, frame.timestamp, &mut self.changes);
        self.pass_on(out);
    }

    fn on_other(&mut self, frame: &Frame<'_>, parsed: &Parsed<'_>, now: Timestamp) {
        let mut wire = WireCount::one(frame.frame_len);
        let fate = match &parsed.packet {
            Ok(Packet::Udp(datagram)) => {
                let header_len = frame.frame_len.saturating_sub(datagram.payload_len);
                let limit = u32::from(frame.gso_size);
                wire = WireCount::of(frame.frame_len, header_len, datagram.payload_len, limit);
                Fate::NotAnalyzed(Unanalyzed::Udp)
            }
            Ok(Packet::Other(cause)) => Fate::NotAnalyzed(*cause),
            Ok(Packet::Fragment(_)) => Fate::NotAnalyzed(Unanalyzed::WaitingForFragments),
            Ok(Packet::Tcp(_) | Packet::IcmpError(_)) => Fate::Analyzed,
            Err(error) => Fate::Malformed(*error),
        };
        self.count(frame, parsed, wire, fate, now);
    }

    /// A frame is delivered here: its fate, its traffic, its time.
    #[inline]
    fn count(&mut self, frame: &Frame<'_>, parsed: &Parsed<'_>, wire: WireCount, fate: Fate, now: Timestamp) {
        let place = (frame.interface, frame.hook);
        self.fates.on_frame(place, fate);
        self.bandwidth.on_frame(frame, &parsed.outer, wire);
        self.extent.on_frame(frame.timestamp, now);
        if parsed.outer.truncated {
            self.fates.on_note(place, Note::Truncated);
        }
        if frame.timestamp < now {
            self.fates.on_note(place, Note::TimeStepBack);
        }
    }

    #[inline]
    fn identity(&self, interface: InterfaceId) -> (u16, bool) {
        let facts = self.interfaces.get(usize::from(interface.0));
        facts.map_or((0, false), |facts| (facts.identity, facts.name.is_some()))
    }

    /// Turns what happened to flows into measurements, events and records.
    #[inline]
    fn pass_on(&mut self, out: &mut Output) {
        if !self.changes.is_empty() {
            self.pass_on_changes(out);
        }
    }

    fn pass_on_changes(&mut self, out: &mut Output) {
        let Self { changes, interfaces, handshakes, .. } = self;
        let name = |interface: InterfaceId| interfaces.get(usize::from(interface.0))?.name.as_ref();
        handshakes.on_steps(&changes.steps);
        out.events.extend(changes.failed.iter().map(|failed| {
            let record = FlowRecord::observed(&failed.flow, &failed.handshake, name(failed.flow.interface));
            let kind = EventKind::HandshakeFailed { result: record.handshake, flow: Box::new(record) };
            Event { time: failed.at, kind }
        }));
        out.finished.extend(changes.finished.iter().map(|finished| {
            let record =
                FlowRecord::observed(&finished.flow, &finished.handshake, name(finished.flow.interface));
            Finished { at: finished.at, record }
        }));
        changes.clear();
    }
}
