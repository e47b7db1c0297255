//! Frames as the parser may meet them, and which flow each belongs to.

use tcpkit_common::flow::{Address, FlowHash, FourTuple};

/// One frame and what must be found in it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) frame: Vec<u8>,
    pub(super) hash: FlowHash,
}

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [198, 51, 100, 2];
const OUTER_A: [u8; 4] = [10, 0, 0, 1];
const OUTER_B: [u8; 4] = [10, 0, 0, 2];

pub(super) fn tuple() -> FourTuple {
    FourTuple {
        source: Address::v4(CLIENT),
        destination: Address::v4(SERVER),
        source_port: 40_000,
        destination_port: 443,
    }
}

fn tuple6() -> FourTuple {
    FourTuple {
        source: Address(six(1)),
        destination: Address(six(2)),
        source_port: 40_000,
        destination_port: 443,
    }
}

fn six(last: u8) -> [u8; 16] {
    let mut address = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    address[15] = last;
    address
}

pub(super) fn tcp(payload: usize) -> Vec<u8> {
    let mut header = vec![0; 20];
    header[..2].copy_from_slice(&40_000u16.to_be_bytes());
    header[2..4].copy_from_slice(&443u16.to_be_bytes());
    header[12] = 5 << 4;
    header[13] = 0x10;
    header.resize(20 + payload, 0x5a);
    header
}

pub(super) fn v4(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    v4_with(source, destination, protocol, 0, &[], payload)
}

fn v4_with(
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    fragment: u16,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let len = 20 + options.len() + payload.len();
    let mut packet = vec![0x40 | u8::try_from(5 + options.len() / 4).unwrap(), 0];
    packet.extend(u16::try_from(len).unwrap().to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    packet.extend(options);
    packet.extend(payload);
    packet
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(six(1));
    packet.extend(six(2));
    packet.extend(payload);
    packet
}

pub(super) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = source.to_be_bytes().to_vec();
    datagram.extend(destination.to_be_bytes());
    datagram.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

fn chain(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The inner packet of every tunnel.
fn inner() -> Vec<u8> {
    v4(CLIENT, SERVER, 6, &tcp(10))
}

fn over_udp(source: u16, destination: u16, header: &[u8], payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &v4(OUTER_A, OUTER_B, 17, &udp(source, destination, &chain(&[header, payload]))))
}

fn over_gre(flags_and_protocol: &[u8], payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &v4(OUTER_A, OUTER_B, 47, &chain(&[flags_and_protocol, payload])))
}

/// Every kind of frame once.
#[expect(clippy::too_many_lines, reason = "a table: one entry for each kind of frame")]
pub(super) fn cases() -> Vec<Case> {
    let flow = FlowHash::of(&tuple());
    let flow6 = FlowHash::of(&tuple6());
    let addresses = FlowHash::of_addresses(&Address::v4(CLIENT), &Address::v4(SERVER));
    let addresses6 = FlowHash::of_addresses(&Address(six(1)), &Address(six(2)));
    let outer = |source, destination| {
        FlowHash::of(&FourTuple {
            source: Address::v4(OUTER_A),
            destination: Address::v4(OUTER_B),
            source_port: source,
            destination_port: destination,
        })
    };
    let mut cases = Vec::new();
    let mut add = |name, frame, hash| cases.push(Case { name, frame, hash });
    let ip = inner();
    add("plain", ethernet(0x0800, &ip), flow);
    add("vlan", ethernet(0x8100, &chain(&[&[0, 7, 8, 0], &ip])), flow);
    add("qinq", ethernet(0x88a8, &chain(&[&[0, 7, 0x81, 0], &[0, 8, 8, 0], &ip])), flow);
    add("mpls", ethernet(0x8847, &chain(&[&[0, 1, 0, 64], &[0, 2, 1, 64], &ip])), flow);
    add("pppoe", ethernet(0x8864, &chain(&[&[0x11, 0, 0, 1, 0, 99, 0, 0x21], &ip])), flow);
    add("options", ethernet(0x0800, &v4_with(CLIENT, SERVER, 6, 0, &[1; 40], &tcp(10))), flow);
    add("first fragment", ethernet(0x0800, &v4_with(CLIENT, SERVER, 6, 0x2000, &[], &tcp(10))), addresses);
    add("later fragment", ethernet(0x0800, &v4_with(CLIENT, SERVER, 6, 0x0010, &[], &tcp(10))), addresses);
    add("do not fragment", ethernet(0x0800, &v4_with(CLIENT, SERVER, 6, 0x4000, &[], &tcp(10))), flow);
    add("no ports yet", ethernet(0x0800, &v4(CLIENT, SERVER, 50, &[0; 20])), addresses);
    add("v6", ethernet(0x86dd, &v6(6, &tcp(10))), flow6);
    add(
        "v6 extensions",
        ethernet(
            0x86dd,
            &v6(
                0,
                &chain(&[&[43, 0, 0, 0, 0, 0, 0, 0], &[60, 0, 0, 0, 0, 0, 0, 0], &[6, 1], &[0; 14], &tcp(0)]),
            ),
        ),
        flow6,
    );
    add("v6 authentication", ethernet(0x86dd, &v6(51, &chain(&[&[6, 4], &[0; 22], &tcp(0)]))), flow6);
    add(
        "v6 first fragment",
        ethernet(0x86dd, &v6(44, &chain(&[&[6, 0, 0, 1, 0, 0, 0, 9], &tcp(0)]))),
        addresses6,
    );
    add(
        "v6 later fragment",
        ethernet(0x86dd, &v6(44, &chain(&[&[6, 0, 0, 8, 0, 0, 0, 9], &tcp(0)]))),
        addresses6,
    );
    add(
        "v6 atomic fragment",
        ethernet(0x86dd, &v6(44, &chain(&[&[6, 0, 0, 0, 0, 0, 0, 9], &tcp(0)]))),
        flow6,
    );
    let quote = v4(CLIENT, SERVER, 6, &tcp(0)[..8]);
    add(
        "icmp unreachable",
        ethernet(0x0800, &v4(OUTER_A, CLIENT, 1, &chain(&[&[3, 1, 0, 0, 0, 0, 0, 0], &quote]))),
        flow,
    );
    add(
        "icmp echo",
        ethernet(0x0800, &v4(CLIENT, SERVER, 1, &chain(&[&[8, 0, 0, 0, 0, 0, 0, 0], &quote]))),
        addresses,
    );
    add(
        "icmp6 too big",
        ethernet(0x86dd, &v6(58, &chain(&[&[2, 0, 0, 0, 0, 0, 5, 0], &v6(6, &tcp(0))]))),
        flow6,
    );
    add(
        "icmp6 neighbour",
        ethernet(0x86dd, &v6(58, &chain(&[&[135, 0, 0, 0, 0, 0, 0, 0], &v6(6, &tcp(0))]))),
        addresses6,
    );
    let whole = ethernet(0x0800, &ip);
    add("vxlan", over_udp(5, 4789, &[8, 0, 0, 0, 0, 0, 1, 0], &whole), flow);
    add("no vxlan", over_udp(5, 4789, &[0, 0, 0, 0, 0, 0, 1, 0], &ip), outer(5, 4789));
    add("geneve", over_udp(5, 6081, &[1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 0], &whole), flow);
    add("geneve ip", over_udp(5, 6081, &[0, 0, 8, 0, 0, 0, 1, 0], &ip), flow);
    add("gtp-u", over_udp(2152, 2152, &[0x30, 255, 0, 50, 0, 0, 0, 1], &ip), flow);
    add(
        "gtp-u extension",
        over_udp(9, 2152, &[0x34, 255, 0, 50, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0], &ip),
        flow,
    );
    add("gtp-u echo", over_udp(9, 2152, &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0], &ip), outer(9, 2152));
    add("teredo", over_udp(9, 3544, &[], &v6(6, &tcp(0))), flow6);
    add("teredo origin", over_udp(3544, 9, &[0, 0, 1, 2, 3, 4, 5, 6], &v6(6, &tcp(0))), flow6);
    add(
        "teredo authentication",
        over_udp(9, 3544, &[0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0], &v6(6, &tcp(0))),
        flow6,
    );
    add("gre", over_gre(&[0, 0, 8, 0], &ip), flow);
    add("gre key, sequence", over_gre(&[0x30, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0, 2], &ip), flow);
    add("gre ethernet", over_gre(&[0, 0, 0x65, 0x58], &whole), flow);
    add("erspan 1", over_gre(&[0, 0, 0x88, 0xbe], &whole), flow);
    add("erspan 2", over_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], &whole), flow);
    add(
        "erspan 3",
        over_gre(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &whole),
        flow,
    );
    add("4 in 4", ethernet(0x0800, &v4(OUTER_A, OUTER_B, 4, &ip)), flow);
    add("6 in 4", ethernet(0x0800, &v4(OUTER_A, OUTER_B, 41, &v6(6, &tcp(0)))), flow6);
    add("4 in 6", ethernet(0x86dd, &v6(4, &ip)), flow);
    add("6 in 6", ethernet(0x86dd, &v6(41, &v6(6, &tcp(0)))), flow6);
    add("arp", ethernet(0x0806, &[0; 28]), FlowHash(0));
    add("lldp", ethernet(0x88cc, &[2, 7, 4, 0]), FlowHash(0));
    add("cut in ip", ethernet(0x0800, &ip[..12]), FlowHash(0));
    add("cut in tcp", ethernet(0x0800, &ip[..22]), addresses);
    cases
}

/// Pseudo-random octets (xorshift64*, Vigna 2016), the same in each run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    /// A known frame with some octets changed and its end cut, or garbage.
    pub(super) fn frame(&mut self, cases: &[Case]) -> Vec<u8> {
        if self.below(4) == 0 {
            let len = 14 + self.below(300);
            return (0..len).map(|_| self.next().to_le_bytes()[3]).collect();
        }
        let mut frame = cases[self.below(cases.len())].frame.clone();
        for _ in 0..self.below(6) {
            let at = self.below(frame.len());
            frame[at] = self.next().to_le_bytes()[3];
        }
        frame.truncate(14 + self.below(frame.len()));
        frame
    }
}
