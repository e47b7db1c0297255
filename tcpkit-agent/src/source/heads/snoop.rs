//! snoop (RFC 1761) as tcpstat reads it: Ethernet only, no filter, nothing said of a file that ends within a record.

use std::{
    fs::File,
    io::{self, BufReader, Read},
};

use super::{Head, HeadsError};

/// The link type of every snoop file that is read.
pub(super) const DLT_EN10MB: i32 = 1;

/// A file that is read.
pub(super) struct SnoopHeads {
    input: BufReader<File>,
    frame: Vec<u8>,
}

/// Whether a file begins as snoop's do; tcpstat takes the reversed bytes for it, too.
pub(super) fn is_snoop(header: &[u8]) -> bool {
    header.starts_with(b"snoop\0\0\0") || header.starts_with(b"oons\0\0\0p")
}

impl SnoopHeads {
    pub(super) fn open(file: File) -> Result<Self, HeadsError> {
        let mut input = BufReader::new(file);
        let mut header = [0; FILE_HEADER_LEN];
        if read_up_to(&mut input, &mut header) < FILE_HEADER_LEN {
            return Err(HeadsError::fatal("get_snoop_data: Can't read file header"));
        }
        if word(&header, 12) != ETHERNET {
            return Err(HeadsError::fatal("get_snoop_data: No support for this link type (yet?)"));
        }
        Ok(Self { input, frame: Vec::new() })
    }

    pub(super) fn next(&mut self) -> Result<Option<Head<'_>>, HeadsError> {
        let mut header = [0; RECORD_HEADER_LEN];
        match read_up_to(&mut self.input, &mut header) {
            0 => return Ok(None),
            RECORD_HEADER_LEN => {}
            _ => return Err(HeadsError::fatal("get_snoop_data: Can't read packet header")),
        }
        // What tcpstat cannot allocate ends it without a word; here every length is one that the file may not hold.
        let padded = word(&header, 8).wrapping_sub(24);
        let held = padded.min(MOST_HELD);
        self.frame.clear();
        let taken = (&mut self.input).take(u64::from(held)).read_to_end(&mut self.frame);
        let rest = u64::from(padded - held);
        let skipped = io::copy(&mut (&mut self.input).take(rest), &mut io::sink());
        if taken.ok() != Some(held as usize) || skipped.ok() != Some(rest) {
            return Err(HeadsError::fatal("get_snoop_data: Can't read packet data"));
        }
        let captured = (word(&header, 4) as usize).min(self.frame.len());
        Ok(Some(Head {
            seconds: i64::from(word(&header, 16)),
            micros: i64::from(word(&header, 20)),
            frame_len: word(&header, 0),
            bytes: &self.frame[..captured],
        }))
    }
}

fn read_up_to(input: &mut impl Read, bytes: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < bytes.len() {
        match input.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    filled
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

const FILE_HEADER_LEN: usize = 16;
const RECORD_HEADER_LEN: usize = 24;

/// RFC 1761 §2: the data link type of Ethernet.
const ETHERNET: u32 = 4;

/// Bytes of a frame that are kept.
const MOST_HELD: u32 = 262_144;
