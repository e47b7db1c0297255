//! Headers that contradict themselves, and frames that hold nothing for us: each has a name.

use super::*;
use crate::wire::TcpFlags;

fn error(bytes: &str) -> (Layer, Cause) {
    let bytes = unhex(bytes);
    match read(1, &bytes).packet {
        Err(error) => (error.layer, error.cause),
        Ok(Packet::MalformedTcp(malformed)) => (malformed.error.layer, malformed.error.cause),
        other => panic!("not malformed: {other:?}"),
    }
}

fn cause(link_type: u16, bytes: &str) -> Unanalyzed {
    let bytes = unhex(bytes);
    match read(link_type, &bytes).packet {
        Ok(Packet::Other(cause)) => cause,
        other => panic!("analysed: {other:?}"),
    }
}

const ETHERNET_IPV4: &str = "02000000000a02000000000b0800";
const ETHERNET_IPV6: &str = "02000000000a02000000000b86dd";

#[test]
fn a_frame_shorter_than_its_headers_is_malformed() {
    assert_eq!(error(""), (Layer::Link, Cause::Short));
    assert_eq!(error("02000000000a02000000000b08"), (Layer::Link, Cause::Short));
    assert_eq!(error(&format!("{ETHERNET_IPV4}4500")), (Layer::Ipv4, Cause::Short));
    assert_eq!(error(&format!("{ETHERNET_IPV6}6000")), (Layer::Ipv6, Cause::Short));
}

#[test]
fn ip_headers_that_lie_are_malformed() {
    let v4 = |start: &str| {
        format!(
            "{ETHERNET_IPV4}{start}00000000400600000a0000010a0000029c4000500000000100000000501000000000000000"
        )
    };
    assert_eq!(error(&v4("65000028")), (Layer::Ipv4, Cause::Version));
    assert_eq!(error(&v4("44000028")), (Layer::Ipv4, Cause::HeaderLength));
    assert_eq!(error(&v4("45000013")), (Layer::Ipv4, Cause::TotalLength));
    assert_eq!(error(&v4("4f000028")), (Layer::Ipv4, Cause::TotalLength));
    assert_eq!(error(&v4("45000027")), (Layer::Tcp, Cause::Short));
    let v6 = format!("{ETHERNET_IPV6}400000000014064020010db8000000000000000000000001{}", "00".repeat(36));
    assert_eq!(error(&v6), (Layer::Ipv6, Cause::Version));
}

#[test]
fn tcp_headers_that_lie_are_malformed() {
    let tcp = |offset: &str| {
        format!(
            "{ETHERNET_IPV4}4500002800000000400600000a0000010a0000029c40005000000001000000\
             00{offset}10000000000000"
        )
    };
    assert_eq!(error(&tcp("40")), (Layer::Tcp, Cause::HeaderLength));
    assert_eq!(error(&tcp("60")), (Layer::Tcp, Cause::HeaderLength));
    let bytes = unhex(&tcp("50"));
    assert_eq!(segment(read(1, &bytes)).payload_len, 0);
}

#[test]
fn a_malformed_tcp_header_still_tells_whose_it_is_when_sixteen_octets_are_there() {
    let tcp = |total: &str, offset: &str| {
        let rest = "10000000000000 6162636465666768";
        let ip = format!("4500{total}00000000400600000a0000010a000002");
        unhex(&format!("{ETHERNET_IPV4}{ip}9c400050000000010000000 0{offset}02{rest}"))
    };
    let told = |total, offset| match read(1, &tcp(total, offset)).packet {
        Ok(Packet::MalformedTcp(malformed)) => {
            let segment = malformed.segment;
            assert_eq!((segment.tuple.source_port, segment.seq.0), (40000, 1));
            assert!(segment.payload.is_empty() && segment.options.0.is_empty());
            Some((malformed.is_legible, segment.flags, segment.payload_len))
        }
        _ => None,
    };
    let (syn, none) = (TcpFlags::SYN, TcpFlags::default());
    assert_eq!(told("0030", "f0"), Some((true, syn, 0)), "offset beyond the packet");
    assert_eq!(told("0030", "40"), Some((false, none, 12)), "offset below the fixed header");
    assert_eq!(told("0027", "50"), Some((true, syn, 0)), "a packet shorter than the fixed header");
    assert_eq!(told("0023", "50"), None, "no control bits in the packet");
    assert_eq!(told("0030", "70"), None, "sound");
}

#[test]
fn udp_lengths_below_the_header_are_malformed() {
    let bytes = format!("{ETHERNET_IPV4}4500001c00000000401100000a0000010a0000020035003500070000");
    assert_eq!(error(&bytes), (Layer::Udp, Cause::TotalLength));
}

#[test]
fn what_is_not_analysed_has_a_name() {
    let ip = |protocol: &str| format!("4500001c0000000040{protocol}00000a0000010a0000020000000000000000");
    assert_eq!(cause(1, &format!("02000000000a02000000000b0806{}", "00".repeat(28))), Unanalyzed::Arp);
    assert_eq!(cause(1, &format!("02000000000a02000000000b88cc{}", "00".repeat(28))), Unanalyzed::NotIp);
    assert_eq!(
        cause(1, &format!("0180c200000002000000000b0026424203{}", "00".repeat(35))),
        Unanalyzed::NotIp
    );
    assert_eq!(cause(101, &ip("84")), Unanalyzed::OtherTransport);
    assert_eq!(cause(101, &ip("32")), Unanalyzed::OtherTransport);
    assert_eq!(cause(101, &ip("01")), Unanalyzed::Icmp);
    assert_eq!(cause(147, "00"), Unanalyzed::UnknownLinkType);
}

#[test]
fn a_tower_of_tags_is_left_alone() {
    let tags = |count| format!("02000000000a02000000000b{}0800", "81000001".repeat(count));
    let packet = "4500002800000000400600000a0000010a0000029c400050000000010000000050100000 00000000";
    let sound = unhex(&format!("{}{packet}", tags(16)));
    assert_eq!(segment(read(1, &sound)).tuple.source_port, 40000);
    assert_eq!(cause(1, &format!("{}{packet}", tags(60))), Unanalyzed::TooDeep);
    assert_eq!(cause(101, &"4500000000000000400400000a0000010a000002".repeat(60)), Unanalyzed::TooDeep);
    assert_eq!(cause(219, &"00000000".repeat(60)), Unanalyzed::TooDeep);
}

#[test]
fn a_fragment_tells_its_place() {
    let bytes = unhex("4500001c123420b9400600000a0000010a0000020102030405060708");
    let Ok(Packet::Fragment(fragment)) = read(101, &bytes).packet else { panic!("no fragment") };
    assert_eq!((fragment.identification, fragment.protocol, fragment.offset), (0x1234, 6, 0xb9 * 8));
    assert_eq!((fragment.len, fragment.more, fragment.header_len), (8, true, 20));
    assert_eq!(fragment.version, IpVersion::V4);
}
