//! The pcapng format (draft-ietf-opsawg-pcapng): blocks of type (4), length (4), body, and the length again (4).
//!
//! Sections may differ in byte order, and each describes its interfaces anew. An interface that a later section
//! describes with the same name, link type and snap length keeps its number, so that joined captures stay one.
//! Blocks that hold no frame are skipped and counted.

mod interface;
mod options;
mod packet;
mod timers;

use std::collections::HashMap;

use super::scan::{Found, Scan, Stop, u16_at, u32_at};
use crate::{
    source::{Interface, error::Damage},
    time::Timestamp,
    wire::{InterfaceId, LinkType},
};

use interface::{Description, SectionInterface};

pub use timers::FlowTimers;

pub(crate) use packet::{CUSTOM_OPTION, GSO_SIZE_TAG, TCPKIT_PEN};

/// The first bytes of every pcapng file, the same in both byte orders.
pub(super) const SECTION_HEADER_MAGIC: &[u8] = &[0x0a, 0x0d, 0x0d, 0x0a];

/// The scanner.
#[derive(Default)]
pub(super) struct Pcapng {
    /// Byte order of the section; `None` before the first.
    big: Option<bool>,
    section: Section,
    /// Numbers of the interfaces of all sections so far, those that look alike in order.
    known: HashMap<Identity, Vec<InterfaceId>>,
}

/// What a section has described so far.
#[derive(Default)]
struct Section {
    interfaces: Vec<SectionInterface>,
    /// How many of the interfaces that look alike this section has described.
    used: HashMap<Identity, usize>,
    /// Time of the latest frame, which a frame without time stamp inherits.
    latest: Timestamp,
}

/// What tells interfaces apart across sections.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Identity {
    name: Option<String>,
    link_type: LinkType,
    snaplen: Option<u32>,
}

impl Pcapng {
    /// Takes whole blocks from the front of the bytes.
    pub(super) fn scan(&mut self, bytes: &[u8], found: &mut Found<'_>) -> Scan {
        let mut at = 0;
        let mut records = 0;
        let stop = loop {
            match self.block(bytes, at, found) {
                Ok(len) => {
                    at += len;
                    records += 1;
                }
                Err(stop) => break stop,
            }
        };
        if let Some(frame) = found.frames.last() {
            self.section.latest = frame.timestamp;
        }
        Scan { consumed: at, records, stop }
    }

    /// Takes one block; returns its length.
    #[inline]
    fn block(&mut self, bytes: &[u8], at: usize, found: &mut Found<'_>) -> Result<usize, Stop> {
        let Some(header) = bytes.get(at..at + BLOCK_HEADER_LEN) else {
            return Err(Stop::Need(BLOCK_HEADER_LEN));
        };
        if &header[..4] == SECTION_HEADER_MAGIC {
            self.big = Some(section_order(bytes, at)?);
        }
        match self.big {
            Some(true) => self.block_in::<true>(bytes, at, found),
            Some(false) => self.block_in::<false>(bytes, at, found),
            None => Err(Stop::Damage(Damage::corrupt("a block stands before the first section header,"))),
        }
    }

    #[inline]
    fn block_in<const BIG: bool>(
        &mut self,
        bytes: &[u8],
        at: usize,
        found: &mut Found<'_>,
    ) -> Result<usize, Stop> {
        let kind = u32_at::<BIG>(bytes, at);
        let len = block_len::<BIG>(bytes, at).map_err(Stop::Damage)?;
        if len > bytes.len() - at {
            return Err(Stop::Need(len));
        }
        let trailer = u32_at::<BIG>(bytes, at + len - 4) as usize;
        if trailer != len {
            return Err(Stop::Damage(Damage::corrupt(format_args!(
                "a block is {len} bytes long by its header and {trailer} by its trailer,"
            ))));
        }
        let body = Body { bytes, start: at + BLOCK_HEADER_LEN, end: at + len - BLOCK_TRAILER_LEN };
        self.body::<BIG>(kind, &body, found).map_err(Stop::Damage)?;
        Ok(len)
    }

    #[inline]
    fn body<const BIG: bool>(
        &mut self,
        kind: u32,
        body: &Body<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), Damage> {
        match kind {
            ENHANCED_PACKET => self.section.enhanced_packet::<BIG>(body, found),
            INTERFACE_DESCRIPTION => self.describe::<BIG>(body.content(), found),
            SIMPLE_PACKET => self.section.simple_packet::<BIG>(body, found),
            PACKET => self.section.obsolete_packet::<BIG>(body, found),
            INTERFACE_STATISTICS => self.section.statistics::<BIG>(body.content(), found),
            SECTION_HEADER => self.begin_section::<BIG>(body.content()),
            NAME_RESOLUTION | SYSTEMD_JOURNAL | DECRYPTION_SECRETS | CUSTOM | CUSTOM_NOT_COPIED => {
                found.counts.skipped_blocks += 1;
                Ok(())
            }
            _ => {
                found.counts.unknown_blocks += 1;
                Ok(())
            }
        }
    }

    /// §4.1: byte-order magic (4), version major (2) and minor (2), section length (8), options.
    fn begin_section<const BIG: bool>(&mut self, body: &[u8]) -> Result<(), Damage> {
        if body.len() < SECTION_HEADER_FIXED_LEN {
            return Err(Damage::corrupt("a section header is too short,"));
        }
        let version = (u16_at::<BIG>(body, 4), u16_at::<BIG>(body, 6));
        if !matches!(version, (1, 0 | 2)) {
            let (major, minor) = version;
            return Err(Damage::unsupported(format_args!(
                "pcapng version {major}.{minor} is unknown, 1.0 is supported,"
            )));
        }
        self.section = Section { latest: self.section.latest, ..Section::default() };
        Ok(())
    }

    /// Takes an interface description: a known interface, or a new one to be announced.
    fn describe<const BIG: bool>(&mut self, body: &[u8], found: &mut Found<'_>) -> Result<(), Damage> {
        let description = Description::parse::<BIG>(body)?;
        let identity = Identity {
            name: description.name.clone(),
            link_type: description.link_type,
            snaplen: description.snaplen,
        };
        let used = self.section.used.entry(identity.clone()).or_default();
        let known = self.known.entry(identity).or_default();
        let id = match known.get(*used) {
            Some(&id) => id,
            None => {
                let id = announce(&description, found)?;
                known.push(id);
                id
            }
        };
        *used += 1;
        if self.section.interfaces.len() > usize::from(u16::MAX) {
            return Err(Damage::unsupported("a section describes more than 65536 interfaces,"));
        }
        self.section.interfaces.push(description.numbered(id));
        Ok(())
    }
}

/// Numbers a new interface and puts it into the block for the capture's table.
fn announce(description: &Description, found: &mut Found<'_>) -> Result<InterfaceId, Damage> {
    let id = found.numbers.next();
    let id = id.ok_or_else(|| Damage::unsupported("the capture has more than 65536 interfaces,"))?;
    let interface = Interface {
        name: description.name.clone(),
        source: found.source_name.to_owned(),
        link_type: description.link_type,
        snaplen: description.snaplen,
        index: None,
    };
    found.interfaces.push((id, interface));
    Ok(id)
}

/// A block's body and the place where it stands, for frames are known by their place.
struct Body<'a> {
    bytes: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Body<'a> {
    fn content(&self) -> &'a [u8] {
        &self.bytes[self.start..self.end]
    }
}

/// Length of the section header that begins with these bytes, the type and the length in either order; as far as it is
/// worth reading before everything else.
pub(super) fn section_header_len(bytes: &[u8]) -> usize {
    let len = bytes.get(4..8).map_or(0, |len| u32_at::<true>(len, 0).min(u32_at::<false>(len, 0)));
    (len as usize).min(SECTION_HEADER_LEN_READ)
}

/// The byte order of the section that begins here, by its magic (§4.1); true for big-endian.
fn section_order(bytes: &[u8], at: usize) -> Result<bool, Stop> {
    let Some(magic) = bytes.get(at + BLOCK_HEADER_LEN..at + BLOCK_HEADER_LEN + 4) else {
        return Err(Stop::Need(SECTION_HEADER_LEN_MIN));
    };
    match u32_at::<true>(magic, 0) {
        BYTE_ORDER_MAGIC => Ok(true),
        swapped if swapped.swap_bytes() == BYTE_ORDER_MAGIC => Ok(false),
        other => Err(Stop::Damage(Damage::corrupt(format_args!(
            "a section header has the byte-order magic {other:#010x}, which is none,"
        )))),
    }
}

/// The block's length, once it is one that a block can have.
#[inline]
fn block_len<const BIG: bool>(bytes: &[u8], at: usize) -> Result<usize, Damage> {
    let len = u32_at::<BIG>(bytes, at + 4);
    if len < MIN_BLOCK_LEN || !len.is_multiple_of(4) {
        return Err(Damage::corrupt(format_args!("a block claims the impossible length of {len} bytes,")));
    }
    if len > MAX_BLOCK_LEN {
        return Err(Damage::corrupt(format_args!(
            "a block claims {len} bytes, more than the {MAX_BLOCK_LEN} that are sensible,"
        )));
    }
    Ok(len as usize)
}

const BLOCK_HEADER_LEN: usize = 8;
const BLOCK_TRAILER_LEN: usize = 4;
const MIN_BLOCK_LEN: u32 = 12;
const SECTION_HEADER_FIXED_LEN: usize = 16;
const SECTION_HEADER_LEN_MIN: usize = 28;

/// Section headers of all known programs are shorter.
const SECTION_HEADER_LEN_READ: usize = 4096;

/// libpcap/sf-pcapng.c: `INITIAL_MAX_BLOCKSIZE`; libpcap refuses longer blocks too.
const MAX_BLOCK_LEN: u32 = 16 * 1024 * 1024;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Block types, draft-ietf-opsawg-pcapng §11.1.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const SYSTEMD_JOURNAL: u32 = 9;
const DECRYPTION_SECRETS: u32 = 10;
const CUSTOM: u32 = 0x0000_0bad;
const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;
