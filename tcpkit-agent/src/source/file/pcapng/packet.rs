//! The blocks of a section that hold a frame, and those that hold an interface's statistics.

use super::{
    Body, Section,
    interface::SectionInterface,
    options::{BlockOption, Options, padded},
};
use crate::{
    source::{
        FrameDescriptor,
        error::Damage,
        file::scan::{Found, u16_at, u32_at},
    },
    wire::FrameDirection,
};

/// The fixed part of a block that holds a frame with a time stamp.
struct FixedPart {
    interface: u32,
    dropped: u64,
    high: u32,
    low: u32,
    captured: u32,
    frame_len: u32,
}

/// What the options of a frame say.
#[derive(Default)]
struct FrameOptions {
    direction: FrameDirection,
    dropped: u64,
    gso_size: u16,
}

impl Section {
    /// §4.3: interface (4), time stamp (8), captured length (4), frame length (4), the bytes, options.
    #[inline]
    pub(super) fn enhanced_packet<const BIG: bool>(
        &mut self,
        body: &Body<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), Damage> {
        let content = body.content();
        if content.len() < PACKET_FIXED_LEN {
            return Err(Damage::corrupt("an enhanced packet is too short,"));
        }
        let fixed = FixedPart {
            interface: u32_at::<BIG>(content, 0),
            dropped: 0,
            high: u32_at::<BIG>(content, 4),
            low: u32_at::<BIG>(content, 8),
            captured: u32_at::<BIG>(content, 12),
            frame_len: u32_at::<BIG>(content, 16),
        };
        self.packet::<BIG>(&fixed, body, found)
    }

    /// The packet block of early pcapng: interface (2), frames dropped (2), then as the enhanced packet.
    pub(super) fn obsolete_packet<const BIG: bool>(
        &mut self,
        body: &Body<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), Damage> {
        let content = body.content();
        if content.len() < PACKET_FIXED_LEN {
            return Err(Damage::corrupt("a packet block is too short,"));
        }
        let dropped = match u16_at::<BIG>(content, 2) {
            DROPPED_UNKNOWN => 0,
            dropped => u64::from(dropped),
        };
        let fixed = FixedPart {
            interface: u32::from(u16_at::<BIG>(content, 0)),
            dropped,
            high: u32_at::<BIG>(content, 4),
            low: u32_at::<BIG>(content, 8),
            captured: u32_at::<BIG>(content, 12),
            frame_len: u32_at::<BIG>(content, 16),
        };
        self.packet::<BIG>(&fixed, body, found)
    }

    #[inline]
    fn packet<const BIG: bool>(
        &mut self,
        fixed: &FixedPart,
        body: &Body<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), Damage> {
        let interface = self.interface(fixed.interface)?;
        let data = &body.content()[PACKET_FIXED_LEN..];
        let captured = fixed.captured as usize;
        if captured > data.len() {
            return Err(Damage::corrupt(format_args!(
                "a frame claims {captured} captured bytes in a block that has room for {},",
                data.len()
            )));
        }
        let options = match data.get(padded(captured)..) {
            None | Some([]) => FrameOptions::default(),
            Some(bytes) => FrameOptions::parse::<BIG>(bytes, &mut found.counts.malformed_options),
        };
        let dropped = fixed.dropped.saturating_add(options.dropped);
        if dropped > 0 {
            found.dropped(interface.id, interface.dropped_before_frame(dropped));
        }
        found.frame(FrameDescriptor {
            timestamp: interface.timestamp(fixed.high, fixed.low),
            offset: place(body.start + PACKET_FIXED_LEN),
            captured_len: fixed.captured,
            frame_len: fixed.frame_len,
            interface: interface.id,
            link_type: interface.link_type,
            gso_size: options.gso_size,
            direction: options.direction,
        });
        Ok(())
    }

    /// §4.4: frame length (4), the bytes; always of the first interface, without time stamp.
    pub(super) fn simple_packet<const BIG: bool>(
        &mut self,
        body: &Body<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), Damage> {
        let content = body.content();
        if content.len() < 4 {
            return Err(Damage::corrupt("a simple packet is too short,"));
        }
        let latest = found.frames.last().map_or(self.latest, |frame| frame.timestamp);
        let interface = self.interface(0)?;
        let frame_len = u32_at::<BIG>(content, 0);
        let room = u32::try_from(content.len() - 4).expect("a block is limited to 16 MiB");
        let captured_len = frame_len.min(interface.snaplen.unwrap_or(u32::MAX));
        if captured_len > room {
            return Err(Damage::corrupt(format_args!(
                "a frame of {frame_len} bytes stands in a simple packet that has room for {room},"
            )));
        }
        found.counts.without_timestamp += 1;
        found.frame(FrameDescriptor {
            timestamp: latest,
            offset: place(body.start + 4),
            captured_len,
            frame_len,
            interface: interface.id,
            link_type: interface.link_type,
            gso_size: 0,
            direction: FrameDirection::Unknown,
        });
        Ok(())
    }

    /// §4.6: interface (4), time stamp (8), options: totals since the capture began, and when it ended.
    pub(super) fn statistics<const BIG: bool>(
        &mut self,
        content: &[u8],
        found: &mut Found<'_>,
    ) -> Result<(), Damage> {
        if content.len() < STATISTICS_FIXED_LEN {
            return Err(Damage::corrupt("interface statistics are too short,"));
        }
        let interface = self.interface(u32_at::<BIG>(content, 0))?;
        let mut dropped = 0_u64;
        for option in Options::<BIG>::new(&content[STATISTICS_FIXED_LEN..]) {
            let Ok(BlockOption { code, value }) = option else {
                found.counts.malformed_options += 1;
                break;
            };
            match (code, value.len()) {
                (ISB_ENDTIME, 8) => {
                    let end = interface.timestamp(u32_at::<BIG>(value, 0), u32_at::<BIG>(value, 4));
                    *found.end_of_capture = (*found.end_of_capture).max(Some(end));
                }
                (ISB_IFDROP | ISB_OSDROP, 8) => dropped = dropped.saturating_add(u64_of::<BIG>(value)),
                (ISB_ENDTIME | ISB_IFDROP | ISB_OSDROP, _) => found.counts.malformed_options += 1,
                _ => {}
            }
        }
        found.dropped(interface.id, interface.dropped_in_all(dropped));
        Ok(())
    }

    #[inline]
    fn interface(&mut self, number: u32) -> Result<&mut SectionInterface, Damage> {
        let known = self.interfaces.len();
        self.interfaces.get_mut(number as usize).ok_or_else(|| {
            Damage::corrupt(format_args!(
                "a block names interface {number}, and its section has described {known} so far,"
            ))
        })
    }
}

impl FrameOptions {
    /// Reads what there is; options after one that contradicts itself are not read.
    fn parse<const BIG: bool>(bytes: &[u8], malformed: &mut u64) -> Self {
        let mut options = Self::default();
        for option in Options::<BIG>::new(bytes) {
            let Ok(BlockOption { code, value }) = option else {
                *malformed += 1;
                break;
            };
            match (code, value.len()) {
                (EPB_FLAGS, 4) => options.direction = direction_of(u32_at::<BIG>(value, 0)),
                (EPB_DROPCOUNT, 8) => options.dropped = u64_of::<BIG>(value),
                (EPB_FLAGS | EPB_DROPCOUNT, _) => *malformed += 1,
                (CUSTOM_OPTION, _) => options.gso_size = gso_size::<BIG>(value).unwrap_or(options.gso_size),
                _ => {}
            }
        }
        options
    }
}

/// The value of tcpkit's own option, if it is that.
fn gso_size<const BIG: bool>(value: &[u8]) -> Option<u16> {
    let (number, rest) = value.split_first_chunk::<4>()?;
    if u32_at::<BIG>(number, 0) != TCPKIT_PEN {
        return None;
    }
    let size = rest.strip_prefix(GSO_SIZE_TAG)?;
    Some(u16::from_be_bytes(size.try_into().ok()?))
}

/// The lowest two bits of `epb_flags` (§4.3.1).
const fn direction_of(flags: u32) -> FrameDirection {
    match flags & 0b11 {
        1 => FrameDirection::Inbound,
        2 => FrameDirection::Outbound,
        _ => FrameDirection::Unknown,
    }
}

fn u64_of<const BIG: bool>(value: &[u8]) -> u64 {
    let eight = value.try_into().expect("the caller has matched eight bytes");
    if BIG { u64::from_be_bytes(eight) } else { u64::from_le_bytes(eight) }
}

fn place(offset: usize) -> u32 {
    u32::try_from(offset).expect("a block is shorter than 4 GiB")
}

const PACKET_FIXED_LEN: usize = 20;
const STATISTICS_FIXED_LEN: usize = 12;

/// The obsolete packet block: nobody counted.
const DROPPED_UNKNOWN: u16 = 0xffff;

const EPB_FLAGS: u16 = 2;
const EPB_DROPCOUNT: u16 = 4;
const ISB_ENDTIME: u16 = 3;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

/// A custom option with binary value that may be copied to another file (§3.5.1).
pub(crate) const CUSTOM_OPTION: u16 = 2989;

/// The private enterprise number under which tcpkit's option stands: the one kept for examples (RFC 5612), as tcpkit
/// has none of its own. [`GSO_SIZE_TAG`] tells it from other people's examples.
pub(crate) const TCPKIT_PEN: u32 = 32_473;

/// Begins the value of tcpkit's option, before the `gso_size` in two bytes of network order.
pub(crate) const GSO_SIZE_TAG: &[u8] = b"tcpkit";
