//! pcap of version 2.4 with microseconds or nanoseconds, in both byte orders, as libpcap 1.10 reads it.
//!
//! Records are scanned in a buffer that is filled by large reads; of a frame only what is asked for is touched.

use std::{
    fs::File,
    io::{self, Read as _},
};

use super::{Head, HeadsError, reason};

/// The file header (draft-ietf-opsawg-pcap): magic, version, two unused words, snap length, link type.
pub(super) const FILE_HEADER_LEN: usize = 24;

/// What the file header says.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    is_swapped: bool,
    has_nanoseconds: bool,
    /// Most bytes of a frame that are handed on.
    snaplen: usize,
    dlt: i32,
}

/// A file that is read.
pub(super) struct PcapHeads {
    shape: Shape,
    file: File,
    buffer: Vec<u8>,
    /// The bytes of the buffer that were not taken yet.
    begin: usize,
    end: usize,
    is_at_end: bool,
}

impl PcapHeads {
    /// Reads a file header; `None` for a kind of file that is left to libpcap.
    pub(super) fn of(header: &[u8]) -> Option<Shape> {
        let header: &[u8; FILE_HEADER_LEN] = header.try_into().ok()?;
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (is_swapped, has_nanoseconds) = match word(0) {
            MICROSECONDS => (false, false),
            NANOSECONDS => (false, true),
            other if other.swap_bytes() == MICROSECONDS => (true, false),
            other if other.swap_bytes() == NANOSECONDS => (true, true),
            _ => return None,
        };
        let word = |at: usize| if is_swapped { word(at).swap_bytes() } else { word(at) };
        let version = if is_swapped { word(4).rotate_left(16) } else { word(4) };
        let link_type = USUAL_LINK_TYPES.iter().find(|(known, _)| *known == word(20));
        let (true, Some((_, dlt))) = (version == VERSION_2_4, link_type) else { return None };
        let snaplen = match word(16) {
            0 | 0x8000_0000.. => MOST_CAPTURED,
            snaplen => snaplen as usize,
        };
        Some(Shape { is_swapped, has_nanoseconds, snaplen, dlt: *dlt })
    }

    /// The next packet; `None` at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Head<'_>>, HeadsError> {
        if self.end - self.begin < RECORD_HEADER_LEN && !self.load_header()? {
            return Ok(None);
        }
        let header: &[u8; RECORD_HEADER_LEN] = self.buffer[self.begin..self.begin + RECORD_HEADER_LEN]
            .try_into()
            .expect("a range of a header's length has a header's length");
        let record = if self.shape.is_swapped { Record::swapped(header) } else { Record::native(header) };
        let captured = record.captured_len as usize;
        if self.end - self.begin < RECORD_HEADER_LEN + captured {
            self.load_frame(captured)?;
        }
        let start = self.begin + RECORD_HEADER_LEN;
        self.begin = start + captured;
        let micros = if self.shape.has_nanoseconds { record.fraction / 1_000 } else { record.fraction };
        Ok(Some(Head {
            seconds: record.seconds,
            micros,
            frame_len: record.frame_len,
            bytes: &self.buffer[start..start + captured.min(self.shape.snaplen)],
        }))
    }

    /// Brings the next record's header into the buffer; false at the end of the file.
    #[cold]
    fn load_header(&mut self) -> Result<bool, HeadsError> {
        self.load(RECORD_HEADER_LEN)?;
        match self.end - self.begin {
            0 => Ok(false),
            len if len < RECORD_HEADER_LEN => Err(self.broken(format!(
                "truncated dump file; tried to read {RECORD_HEADER_LEN} header bytes, only got {len}"
            ))),
            _ => Ok(true),
        }
    }

    /// Brings a frame into the buffer.
    #[cold]
    fn load_frame(&mut self, captured: usize) -> Result<(), HeadsError> {
        if captured > MOST_CAPTURED {
            return Err(self.broken(format!(
                "invalid packet capture length {captured}, bigger than maximum of {MOST_CAPTURED}"
            )));
        }
        self.load(RECORD_HEADER_LEN + captured)?;
        let len = self.end - self.begin - RECORD_HEADER_LEN;
        if len < captured {
            return Err(self.broken(format!(
                "truncated dump file; tried to read {captured} captured bytes, only got {len}"
            )));
        }
        Ok(())
    }

    /// Reads on until the buffer holds so many bytes, or the file ends.
    fn load(&mut self, wanted: usize) -> Result<(), HeadsError> {
        self.buffer.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        while self.end < wanted && !self.is_at_end {
            let room = self.end..(self.end + CHUNK).min(self.buffer.len());
            match self.file.read(&mut self.buffer[room]) {
                Ok(0) => self.is_at_end = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(format!("error reading dump file: {}", reason(&error)))),
            }
        }
        Ok(())
    }

    /// Nothing follows.
    fn broken(&mut self, words: String) -> HeadsError {
        self.is_at_end = true;
        (self.begin, self.end) = (0, 0);
        HeadsError::damage(format!("pcap_dispatch(): {words}"))
    }
}

impl Shape {
    pub(super) const fn dlt(&self) -> i32 {
        self.dlt
    }

    /// A reader of this file, whose header is still to be read.
    pub(super) fn over(self, mut file: File) -> Result<PcapHeads, HeadsError> {
        let mut header = [0; FILE_HEADER_LEN];
        file.read_exact(&mut header)
            .map_err(|error| HeadsError::fatal(format!("pcap_open(): {}", reason(&error))))?;
        let buffer = vec![0; RECORD_HEADER_LEN + MOST_CAPTURED + CHUNK];
        Ok(PcapHeads { shape: self, file, buffer, begin: 0, end: 0, is_at_end: false })
    }
}

/// A record's header: seconds, fraction, captured length, frame length.
struct Record {
    seconds: i64,
    fraction: i64,
    captured_len: u32,
    frame_len: u32,
}

impl Record {
    /// Of a file of this host's byte order: libpcap takes times as signed numbers.
    #[inline(always)]
    fn native(header: &[u8; RECORD_HEADER_LEN]) -> Self {
        let [seconds, fraction, captured_len, frame_len] = words(header);
        Self {
            seconds: i64::from(seconds.cast_signed()),
            fraction: i64::from(fraction.cast_signed()),
            captured_len,
            frame_len,
        }
    }

    /// Of a file of the other byte order: libpcap turns times into unsigned numbers.
    #[inline(always)]
    fn swapped(header: &[u8; RECORD_HEADER_LEN]) -> Self {
        let [seconds, fraction, captured_len, frame_len] = words(header).map(u32::swap_bytes);
        Self { seconds: i64::from(seconds), fraction: i64::from(fraction), captured_len, frame_len }
    }
}

#[inline(always)]
fn words(header: &[u8; RECORD_HEADER_LEN]) -> [u32; 4] {
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    [word(0), word(4), word(8), word(12)]
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION_2_4: u32 = 2 | 4 << 16;
const RECORD_HEADER_LEN: usize = 16;

/// Most bytes of a frame of the link types below (`max_snaplen_for_dlt`, libpcap/pcap-common.c).
const MOST_CAPTURED: usize = 262_144;

/// Bytes of a read: what fits into a processor's nearer caches.
const CHUNK: usize = 128 << 10;

/// Link types in files that we read, with libpcap's numbers: null, Ethernet, PPP, raw IP, cooked capture.
const USUAL_LINK_TYPES: [(u32, i32); 6] = [(0, 0), (1, 1), (9, 9), (101, 12), (113, 113), (276, 276)];
