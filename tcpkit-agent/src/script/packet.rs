//! A packet as `process(packet)` gets it: the fields of git-hulk/tcpkit's 1.0.1 and 1.1.0.

use std::net::IpAddr;

use mlua::{Lua, Table};
use tcpkit_common::flow::FourTuple;

use crate::{
    time::Timestamp,
    wire::{Datagram, Frame, Packet, Segment, TcpFlags},
};

/// Who counts as a server, for the field `request`.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    /// Ports (`-p`); without any, the lower one of a packet's two ports is the server's.
    pub ports: Vec<u16>,
    /// Addresses (`-s`): they decide where both ports are a server's.
    pub addresses: Vec<IpAddr>,
}

impl Servers {
    fn is_request(&self, tuple: &FourTuple) -> bool {
        let [to, from] = [tuple.destination_port, tuple.source_port];
        if self.ports.is_empty() {
            return to < from;
        }
        if self.ports.contains(&to) && self.ports.contains(&from) {
            return self.addresses.contains(&tuple.destination.to_ip());
        }
        self.ports.contains(&to)
    }
}

/// The table of a frame's packet; `None` where it holds neither TCP nor UDP.
pub(super) fn table(
    lua: &Lua,
    frame: &Frame<'_>,
    packet: &Packet<'_>,
    servers: &Servers,
) -> mlua::Result<Option<Table>> {
    match packet {
        Packet::Tcp(segment) => of_segment(lua, frame.timestamp, segment, servers).map(Some),
        Packet::Udp(datagram) => of_datagram(lua, frame.timestamp, datagram, servers).map(Some),
        _ => Ok(None),
    }
}

fn of_segment(lua: &Lua, at: Timestamp, segment: &Segment<'_>, servers: &Servers) -> mlua::Result<Table> {
    let table = common(lua, at, &segment.tuple, servers)?;
    table.raw_set("seq", segment.seq.0)?;
    table.raw_set("ack", segment.ack.0)?;
    table.raw_set("flags", segment.flags.0 & OLD_FLAGS)?;
    table.raw_set("all_flags", segment.flags.0)?;
    table.raw_set("window", segment.window)?;
    table.raw_set("size", segment.payload_len)?;
    table.raw_set("payload", lua.create_string(segment.payload)?)?;
    Ok(table)
}

fn of_datagram(lua: &Lua, at: Timestamp, datagram: &Datagram<'_>, servers: &Servers) -> mlua::Result<Table> {
    let table = common(lua, at, &datagram.tuple, servers)?;
    table.raw_set("size", datagram.payload_len)?;
    table.raw_set("payload", lua.create_string(datagram.payload)?)?;
    Ok(table)
}

fn common(lua: &Lua, at: Timestamp, tuple: &FourTuple, servers: &Servers) -> mlua::Result<Table> {
    let micros = at.as_micros();
    let table = lua.create_table_with_capacity(0, FIELDS)?;
    table.raw_set("tv_sec", micros.div_euclid(1_000_000))?;
    table.raw_set("tv_usec", micros.rem_euclid(1_000_000))?;
    table.raw_set("sip", tuple.source.to_ip().to_string())?;
    table.raw_set("sport", tuple.source_port)?;
    table.raw_set("dip", tuple.destination.to_ip().to_string())?;
    table.raw_set("dport", tuple.destination_port)?;
    table.raw_set("request", servers.is_request(tuple))?;
    Ok(table)
}

/// Bits that the old tool told of: scripts compare `flags` with 2 for a SYN, also where it offers ECN.
const OLD_FLAGS: u16 =
    TcpFlags::FIN.with(TcpFlags::SYN).with(TcpFlags::RST).with(TcpFlags::PSH).with(TcpFlags::ACK).0;

/// Fields of a table.
const FIELDS: usize = 14;
