//! What every parser promises, held against frames of every kind.

mod checksum;
mod frames;
mod icmp;
mod malformed;
mod options;

use super::{
    Cause, Frame, FrameDirection, InterfaceId, IpVersion, Layer, LinkType, Packet, ParseOptions, Parsed,
    Segment, Unanalyzed, parse,
};
use crate::time::Timestamp;

fn frame(link_type: u16, frame_len: u32, bytes: &[u8]) -> Frame<'_> {
    Frame {
        timestamp: Timestamp(0),
        interface: InterfaceId(0),
        link_type: LinkType(link_type),
        direction: FrameDirection::Unknown,
        hook: None,
        frame_len,
        gso_size: 0,
        bytes,
    }
}

fn read(link_type: u16, bytes: &[u8]) -> Parsed<'_> {
    let frame_len = u32::try_from(bytes.len()).unwrap();
    parse(&frame(link_type, frame_len, bytes), ParseOptions::default())
}

fn segment(parsed: Parsed<'_>) -> Segment<'_> {
    match parsed.packet {
        Ok(Packet::Tcp(segment)) => segment,
        other => panic!("not a segment: {other:?}"),
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap())
        .collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
