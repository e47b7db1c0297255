//! Segments straight into a table, and what it tells of them.

mod decided;
mod half_open;
mod reset;
mod usual;

use tcpkit_common::flow::{Address, FlowHash, FourTuple};

use super::{Arrival, Changes, FlowLimits, FlowTable, Patience};
use crate::{
    time::{Span, Timestamp},
    wire::{IcmpError, InterfaceId, Segment, SeqNumber, TcpFlags, TcpOptions},
};

const SYN: TcpFlags = TcpFlags::SYN;
const SYN_ACK: TcpFlags = TcpFlags::SYN.with(TcpFlags::ACK);
const ACK: TcpFlags = TcpFlags::ACK;
const RST: TcpFlags = TcpFlags::RST;

/// The client of every test, by port; its numbers count from 1000, the server's from 5000.
#[derive(Clone, Copy, Debug)]
struct Client(u16);

/// A table, its clock, and everything that it has told.
#[derive(Debug)]
struct Bench {
    table: FlowTable,
    changes: Changes,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self::with(limits())
    }

    fn with(limits: FlowLimits) -> Self {
        Self { table: FlowTable::new(limits), changes: Changes::default(), now: Timestamp(START) }
    }

    fn after(&mut self, span: Span) -> &mut Self {
        self.now = self.now + span;
        self.table.advance(self.now, &mut self.changes);
        self
    }

    /// The client sends.
    fn client(&mut self, client: Client, flags: TcpFlags, seq: u32, ack: u32) -> &mut Self {
        self.take(tuple(client), flags, 1000 + seq, 5000 + ack)
    }

    /// The server sends.
    fn server(&mut self, client: Client, flags: TcpFlags, seq: u32, ack: u32) -> &mut Self {
        self.take(tuple(client).reversed(), flags, 5000 + seq, 1000 + ack)
    }

    /// SYN, 10 ms, SYN/ACK, 5 ms, ACK.
    fn handshake(&mut self, client: Client) -> &mut Self {
        self.client(client, SYN, 0, 0).after(Span::from_millis(10)).server(client, SYN_ACK, 0, 1);
        self.after(Span::from_millis(5)).client(client, ACK, 1, 1)
    }

    /// A router answers the client's SYN.
    fn icmp(&mut self, client: Client, kind: u8, code: u8) -> &mut Self {
        let quoted = tuple(client);
        let error = IcmpError {
            quoted,
            quoted_seq: SeqNumber(1000),
            version_6: false,
            kind,
            code,
            reporter: Address::v4([10, 0, 0, 9]),
        };
        self.table.on_icmp(FlowHash::of(&quoted), &error, self.now, &mut self.changes);
        self
    }

    fn finish(&mut self) -> &mut Self {
        self.table.finish(self.now, &mut self.changes);
        self
    }

    fn take(&mut self, tuple: FourTuple, flags: TcpFlags, seq: u32, ack: u32) -> &mut Self {
        self.give(&segment(tuple, flags, seq, ack), 0)
    }

    /// Interface 2 is the first that has a name.
    fn give(&mut self, segment: &Segment<'_>, interface: u16) -> &mut Self {
        let arrival = Arrival {
            timestamp: self.now,
            now: self.now,
            interface: InterfaceId(interface),
            identity: interface.saturating_sub(1),
            is_named: interface > 1,
            frame_len: 54 + segment.payload_len,
            gso_size: 0,
        };
        self.table.advance(self.now, &mut self.changes);
        self.table.on_segment(FlowHash::of(&segment.tuple), segment, &arrival, &mut self.changes);
        self
    }
}

fn segment(tuple: FourTuple, flags: TcpFlags, seq: u32, ack: u32) -> Segment<'static> {
    Segment {
        tuple,
        seq: SeqNumber(seq),
        ack: SeqNumber(ack),
        flags,
        window: 0xffff,
        payload_len: 0,
        header_len: 54,
        payload: &[],
        options: TcpOptions(&[]),
        is_ce: false,
    }
}

const START: i64 = 1_700_000_000_000_000_000;

fn limits() -> FlowLimits {
    FlowLimits {
        max_flows: 1000,
        max_lingering: 100,
        max_half_open: 1000,
        patience: Patience::FromFirstSyn,
        handshake_timeout: Span::from_secs(60),
        linger: None,
        idle: None,
    }
}

fn tuple(client: Client) -> FourTuple {
    FourTuple {
        source: Address::v4([10, 0, 0, 1]),
        destination: Address::v4([10, 0, 0, 2]),
        source_port: client.0,
        destination_port: 80,
    }
}

const fn ms(milliseconds: u64) -> Span {
    Span::from_millis(milliseconds)
}
