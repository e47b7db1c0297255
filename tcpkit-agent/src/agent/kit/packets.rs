//! The packets, in the order in which the analysis sees them: TCP and UDP, a line for each.

use std::net::SocketAddr;

use tcpkit_common::flow::FourTuple;

use super::output::Output;
use crate::{
    source::Block,
    time::Timestamp,
    view::kit::{RawLines, RawPacket, Tcp},
    wire::{self, Packet, ParseOptions},
};

/// Shows blocks of frames.
pub(in crate::agent) struct PacketLines {
    lines: RawLines,
    output: Output,
    options: ParseOptions,
    text: Vec<u8>,
}

impl PacketLines {
    /// Lines for that output, of frames that are read in this way.
    pub(super) const fn new(lines: RawLines, output: Output, options: ParseOptions) -> Self {
        Self { lines, output, options, text: Vec::new() }
    }

    /// Shows the packets of a block. Fragments and what is neither TCP nor UDP have no line.
    ///
    /// # Errors
    /// The lines cannot be written.
    pub(in crate::agent) fn show(&mut self, block: &Block) -> anyhow::Result<()> {
        for descriptor in &block.frames {
            let frame = block.frame(descriptor);
            if let Some(packet) = packet(frame.timestamp, wire::parse(&frame, self.options).packet.ok()) {
                self.lines.append(&mut self.text, &packet);
            }
            if self.text.len() > TEXT_BYTES {
                self.hand_over()?;
            }
        }
        self.hand_over()?;
        self.output.settle()
    }

    fn hand_over(&mut self) -> anyhow::Result<()> {
        let added = self.output.add(&self.text);
        self.text.clear();
        added
    }
}

fn packet(at: Timestamp, packet: Option<Packet<'_>>) -> Option<RawPacket<'_>> {
    let (tuple, tcp, payload_len, payload) = match packet? {
        Packet::Tcp(segment) => {
            let flags = u8::try_from(segment.flags.0 & 0xff).unwrap_or(u8::MAX);
            let tcp = Tcp { seq: segment.seq.0, ack: segment.ack.0, flags, window: segment.window };
            (segment.tuple, Some(tcp), segment.payload_len, segment.payload)
        }
        Packet::Udp(datagram) => (datagram.tuple, None, datagram.payload_len, datagram.payload),
        _ => return None,
    };
    let FourTuple { source, destination, source_port, destination_port } = tuple;
    let source = SocketAddr::new(source.to_ip(), source_port);
    let destination = SocketAddr::new(destination.to_ip(), destination_port);
    Some(RawPacket { at, source, destination, tcp, payload_len, payload })
}

/// Text that is handed over in one go.
const TEXT_BYTES: usize = 64 << 10;
