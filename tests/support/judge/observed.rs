//! What the engine says of a capture, frame by frame.
//!
//! The frames of a capture file go through the engine's table of flows one at a time, and what it tells after each is
//! written beside that frame. A verdict that is revised later is attributed to the frame it was about: the one that a
//! D-SACK of the revising segment names, else the latest with the verdict that is taken back.

use std::{collections::HashMap, path::Path};

use anyhow::{Result, bail};
use tcpkit_agent::{
    flow::{Arrival, Cause, Changes, FlowKey, FlowTable, RttSummary, Side, StreamStep, StreamStepKind},
    pipeline::EngineSettings,
    source::{Block, InterfaceTable, Reader},
    time::Timestamp,
    wire::{self, Frame, Packet, ParseOptions, SackBlock, Segment, SeqNumber, TcpFlags},
};

use super::truth::Way;

/// A segment or super-segment with payload.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When, since the epoch, in nanoseconds.
    pub at_ns: i64,
    /// Whose.
    pub way: Way,
    /// Its first sequence number.
    pub seq: SeqNumber,
    /// Octets of payload.
    pub payload_len: u32,
    /// Octets of each of its segments.
    pub segment_len: u32,
    /// Its IPv4 identification: a copy that the sender makes has another one.
    pub identification: u16,
    /// What the engine says it is, at the end.
    pub said: Option<Said>,
    /// A D-SACK that came back past here says that the receiver had some of it already.
    pub is_dsacked: bool,
}

/// What the engine says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Why it was sent again, as the engine said at once.
    at_once: Cause,
    /// How many segments were.
    pub segments: u32,
    /// Of how many it took that back, and what it said then.
    revised: (u32, Cause),
}

impl Said {
    /// Why it was sent again, as the engine has it at the end: of most of its segments.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        if self.revised.0 * 2 >= self.segments { self.revised.1 } else { self.at_once }
    }
}

/// What the engine says of a whole capture.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// In order of capture.
    pub sent: Vec<Sent>,
    /// Round trips of the data that went a way.
    pub rtt: HashMap<Way, RttSummary>,
    /// FINs sent again.
    fins: HashMap<Way, u64>,
    /// SYNs, and SYN/ACKs, sent again.
    pub syns: [u64; 2],
}

impl Observed {
    /// Reads a capture file.
    ///
    /// # Errors
    /// When it cannot be read, or what the engine says fits no frame.
    pub fn of(file: &Path) -> Result<Self> {
        let mut watch = Watch::new();
        let mut reader = Reader::open(file, &mut InterfaceTable::default())?;
        let mut block = Block::default();
        while reader.fill(&mut block)? {
            for descriptor in &block.frames {
                watch.take(&block.frame(descriptor))?;
            }
        }
        watch.finish(reader.end_of_capture().unwrap_or(Timestamp::MIN));
        Ok(watch.observed)
    }

    /// FINs sent again that way.
    #[must_use]
    pub fn fins(&self, is_wanted: impl Fn(&Way) -> bool) -> u64 {
        self.fins.iter().filter(|(way, _)| is_wanted(way)).map(|(_, fins)| fins).sum()
    }
}

struct Watch {
    table: FlowTable,
    changes: Changes,
    now: Timestamp,
    observed: Observed,
    /// Frames of each way, by their place.
    places: HashMap<Way, Vec<usize>>,
}

impl Watch {
    fn new() -> Self {
        Self {
            table: FlowTable::new(EngineSettings::replay(1).flows),
            changes: Changes::default(),
            now: Timestamp::MIN,
            observed: Observed::default(),
            places: HashMap::new(),
        }
    }

    fn take(&mut self, frame: &Frame<'_>) -> Result<()> {
        let parsed = wire::parse(frame, ParseOptions::default());
        let Ok(Packet::Tcp(segment)) = &parsed.packet else { return Ok(()) };
        let way = way(segment);
        self.note_dsack(way, segment);
        let place = (segment.payload_len > 0).then(|| self.note_sent(way, segment, frame));
        self.now = self.now.max(frame.timestamp);
        self.table.advance(self.now, &mut self.changes);
        let arrival = Arrival {
            timestamp: frame.timestamp,
            now: self.now,
            interface: frame.interface,
            identity: 0,
            is_named: false,
            frame_len: frame.frame_len,
            gso_size: frame.gso_size,
        };
        self.table.on_segment(wire::flow_hash(&Packet::Tcp(*segment)), segment, &arrival, &mut self.changes);
        for step in std::mem::take(&mut self.changes.stream_steps) {
            self.hear(&step, place, segment)?;
        }
        self.collect();
        Ok(())
    }

    fn note_sent(&mut self, way: Way, segment: &Segment<'_>, frame: &Frame<'_>) -> usize {
        let place = self.observed.sent.len();
        let segment_len = if frame.gso_size == 0 { segment.payload_len } else { frame.gso_size.into() };
        self.observed.sent.push(Sent {
            at_ns: frame.timestamp.0,
            way,
            seq: segment.seq,
            payload_len: segment.payload_len,
            segment_len,
            identification: identification(frame),
            said: None,
            is_dsacked: false,
        });
        self.places.entry(way).or_default().push(place);
        place
    }

    /// A D-SACK stands first, below the acknowledgement or inside the second block (RFC 2883 §4).
    fn note_dsack(&mut self, way: Way, segment: &Segment<'_>) {
        let Some(block) = dsack(segment) else { return };
        for place in self.places.get(&way.back()).into_iter().flatten() {
            let sent = &mut self.observed.sent[*place];
            sent.is_dsacked |= overlaps(sent, &block);
        }
    }

    fn hear(&mut self, step: &StreamStep, place: Option<usize>, segment: &Segment<'_>) -> Result<()> {
        match step.kind {
            StreamStepKind::Retransmitted { cause, segments, .. } => {
                let Some(place) = place else { bail!("{step:?} after a segment without payload") };
                let said = &mut self.observed.sent[place].said;
                match said {
                    Some(said) => said.segments += segments,
                    None => *said = Some(Said { at_once: cause, segments, revised: (0, cause) }),
                }
            }
            StreamStepKind::Revised { from, to, segments } => {
                self.revise(step, [from, to], segments, segment)
            }
            _ => {}
        }
        Ok(())
    }

    fn revise(&mut self, step: &StreamStep, [from, to]: [Cause; 2], mut segments: u32, by: &Segment<'_>) {
        let way = way_from(&step.flow, step.sender);
        let places = self.places.get(&way).map(Vec::as_slice).unwrap_or_default();
        let block = dsack(by);
        for wants_name in [true, false] {
            for place in places.iter().rev() {
                let sent = &mut self.observed.sent[*place];
                let is_named = block.as_ref().is_some_and(|block| overlaps(sent, block));
                let Some(said) = sent.said.as_mut().filter(|said| said.at_once == from) else { continue };
                if is_named || !wants_name {
                    let taken = segments.min(said.segments - said.revised.0);
                    said.revised = (said.revised.0 + taken, to);
                    segments -= taken;
                }
            }
        }
    }

    fn finish(&mut self, end: Timestamp) {
        self.table.finish(end.max(self.now), &mut self.changes);
        self.collect();
    }

    /// Takes out what is known of flows that ended.
    fn collect(&mut self) {
        for finished in &self.changes.finished {
            for side in [Side::Low, Side::High] {
                self.observed.rtt.insert(way_from(finished.flow.key(), side), *finished.detail.rtt(side));
                let fins = finished.detail.stream(side).fin_retransmissions;
                *self.observed.fins.entry(way_from(finished.flow.key(), side)).or_default() +=
                    u64::from(fins);
            }
            self.observed.syns[0] += u64::from(finished.handshake.syn_retransmissions());
            self.observed.syns[1] += u64::from(finished.handshake.synack_retransmissions());
        }
        self.changes.clear();
    }
}

fn way(segment: &Segment<'_>) -> Way {
    Way { from: segment.tuple.source_port, to: segment.tuple.destination_port }
}

fn way_from(flow: &FlowKey, sender: Side) -> Way {
    Way { from: flow.port(sender), to: flow.port(sender.other()) }
}

fn dsack(segment: &Segment<'_>) -> Option<SackBlock> {
    if !segment.flags.contains(TcpFlags::ACK) {
        return None;
    }
    let mut blocks = segment.options.sack_blocks();
    let first = blocks.next()?;
    let is_inside = |outer: SackBlock| !first.left.before(outer.left) && !first.right.after(outer.right);
    (!first.right.after(segment.ack) || blocks.next().is_some_and(is_inside)).then_some(first)
}

fn overlaps(sent: &Sent, block: &SackBlock) -> bool {
    sent.seq.before(block.right) && sent.seq.advanced(sent.payload_len).after(block.left)
}

/// The beds are Ethernet and IPv4 (RFC 791 §3.1: octets 4 and 5).
fn identification(frame: &Frame<'_>) -> u16 {
    frame.bytes.get(18..20).map_or(0, |octets| u16::from_be_bytes([octets[0], octets[1]]))
}
