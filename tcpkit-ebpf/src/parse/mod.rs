//! Frame bytes to what the kernel side must know: who talks to whom, what the totals count, where headers end.
//!
//! Never fails: what cannot be read further is described as far as it was read. All of it compiles on the host too,
//! where it is tested against the agent's own parser.
//!
//! The walk goes header by header in one loop, and everything that one turn hands to the next lives in [`State`],
//! behind a pointer that the compiler may not see through. In the kernel that is map memory, of which the verifier
//! assumes nothing; so each turn looks to it like the one before, and it examines the loop once instead of once per
//! combination of headers.

mod bytes;
mod ip;
mod link;
mod transport;
mod tunnel;

use tcpkit_common::flow::FlowHash;

pub use bytes::{Bytes, Header};

/// Headers that one frame may hold; what is nested deeper counts for the flow that was found so far.
const MAX_HEADERS: u32 = 16;

/// Where the walk stands and what it found.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct State {
    /// Sender of the packet that is analysed, the innermost one: halves of its address.
    pub source: [u64; 2],
    /// Its receiver.
    pub destination: [u64; 2],
    /// Ports, valid with [`PORTS`].
    pub source_port: u16,
    /// As above.
    pub destination_port: u16,
    /// What is known: a set of the flags below.
    pub known: u32,
    /// First byte that was not walked over yet.
    pub offset: u32,
    /// Which header stands there: a `NEXT_` constant.
    pub next: u32,
    /// EtherType or IP protocol, as `next` needs it.
    pub protocol: u32,
    /// Octets before the innermost transport payload; 0 when it was not reached.
    pub headers_len: u32,
    /// Where the outermost IP header begins.
    pub network_offset: u32,
    /// Where the packet begins that an ICMP error directly in the outermost IP packet quotes; 0 when there is none.
    pub quote_offset: u32,
    /// Identification of the datagram of which this is a fragment.
    pub fragment_id: u32,
    /// Its protocol.
    pub fragment_protocol: u32,
    /// IANA protocol number of what has the ports, or of the fragment; 0 when there is neither.
    pub transport: u32,
}

/// What counting and sharding want to know of a frame.
#[derive(Clone, Copy)]
pub struct Found {
    /// The flags below.
    pub known: u32,
    /// Octets before the innermost transport payload; 0 when it was not reached.
    pub headers_len: u32,
    /// Hash of its conversation.
    pub hash: FlowHash,
}

/// The outermost packet is IPv4.
pub const OUTER_V4: u32 = 1 << 0;
/// The outermost packet is IPv6.
pub const OUTER_V6: u32 = 1 << 1;
/// The outermost packet carries TCP.
pub const OUTER_TCP: u32 = 1 << 2;
/// The outermost packet carries UDP.
pub const OUTER_UDP: u32 = 1 << 3;
/// The outermost packet carries ICMP or ICMPv6.
pub const OUTER_ICMP: u32 = 1 << 4;
/// The frame is ARP.
pub const ARP: u32 = 1 << 5;
/// The outermost packet is a fragment.
pub const OUTER_FRAGMENT: u32 = 1 << 6;
/// The fragment found is the first of its datagram.
pub const FIRST_FRAGMENT: u32 = 1 << 7;
/// The addresses are known.
pub const ADDRESSES: u32 = 1 << 8;
/// The ports are known.
pub const PORTS: u32 = 1 << 9;
/// The packet walked now is quoted by an ICMP error.
pub const QUOTED: u32 = 1 << 10;
/// The four-tuple found so far stays, whatever is found further in.
pub const TUPLE_FIXED: u32 = 1 << 11;
/// What the outermost packet carries was looked at.
pub const OUTER_DONE: u32 = 1 << 12;
/// The frame was not walked over: it is plain TCP, and everything stands at a known place.
pub const PLAIN: u32 = 1 << 13;
/// The outermost IP header was passed.
pub const OUTER: u32 = OUTER_V4 | OUTER_V6;

pub(crate) const NEXT_STOP: u32 = 0;
pub(crate) const NEXT_ETHERNET: u32 = 1;
pub(crate) const NEXT_ETHERTYPE: u32 = 2;
pub(crate) const NEXT_IP: u32 = 3;
pub(crate) const NEXT_MPLS: u32 = 4;
pub(crate) const NEXT_PPPOE: u32 = 5;
pub(crate) const NEXT_IPV4_PAYLOAD: u32 = 6;
pub(crate) const NEXT_IPV6_PAYLOAD: u32 = 7;
pub(crate) const NEXT_UDP_PAYLOAD: u32 = 8;
pub(crate) const NEXT_GRE: u32 = 9;
pub(crate) const NEXT_GTP_EXTENSION: u32 = 10;
pub(crate) const NEXT_TEREDO: u32 = 11;

impl State {
    /// Before the first header of a frame. Addresses and ports stay as they were: flags say when they are valid, and
    /// zeroing them costs more than the walk over a header.
    #[inline(always)]
    pub fn begin(&mut self, link_is_raw: bool) {
        clear(&mut self.known);
        clear(&mut self.offset);
        clear(&mut self.headers_len);
        clear(&mut self.network_offset);
        clear(&mut self.quote_offset);
        clear(&mut self.transport);
        self.next = if link_is_raw { NEXT_IP } else { NEXT_ETHERNET };
    }

    /// Whether all of these flags are known.
    #[inline(always)]
    pub fn has(&self, flags: u32) -> bool {
        self.known & flags == flags
    }

    /// Hash of the conversation: by ports where they are known, else by addresses, else none.
    #[inline(always)]
    pub fn flow_hash(&self) -> FlowHash {
        if self.has(PORTS) {
            FlowHash::of_halves(self.source, self.source_port, self.destination, self.destination_port)
        } else if self.has(ADDRESSES) {
            FlowHash::of_halves(self.source, 0, self.destination, 0)
        } else {
            FlowHash(0)
        }
    }

    /// What was found.
    #[inline(always)]
    pub fn found(&self) -> Found {
        Found { known: self.known, headers_len: self.headers_len, hash: self.flow_hash() }
    }

    #[inline(always)]
    pub(crate) fn go(&mut self, next: u32, step: u32) {
        self.next = next;
        self.offset += step;
    }

    #[inline(always)]
    pub(crate) fn stop(&mut self) {
        self.next = NEXT_STOP;
    }
}

/// Sets a word to 0, alone: the compiler would join neighbours into a call that clears byte by byte.
#[inline(always)]
fn clear(word: &mut u32) {
    // SAFETY: a reference is valid for writing.
    unsafe { core::ptr::write_volatile(word, 0) };
}

/// Walks the headers of one frame into `state`, on which [`State::begin`] was called.
#[inline(always)]
pub fn walk<B: Bytes>(bytes: &B, state: &mut State, no_decap: bool) {
    for _ in 0..MAX_HEADERS {
        let state = opaque(state);
        if step(bytes, state, no_decap).is_none() || state.next == NEXT_STOP {
            break;
        }
    }
}

/// One header; `None` when it was not captured or contradicts itself.
#[inline(always)]
fn step<B: Bytes>(bytes: &B, state: &mut State, no_decap: bool) -> Option<()> {
    match state.next {
        NEXT_ETHERNET => link::ethernet(bytes, state),
        NEXT_ETHERTYPE => link::ethertype(bytes, state),
        NEXT_IP => ip::either(bytes, state),
        NEXT_MPLS => link::mpls(bytes, state),
        NEXT_PPPOE => link::pppoe(bytes, state),
        NEXT_IPV4_PAYLOAD => transport::payload(bytes, state, false, no_decap),
        NEXT_IPV6_PAYLOAD => transport::payload(bytes, state, true, no_decap),
        NEXT_UDP_PAYLOAD => tunnel::over_udp(bytes, state),
        NEXT_GRE => tunnel::gre(bytes, state),
        NEXT_GTP_EXTENSION => tunnel::gtp_extension(bytes, state),
        NEXT_TEREDO => tunnel::teredo(bytes, state),
        _ => None,
    }
}

/// The same state, of which the compiler must forget what it knows.
#[inline(always)]
fn opaque(state: &mut State) -> &mut State {
    #[cfg(target_arch = "bpf")]
    {
        let mut pointer: *mut State = state;
        // SAFETY: the template is empty; pointer and memory stay what they are.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) pointer);
            &mut *pointer
        }
    }
    #[cfg(not(target_arch = "bpf"))]
    core::hint::black_box(state)
}
