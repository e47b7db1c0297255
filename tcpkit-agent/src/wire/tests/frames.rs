//! Frames of every link type, tag and tunnel lead to the segment that they carry, however they were cut.

use std::net::SocketAddr;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::wire::octets::Octets;
use crate::wire::walk::Walk;
use crate::wire::{Outer, flow_hash, parse_any};
use tcpkit_common::flow::{FlowHash, FourTuple};

struct Case {
    name: &'static str,
    link_type: u16,
    frame_len: u32,
    source: SocketAddr,
    destination: SocketAddr,
    seq: u32,
    payload_len: u32,
    bytes: Vec<u8>,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    include_str!("frames.tsv").lines().filter(|line| !line.starts_with('#')).map(case).collect()
});

fn case(line: &'static str) -> Case {
    let fields: Vec<&'static str> = line.split('\t').collect();
    let [name, _, link_type, frame_len, source, destination, seq, payload_len, bytes] = fields[..] else {
        panic!("nine fields, not {}: {line}", fields.len());
    };
    Case {
        name,
        link_type: link_type.parse().unwrap(),
        frame_len: frame_len.parse().unwrap(),
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        seq: seq.parse().unwrap(),
        payload_len: payload_len.parse().unwrap(),
        bytes: unhex(bytes),
    }
}

fn endpoints(tuple: &FourTuple) -> (SocketAddr, SocketAddr) {
    let source = SocketAddr::new(tuple.source.to_ip(), tuple.source_port);
    (source, SocketAddr::new(tuple.destination.to_ip(), tuple.destination_port))
}

#[test]
fn every_kind_of_frame_leads_to_its_segment() {
    assert!(CASES.len() > 130, "the table is whole");
    for case in CASES.iter() {
        let parsed = parse(&frame(case.link_type, case.frame_len, &case.bytes), ParseOptions::default());
        let Ok(Packet::Tcp(segment)) = parsed.packet else { panic!("{}: {:?}", case.name, parsed.packet) };
        assert_eq!(endpoints(&segment.tuple), (case.source, case.destination), "{}", case.name);
        assert_eq!((segment.seq.0, segment.payload_len), (case.seq, case.payload_len), "{}", case.name);
        assert_eq!(
            flow_hash(&Packet::Tcp(segment)),
            FlowHash::of(&segment.tuple.reversed()),
            "{}",
            case.name
        );
    }
}

#[test]
fn headers_payload_and_padding_are_the_frame() {
    for case in CASES.iter() {
        let parsed = parse(&frame(case.link_type, case.frame_len, &case.bytes), ParseOptions::default());
        let segment = segment(parsed);
        let end = segment.header_len + segment.payload_len;
        assert!(end <= case.frame_len, "{}", case.name);
        let captured = case.bytes.get(segment.header_len as usize..).unwrap_or_default();
        let payload = &captured[..captured.len().min(segment.payload_len as usize)];
        assert_eq!(segment.payload, payload, "{}", case.name);
        assert_eq!(parsed.outer.truncated, case.bytes.len() < case.frame_len as usize, "{}", case.name);
    }
}

#[test]
fn a_cut_frame_is_the_same_segment_or_truncated_and_never_malformed() {
    for case in CASES.iter() {
        let whole =
            segment(parse(&frame(case.link_type, case.frame_len, &case.bytes), ParseOptions::default()));
        for cut in 0..case.bytes.len() {
            let parsed =
                parse(&frame(case.link_type, case.frame_len, &case.bytes[..cut]), ParseOptions::default());
            assert!(parsed.outer.truncated);
            match parsed.packet {
                Ok(Packet::Tcp(segment)) => {
                    assert_eq!(segment.tuple, whole.tuple, "{} cut at {cut}", case.name);
                    assert_eq!(segment.seq, whole.seq, "{} cut at {cut}", case.name);
                    assert_eq!(segment.flags, whole.flags, "{} cut at {cut}", case.name);
                    assert_eq!(segment.payload_len, whole.payload_len, "{} cut at {cut}", case.name);
                    assert_eq!(segment.header_len, whole.header_len, "{} cut at {cut}", case.name);
                }
                // A tunnel whose header was not captured cannot be told from another datagram.
                Ok(Packet::Other(Unanalyzed::Truncated) | Packet::Udp(_)) => {}
                // A pseudowire's control word is told from an address by what stands fourteen octets further on.
                Ok(Packet::Other(Unanalyzed::NotIp)) if case.name.starts_with("pseudowire") => {}
                other => panic!("{} cut at {cut}: {other:?}", case.name),
            }
        }
    }
}

#[test]
fn sixteen_octets_of_tcp_are_enough() {
    for case in CASES.iter().filter(|case| case.name == "Ethernet, IPv4") {
        let needed = 14 + 20 + 16;
        let cut = |len| parse(&frame(1, case.frame_len, &case.bytes[..len]), ParseOptions::default()).packet;
        assert!(matches!(cut(needed), Ok(Packet::Tcp(_))));
        assert!(matches!(cut(needed - 1), Ok(Packet::Other(Unanalyzed::Truncated))));
    }
}

#[test]
fn no_decapsulation_leaves_the_tunnels_own_packet() {
    let outer = ParseOptions { decapsulate: false, ..ParseOptions::default() };
    for case in CASES.iter() {
        let parsed = parse(&frame(case.link_type, case.frame_len, &case.bytes), outer);
        let inner = parse(&frame(case.link_type, case.frame_len, &case.bytes), ParseOptions::default());
        assert!(!parsed.outer.tunnelled, "{}", case.name);
        assert_eq!(parsed.outer.transport, inner.outer.transport, "{}", case.name);
        assert_eq!(parsed.outer.version, inner.outer.version, "{}", case.name);
        let is_segment = matches!(parsed.packet, Ok(Packet::Tcp(_)));
        assert_eq!(is_segment, !inner.outer.tunnelled, "{}", case.name);
    }
}

#[test]
fn cooked_captures_say_which_way() {
    let cooked = |kind: u8| {
        let mut bytes = CASES.iter().find(|case| case.name == "Linux cooked").unwrap().bytes.clone();
        bytes[1] = kind;
        read(113, &bytes).outer.direction
    };
    assert_eq!(cooked(0), FrameDirection::Inbound);
    assert_eq!(cooked(3), FrameDirection::Unknown);
    assert_eq!(cooked(4), FrameDirection::Outbound);
}

#[test]
fn what_the_source_knows_of_the_direction_goes_first() {
    let case = CASES.iter().find(|case| case.name == "Linux cooked").unwrap();
    let mut frame = frame(113, case.frame_len, &case.bytes);
    frame.direction = FrameDirection::Outbound;
    assert_eq!(parse(&frame, ParseOptions::default()).outer.direction, FrameDirection::Outbound);
}

#[test]
fn a_datagram_on_a_tunnels_port_stays_a_datagram() {
    for port in [2152_u16, 3544, 4754, 4789, 4790, 6081, 6635, 8472] {
        let mut bytes = unhex("4500002c0001000040110000c0000201c0000202");
        bytes.extend([0xc3, 0x50]);
        bytes.extend(port.to_be_bytes());
        bytes.extend(unhex("00180000"));
        bytes.extend(b"no tunnel in here");
        bytes.truncate(44);
        let Ok(Packet::Udp(datagram)) = read(101, &bytes).packet else { panic!("port {port}") };
        assert_eq!(datagram.tuple.destination_port, port);
        assert_eq!(datagram.payload, b"no tunnel in her");
        assert_eq!(datagram.payload_len, 16);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_panic(link_type in 0..300_u16, extra in 0..2_000_u32, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let len = u32::try_from(bytes.len()).unwrap();
        let parsed = parse(&frame(link_type, len + extra, &bytes), ParseOptions::default());
        if let Ok(Packet::Tcp(segment)) = parsed.packet {
            segment.options.iter().for_each(drop);
            segment.options.sack_blocks().for_each(drop);
            prop_assert!(segment.payload.len() as u64 <= u64::from(segment.payload_len));
        }
    }

    #[test]
    fn a_damaged_frame_never_panics_and_stays_within_its_length(
        index in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let case = index.get(&CASES);
        let mut bytes = case.bytes.clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(1 + cut.index(bytes.len()));
        let parsed = parse(&frame(case.link_type, case.frame_len, &bytes), ParseOptions::default());
        // The straight line for plain frames says nothing that the long way would not.
        let octets = Octets::new(&bytes, case.frame_len, 0);
        let outer = Outer { truncated: octets.is_truncated(), ..Outer::default() };
        let long_way = parse_any(LinkType(case.link_type), octets, Walk::new(ParseOptions::default(), outer));
        prop_assert_eq!(format!("{parsed:?}"), format!("{long_way:?}"));
        match parsed.packet {
            Ok(Packet::Tcp(segment)) => {
                prop_assert!(segment.header_len + segment.payload_len <= case.frame_len);
                prop_assert!(segment.payload.len() as u64 <= u64::from(segment.payload_len));
            }
            Ok(Packet::Fragment(fragment)) => {
                prop_assert!(fragment.header_len + fragment.len <= case.frame_len);
                prop_assert!(fragment.payload.len() as u64 <= u64::from(fragment.len));
            }
            Ok(Packet::Udp(datagram)) => {
                prop_assert!(datagram.payload.len() as u64 <= u64::from(datagram.payload_len));
            }
            _ => {}
        }
    }
}
