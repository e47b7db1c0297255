//! The pcapng format (draft-ietf-opsawg-pcapng), in the host's byte order; docs/pcapng.md says what is written.

use crate::{
    source::{
        Interface,
        file::{CUSTOM_OPTION, FlowTimers, GSO_SIZE_TAG, TCPKIT_PEN},
    },
    time::Timestamp,
    wire::{Frame, FrameDirection, LinkType},
};

/// Totals of one interface, for the statistics at the end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InterfaceTotals {
    /// Frames written.
    pub(super) written: u64,
    /// Frames lost between the interface and here.
    pub(super) dropped: u64,
}

/// Appends a section header block (§4.1).
pub(super) fn section_header(bytes: &mut Vec<u8>, timers: Option<FlowTimers>) {
    block(bytes, SECTION_HEADER, |bytes| {
        bytes.extend_from_slice(&BYTE_ORDER_MAGIC.to_ne_bytes());
        bytes.extend_from_slice(&1_u16.to_ne_bytes());
        bytes.extend_from_slice(&0_u16.to_ne_bytes());
        bytes.extend_from_slice(&SECTION_LENGTH_UNKNOWN.to_ne_bytes());
        if let Some(timers) = timers {
            option(bytes, CUSTOM_OPTION, &timers.to_option());
        }
        option(bytes, SHB_USERAPPL, concat!("tcpkit ", env!("CARGO_PKG_VERSION")).as_bytes());
        end_of_options(bytes);
    });
}

/// Appends an interface description block (§4.2).
pub(super) fn interface(bytes: &mut Vec<u8>, interface: &Interface, filter: Option<&str>) {
    block(bytes, INTERFACE_DESCRIPTION, |bytes| {
        let LinkType(link_type) = interface.link_type;
        bytes.extend_from_slice(&link_type.to_ne_bytes());
        bytes.extend_from_slice(&0_u16.to_ne_bytes());
        bytes.extend_from_slice(&declared_snaplen(interface).to_ne_bytes());
        if let Some(name) = &interface.name {
            option(bytes, IF_NAME, name.as_bytes());
        }
        option(bytes, IF_TSRESOL, &[NANOSECONDS]);
        if let Some(filter) = filter {
            let mut value = vec![FILTER_IS_TEXT];
            value.extend_from_slice(filter.as_bytes());
            option(bytes, IF_FILTER, &value);
        }
        end_of_options(bytes);
    });
}

/// Bytes of a frame that the interface's description promises at most; 0 without a limit.
///
/// A live interface gives four bytes more than its snap length where the kernel kept a VLAN tag outside the frame.
pub(super) fn declared_snaplen(interface: &Interface) -> u32 {
    let tag = if interface.index.is_some() { VLAN_TAG_LEN } else { 0 };
    interface.snaplen.map_or(0, |snaplen| snaplen.saturating_add(tag))
}

/// Appends an enhanced packet block (§4.3) with `captured` of the frame's bytes, under the interface's number in
/// this file.
pub(super) fn frame(
    bytes: &mut Vec<u8>,
    frame: &Frame<'_>,
    captured: &[u8],
    interface: u32,
    dropped_before: u64,
) {
    block(bytes, ENHANCED_PACKET, |bytes| {
        let captured_len = u32::try_from(captured.len()).expect("the caller limits what is kept");
        bytes.extend_from_slice(&interface.to_ne_bytes());
        timestamp(bytes, frame.timestamp);
        bytes.extend_from_slice(&captured_len.to_ne_bytes());
        bytes.extend_from_slice(&frame.frame_len.to_ne_bytes());
        bytes.extend_from_slice(captured);
        pad(bytes, captured.len());
        frame_options(bytes, frame, dropped_before);
    });
}

/// Appends interface statistics (§4.6): when the capture ended, frames lost and frames written.
pub(super) fn statistics(
    bytes: &mut Vec<u8>,
    interface: u32,
    totals: InterfaceTotals,
    latest: Timestamp,
    end: Option<Timestamp>,
) {
    block(bytes, INTERFACE_STATISTICS, |bytes| {
        bytes.extend_from_slice(&interface.to_ne_bytes());
        timestamp(bytes, end.unwrap_or(latest));
        if let Some(end) = end {
            let mut value = Vec::with_capacity(8);
            timestamp(&mut value, end);
            option(bytes, ISB_ENDTIME, &value);
        }
        option(bytes, ISB_OSDROP, &totals.dropped.to_ne_bytes());
        option(bytes, ISB_USRDELIV, &totals.written.to_ne_bytes());
        end_of_options(bytes);
    });
}

fn frame_options(bytes: &mut Vec<u8>, frame: &Frame<'_>, dropped_before: u64) {
    let start = bytes.len();
    let direction: u32 = match frame.direction {
        FrameDirection::Unknown => 0,
        FrameDirection::Inbound => 1,
        FrameDirection::Outbound => 2,
    };
    if direction != 0 {
        option(bytes, EPB_FLAGS, &direction.to_ne_bytes());
    }
    if dropped_before != 0 {
        option(bytes, EPB_DROPCOUNT, &dropped_before.to_ne_bytes());
    }
    if frame.gso_size != 0 {
        let mut value = [0; GSO_OPTION_LEN];
        value[..4].copy_from_slice(&TCPKIT_PEN.to_ne_bytes());
        value[4..GSO_OPTION_LEN - 2].copy_from_slice(GSO_SIZE_TAG);
        value[GSO_OPTION_LEN - 2..].copy_from_slice(&frame.gso_size.to_be_bytes());
        option(bytes, CUSTOM_OPTION, &value);
    }
    if bytes.len() > start {
        end_of_options(bytes);
    }
}

/// Appends a block: type, length, what `body` appends, and the length again.
fn block(bytes: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    body(bytes);
    let len = u32::try_from(bytes.len() + 4 - start).expect("a block holds one frame, which is limited");
    bytes[start + 4..start + 8].copy_from_slice(&len.to_ne_bytes());
    bytes.extend_from_slice(&len.to_ne_bytes());
}

/// Appends an option (§3.5); a value of more than 65,535 bytes, which only a filter expression can be, is cut.
fn option(bytes: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    let len = u16::try_from(value.len()).expect("the value was just cut to fit");
    bytes.extend_from_slice(&code.to_ne_bytes());
    bytes.extend_from_slice(&len.to_ne_bytes());
    bytes.extend_from_slice(value);
    pad(bytes, value.len());
}

fn end_of_options(bytes: &mut Vec<u8>) {
    option(bytes, END_OF_OPTIONS, &[]);
}

fn pad(bytes: &mut Vec<u8>, len: usize) {
    bytes.resize(bytes.len() + len.next_multiple_of(4) - len, 0);
}

/// Appends nanoseconds since the epoch in two halves, the upper first; times before 1970 become 0.
fn timestamp(bytes: &mut Vec<u8>, time: Timestamp) {
    let ticks = u64::try_from(time.0).unwrap_or(0);
    let low = u32::try_from(ticks & u64::from(u32::MAX)).expect("the lower half was masked");
    let high = u32::try_from(ticks >> 32).expect("the upper half was shifted down");
    bytes.extend_from_slice(&high.to_ne_bytes());
    bytes.extend_from_slice(&low.to_ne_bytes());
}

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const SECTION_LENGTH_UNKNOWN: i64 = -1;
const GSO_OPTION_LEN: usize = 4 + GSO_SIZE_TAG.len() + 2;
const VLAN_TAG_LEN: u32 = 4;

/// 10^-9 s (§4.2, `if_tsresol`).
const NANOSECONDS: u8 = 9;

/// §4.2, `if_filter`: what follows is text for libpcap.
const FILTER_IS_TEXT: u8 = 0;

/// Block types and option codes, draft-ietf-opsawg-pcapng §11 and §4.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const END_OF_OPTIONS: u16 = 0;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_FILTER: u16 = 11;
const EPB_FLAGS: u16 = 2;
const EPB_DROPCOUNT: u16 = 4;
const ISB_ENDTIME: u16 = 3;
const ISB_OSDROP: u16 = 7;
const ISB_USRDELIV: u16 = 8;
