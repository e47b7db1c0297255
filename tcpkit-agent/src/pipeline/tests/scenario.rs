//! Builds frames of a story: real octets, so that every layer takes part.

use crate::{
    time::{Span, Timestamp},
    wire::{Frame, FrameDirection, InterfaceId, LinkType, TcpFlags},
};

/// SYN.
pub(super) const SYN: TcpFlags = TcpFlags::SYN;
/// SYN and ACK.
pub(super) const SYN_ACK: TcpFlags = TcpFlags::SYN.with(TcpFlags::ACK);
/// ACK.
pub(super) const ACK: TcpFlags = TcpFlags::ACK;
/// FIN and ACK.
pub(super) const FIN_ACK: TcpFlags = TcpFlags::FIN.with(TcpFlags::ACK);
/// RST.
pub(super) const RST: TcpFlags = TcpFlags::RST;
/// RST and ACK.
pub(super) const RST_ACK: TcpFlags = TcpFlags::RST.with(TcpFlags::ACK);

/// Octets of a frame without options and payload: IPv4 and TCP header.
pub(super) const HEADERS: u32 = 40;

/// A frame of a test.
#[derive(Clone, Debug)]
pub(super) struct Captured {
    pub(super) timestamp: Timestamp,
    pub(super) interface: u16,
    pub(super) frame_len: u32,
    pub(super) gso_size: u16,
    pub(super) bytes: Vec<u8>,
}

impl Captured {
    pub(super) fn frame(&self) -> Frame<'_> {
        Frame {
            timestamp: self.timestamp,
            interface: InterfaceId(self.interface),
            link_type: LinkType::IPV4,
            direction: FrameDirection::Unknown,
            hook: None,
            frame_len: self.frame_len,
            gso_size: self.gso_size,
            bytes: &self.bytes,
        }
    }
}

/// An IPv4 endpoint: last octet of 10.0.0.x, and port.
pub(super) type Host = (u8, u16);

/// A segment to be built; sequence numbers are absolute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    pub(super) from: Host,
    pub(super) to: Host,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: TcpFlags,
    pub(super) payload_len: u16,
}

impl Spec {
    /// IPv4 and TCP; a SYN announces an MSS of 1460, SACK and a window scale of 7.
    pub(super) fn octets(&self) -> Vec<u8> {
        let options: &[u8] =
            if self.flags.contains(SYN) { &[2, 4, 5, 180, 4, 2, 1, 1, 3, 3, 7, 0] } else { &[] };
        let mut tcp = Vec::new();
        tcp.extend(self.from.1.to_be_bytes());
        tcp.extend(self.to.1.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        let offset = u16::try_from(5 + options.len() / 4).unwrap();
        tcp.extend((offset << 12 | self.flags.0).to_be_bytes());
        tcp.extend([0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(options);
        tcp.resize(tcp.len() + usize::from(self.payload_len), b'x');
        ipv4(6, self.from.0, self.to.0, &tcp)
    }
}

/// An IPv4 packet between two hosts.
pub(super) fn ipv4(protocol: u8, from: u8, to: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
    packet.extend(payload);
    packet
}

/// A story under construction: frames of one connection at a time, in the order of capture.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    frames: Vec<Captured>,
    now: Timestamp,
    client: Host,
    server: Host,
    client_isn: u32,
    server_isn: u32,
    interface: u16,
    window: u16,
}

/// A client at 10.0.0.1:40000 and a server at 10.0.0.2:80; sequence numbers wrap early.
pub(super) fn scenario() -> Scenario {
    Scenario {
        frames: Vec::new(),
        now: Timestamp(1_700_000_000_000_000_000),
        client: (1, 40000),
        server: (2, 80),
        client_isn: 0xffff_fff0,
        server_isn: 0x7fff_fff0,
        interface: 0,
        window: u16::MAX,
    }
}

impl Scenario {
    /// Lets time pass.
    pub(super) fn after(mut self, span: Span) -> Self {
        self.now = self.now + span;
        self
    }

    /// Goes back in time, as captures merged from several CPUs do.
    pub(super) fn before(mut self, span: Span) -> Self {
        self.now.0 -= i64::try_from(span.0).unwrap();
        self
    }

    /// Goes on with another client port.
    pub(super) fn port(mut self, port: u16) -> Self {
        self.client.1 = port;
        self
    }

    /// Goes on with other endpoints.
    pub(super) fn between(mut self, client: Host, server: Host) -> Self {
        (self.client, self.server) = (client, server);
        self
    }

    /// Goes on with a new connection: other initial sequence numbers.
    pub(super) fn reconnect(mut self) -> Self {
        self.client_isn = self.client_isn.wrapping_add(1_000_000);
        self.server_isn = self.server_isn.wrapping_add(1_000_000);
        self
    }

    /// Goes on as seen by another interface.
    pub(super) fn on_interface(mut self, interface: u16) -> Self {
        self.interface = interface;
        self
    }

    /// Goes on with segments that announce this window, not scaled.
    pub(super) fn window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    /// The client sends; numbers count from the initial ones.
    pub(super) fn client(self, flags: TcpFlags, seq: u32, ack: u32, payload_len: u16) -> Self {
        let spec = Spec {
            from: self.client,
            to: self.server,
            seq: self.client_isn.wrapping_add(seq),
            ack: self.server_isn.wrapping_add(ack),
            flags,
            payload_len,
        };
        let octets = announcing(self.window, spec.octets());
        self.push(octets, 0)
    }

    /// The server sends; numbers count from the initial ones.
    pub(super) fn server(self, flags: TcpFlags, seq: u32, ack: u32, payload_len: u16) -> Self {
        let spec = Spec {
            from: self.server,
            to: self.client,
            seq: self.server_isn.wrapping_add(seq),
            ack: self.client_isn.wrapping_add(ack),
            flags,
            payload_len,
        };
        let octets = announcing(self.window, spec.octets());
        self.push(octets, 0)
    }

    /// SYN, 10 ms, SYN/ACK, 5 ms, ACK.
    pub(super) fn handshake(self) -> Self {
        let opened = self.client(SYN, 0, 0, 0).after(Span::from_millis(10)).server(SYN_ACK, 0, 1, 0);
        opened.after(Span::from_millis(5)).client(ACK, 1, 1, 0)
    }

    /// Both sides finish, and the last FIN is acknowledged.
    pub(super) fn fins(self) -> Self {
        self.client(FIN_ACK, 1, 1, 0).server(FIN_ACK, 1, 2, 0).client(ACK, 2, 2, 0)
    }

    /// A router answers the client's SYN with an ICMP error.
    pub(super) fn icmp(self, kind: u8, code: u8) -> Self {
        let spec = Spec {
            from: self.client,
            to: self.server,
            seq: self.client_isn,
            ack: 0,
            flags: SYN,
            payload_len: 0,
        };
        let mut icmp = vec![kind, code, 0, 0, 0, 0, 0, 0];
        icmp.extend(&spec.octets()[..28]);
        let octets = ipv4(1, 9, self.client.0, &icmp);
        self.push(octets, 0)
    }

    /// A super-segment of the server with this much payload, of which the first 100 octets were captured.
    pub(super) fn bulk(mut self, payload_len: u16, gso_size: u16) -> Self {
        self = self.server(ACK, 1, 1, payload_len);
        let frame = self.frames.last_mut().unwrap();
        frame.bytes.truncate(100);
        frame.gso_size = gso_size;
        self
    }

    /// The last segment's payload is these octets, as many as it has.
    pub(super) fn saying(mut self, words: &str) -> Self {
        let bytes = &mut self.frames.last_mut().unwrap().bytes;
        let start = bytes.len() - words.len();
        bytes[start..].copy_from_slice(words.as_bytes());
        self
    }

    /// Any octets.
    pub(super) fn raw(self, octets: &[u8]) -> Self {
        self.push(octets.to_vec(), 0)
    }

    /// Cuts the last frame to so many octets.
    pub(super) fn cut(mut self, captured_len: usize) -> Self {
        self.frames.last_mut().unwrap().bytes.truncate(captured_len);
        self
    }

    /// The frames, in order of capture.
    pub(super) fn frames(self) -> Vec<Captured> {
        self.frames
    }

    fn push(mut self, bytes: Vec<u8>, gso_size: u16) -> Self {
        let (timestamp, interface) = (self.now, self.interface);
        let frame_len = u32::try_from(bytes.len()).unwrap();
        self.frames.push(Captured { timestamp, interface, frame_len, gso_size, bytes });
        self
    }
}

/// The packet with another window in its TCP header (RFC 9293 §3.1).
fn announcing(window: u16, mut octets: Vec<u8>) -> Vec<u8> {
    octets[34..36].copy_from_slice(&window.to_be_bytes());
    octets
}
