//! The user's filter: two stubs that the agent overwrites in the object, and what to show them.
//!
//! Both stubs return [`REJECT`], [`ACCEPT`] or [`OUT_OF_REACH`]. Their bodies are assembly, so that the compiler can
//! assume nothing of what they return; the agent replaces the bodies before the object is loaded.

use core::arch::asm;

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    programs::{TcContext, XdpContext},
};
use tcpkit_common::{record::Hook, settings::FragmentKey};

use crate::{
    bounded::{at_most, distance},
    hook::{Frame, LinearXdp, Shape, is_egress},
    maps::{self, FILTER_COPY, setting},
    parse::{FIRST_FRAGMENT, OUTER_FRAGMENT, State},
};

/// The frame is not wanted.
pub const REJECT: u64 = 0;
/// The frame is wanted.
pub const ACCEPT: u64 = 1;
/// The filter needs bytes that its copy does not hold.
pub const OUT_OF_REACH: u64 = 2;

/// Asks the filter about the frame as it stands on the wire.
#[inline(always)]
pub fn ask<F: Frame>(frame: &F, frame_len: u32, hook: Hook) -> u64 {
    if setting!(filter) == 0 { ACCEPT } else { frame.ask(frame_len, u32::from(is_egress(hook))) }
}

/// The filter over a frame at XDP.
///
/// This one and the three below are global functions to the verifier: it examines each once, whoever calls it, and
/// takes their verdict for any number. A long filter that were part of its caller would be examined again for
/// everything that the caller may know.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn filter_xdp(context: *mut xdp_md, frame_len: u32) -> u64 {
    judge(&XdpContext::new(context), frame_len, 0)
}

/// The filter over a frame at XDP before Linux 5.18.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn filter_xdp_linear(context: *mut xdp_md, frame_len: u32) -> u64 {
    judge(&LinearXdp::new(XdpContext::new(context)), frame_len, 0)
}

/// The filter over a frame at TC.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn filter_tc(context: *mut __sk_buff, frame_len: u32, egress: u32) -> u64 {
    judge(&TcContext::new(context), frame_len, egress)
}

/// The filter over what stands in this CPU's copy: `captured_len` bytes of a frame of `frame_len`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn filter_copied(captured_len: u32, frame_len: u32, egress: u32) -> u64 {
    let Some(copy) = maps::copy() else { return OUT_OF_REACH };
    let captured_len = at_most::<{ FILTER_COPY as u32 }>(u64::from(captured_len));
    pcap_filter_copy(copy, captured_len as u32, frame_len, egress)
}

/// Shows the filter the frame where it lies, or a copy where that does not do.
#[inline(always)]
fn judge<F: Frame>(frame: &F, frame_len: u32, egress: u32) -> u64 {
    let (data, end) = frame.linear();
    let (tag, tci) = frame.vlan();
    let wanted = u64::from(frame_len.min(setting!(filter_reach)));
    if tag == 0 && distance(data, end) >= wanted {
        return pcap_filter(data as *const u8, end as *const u8, frame_len, egress);
    }
    let Some(copy) = maps::copy() else { return OUT_OF_REACH };
    let len = frame_len.min(setting!(filter_reach)).min(FILTER_COPY as u32 - TAG);
    let Some(captured) = fill(frame, copy, len, (tag, tci)) else { return OUT_OF_REACH };
    filter_copied(captured, frame_len + if tag == 0 { 0 } else { TAG }, egress)
}

/// Whether a frame that the filter rejected must be walked all the same: an ICMP error or a fragment, which may belong
/// to something that it accepts. A look at the linear part only; in doubt, yes.
#[inline(always)]
pub fn may_belong<F: Frame>(frame: &F, link_is_raw: bool) -> bool {
    if setting!(strict_filter) != 0 {
        return false;
    }
    let (data, end) = frame.linear();
    if link_is_raw || data + 24 > end {
        return true;
    }
    let data = data as *const u8;
    // SAFETY: the places read lie below 24, which was checked against the end of the packet.
    let at = |offset: usize| unsafe { data.add(offset).read() };
    match (at(12), at(13)) {
        (0x08, 0x00) => at(23) == ICMP || at(20) & 0x3f | at(21) != 0,
        (0x86, 0xdd) => matches!(at(20), ICMP6 | FRAGMENT | 0 | 43 | 51 | 60),
        // ARP has nothing to belong to; tags and labels are walked.
        (0x08, 0x06) => false,
        _ => true,
    }
}

/// Whether a rejected frame belongs to something that the filter accepts.
#[inline(always)]
pub fn belongs<F: Frame>(frame: &F, shape: &Shape, state: &State, hook: Hook) -> u64 {
    if state.quote_offset != 0 {
        return ask_about_quote(frame, shape, state, hook);
    }
    if state.has(OUTER_FRAGMENT) && !state.has(FIRST_FRAGMENT) && maps::knows_fragment(&fragment_key(state)) {
        return ACCEPT;
    }
    REJECT
}

/// Remembers the datagram of a first fragment that matched, and forgets an earlier one of the same identification.
#[inline(always)]
pub fn remember(state: &State, matched: bool) {
    if setting!(filter) == 0 || setting!(strict_filter) != 0 || !state.has(OUTER_FRAGMENT | FIRST_FRAGMENT) {
        return;
    }
    let key = fragment_key(state);
    if matched { maps::remember_fragment(&key) } else { maps::forget_fragment(&key) }
}

#[inline(always)]
fn fragment_key(state: &State) -> FragmentKey {
    FragmentKey {
        source: state.source,
        destination: state.destination,
        identification: state.fragment_id,
        protocol: state.fragment_protocol,
    }
}

/// Shows the filter the quoted packet behind the link header of the error.
#[inline(always)]
fn ask_about_quote<F: Frame>(frame: &F, shape: &Shape, state: &State, hook: Hook) -> u64 {
    let Some(copy) = maps::copy() else { return OUT_OF_REACH };
    let link_len = at_most::<MAX_LINK_LEN>(u64::from(state.network_offset)) as u32;
    let Some(before) = fill(frame, copy, link_len, shape.vlan) else { return OUT_OF_REACH };
    let before = at_most::<{ MAX_LINK_LEN + TAG }>(u64::from(before));
    let len = at_most::<MAX_QUOTE_LEN>(u64::from(shape.frame_len.saturating_sub(state.quote_offset)));
    if len == 0 {
        return REJECT;
    }
    // SAFETY: link header, tag and quote together are shorter than the copy.
    if !unsafe { frame.copy(state.quote_offset, copy.add(before as usize), len) } {
        return OUT_OF_REACH;
    }
    let whole = (before + len) as u32;
    filter_copied(whole, whole, u32::from(is_egress(hook)))
}

/// Copies the first `len` bytes, with the tag in metadata back at its place; gives how many bytes there are then.
#[inline(always)]
fn fill<F: Frame>(frame: &F, copy: *mut u8, len: u32, (tag, tci): (u16, u16)) -> Option<u32> {
    if tag == 0 {
        let len = at_most::<{ FILTER_COPY as u32 }>(u64::from(len));
        // SAFETY: `len` is at most the size of the copy.
        return (len == 0 || unsafe { frame.copy(0, copy, len) }).then_some(len as u32);
    }
    let [tag_high, tag_low] = tag.to_be_bytes();
    let [tci_high, tci_low] = tci.to_be_bytes();
    let rest = at_most::<{ FILTER_COPY as u32 - TAG }>(u64::from(len.saturating_sub(ADDRESSES)));
    // SAFETY: two addresses, tag and rest are at most the size of the copy and its slack.
    unsafe {
        if rest == 0
            || !frame.copy(0, copy, u64::from(ADDRESSES))
            || !frame.copy(ADDRESSES, copy.add(16), rest)
        {
            return None;
        }
        copy.add(12).write(tag_high);
        copy.add(13).write(tag_low);
        copy.add(14).write(tci_high);
        copy.add(15).write(tci_low);
    }
    Some(rest as u32 + ADDRESSES + TAG)
}

/// Room for a translation, and a symbol to which the agent gives what the translation leaves of it.
macro_rules! stub {
    ($rest:literal, $one:expr, $two:expr, $three:expr, $four:expr) => {{
        let verdict: u64;
        // SAFETY: `goto +0` goes on with the next instruction.
        unsafe {
            asm!(
                "r0 = 1",
                concat!(".type ", $rest, ", @function"),
                concat!($rest, ":"),
                ".rept 31999",
                "goto +0",
                ".endr",
                out("r0") verdict,
                in("r1") $one,
                in("r2") $two,
                in("r3") $three,
                in("r4") $four,
            );
        }
        verdict
    }};
}

/// The filter over the frame itself: `data..data_end` holds all that it reads.
#[unsafe(no_mangle)]
#[inline(never)]
#[allow(named_asm_labels, reason = "the function is never inlined, so the label exists once")]
extern "C" fn pcap_filter(data: *const u8, data_end: *const u8, frame_len: u32, egress: u32) -> u64 {
    stub!("pcap_filter_rest", data as u64, data_end as u64, u64::from(frame_len), u64::from(egress))
}

/// The filter over a copy of [`FILTER_COPY`] bytes, of which `captured_len` belong to the frame.
#[unsafe(no_mangle)]
#[inline(never)]
#[allow(named_asm_labels, reason = "the function is never inlined, so the label exists once")]
extern "C" fn pcap_filter_copy(copy: *const u8, captured_len: u32, frame_len: u32, egress: u32) -> u64 {
    stub!(
        "pcap_filter_copy_rest",
        copy as u64,
        u64::from(captured_len),
        u64::from(frame_len),
        u64::from(egress)
    )
}

/// Octets of a VLAN tag.
const TAG: u32 = 4;
/// Octets of the two addresses before it.
const ADDRESSES: u32 = 12;
/// Octets before the outermost IP header, at most.
const MAX_LINK_LEN: u32 = 128;
/// Octets of a quote that a filter can see: RFC 1812 §4.3.2.3 has errors end at 576, RFC 4443 §2.4 at 1,280.
const MAX_QUOTE_LEN: u32 = 1_280;
const ICMP: u8 = 1;
const FRAGMENT: u8 = 44;
const ICMP6: u8 = 58;
