//! The snoop format of Solaris (RFC 1761), and its version 1, which old Sun tools wrote.
//!
//! File header: `snoop\0\0\0`, version (4); version 2 adds the data link type (4), version 1 is always Ethernet.
//! Record of version 2: frame length (4), captured length (4), record length (4), frames dropped so far (4), seconds
//! (4), microseconds (4), the bytes, padding up to the record length. Version 1 has the same six words in another
//! order: captured length, record length, seconds, microseconds, drops, frame length.
//! Everything is in network byte order.

use super::scan::{Found, Scan, Stop, max_captured_len, u32_at};
use crate::{
    source::{FrameDescriptor, Interface, InterfaceTable, error::Damage},
    time::Timestamp,
    wire::{FrameDirection, InterfaceId, LinkType},
};

/// The first bytes of every snoop file.
pub(super) const MAGIC: &[u8; 8] = b"snoop\0\0\0";

/// The scanner.
pub(super) struct Snoop {
    words: RecordWords,
    interface: InterfaceId,
    link_type: LinkType,
    /// The drop counter of the record before; it counts from the start of the capture.
    drops: Option<u32>,
}

/// Where the fields of a record header stand.
#[derive(Clone, Copy)]
struct RecordWords {
    frame_len: usize,
    captured_len: usize,
    record_len: usize,
    drops: usize,
    seconds: usize,
    microseconds: usize,
}

/// Bytes before the first record, as far as the bytes at hand tell.
pub(super) fn header_len(header: &[u8]) -> usize {
    match header.get(VERSION_AT..VERSION_AT + 4) {
        Some([0, 0, 0, 1]) | None => VERSION_AT + 4,
        Some(_) => VERSION_AT + 8,
    }
}

impl Snoop {
    /// Reads the file header and adds the file's one interface to the table.
    pub(super) fn open(
        header: &[u8],
        source_name: &str,
        interfaces: &mut InterfaceTable,
    ) -> Result<Self, Damage> {
        let (words, link_type) = match u32_at::<true>(header, VERSION_AT) {
            1 => (WORDS_VERSION_1, LinkType::ETHERNET),
            2 => (WORDS_VERSION_2, link_type_of(u32_at::<true>(header, VERSION_AT + 4))?),
            version => {
                let what = format!("snoop version {version} is unknown, 1 and 2 are supported,");
                return Err(Damage::unsupported(what));
            }
        };
        let interface = interfaces.add(Interface {
            name: None,
            source: source_name.to_owned(),
            link_type,
            snaplen: None,
            index: None,
        });
        let interface = interface.ok_or_else(|| Damage::unsupported("more than 65536 interfaces"))?;
        Ok(Self { words, interface, link_type, drops: None })
    }

    /// Takes whole records from the front of the bytes.
    pub(super) fn scan(&mut self, bytes: &[u8], found: &mut Found<'_>) -> Scan {
        let mut at = 0;
        let mut records = 0;
        let stop = loop {
            let Some(header) = bytes.get(at..at + RECORD_HEADER_LEN) else {
                break Stop::Need(RECORD_HEADER_LEN);
            };
            let record_len = match self.record_len(header) {
                Ok(record_len) => record_len,
                Err(damage) => break Stop::Damage(damage),
            };
            if record_len > bytes.len() - at {
                break Stop::Need(record_len);
            }
            self.count_drops(u32_at::<true>(header, self.words.drops), found);
            found.frame(self.descriptor(header, at + RECORD_HEADER_LEN));
            at += record_len;
            records += 1;
        };
        Scan { consumed: at, records, stop }
    }

    /// The record's own length, once it agrees with what it must hold.
    fn record_len(&self, header: &[u8]) -> Result<usize, Damage> {
        let captured = u32_at::<true>(header, self.words.captured_len);
        let record_len = u32_at::<true>(header, self.words.record_len);
        let max = max_captured_len(self.link_type.0);
        if captured > max {
            return Err(Damage::corrupt(format_args!(
                "a record claims {captured} captured bytes, more than the {max} that are possible,"
            )));
        }
        let (needed, record_len) = (captured as usize + RECORD_HEADER_LEN, record_len as usize);
        if record_len < needed || record_len > needed + PADDING_MAX {
            return Err(Damage::corrupt(format_args!(
                "a record claims to be {record_len} bytes long and to hold {captured} captured bytes,"
            )));
        }
        Ok(record_len)
    }

    /// The counter runs from the start of the capture; it starts again where files were joined.
    fn count_drops(&mut self, drops: u32, found: &mut Found<'_>) {
        let before = self.drops.replace(drops).unwrap_or(0);
        found.dropped(self.interface, u64::from(if drops >= before { drops - before } else { drops }));
    }

    fn descriptor(&self, header: &[u8], offset: usize) -> FrameDescriptor {
        let seconds = i64::from(u32_at::<true>(header, self.words.seconds));
        let microseconds = i64::from(u32_at::<true>(header, self.words.microseconds));
        FrameDescriptor {
            timestamp: Timestamp(seconds * 1_000_000_000 + microseconds * 1_000),
            offset: u32::try_from(offset).expect("a block is shorter than 4 GiB"),
            captured_len: u32_at::<true>(header, self.words.captured_len),
            frame_len: u32_at::<true>(header, self.words.frame_len),
            interface: self.interface,
            link_type: self.link_type,
            gso_size: 0,
            direction: FrameDirection::Unknown,
        }
    }
}

/// RFC 1761 §2: the data link types that have a LINKTYPE_ value.
fn link_type_of(data_link: u32) -> Result<LinkType, Damage> {
    match data_link {
        0 | 4 => Ok(LinkType::ETHERNET),
        2 => Ok(IEEE802_5),
        8 => Ok(FDDI),
        other => Err(Damage::unsupported(format_args!("snoop data link type {other} cannot be read"))),
    }
}

/// LINKTYPE_ values of token ring and FDDI.
const IEEE802_5: LinkType = LinkType(6);
const FDDI: LinkType = LinkType(10);

const VERSION_AT: usize = MAGIC.len();
const RECORD_HEADER_LEN: usize = 24;

/// RFC 1761 §3 asks for padding to four bytes; some writers pad further.
const PADDING_MAX: usize = 64;

const WORDS_VERSION_1: RecordWords =
    RecordWords { captured_len: 0, record_len: 4, seconds: 8, microseconds: 12, drops: 16, frame_len: 20 };

const WORDS_VERSION_2: RecordWords =
    RecordWords { frame_len: 0, captured_len: 4, record_len: 8, drops: 12, seconds: 16, microseconds: 20 };
