//! A conversation for tests: segments with options straight into a table, at chosen times.

use tcpkit_common::flow::{Address, FlowHash, FourTuple};

use super::super::{Cause, StreamCounts, StreamStepKind};
use crate::{
    flow::{
        Arrival, Changes, FinishedFlow, FlowKey, FlowLimits, FlowProgress, FlowTable, Patience, RoundTrip,
        Side,
    },
    time::{Span, Timestamp},
    wire::{InterfaceId, Segment, SeqNumber, TcpFlags, TcpOptions},
};

/// Octets of a full segment.
pub(super) const MSS: u32 = 1000;
/// SACK permitted, MSS of 1000, window scale of 0, and padding.
const SYN_OPTIONS: [u8; 12] = [2, 4, 3, 232, 4, 2, 3, 3, 0, 1, 1, 0];
/// The same without SACK.
const PLAIN_SYN_OPTIONS: [u8; 8] = [2, 4, 3, 232, 3, 3, 0, 0];

/// Who speaks; the client's numbers begin at `Talk::isns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Client,
    Server,
}

/// One segment, relative to what its sides began with.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: TcpFlags,
    pub(super) window: u16,
    pub(super) len: u32,
    pub(super) gso_size: u16,
    pub(super) options: Vec<u8>,
    pub(super) is_ce: bool,
}

/// A table with one flow.
#[derive(Debug)]
pub(super) struct Talk {
    table: FlowTable,
    changes: Changes,
    pub(super) now: Timestamp,
    isns: [u32; 2],
    /// Everything that the streams told.
    pub(super) steps: Vec<StreamStepKind>,
    /// What was told of progress.
    pub(super) told: Vec<FlowProgress>,
    /// Every round trip.
    pub(super) trips: Vec<RoundTrip>,
}

impl Talk {
    /// A client whose numbers wrap soon.
    pub(super) fn new() -> Self {
        Self {
            table: FlowTable::new(limits()),
            changes: Changes::default(),
            now: Timestamp(1_700_000_000_000_000_000),
            isns: [0_u32.wrapping_sub(2 * MSS), 0x7fff_fc00],
            steps: Vec::new(),
            told: Vec::new(),
            trips: Vec::new(),
        }
    }

    /// Every segment takes the long way.
    pub(super) fn without_shortcut(mut self) -> Self {
        self.table.streams.has_shortcut = false;
        self
    }

    /// SYN, SYN/ACK after 10 ms at the server's side of the capture point, ACK at once: the capture is the client's.
    pub(super) fn opened() -> Self {
        Self::opened_with(&SYN_OPTIONS)
    }

    /// The same without SACK.
    pub(super) fn opened_without_sack() -> Self {
        Self::opened_with(&PLAIN_SYN_OPTIONS)
    }

    fn opened_with(options: &[u8]) -> Self {
        let mut talk = Self::new();
        let (syn, ack) = (TcpFlags::SYN, TcpFlags::ACK);
        let options = options.to_vec();
        talk.take(Who::Client, &Line { flags: syn, seq: u32::MAX, options: options.clone(), ..line() });
        talk.ms(10);
        talk.take(Who::Server, &Line { flags: syn.with(ack), seq: u32::MAX, options, ..line() });
        talk.take(Who::Client, &line());
        talk
    }

    /// Time passes.
    pub(super) fn ms(&mut self, milliseconds: u64) -> &mut Self {
        self.now = self.now + Span::from_millis(milliseconds);
        self
    }

    /// The client sends this many full segments, the first of them number `first`.
    pub(super) fn data(&mut self, first: u32, count: u32) -> &mut Self {
        for number in first..first + count {
            self.take(Who::Client, &Line { seq: number * MSS, len: MSS, ..line() });
        }
        self
    }

    /// The server acknowledges everything before segment number `first`.
    pub(super) fn ack(&mut self, first: u32) -> &mut Self {
        self.take(Who::Server, &Line { ack: first * MSS, ..line() })
    }

    /// The same, and tells that it holds these segments, each pair the first and the one behind the last.
    pub(super) fn sack(&mut self, first: u32, blocks: &[(u32, u32)]) -> &mut Self {
        let options = self.sack_option(blocks);
        self.take(Who::Server, &Line { ack: first * MSS, options, ..line() })
    }

    /// A segment.
    pub(super) fn take(&mut self, who: Who, line: &Line) -> &mut Self {
        let index = usize::from(who == Who::Server);
        let tuple = if who == Who::Client { tuple() } else { tuple().reversed() };
        let payload = vec![b'x'; line.len.min(64) as usize];
        let from = |isn: u32, relative: u32| SeqNumber(isn.wrapping_add(1).wrapping_add(relative));
        let segment = Segment {
            tuple,
            seq: from(self.isns[index], line.seq),
            ack: from(self.isns[1 - index], line.ack),
            flags: line.flags,
            is_ce: line.is_ce,
            window: line.window,
            payload_len: line.len,
            header_len: 40,
            payload: &payload,
            options: TcpOptions(&line.options),
        };
        let arrival = Arrival {
            timestamp: self.now,
            now: self.now,
            interface: InterfaceId::default(),
            identity: 0,
            is_named: false,
            frame_len: 40 + line.len,
            gso_size: line.gso_size,
        };
        self.table.advance(self.now, &mut self.changes);
        self.table.on_segment(FlowHash::of(&tuple), &segment, &arrival, &mut self.changes);
        self.steps.extend(self.changes.stream_steps.drain(..).map(|step| step.kind));
        self.told.append(&mut self.changes.progress);
        self.trips.append(&mut self.changes.round_trips);
        self
    }

    /// Ends it all, and gives the flow as it ended first.
    pub(super) fn finish(&mut self) -> FinishedFlow {
        self.table.finish(self.now, &mut self.changes);
        self.steps.extend(self.changes.stream_steps.drain(..).map(|step| step.kind));
        self.changes.finished[0]
    }

    /// What the client's stream came to.
    pub(super) fn client(&mut self) -> StreamCounts {
        *self.finish().detail.stream(client_side())
    }

    /// What the server's stream came to.
    pub(super) fn server(&mut self) -> StreamCounts {
        *self.finish().detail.stream(client_side().other())
    }

    /// The client's retransmissions by cause, as they stand at the end: rto, fast, tlp, spurious, unknown.
    pub(super) fn causes(&mut self) -> [u32; Cause::COUNT] {
        self.client().retransmissions
    }

    fn sack_option(&self, blocks: &[(u32, u32)]) -> Vec<u8> {
        let number = |segment: u32| self.isns[0].wrapping_add(1).wrapping_add(segment * MSS);
        let len = u8::try_from(2 + 8 * blocks.len()).unwrap();
        let mut option = vec![1, 1, 5, len];
        for (left, right) in blocks {
            option.extend(number(*left).to_be_bytes());
            option.extend(number(*right).to_be_bytes());
        }
        option
    }
}

/// An empty segment with ACK of nothing, at the beginning.
pub(super) fn line() -> Line {
    Line {
        seq: 0,
        ack: 0,
        flags: TcpFlags::ACK,
        window: 60_000,
        len: 0,
        gso_size: 0,
        options: Vec::new(),
        is_ce: false,
    }
}

/// A time stamp option as Linux lays it out.
pub(super) fn stamped(tsval: u32, tsecr: u32) -> Vec<u8> {
    let mut option = vec![1, 1, 8, 10];
    option.extend(tsval.to_be_bytes());
    option.extend(tsecr.to_be_bytes());
    option
}

fn client_side() -> Side {
    FlowKey::of(&tuple()).1
}

fn tuple() -> FourTuple {
    FourTuple {
        source: Address::v4([10, 0, 0, 1]),
        destination: Address::v4([10, 0, 0, 2]),
        source_port: 40_000,
        destination_port: 80,
    }
}

fn limits() -> FlowLimits {
    FlowLimits {
        max_flows: 8,
        max_lingering: 8,
        max_half_open: 8,
        patience: Patience::FromFirstSyn,
        handshake_timeout: Span::from_secs(60),
        linger: None,
        idle: None,
    }
}
