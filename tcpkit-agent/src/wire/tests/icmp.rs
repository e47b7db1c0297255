//! ICMP errors that quote TCP.

use super::*;
use crate::wire::{IcmpError, SeqNumber, flow_hash};
use tcpkit_common::flow::FlowHash;

const QUOTED_V4: &str = "450005dc00010000400600000a0000010a0000029c40005001020304";
const QUOTED_V6: &str =
    "6000000005a00640 20010db8000000000000000000000001 20010db8000000000000000000000002 9c40005001020304";

fn v4(message: &str) -> Vec<u8> {
    let message = unhex(message);
    let mut bytes = unhex("450000000000000040010000c0000201 0a000001");
    bytes[3] = u8::try_from(20 + message.len()).unwrap();
    bytes.extend(message);
    bytes
}

fn v6(message: &str) -> Vec<u8> {
    let message = unhex(message);
    let mut bytes =
        unhex("6000000000003a40 20010db8ffff00000000000000000001 20010db8000000000000000000000001");
    bytes[5] = u8::try_from(message.len()).unwrap();
    bytes.extend(message);
    bytes
}

fn error(bytes: &[u8]) -> IcmpError {
    match read(101, bytes).packet {
        Ok(Packet::IcmpError(error)) => error,
        other => panic!("no error: {other:?}"),
    }
}

#[test]
fn an_error_names_the_segment_that_it_quotes() {
    for kind in ["03", "04", "05", "0b", "0c"] {
        let bytes = v4(&format!("{kind}01000000000000{QUOTED_V4}"));
        let error = error(&bytes);
        assert_eq!(error.quoted.source.to_ip().to_string(), "10.0.0.1");
        assert_eq!((error.quoted.source_port, error.quoted.destination_port), (40000, 80));
        assert_eq!((error.quoted_seq, error.code), (SeqNumber(0x0102_0304), 1));
        assert_eq!(error.reporter.to_ip().to_string(), "192.0.2.1");
        assert!(!error.version_6);
        assert_eq!(flow_hash(&Packet::IcmpError(error)), FlowHash::of(&error.quoted.reversed()));
    }
}

#[test]
fn a_version_6_error_too_and_behind_extension_headers() {
    let plain = v6(&format!("0200000000000500{QUOTED_V6}"));
    assert!(error(&plain).version_6);
    assert_eq!(error(&plain).quoted_seq, SeqNumber(0x0102_0304));
    let extended = QUOTED_V6.replace("0640", "3c40").replace("9c40", "0600000000000000 9c40");
    let extended = v6(&format!("0104000000000000{extended}"));
    assert_eq!(error(&extended).quoted.destination_port, 80);
}

#[test]
fn what_quotes_no_tcp_is_just_icmp() {
    let is_icmp = |bytes: &[u8]| matches!(read(101, bytes).packet, Ok(Packet::Other(Unanalyzed::Icmp)));
    assert!(is_icmp(&v4("0800000000010001")), "an echo request");
    assert!(is_icmp(&v4(&format!("0303000000000000{}", QUOTED_V4.replace("40060000", "40110000")))), "UDP");
    assert!(
        is_icmp(&v4(&format!("0303000000000000{}", QUOTED_V4.replace("00010000", "000100b9")))),
        "a fragment"
    );
    assert!(is_icmp(&v4(&format!("0303000000000000{}", &QUOTED_V4[..54]))), "seven octets of TCP");
    assert!(is_icmp(&v6(&format!("8700000000000000{QUOTED_V6}"))), "a neighbour solicitation");
}

#[test]
fn an_error_cut_by_the_snap_length_is_truncated() {
    let bytes = v4(&format!("0303000000000000{QUOTED_V4}"));
    let frame_len = u32::try_from(bytes.len()).unwrap();
    let cut = parse(&frame(101, frame_len, &bytes[..bytes.len() - 1]), ParseOptions::default());
    assert!(matches!(cut.packet, Ok(Packet::Other(Unanalyzed::Truncated))));
}
