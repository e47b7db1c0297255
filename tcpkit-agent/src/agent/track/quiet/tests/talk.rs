//! Captures of hosts that talk sense most of the time.

use proptest::prelude::*;

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    flow: u8,
    from_client: bool,
    what: What,
    /// Octets, or whatever else there is to choose.
    size: u16,
    /// Microseconds since what came before.
    passed: i64,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The whole handshake.
    Open,
    Syn,
    SynAck,
    /// Data that also acknowledges everything.
    Say,
    /// Acknowledges everything.
    Ack,
    /// Acknowledges a part of what is under way.
    AckSome,
    Fin,
    Rst,
    /// The last data once more.
    Again,
    /// Behind a hole.
    Skip,
    Sack,
    Shut,
    /// Another window.
    Window,
    Mark,
    KeepAlive,
    /// An ICMP error about the flow.
    Icmp,
    Datagram,
    Malformed,
    Fragment,
    /// A SYN with another number.
    Reopen,
}

impl Act {
    pub(super) const fn open(flow: u8) -> Self {
        Self { flow, from_client: true, what: What::Open, size: 0, passed: 100 }
    }

    /// The same so many microseconds later.
    pub(super) const fn after(self, passed: i64) -> Self {
        Self { passed, ..self }
    }

    pub(super) const fn say(flow: u8) -> Self {
        Self { flow, from_client: true, what: What::Say, size: 100, passed: 100 }
    }
}

/// At most so many.
pub(super) fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    let what = prop_oneof![
        240 => prop::sample::select(vec![What::Open, What::Say, What::Say, What::Say, What::Ack, What::Ack, What::AckSome, What::Window]),
        20 => prop::sample::select(vec![What::Fin, What::Fin, What::Fin, What::Rst, What::Reopen]),
        2 => prop::sample::select(vec![What::Syn, What::SynAck, What::Datagram, What::Sack, What::Shut, What::Mark]),
        1 => prop::sample::select(vec![What::Again, What::Skip, What::KeepAlive, What::Icmp, What::Malformed, What::Fragment]),
    ];
    let passed = prop_oneof![
        20 => 0_i64..50,
        10 => 0_i64..3_000,
        5 => 0_i64..400_000,
        1 => 0_i64..70_000_000,
        1 => -2_000_i64..0,
    ];
    let size = prop_oneof![8 => 1_u16..1_460, 1 => 1_461_u16..20_000];
    // Few flows talk much; many talk a little, so that most of those stay quiet.
    let flow = prop_oneof![2 => 0_u8..4, 1 => 0_u8..40];
    let act = (flow, any::<bool>(), what, size, passed)
        .prop_map(|(flow, from_client, what, size, passed)| Act { flow, from_client, what, size, passed });
    prop::collection::vec(act, 0..most)
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    nxt: u32,
    una: u32,
    window: u16,
    last: u32,
    /// It was opened, and not reset.
    is_open: bool,
    has_fin: bool,
}

/// A pcap file of what happens.
pub(super) fn capture(acts: &[Act]) -> Vec<u8> {
    let mut tape = Tape::new();
    let mut flows = vec![[Side { window: 500, ..Side::default() }; 2]; 64];
    for act in acts {
        tape.now += act.passed;
        let [client, server] = &mut flows[usize::from(act.flow)];
        let is_sane = matches!(act.what, What::Say | What::Ack | What::AckSome | What::Window | What::Fin);
        if is_sane && (!client.is_open || client.has_fin && server.has_fin && act.size.is_multiple_of(4)) {
            tape.open(&Act { from_client: true, ..*act }, client, server);
        }
        let sides = if act.from_client { (client, server) } else { (server, client) };
        tape.act(act, sides.0, sides.1);
    }
    tape.bytes
}

struct Tape {
    bytes: Vec<u8>,
    /// Microseconds.
    now: i64,
}

impl Tape {
    fn new() -> Self {
        let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
        Self { bytes, now: 1_700_000_000_000_000 }
    }

    fn act(&mut self, act: &Act, own: &mut Side, peer: &mut Side) {
        const SAY: u8 = 0x18;
        let is_over = own.has_fin && matches!(act.what, What::Say | What::Fin);
        match if is_over { What::Ack } else { act.what } {
            What::Open => self.open(act, own, peer),
            What::Syn => self.segment(act, (own.nxt.wrapping_sub(1), 0), 2, 0, own.window),
            What::SynAck => self.segment(act, (own.nxt.wrapping_sub(1), peer.nxt), 0x12, 0, own.window),
            What::Reopen => {
                own.nxt = own.nxt.wrapping_add(100_000);
                own.una = own.nxt;
                self.segment(act, (own.nxt.wrapping_sub(1), 0), 2, 0, own.window);
            }
            What::Say => {
                self.segment(act, (own.nxt, peer.nxt), SAY, act.size, own.window);
                own.last = own.nxt;
                own.nxt = own.nxt.wrapping_add(act.size.into());
                peer.una = peer.nxt;
            }
            What::Ack => {
                self.segment(act, (own.nxt, peer.nxt), 0x10, 0, own.window);
                peer.una = peer.nxt;
            }
            What::AckSome => {
                let under_way = peer.nxt.wrapping_sub(peer.una);
                peer.una = peer.una.wrapping_add(under_way.min(act.size.into()));
                self.segment(act, (own.nxt, peer.una), 0x10, 0, own.window);
            }
            What::Window => {
                own.window = act.size;
                self.segment(act, (own.nxt, peer.una), 0x10, 0, own.window);
            }
            What::Shut => self.segment(act, (own.nxt, peer.una), 0x10, 0, 0),
            What::Fin => {
                let octets = if act.size.is_multiple_of(3) { act.size } else { 0 };
                self.segment(act, (own.nxt, peer.nxt), 0x11, octets, own.window);
                own.nxt = own.nxt.wrapping_add(u32::from(octets) + 1);
                own.has_fin = true;
                peer.una = peer.nxt;
            }
            What::Rst => {
                self.segment(act, (own.nxt, peer.nxt), 0x14, 0, 0);
                own.is_open = act.size.is_multiple_of(3);
                peer.is_open = own.is_open;
            }
            _ => self.odd(act, own, peer),
        }
    }

    /// What makes a flow odd, or is none of its business.
    fn odd(&mut self, act: &Act, own: &mut Side, peer: &Side) {
        const SAY: u8 = 0x18;
        match act.what {
            What::Again => self.segment(act, (own.last, peer.una), SAY, act.size, own.window),
            What::Skip => {
                own.nxt = own.nxt.wrapping_add(1_000);
                self.segment(act, (own.nxt, peer.una), SAY, act.size, own.window);
                own.nxt = own.nxt.wrapping_add(act.size.into());
            }
            What::KeepAlive => self.segment(act, (own.nxt.wrapping_sub(1), peer.una), 0x10, 0, own.window),
            What::Mark => self.segment(act, (own.nxt, peer.una), 0x50, 0, own.window),
            What::Sack => self.sack(act, own, peer),
            What::Icmp => self.icmp(act, own),
            What::Datagram => self.packet(act, 17, &[0, 53, 0, 53, 0, 8, 0, 0], 0),
            What::Malformed => self.packet(
                act,
                6,
                &[0x9c, act.flow, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0],
                0,
            ),
            What::Fragment if act.size > 1_440 => self.packet(act, 6, &[0; 64], 0x2000),
            _ => {}
        }
    }

    fn open(&mut self, act: &Act, own: &mut Side, peer: &mut Side) {
        let one = (u32::from(act.size) * 65_537).wrapping_add(own.nxt);
        let other = one.wrapping_mul(31);
        let back = Act { from_client: !act.from_client, ..*act };
        self.segment(act, (one, 0), 2, 0, 65_535);
        self.now += i64::from(act.size);
        self.segment(&back, (other, one.wrapping_add(1)), 0x12, 0, 65_535);
        self.now += i64::from(act.size % 50);
        self.segment(act, (one.wrapping_add(1), other.wrapping_add(1)), 0x10, 0, own.window);
        for side in [&mut *own, &mut *peer] {
            (side.is_open, side.has_fin) = (true, false);
        }
        (own.nxt, own.una, own.last) = (one.wrapping_add(1), one.wrapping_add(1), one.wrapping_add(1));
        (peer.nxt, peer.una, peer.last) =
            (other.wrapping_add(1), other.wrapping_add(1), other.wrapping_add(1));
    }

    fn segment(&mut self, act: &Act, (seq, ack): (u32, u32), flags: u8, octets: u16, window: u16) {
        let options: &[u8] = match flags {
            2 | 0x12 if act.flow.is_multiple_of(3) => &[2, 4, 5, 180],
            2 => &[2, 4, 5, 180, 4, 2, 1, 1, 3, 3, 7, 0],
            0x12 => &[2, 4, 4, 0, 1, 3, 3, 7],
            _ if act.flow.is_multiple_of(2) => &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1],
            _ => &[],
        };
        self.tcp(act, (seq, ack), flags, options, octets, window);
    }

    fn sack(&mut self, act: &Act, own: &Side, peer: &Side) {
        let mut options = vec![1, 1, 5, 10];
        options.extend(peer.nxt.wrapping_add(10).to_be_bytes());
        options.extend(peer.nxt.wrapping_add(20).to_be_bytes());
        self.tcp(act, (own.nxt, peer.una), 0x10, &options, 0, own.window);
    }

    fn tcp(
        &mut self,
        act: &Act,
        (seq, ack): (u32, u32),
        flags: u8,
        options: &[u8],
        octets: u16,
        window: u16,
    ) {
        let (client, server) = ((0x9c00 | u16::from(act.flow)).to_be_bytes(), 80_u16.to_be_bytes());
        let (from, to) = if act.from_client { (client, server) } else { (server, client) };
        let mut tcp = [from, to].concat();
        tcp.extend(seq.to_be_bytes());
        tcp.extend(ack.to_be_bytes());
        tcp.extend([u8::try_from(5 + options.len() / 4).unwrap() << 4, flags]);
        tcp.extend(window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(options);
        tcp.resize(tcp.len() + usize::from(octets), b'x');
        self.packet(act, 6, &tcp, 0);
    }

    fn icmp(&mut self, act: &Act, own: &Side) {
        let mut quoted = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        quoted.extend((0x9c00 | u16::from(act.flow)).to_be_bytes());
        quoted.extend(80_u16.to_be_bytes());
        quoted.extend(own.nxt.wrapping_sub(1).to_be_bytes());
        let back = Act { from_client: false, ..*act };
        self.packet(&back, 1, &[&[3, 1, 0, 0, 0, 0, 0, 0], quoted.as_slice()].concat(), 0);
    }

    fn packet(&mut self, act: &Act, protocol: u8, payload: &[u8], fragment: u16) {
        let (from, to) = if act.from_client { (1, 2) } else { (2, 1) };
        let mut frame = vec![0; 12];
        if act.flow == 5 {
            frame.extend([0x81, 0, 0, 7]);
        }
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(fragment.to_be_bytes());
        frame.extend([64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
        frame.extend(payload);
        self.record(&frame);
    }

    fn record(&mut self, frame: &[u8]) {
        let (captured, len) =
            (frame.len().min(if frame.len().is_multiple_of(7) { 90 } else { 4_000 }), frame.len());
        self.bytes.extend(u32::try_from(self.now / 1_000_000).unwrap().to_le_bytes());
        self.bytes.extend(u32::try_from(self.now % 1_000_000).unwrap().to_le_bytes());
        self.bytes.extend(u32::try_from(captured).unwrap().to_le_bytes());
        self.bytes.extend(u32::try_from(len).unwrap().to_le_bytes());
        self.bytes.extend(&frame[..captured]);
    }
}
