//! The kernel's parser, compiled for the host.

#[path = "../../tcpkit-ebpf/src/parse/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "it is the eBPF crate's own module, which uses all of it"
)]
mod walk;

use tcpkit_common::flow::FlowHash;
use walk::{Bytes, Header, State};

use super::frames::{Case, Random, cases};

/// The whole of a frame.
struct Slice<'a>(&'a [u8]);

#[derive(Clone, Copy)]
struct At<'a>(&'a [u8]);

impl<'a> Bytes for Slice<'a> {
    type Header = At<'a>;

    fn header(&self, offset: u32, need: u32) -> Option<At<'a>> {
        let offset = usize::try_from(offset).unwrap();
        self.0.get(offset..offset + usize::try_from(need).unwrap()).map(At)
    }
}

impl Header for At<'_> {
    fn u8(self, at: usize) -> u8 {
        self.0[at]
    }

    fn u16(self, at: usize) -> u16 {
        u16::from_be_bytes([self.0[at], self.0[at + 1]])
    }

    fn u32(self, at: usize) -> u32 {
        u32::from(self.u16(at)) << 16 | u32::from(self.u16(at + 2))
    }
}

pub(super) fn parse(frame: &[u8], no_decap: bool) -> State {
    // SAFETY: integers and byte arrays.
    let mut state: State = unsafe { std::mem::zeroed() };
    state.begin(false);
    walk::walk(&Slice(frame), &mut state, no_decap);
    state
}

#[test]
fn every_kind_of_frame_belongs_to_its_flow() {
    for Case { name, frame, hash } in cases() {
        assert_eq!(parse(&frame, false).flow_hash(), hash, "{name}");
    }
}

#[test]
fn without_decapsulation_the_outer_flow_stays() {
    let outer = cases().into_iter().find(|case| case.name == "no vxlan").unwrap().hash;
    let vxlan = cases().into_iter().find(|case| case.name == "vxlan").unwrap().frame;
    let state = parse(&vxlan, true);
    assert_eq!(state.flow_hash(), outer);
    // Where the inner headers end is needed for the wire count all the same.
    assert_eq!(state.headers_len as usize, vxlan.len() - 10);
}

#[test]
fn any_bytes_are_parsed_within_their_bounds() {
    let cases = cases();
    let mut random = Random(7);
    for _ in 0..200_000 {
        let frame = random.frame(&cases);
        let state = parse(&frame, false);
        assert!(state.headers_len < 1 << 16);
        if !state.has(walk::ADDRESSES) {
            assert_eq!(state.flow_hash(), FlowHash(0));
        }
    }
}
