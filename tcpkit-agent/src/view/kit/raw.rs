//! One line for each packet: `-m raw` and `-p raw`.

use std::{
    io::Write as _,
    net::{IpAddr, SocketAddr},
};

use jiff::tz::TimeZone;

use super::{
    Dialect, clean,
    line::{Clock, DATE},
};
use crate::time::Timestamp;

/// A TCP segment or a UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct RawPacket<'a> {
    /// When it was captured.
    pub at: Timestamp,
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// What only TCP has; `None` for UDP.
    pub tcp: Option<Tcp>,
    /// Octets of payload on the wire.
    pub payload_len: u32,
    /// As many of them as were captured.
    pub payload: &'a [u8],
}

/// The fields of a TCP header that are shown.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Control bits (RFC 9293 §3.1): FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub flags: u8,
    /// Window as it stands in the header.
    pub window: u16,
}

/// Writes lines.
#[derive(Clone, Debug)]
pub struct RawLines {
    dialect: Dialect,
    /// `-A`: payload behind tcpkit 1.1.0's lines.
    ascii: bool,
    terminal: bool,
    ports: Vec<u16>,
    servers: Vec<IpAddr>,
    clock: Clock,
}

impl RawLines {
    /// Lines of that dialect, with times of this zone; what goes to these ports of these servers is a request.
    #[must_use]
    pub fn new(
        dialect: Dialect,
        ascii: bool,
        terminal: bool,
        (ports, servers): (Vec<u16>, Vec<IpAddr>),
        zone: TimeZone,
    ) -> Self {
        let format = match dialect {
            Dialect::V10 => DATE,
            Dialect::V11 => "%H:%M:%S",
        };
        Self { dialect, ascii, terminal, ports, servers, clock: Clock::new(format, zone) }
    }

    /// Appends the packet's line; tcpkit 1.0.1 has none for a packet without payload.
    pub fn append(&mut self, text: &mut Vec<u8>, packet: &RawPacket<'_>) {
        match self.dialect {
            Dialect::V10 if packet.payload_len == 0 => {}
            Dialect::V10 => self.with_payload(text, packet),
            Dialect::V11 => self.as_tcpdump(text, packet),
        }
    }

    /// `2026-11-21 05:40:02 10.99.0.1:55674=>10.99.0.2:6379 REQ 1466743639 1213917579 24 14 PAYLOAD`
    fn with_payload(&mut self, text: &mut Vec<u8>, packet: &RawPacket<'_>) {
        let RawPacket { source, destination, payload_len, .. } = packet;
        let way = if self.is_request(packet) { "REQ" } else { "RSP" };
        let at = self.clock.show(packet.at.as_micros());
        put(text, format_args!("{at} {source}=>{destination} {way} "));
        if let Some(Tcp { seq, ack, flags, .. }) = packet.tcp {
            put(text, format_args!("{seq} {ack} {flags} "));
        }
        put(text, format_args!("{payload_len} "));
        clean::payload(text, packet.payload, self.terminal);
        text.push(b'\n');
    }

    /// `05:40:02.045870 IP 10.99.0.1.55674 > 10.99.0.2.6379: Flags [P.], seq 1:15, ack 1, window 63, length 14`
    fn as_tcpdump(&mut self, text: &mut Vec<u8>, packet: &RawPacket<'_>) {
        let RawPacket { source, destination, payload_len, .. } = packet;
        let version = if source.is_ipv6() { "IP6" } else { "IP" };
        let at_us = packet.at.as_micros();
        put(text, format_args!("{}.{:06} {version} ", self.clock.show(at_us), at_us.rem_euclid(1_000_000)));
        put(
            text,
            format_args!("{}.{} > {}.{}: ", source.ip(), source.port(), destination.ip(), destination.port()),
        );
        if let Some(tcp) = &packet.tcp {
            tcp.append(text, *payload_len);
        }
        put(text, format_args!("length {payload_len}"));
        if self.ascii {
            text.push(b' ');
            clean::payload(text, packet.payload, self.terminal);
        }
        text.push(b'\n');
    }

    /// By the servers' ports; where both are such, by the servers' addresses. Without ports, by the lower port.
    fn is_request(&self, packet: &RawPacket<'_>) -> bool {
        let (source, destination) = (packet.source, packet.destination);
        let is_server = |end: SocketAddr| self.ports.contains(&end.port());
        match (is_server(source), is_server(destination)) {
            (true, false) => false,
            (false, true) => true,
            (true, true) => self.servers.contains(&destination.ip()),
            (false, false) => destination.port() < source.port(),
        }
    }
}

impl Tcp {
    fn append(&self, text: &mut Vec<u8>, payload_len: u32) {
        let Self { seq, ack, flags, window } = *self;
        text.extend_from_slice(b"Flags [");
        text.extend(LETTERS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| *letter));
        text.extend_from_slice(b"], ");
        if payload_len > 0 {
            put(text, format_args!("seq {seq}:{}, ", seq.wrapping_add(payload_len)));
        }
        if flags & ACK != 0 {
            put(text, format_args!("ack {ack}, "));
        }
        put(text, format_args!("window {window}, "));
    }
}

const ACK: u8 = 16;

/// Control bits in the order in which tcpdump shows them.
const LETTERS: [(u8, u8); 8] =
    [(1, b'F'), (2, b'S'), (4, b'R'), (8, b'P'), (ACK, b'.'), (32, b'U'), (64, b'E'), (128, b'W')];

fn put(text: &mut Vec<u8>, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("writing to memory cannot fail");
}
