//! The matcher on real frames: lengths, directions, quotations, fragments.

use super::capture::{Sample, read};
use crate::{
    filter::{
        Comparison, FilterError, Matcher,
        compare::{CompareError, Programs},
    },
    wire::{Frame, FrameDirection, LinkType},
};

fn count(expression: &str, strict: bool, capture: &str) -> usize {
    let (link_type, samples) = read(capture);
    let mut matcher = Matcher::new(expression, strict).unwrap();
    let frames = samples.iter().map(|sample| sample.frame(link_type, FrameDirection::Unknown));
    frames.filter(|frame| matcher.matches(frame).unwrap()).count()
}

/// The counts are tcpdump's.
#[test]
fn a_strict_filter_counts_what_tcpdump_counts() {
    assert_eq!(count("tcp[13] & 2 != 0 and net 10.0.0.0/8", true, "golden__handshake.pcap"), SYNS);
    assert_eq!(count("icmp", true, "golden__handshake.pcap"), ERRORS);
    assert_eq!(count("tcp port 7002", true, "golden__handshake.pcap"), TO_PORT_7002);
    assert_eq!(count("", true, "golden__handshake.pcap"), FRAMES);
    assert_eq!(count("tcp", true, "pcapplusplus__sll2.pcap"), 3);
    assert_eq!(count("udp", true, "pcapplusplus__sll2.pcap"), SLL2_UDP);
}

#[test]
fn an_icmp_error_matches_as_what_it_quotes() {
    assert!(count("tcp port 7002", false, "golden__handshake.pcap") > TO_PORT_7002);
    let with_quotes = count("tcp", false, "golden__handshake.pcap");
    assert_eq!(with_quotes, count("tcp", true, "golden__handshake.pcap") + ERRORS);
}

fn ipv4(identification: u16, flags_and_offset: u16, protocol: u8, payload: &[u8]) -> Sample {
    let mut bytes = vec![0; 12];
    bytes.extend([0x08, 0x00, 0x45, 0, 0, 20 + payload.len() as u8]);
    bytes.extend(identification.to_be_bytes());
    bytes.extend(flags_and_offset.to_be_bytes());
    bytes.extend([64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    bytes.extend(payload);
    Sample { frame_len: bytes.len() as u32, bytes }
}

#[test]
fn a_later_fragment_follows_its_first() {
    let mut matcher = Matcher::new("udp port 53", false).unwrap();
    let mut strict = Matcher::new("udp port 53", true).unwrap();
    let mut ask = |sample: &Sample| {
        let frame = sample.frame(LinkType::ETHERNET, FrameDirection::Unknown);
        (matcher.matches(&frame).unwrap(), strict.matches(&frame).unwrap())
    };
    let dns = [0, 53, 0x99, 0, 0, 100, 0, 0];
    let other = [0, 54, 0x99, 0, 0, 100, 0, 0];
    assert_eq!(ask(&ipv4(7, 0x0001, 17, &[1; 8])), (false, false), "nothing is known yet");
    assert_eq!(ask(&ipv4(7, 0x2000, 17, &dns)), (true, true));
    assert_eq!(ask(&ipv4(7, 0x0001, 17, &[1; 8])), (true, false), "its first fragment matched");
    assert_eq!(ask(&ipv4(8, 0x0001, 17, &[1; 8])), (false, false), "another datagram");
    assert_eq!(ask(&ipv4(7, 0x0001, 6, &[1; 8])), (false, false), "another protocol");
    assert_eq!(ask(&ipv4(7, 0x2000, 17, &other)), (false, false));
    assert_eq!(ask(&ipv4(7, 0x0001, 17, &[1; 8])), (false, false), "the identification was used again");
}

#[test]
fn the_matched_datagrams_are_bounded_and_keep_the_newest() {
    let mut matcher = Matcher::new("udp port 53", false).unwrap();
    let mut ask = |sample: &Sample| {
        matcher.matches(&sample.frame(LinkType::ETHERNET, FrameDirection::Unknown)).unwrap()
    };
    let dns = [0, 53, 0x99, 0, 0, 100, 0, 0];
    for identification in 0..60_000 {
        assert!(ask(&ipv4(identification, 0x2000, 17, &dns)));
        assert!(ask(&ipv4(identification, 0x0001, 17, &[1; 8])));
    }
    let remembered =
        (0..60_000).filter(|identification| ask(&ipv4(*identification, 0x0001, 17, &[1; 8]))).count();
    assert!((2_000..=4_096).contains(&remembered), "{remembered}");
}

#[test]
fn ipv6_fragments_follow_their_first_too() {
    let capture = "suricata-verify__bug-6887-defrag-ipv6-tcp__frag-ip-tcp.pcap";
    let strict = count("ip6 protochain 6 and ip6[40] = 6 and ip6[42:2] & 0xfff8 = 0", true, capture);
    let following = count("ip6 protochain 6 and ip6[40] = 6 and ip6[42:2] & 0xfff8 = 0", false, capture);
    assert!(strict >= 1 && following > strict, "{strict} {following}");
}

#[test]
fn direction_is_the_frames_own() {
    let sample = ipv4(1, 0, 6, &[0; 20]);
    let mut matcher = Matcher::new("tcp and not (outbound and host 192.0.2.1)", true).unwrap();
    let frame = |direction| sample.frame(LinkType::ETHERNET, direction);
    assert_eq!(matcher.matches(&frame(FrameDirection::Inbound)), Ok(true));
    assert_eq!(matcher.matches(&frame(FrameDirection::Outbound)), Ok(false));
    assert_eq!(matcher.matches(&frame(FrameDirection::Unknown)), Err(FilterError::Direction));
    let mut without = Matcher::new("tcp", true).unwrap();
    assert_eq!(without.matches(&frame(FrameDirection::Unknown)), Ok(true));
}

#[test]
fn every_link_type_gets_a_program_of_its_own() {
    let ethernet = ipv4(1, 0, 6, &[0; 20]);
    let raw = Sample { bytes: ethernet.bytes[14..].to_vec(), frame_len: 40 };
    let mut matcher = Matcher::new("tcp", false).unwrap();
    for _ in 0..2 {
        assert_eq!(matcher.matches(&ethernet.frame(LinkType::ETHERNET, FrameDirection::Unknown)), Ok(true));
        assert_eq!(matcher.matches(&raw.frame(LinkType::RAW, FrameDirection::Unknown)), Ok(true));
        assert_eq!(matcher.matches(&raw.frame(LinkType::IPV6, FrameDirection::Unknown)), Ok(false));
        let usb = matcher.matches(&raw.frame(LinkType(220), FrameDirection::Unknown));
        assert!(matches!(usb, Err(FilterError::LinkType { .. })), "{usb:?}");
    }
}

#[test]
fn an_expression_for_another_link_type_is_not_refused_early() {
    assert!(Matcher::new("wlan type mgt", false).is_ok());
    assert!(matches!(Matcher::new("tcp and and", false), Err(FilterError::Refused { .. })));
}

/// Captured bytes decide what a load can read, the frame's own length is `len`.
#[test]
fn a_cut_frame_keeps_its_length() {
    let mut sample = ipv4(1, 0, 6, &[0; 20]);
    sample.frame_len = 1_500;
    let ask = |expression: &str| {
        let frame: Frame<'_> = sample.frame(LinkType::ETHERNET, FrameDirection::Unknown);
        Matcher::new(expression, false).unwrap().matches(&frame).unwrap()
    };
    assert!(ask("len = 1500"));
    assert!(ask("greater 1000"));
    assert!(!ask("ether[1000] = 0"));
    assert!(!ask("not ether[1000] = 0"), "a load beyond the captured bytes rejects, whatever is made of it");
}

#[test]
fn no_bytes_are_too_odd_for_the_rules() {
    let mut random = super::capture::Random(11);
    let mut matcher = Matcher::new("port 1", false).unwrap();
    for link_type in [0, 1, 9, 50, 101, 108, 113, 228, 229, 276] {
        for _ in 0..2_000 {
            let len = random.below(100);
            let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            for (at, value) in [(12, 0x08), (13, 0), (14, 0x45), (23, 1), (0, 0x60)] {
                if random.chance(50) && at < len {
                    bytes[at] = value;
                }
            }
            let sample = Sample { frame_len: len as u32, bytes };
            matcher.matches(&sample.frame(LinkType(link_type), FrameDirection::Unknown)).unwrap();
        }
    }
}

#[test]
fn the_comparison_counts_both() {
    let (link_type, samples) = read("golden__handshake.pcap");
    let programs = Programs::default();
    let mut comparison = Comparison::new("tcp[13] & 2 != 0 and net 10.0.0.0/8", &programs);
    for sample in &samples {
        comparison.on_frame(&sample.frame(link_type, FrameDirection::Unknown)).unwrap();
    }
    let counts = (comparison.libpcap_matched, comparison.translated_matched, comparison.frames);
    assert_eq!(counts, (SYNS as u64, SYNS as u64, FRAMES as u64));
    assert_eq!(comparison.disagreements, 0);
    let mut loops = Comparison::new("ip6 protochain 6", &programs);
    let error = loops.on_frame(&samples[0].frame(link_type, FrameDirection::Unknown));
    assert!(matches!(error, Err(CompareError::Translate(_))), "{error:?}");
}

const FRAMES: usize = 29;
const SYNS: usize = 16;
const ERRORS: usize = 3;
const TO_PORT_7002: usize = 1;
const SLL2_UDP: usize = 0;
